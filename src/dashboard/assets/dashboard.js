// Keeps the parts of a page marked data-live up to date: the server says that something changed, and the page is fetched
// again. Without this script everything works; one reloads by hand.
"use strict";
(() => {
  const page = document.documentElement;
  if (!document.querySelector("[data-live]") || !window.EventSource) return;
  const parse = (text) => new DOMParser().parseFromString(text, "text/html");
  let busy = false;
  let again = false;
  const refresh = async () => {
    if (busy) { again = true; return; }
    busy = true;
    try {
      const answer = await fetch(location.href, { credentials: "same-origin", headers: { "X-Kymaros-Live": "1" } });
      if (answer.status === 401 || answer.redirected) { location.reload(); return; }
      if (!answer.ok) throw new Error(String(answer.status));
      const fresh = parse(await answer.text());
      for (const part of document.querySelectorAll("[data-live]")) {
        const next = fresh.getElementById(part.id);
        if (!next || next.innerHTML === part.innerHTML) continue;
        const focused = part.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
        const open = [...part.querySelectorAll("details")].map((d) => d.open);
        part.replaceChildren(...next.childNodes);
        part.querySelectorAll("details").forEach((d, i) => { if (open[i]) d.open = true; });
        if (focused) [...part.querySelectorAll("a")].find((a) => a.getAttribute("href") === focused)?.focus();
      }
      page.classList.remove("is-stale");
    } catch {
      page.classList.add("is-stale");
    }
    busy = false;
    if (again) { again = false; refresh(); }
  };
  const events = new EventSource(page.dataset.stream);
  events.addEventListener("changed", refresh);
  events.addEventListener("open", () => page.classList.remove("is-stale"));
  events.addEventListener("error", () => page.classList.add("is-stale"));
  setInterval(() => { if (!document.hidden) refresh(); }, 60000);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
})();
