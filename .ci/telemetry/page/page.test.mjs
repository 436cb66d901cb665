import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import axe from "axe-core";
import { chromium } from "playwright-core";
import { start, until } from "./sandbox.mjs";
import { states } from "./states.mjs";

const desk = { width: 960, height: 900 };
const phone = { width: 360, height: 1000 };
const languages = { en: "en-GB", zh: "zh-CN" };
const moment = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\+08:00/;

let browser;
const running = {};

before(async () => {
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] });
  await Promise.all(
    Object.entries(states).map(async ([name, state]) => {
      running[name] = await start(...state.args);
      await until(running[name].page, state.condition, (s) => s.condition === state.condition && state.reached(s));
    }),
  );
});

after(async () => {
  await browser?.close();
  const codes = await Promise.all(Object.entries(running).map(async ([name, one]) => [name, await one.stop()]));
  // Of a storm dead letters are left, one a second.
  assert.deepEqual(codes.filter(([name, code]) => code !== 0 && name !== "storm"), [], "an account does not close");
});

// opened shows a state's page as a browser with these options does, and closes it after the look.
async function opened(name, options, look) {
  const context = await browser.newContext({ viewport: desk, locale: languages.en, ...options });
  try {
    const page = await context.newPage();
    const answer = await page.goto(running[name].page);
    return await look(page, answer);
  } finally {
    await context.close();
  }
}

// read takes the page apart into what a person sees: the banner, terms with their text, and tables by their caption. It
// works on the page as it came, without a script in it.
const read = (page) =>
  page.evaluate(() => {
    const text = (node) => node.textContent.replace(/\s+/g, " ").trim();
    const all = (selector, within = document) => [...within.querySelectorAll(selector)];
    return {
      lang: document.documentElement.lang,
      title: document.title,
      banner: text(document.querySelector("#banner p")),
      level: document.querySelector("#banner p").className,
      remedy: all(".remedy").map(text).join(" "),
      headings: all("h2").map(text),
      terms: Object.fromEntries(all("dt").map((dt) => [text(dt), text(dt.nextElementSibling)])),
      tables: Object.fromEntries(
        all("[role=region]").map((region) => [
          region.getAttribute("aria-label"),
          all("tbody tr", region).map((row) => all("th, td", row).map(text)),
        ]),
      ),
    };
  });

for (const [name, state] of Object.entries(states)) {
  describe(name, () => {
    for (const [language, locale] of Object.entries(languages)) {
      test(`one sentence and what to do, in ${locale}`, () =>
        opened(name, { locale }, async (page, answer) => {
          const seen = await read(page);
          assert.equal(seen.lang.slice(0, 2), language);
          assert.equal(answer.headers()["content-language"], seen.lang);
          assert.match(seen.banner, state.says[language]);
          assert.equal(seen.level, `banner ${state.level}`);
          assert.ok(seen.title.includes("release-forwarder: "), seen.title);
          assert.equal(seen.remedy !== "", state.remedy ?? false);
          const chinese = seen.headings.filter((heading) => /\p{Script=Han}/u.test(heading)).length;
          assert.equal(chinese, language === "zh" ? seen.headings.length : 0, seen.headings.join());
        }));
    }

    test("partitions with offsets, lag and held", () =>
      opened(name, {}, async (page) => {
        const rows = (await read(page)).tables.Partitions;
        assert.deepEqual(rows.map((row) => row[1]), ["0", "1", "2", "3", "4", "5"]);
        for (const [topic, , lag, held, pending, committed, done, position, end, reading] of rows) {
          assert.equal(topic, "abnormal-releases");
          assert.equal(+lag, end - committed);
          assert.equal(+done, position - committed - pending);
          assert.ok(+held <= +pending, `${held} held of ${pending}`);
          assert.equal(reading, "yes");
        }
      }));

    test("the platform's state, with the last failure's code and seqno", () =>
      opened(name, {}, async (page) => {
        const { terms } = await read(page);
        assert.match(terms.Circuit, state.circuit ?? /^closed/);
        assert.match(terms["In flight"], /^\d+ of \d+$/);
        assert.match(terms["Last accepted"], moment);
        if (state.refusal) assert.match(terms["Last failure"], state.refusal);
        else assert.equal(terms["Last failure"], undefined);
      }));

    test("refused lots before all else", () =>
      opened(name, {}, async (page) => {
        const { headings, tables } = await read(page);
        const lots = tables["Lots that are refused, or not listed"] ?? [];
        assert.equal(lots.length, state.lots ?? 0);
        assert.equal(headings[0], state.lots ? "Lots that are refused, or not listed" : "Platform");
        for (const [lot, since] of lots) {
          assert.match(lot, /^[0-9a-f-]{36}$/);
          assert.match(since, moment);
        }
      }));

    test("held records, each with its trace ID", () =>
      opened(name, {}, async (page) => {
        const rows = (await read(page)).tables["Held records"] ?? [];
        assert.equal(rows.length > 0, state.held !== undefined, `${rows.length} are held`);
        for (const [record, attempts, next, reason, trace] of rows) {
          assert.match(record, /^abnormal-releases\/[0-5]\/\d+$/);
          assert.match(attempts, /^\d+$/);
          assert.ok(next === "in its turn" || moment.test(next), next);
          assert.match(reason, state.held);
          if (attempts !== "0" || trace !== "–") assert.match(trace, /^[0-9a-f]{32}$/); // –: not looked at yet, it waits with its lot
        }
        assert.equal(rows.some((row) => row[4] !== "–"), state.held !== undefined);
      }));

    test("dead letters of the last hour by reason", () =>
      opened(name, {}, async (page) => {
        const rows = (await read(page)).tables["Dead letters"] ?? [];
        if (state.letters) assert.ok(rows.length > 0, "none is shown");
        for (const [reason, stage, hour, all] of rows) {
          assert.match(reason, /^[a-z-]+$/);
          assert.equal(stage, reason === "refused" ? "upstream" : "mapping");
          assert.equal(hour, all); // it has not run for an hour
          assert.ok(+all > 0);
        }
      }));

    test("settings in force, secrets masked", () =>
      opened(name, {}, async (page) => {
        const shown = Object.fromEntries((await read(page)).tables["Settings in force"]);
        assert.equal(shown.KAFKA_TOPIC, "abnormal-releases");
        assert.equal(shown.RETRY_BUDGET, "5");
        assert.match(shown.UPSTREAM_APP_SECRET, /^\W*(redacted|\*+)\W*$/);
        const { settings } = await fetch(new URL("status.json", running[name].page)).then((answer) => answer.json());
        assert.deepEqual(shown, Object.fromEntries(settings.map((setting) => [setting.name, setting.value])));
      }));

    for (const [colorScheme, locale, viewport] of [
      ["light", "en-GB", desk], ["dark", "en-GB", desk], ["light", "zh-CN", phone], ["dark", "zh-CN", phone],
    ]) {
      test(`no violation of axe-core's rules, ${colorScheme}, ${locale}, ${viewport.width} px wide`, () =>
        opened(name, { colorScheme, locale, viewport }, async (page) => {
          await page.evaluate(axe.source);
          await page.evaluate(() => document.querySelectorAll("details").forEach((d) => (d.open = true)));
          const { violations, passes } = await page.evaluate(() => window.axe.run(document));
          assert.ok(passes.some((rule) => rule.id === "color-contrast"), "the colours were not looked at");
          assert.deepEqual(violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html).join(" | ")}`), []);
        }));
    }

    for (const locale of Object.values(languages)) {
      test(`no scrolling to the side on a phone, ${locale}`, () =>
        opened(name, { viewport: phone, isMobile: true, hasTouch: true, locale }, async (page) => {
          await page.evaluate(() => document.querySelectorAll("details").forEach((d) => (d.open = true)));
          const [wide, zoom] = await page.evaluate(() => [document.documentElement.scrollWidth, window.visualViewport.scale]);
          assert.deepEqual([wide, zoom], [phone.width, 1]);
          const small = await page.evaluate(() =>
            [...document.querySelectorAll("p, td, dd")].filter((n) => parseFloat(getComputedStyle(n).fontSize) < 14).length);
          assert.equal(small, 0, "text below 14 px");
        }));
    }

    test("whole without JavaScript", () =>
      opened(name, { javaScriptEnabled: false }, async (page) => {
        const without = await read(page);
        assert.match(without.banner, state.says.en);
        assert.ok(await page.locator("#silent").isHidden());
        const summary = page.locator("summary", { hasText: "Settings" });
        await summary.click();
        assert.ok(await page.getByText("KAFKA_BROKERS").isVisible());
        await opened(name, {}, async (other) => assert.deepEqual((await read(other)).headings, without.headings));
      }));

    test("refreshes itself, and no one loses their place", () =>
      opened(name, {}, async (page) => {
        await page.evaluate(() => (window.loaded = "once"));
        await page.locator("summary", { hasText: "Settings" }).click();
        const before = (await read(page)).terms["Seen at"];
        await page.waitForFunction(
          (old) => [...document.querySelectorAll("dt")].find((dt) => dt.textContent === "Seen at").nextElementSibling.textContent !== old,
          before, { timeout: 30_000 });
        assert.equal(await page.evaluate(() => window.loaded), "once");
        assert.ok(await page.getByText("KAFKA_BROKERS").isVisible());
        assert.ok(await page.locator("#silent").isHidden());
      }));

    if (process.env.PICTURES) {
      test("its pictures", () => pictures(name));
    }
  });
}

test("no answer is kept, framed or taken for another type", async () => {
  for (const path of ["", "status.json", "metrics", "readyz", "livez", "nowhere"]) {
    const { headers } = await fetch(new URL(path, running.calm.page));
    assert.equal(headers.get("cache-control"), "no-store", path);
    assert.equal(headers.get("x-frame-options"), "DENY", path);
    assert.match(headers.get("content-security-policy"), /default-src 'none'.*frame-ancestors 'none'/, path);
    assert.equal(headers.get("x-content-type-options"), "nosniff", path);
  }
  await opened("calm", {}, async (page) => {
    const complaints = [];
    page.on("console", (message) => complaints.push(message.text()));
    page.on("pageerror", (error) => complaints.push(error.message));
    await page.reload();
    assert.deepEqual(complaints, []);
    const other = await page.context().newPage();
    const refused = other.waitForEvent("console", { predicate: (message) => /frame|framing/i.test(message.text()) });
    await other.setContent(`<iframe src="${running.calm.page}"></iframe>`);
    await refused;
  });
});

test("a service that has gone is said to be silent", () =>
  opened("calm", {}, async (page) => {
    assert.equal(await running.calm.stop(), 0);
    await page.locator("#silent").waitFor({ state: "visible", timeout: 30_000 });
    assert.match(await page.locator("#silent").textContent(), /^No answer from the service since \d{4}-/);
  }));

async function pictures(name) {
  const file = `${process.env.PICTURES}/status-${name.replace(" ", "-")}`;
  await opened(name, {}, (page) => page.screenshot({ path: `${file}.png` }));
  await opened(name, { viewport: phone, colorScheme: "dark" }, (page) => page.screenshot({ path: `${file}-phone.png` }));
}
