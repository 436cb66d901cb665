// Fetches the page again every five seconds and puts its live parts in place of the old ones, so that no one loses their
// place in it. Without it the page is the same and is loaded again by hand.
(() => {
  const silent = document.getElementById("silent");
  const put = (id, next) => {
    const here = document.getElementById(id), there = next.getElementById(id);
    if (there && here.innerHTML !== there.innerHTML) here.replaceChildren(...there.childNodes);
  };
  const busy = () => document.hidden || !document.getSelection().isCollapsed || document.getElementById("live").contains(document.activeElement);
  setInterval(async () => {
    if (busy()) return;
    try {
      const answer = await fetch("/", { cache: "no-store", signal: AbortSignal.timeout(4000) });
      if (!answer.ok) throw new Error(answer.status);
      const next = new DOMParser().parseFromString(await answer.text(), "text/html");
      put("banner", next);
      put("live", next);
      document.title = next.title;
      silent.hidden = true;
    } catch {
      silent.querySelector("span").textContent = document.getElementById("seen").textContent;
      silent.hidden = false;
    }
  }, 5000);
})();
