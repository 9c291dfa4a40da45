// Chooses the page by the address and draws it anew every second while the tab is visible.
import { Refused, haveToken, setToken, takeToken } from "./api.js";
import { clusterPage, tablesPage } from "./cluster.js";
import { h } from "./dom.js";
import { jobPage, jobsPage } from "./jobs.js";
import { queuesPage } from "./queues.js";

const POLL_MS = 1000;
const page = document.getElementById("page");
const link = document.getElementById("link");
let shown = "";
let turn = 0;

const ROUTES = [
  [/^#?\/?$/, clusterPage],
  [/^#\/jobs$/, jobsPage],
  [/^#\/jobs\/(\d+)$/, jobPage],
  [/^#\/queues$/, queuesPage],
  [/^#\/tables$/, tablesPage],
];

function render(children) {
  const next = h("div", null, children);
  const text = location.hash + next.innerText + next.querySelectorAll("*").length + bars(next);
  if (text === shown) return; // leave selections and scroll positions alone
  shown = text;
  page.replaceChildren(next);
}

const bars = (root) => [...root.querySelectorAll(".bar-front")].map((r) => r.getAttribute("width")).join();

function askForToken(message) {
  shown = "";
  const input = h("input", { type: "password", name: "token", autocomplete: "off", "aria-label": "Token" });
  const submit = (event) => {
    event.preventDefault();
    setToken(input.value.trim());
    draw();
  };
  page.replaceChildren(h("div", { class: "gate" }, h("h1", null, "Eider"),
    h("p", null, message),
    h("p", null, "Open the address that ", h("code", null, "eider up"),
      " printed: it ends in #token=… . Or paste the token here; it stays in this tab."),
    h("form", { onsubmit: submit }, input, h("button", { type: "submit" }, "Enter"))));
}

function markNavigation() {
  for (const a of document.querySelectorAll("nav a")) {
    const here = a.hash === "#/" ? /^#?\/?$/.test(location.hash) : location.hash.startsWith(a.hash);
    if (here) a.setAttribute("aria-current", "page");
    else a.removeAttribute("aria-current");
  }
}

async function draw() {
  const mine = ++turn;
  markNavigation();
  if (!haveToken()) {
    askForToken("This cluster is closed to strangers.");
    return;
  }
  try {
    const route = ROUTES.find(([pattern]) => pattern.test(location.hash));
    const children = route === undefined
      ? h("p", { class: "empty" }, "There is no such page.")
      : await route[1](...location.hash.match(route[0]).slice(1));
    if (mine !== turn) return;
    link.textContent = "";
    render(children);
  } catch (error) {
    if (mine !== turn) return;
    if (error instanceof Refused) {
      askForToken("The master does not accept this token.");
      return;
    }
    if (error instanceof TypeError) link.textContent = "The master does not answer; trying again…";
    else render(h("p", { class: "notice bad" }, error.message));
  }
  setTimeout(() => {
    if (mine === turn && !document.hidden) draw();
  }, POLL_MS);
}

window.addEventListener("hashchange", () => {
  takeToken();
  draw();
});
document.addEventListener("visibilitychange", () => document.hidden || draw());
takeToken();
draw();
