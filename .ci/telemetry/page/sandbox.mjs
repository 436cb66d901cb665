// The sandbox as a process: an embedded Kafka, the platform's double, lanes, and the forwarder whose page is looked at.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";

const patience = 60_000; // ms, for whatever must come in the end

// start runs the sandbox with the arguments, and ends up with the address that it prints for the status page.
export async function start(...args) {
  const child = spawn(process.env.SANDBOX, ["run", "--forwarder", process.env.FORWARDER, "--rate", "20", ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = new Promise((resolve) => child.once("close", resolve));
  const said = [];
  const address = new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).on("line", (line) => {
      said.push(line);
      const found = line.match(/status page (http:\S+)/);
      if (found) resolve(found[1]);
    });
    ended.then((code) => reject(new Error(`the sandbox ended with ${code}:\n${said.join("\n")}`)));
  });
  return { page: await address, stop: () => stop(child, ended) };
}

async function stop(child, ended) {
  child.kill("SIGINT"); // the lanes stop and the account is settled
  const late = setTimeout(() => child.kill("SIGINT"), patience); // ends everything at once
  const code = await ended;
  clearTimeout(late);
  return code;
}

// until asks /status.json until it satisfies the condition, and returns it.
export async function until(page, wanted, satisfied) {
  let status;
  for (const end = Date.now() + patience; Date.now() < end; await pause(200)) {
    status = await fetch(new URL("status.json", page)).then((answer) => answer.json(), () => undefined);
    if (status && satisfied(status)) return status;
  }
  throw new Error(`never ${wanted}; the status was ${JSON.stringify(status, null, 1)}`);
}
