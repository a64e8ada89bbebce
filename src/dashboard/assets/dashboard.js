// Keeps the parts of a page marked data-live up to date: the server says that something changed, and the page is fetched
// again. Without this script everything works; one reloads by hand.
"use strict";
(() => {
  const page = document.documentElement;
  // What is around every page is kept up to date where its content is.
  if (!document.querySelector("[data-live='']") || !window.EventSource) return;
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
  // What a node is known by in the next version of its page: a row by what it leads to, for rows come and go.
  const leads = (node) => (node.matches?.("a") ? node : node.matches?.("li,tr") ? node.querySelector("a") : null);
  const name = (node) => node.id || node.getAttribute?.("aria-labelledby") || leads(node)?.getAttribute("href") || "";
  const key = (node) => `${node.nodeName} ${name(node)}`;
  // Makes a part like its next version. What is the same stays as it is, with its focus, and as far opened and scrolled.
  const renew = (old, made) => {
    if (old.isEqualNode(made)) return;
    if (!old.attributes) { old.data = made.data; return; }
    for (const { name } of [...old.attributes]) if (name !== "open" && !made.hasAttribute(name)) old.removeAttribute(name);
    for (const { name, value } of made.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    const wanted = new Set([...made.childNodes].map(key));
    for (const node of [...old.childNodes]) if (!wanted.has(key(node))) node.remove();
    let at = old.firstChild;
    for (const next of [...made.childNodes]) {
      let same = at;
      while (same && key(same) !== key(next)) same = same.nextSibling;
      if (same) renew(same, next);
      if (same && same === at) at = at.nextSibling;
      else old.insertBefore(same ?? next, at);
    }
    while (at) { const node = at; at = at.nextSibling; node.remove(); }
  };
  const show = (fresh) => {
    const focused = document.activeElement;
    for (const part of document.querySelectorAll("[data-live]")) {
      const made = fresh.getElementById(part.id);
      if (made) renew(part, made);
    }
    if (document.activeElement === focused) return;
    const again = [...document.links].find((link) => link.getAttribute("href") === focused.getAttribute("href"));
    (focused.isConnected ? focused : again)?.focus({ preventScroll: true });
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
