// Keeps the parts of a page marked data-live up to date: the server says that something changed, and the page is fetched
// again. Without this script everything works; one reloads by hand.
"use strict";
(() => {
  const page = document.documentElement;
  if (!document.querySelector("[data-live]") || !window.EventSource) return;
  const parse = (text) => new DOMParser().parseFromString(text, "text/html");
  // Many changes a second are one page a second: the first is shown at once.
  const APART = 1000;
  let next = 0;
  let planned = false;
  const refresh = () => {
    // A page that nobody sees is fetched when somebody does.
    if (planned || document.hidden) return;
    planned = true;
    setTimeout(load, Math.max(0, next - performance.now()));
  };
  const wait = (seconds) => { next = performance.now() + 1000 * seconds; refresh(); };
  let busy = false;
  const load = async () => {
    planned = false;
    if (busy) { wait(APART / 1000); return; }
    // The answer to an earlier fetch put it off.
    if (performance.now() < next) { refresh(); return; }
    busy = true;
    next = performance.now() + APART;
    try {
      const answer = await fetch(location.href, { credentials: "same-origin", headers: { "X-Kymaros-Live": "1" } });
      if (answer.status === 401 || answer.redirected) { location.reload(); return; }
      // It does answer, to others first.
      if (answer.status === 429) wait(Number(answer.headers.get("Retry-After")) || 1);
      else if (!answer.ok) throw new Error(String(answer.status));
      else show(parse(await answer.text()));
      page.classList.remove("is-stale");
    } catch {
      page.classList.add("is-stale");
    }
    busy = false;
  };
  const show = (fresh) => {
    for (const part of document.querySelectorAll("[data-live]")) {
      const made = fresh.getElementById(part.id);
      if (!made || made.innerHTML === part.innerHTML) continue;
      const focused = part.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
      const open = [...part.querySelectorAll("details")].map((d) => d.open);
      part.replaceChildren(...made.childNodes);
      part.querySelectorAll("details").forEach((d, i) => { if (open[i]) d.open = true; });
      if (focused) [...part.querySelectorAll("a")].find((a) => a.getAttribute("href") === focused)?.focus();
    }
  };
  let events;
  // What changed while nobody listened was not told.
  let missed = false;
  const listen = () => {
    // A browser has few connections for all of its tabs: those that nobody sees keep none.
    if (document.hidden) { events?.close(); missed = true; return; }
    if (events && events.readyState !== EventSource.CLOSED) return;
    events = new EventSource(page.dataset.stream);
    events.addEventListener("changed", refresh);
    // A stream that ends, or that somebody may not have, says nothing of the page: that is asked for itself.
    events.addEventListener("error", () => { missed = true; refresh(); });
    events.addEventListener("open", () => { if (missed) refresh(); missed = false; });
  };
  listen();
  setInterval(() => { listen(); refresh(); }, 60000);
  document.addEventListener("visibilitychange", listen);
})();
