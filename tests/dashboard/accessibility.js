// What people with a keyboard or a screen reader, or without colours, run into. Evaluated in the page; answers what is
// wrong, one line each.
(() => {
  const wrong = [];
  const say = (what, element) => wrong.push(`${what}: ${(element?.outerHTML ?? "").slice(0, 140)}`);
  const all = (selector) => [...document.querySelectorAll(selector)];
  const isShown = (e) => e.getClientRects().length > 0 && getComputedStyle(e).visibility === "visible";
  const text = (id) => document.getElementById(id)?.textContent.trim() ?? "";
  const name = (e) =>
    (e.getAttribute("aria-labelledby") ?? "").split(" ").map(text).join(" ").trim() ||
    e.getAttribute("aria-label")?.trim() || e.textContent.trim() || e.getAttribute("title")?.trim() || "";

  if (!document.documentElement.lang) say("no language", document.documentElement);
  if (!document.title.trim()) say("no title", document.head);
  if (all("main").length !== 1) say("not one main landmark", document.body);
  if (all("h1").length !== 1) say("not one h1", document.body);
  let last = 0;
  for (const heading of all("h1,h2,h3,h4,h5,h6")) {
    const level = Number(heading.tagName[1]);
    if (level > last + 1) say(`h${level} after h${last}`, heading);
    if (!heading.textContent.trim()) say("empty heading", heading);
    last = level;
  }
  const ids = new Map();
  for (const e of all("[id]")) ids.set(e.id, (ids.get(e.id) ?? 0) + 1);
  for (const [id, count] of ids) if (count > 1) say(`id ${id} is there ${count} times`);
  for (const key of ["aria-labelledby", "aria-describedby"])
    for (const e of all(`[${key}]`))
      for (const id of e.getAttribute(key).split(" ")) if (!document.getElementById(id)) say(`${key} names nothing`, e);
  for (const e of all("input:not([type=hidden]),select,textarea"))
    if (!(e.labels?.length && name(e.labels[0])) && !e.getAttribute("aria-label")) say("field without label", e);
  for (const e of all("a[href],button,summary")) if (!name(e)) say("without a name", e);
  for (const e of all("a:not([href])")) say("link to nowhere", e);
  for (const e of all("a[href^='#']")) if (e.hash && !document.getElementById(e.hash.slice(1))) say("link to nothing", e);
  for (const e of all("img")) if (!e.hasAttribute("alt")) say("image without text", e);
  for (const e of all("svg")) {
    const isHidden = e.closest("[aria-hidden=true]") || e.parentElement.closest("svg[role=img]");
    if (!isHidden && !(e.getAttribute("role") === "img" && e.getAttribute("aria-label")?.trim())) say("drawing without text", e);
  }
  for (const table of all("table")) {
    if (!table.caption?.textContent.trim()) say("table without caption", table);
    for (const th of table.querySelectorAll("th")) if (!th.scope) say("head without scope", th);
    const columns = table.tHead?.rows[0]?.cells.length;
    if (!columns) say("table without heads", table);
    for (const row of table.tBodies[0]?.rows ?? [])
      if (row.cells.length !== columns) say(`row of ${row.cells.length} cells under ${columns} heads`, row);
  }
  for (const e of all("nav,[role=search]")) if (e.tagName === "NAV" && !name(e)) say("navigation without a name", e);
  for (const e of all("[tabindex]")) if (e.tabIndex > 0) say("order of focus is forced", e);
  for (const e of all("dl")) for (const c of e.children) if (!["DT", "DD", "DIV"].includes(c.tagName)) say("not in a list", c);
  for (const e of all("ul,ol")) for (const c of e.children) if (c.tagName !== "LI") say("not in a list", c);

  // What can be reached with a keyboard is seen when it has the focus.
  for (const e of all("a[href],button,summary,select,input:not([type=hidden])").filter(isShown))
    for (let at = e; at; at = at.parentElement) if (getComputedStyle(at).clipPath !== "none") say("reached and not seen", e);

  // What can be pressed is large enough for a finger, unless it stands in a text or a table.
  for (const e of all("button,nav a,select,input:not([type=hidden])").filter(isShown)) {
    const box = e.getBoundingClientRect();
    if (box.height < 24 && !e.closest(".pager")) say(`${box.height} pixels high`, e);
  }

  // Contrast, WCAG 2.2 AA.
  const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, under) => [0, 1, 2].map((i) => top[i] * top[3] + under[i] * (1 - top[3])).concat(1);
  const ground = (e) => {
    const layers = [];
    for (let at = e; at; at = at.parentElement) layers.push(rgba(getComputedStyle(at).backgroundColor));
    const page = matchMedia("(prefers-color-scheme: dark)").matches ? [18, 18, 18, 1] : [255, 255, 255, 1];
    return layers.reverse().reduce((under, top) => over(top, under), page);
  };
  const light = (c) => {
    const [r, g, b] = c.map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (a, b) => {
    const [x, y] = [light(a), light(b)].sort((m, n) => n - m);
    return (x + 0.05) / (y + 0.05);
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const seen = new Set();
  while (walker.nextNode()) {
    const e = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || seen.has(e) || !isShown(e) || e.closest(".vh,script,title,noscript")) continue;
    seen.add(e);
    const style = getComputedStyle(e);
    const under = ground(e);
    const colour = over(rgba(e.closest("svg") ? style.fill : style.color), under);
    const size = parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const found = ratio(colour, under);
    if (found < (isLarge ? 3 : 4.5)) say(`contrast ${found.toFixed(2)}`, e);
  }
  // Shapes that carry meaning.
  for (const e of all(".st svg,.ico,.chart rect,.ruler .room,.ruler [class^=fill]").filter(isShown)) {
    const style = getComputedStyle(e);
    const paint = e.classList.contains("room") ? style.stroke : e.tagName === "rect" ? style.fill : style.color;
    const found = ratio(over(rgba(paint), ground(e.closest("svg").parentElement)), ground(e.closest("svg").parentElement));
    if (found < 3) say(`contrast of a shape ${found.toFixed(2)}`, e);
  }
  const page = document.scrollingElement;
  if (page.scrollWidth > screen.width) {
    say(`${page.scrollWidth} pixels wide on ${screen.width}`);
    for (const e of all("main *").filter(isShown)) {
      const box = e.getBoundingClientRect();
      if (box.right > screen.width + 1 && !e.parentElement.closest(".scroll,.log,.vh,svg") && !e.matches(".vh")) { say("sticks out", e); break; }
    }
  }
  return wrong;
})()
