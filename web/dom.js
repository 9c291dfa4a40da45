// Builds elements. Text only ever enters the page as text nodes, so nothing that a user named can
// become markup.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value);
  }
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return element;
}

export const h = (tag, properties, ...children) =>
  fill(document.createElement(tag), properties, children);

export const svg = (tag, properties, ...children) =>
  fill(document.createElementNS(SVG, tag), properties, children);

// A table; columns: [title, class, row => cell content]. An empty one explains itself.
export function table(columns, rows, empty) {
  if (rows.length === 0) return h("p", { class: "empty" }, empty);
  const head = columns.map(([title, kind]) => h("th", { class: kind, scope: "col" }, title));
  const body = rows.map((row) =>
    h("tr", null, columns.map(([, kind, cell]) => h("td", { class: kind }, cell(row)))));
  return h("div", { class: "scroll" },
    h("table", null, h("thead", null, h("tr", null, head)), h("tbody", null, body)));
}

// A horizontal bar from `begin` to `end`, both fractions of the whole width.
export function bar(begin, end, kind) {
  const clamp = (x) => Math.min(1, Math.max(0, Number.isFinite(x) ? x : 0));
  const from = clamp(begin) * 100;
  const width = end > begin ? Math.max(0.8, clamp(end) * 100 - from) : 0;
  return svg("svg", { class: "bar", viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" },
    svg("rect", { class: "bar-back", x: 0, y: 0, width: 100, height: 8 }),
    svg("rect", { class: `bar-front ${kind ?? ""}`, x: Math.min(from, 99.2), y: 0, width, height: 8 }));
}

export const pill = (state) => h("span", { class: `pill ${state.replaceAll(" ", "-")}` }, state);

export function section(title, ...children) {
  return h("section", null, h("h2", null, title), children);
}

// How to get the same from a terminal.
export function terminal(path, cli) {
  const curl = `curl -H "Authorization: Bearer $EIDER_TOKEN" ${location.origin}${path}`;
  return h("footer", { class: "terminal" }, "The same on a terminal: ",
    h("code", null, cli), " or ", h("code", null, curl));
}

// A <details> that stays open when the page is drawn anew.
const opened = new Set();
export function details(key, title, ...children) {
  const element = h("details", { open: opened.has(key) ? "" : null }, h("summary", null, title), children);
  element.addEventListener("toggle", () => (element.open ? opened.add(key) : opened.delete(key)));
  return element;
}
