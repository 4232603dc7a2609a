// The page: hears what the daemon says, and shows it.

import { ask, listen } from "./api.js";
import { chain, notes, picture, verdict } from "./chain.js";
import { Changes, feed, sparkline } from "./changes.js";
import { clock, count, foreign, h, morph, state, tick } from "./dom.js";
import { Pages, quarantine, reveal, service, services } from "./lists.js";

const at = (id) => document.getElementById(id);
const changes = new Changes();
let status = null;
let route = null;
let pages = null;

// === The state of the chain ===

function showStatus(newest) {
  found();
  const before = status;
  status = newest;
  const stages = chain(status);
  const { level, word, about, why } = verdict(status);
  morph(at("verdict"), [state(level, word)]);
  morph(at("about"), about.map((text) => h("span", {}, text)));
  document.title = `${level === "ok" ? "" : `${word} · `}etcd-sd`;
  morph(at("chain"), [picture(stages)]);
  const noted = notes(stages, status);
  if (why && noted.length === 0) noted.push(h("article", { class: "note bad" }, h("h3", {}, state("bad", word)), why.map((text) => h("p", {}, foreign(text)))));
  at("notes").hidden = noted.length === 0;
  morph(at("notes"), noted);
  at("count-services").textContent = status.published ? count(status.published.services) : "";
  const held = heldOut(status);
  at("count-quarantine").textContent = count(held);
  at("tab-quarantine").classList.toggle("warn", held > 0);
  if (!before) return;
  const isChanged = before.published?.number !== status.published?.number;
  if (route.view === "quarantine" ? held !== heldOut(before) : isChanged) refreshSoon();
}

const heldOut = ({ sources }) => sources.reduce((sum, { entries }) => sum + entries.quarantined + entries.waiting, 0);

let lostSince = null;

function lost(error) {
  lostSince ??= new Date().toISOString();
  at("lost").hidden = false;
  morph(at("lost"), [state("bad", "No answer"), ` ${error.message} since ${clock(lostSince)}. What you see is from then; this page tries again by itself.`]);
  document.body.classList.add("is-lost");
}

function found() {
  lostSince = null;
  at("lost").hidden = true;
  document.body.classList.remove("is-lost");
}

// === The lists ===

function parse() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [view, ...rest] = path.split("/");
  const search = new URLSearchParams(query).get("search") ?? "";
  if (view === "service" && rest.length) {
    try {
      return { view, name: decodeURIComponent(rest.join("/")), search };
    } catch { /* It is no link of ours. */ }
  }
  return { view: ["quarantine", "changes"].includes(view) ? view : "services", search };
}

function hash({ view, name, search }) {
  const path = name == null ? view : `${view}/${encodeURIComponent(name)}`;
  return `#/${path}${search ? `?search=${encodeURIComponent(search)}` : ""}`;
}

function go() {
  const before = route;
  route = parse();
  const isOther = before?.view !== route.view || before?.name !== route.name;
  pages?.stop();
  const parameters = { search: route.search };
  pages = {
    services: () => new Pages("services", parameters, (answer) => answer.services),
    service: () => new Pages("service", { ...parameters, name: route.name }, (answer) => answer.instances),
    quarantine: () => new Pages("quarantine", {}, (answer) => answer.entries),
    changes: () => null,
  }[route.view]();
  for (const view of ["services", "quarantine", "changes"]) {
    const isHere = view === route.view || (view === "services" && route.view === "service");
    if (isHere) at(`tab-${view}`).setAttribute("aria-current", "page");
    else at(`tab-${view}`).removeAttribute("aria-current");
  }
  document.body.dataset.view = route.view;
  if (isOther) {
    at("view").replaceChildren(searching(), h("div", { id: "list" }));
    if (before) at("pane").scrollIntoView({ block: "nearest" });
  } else if (at("search") && at("search").value.trim() !== route.search) {
    // By a link, or the way back.
    at("search").value = route.search;
  }
  showList();
  refresh();
}

function searching() {
  if (!["services", "service"].includes(route.view)) return "";
  const label = route.view === "service" ? "Find an instance by key or address" : "Find a service";
  const input = h("input", { type: "search", id: "search", placeholder: label, "aria-label": label, autocomplete: "off", spellcheck: "false", maxlength: 200 });
  input.value = route.search;
  let wait;
  input.addEventListener("input", () => {
    clearTimeout(wait);
    wait = setTimeout(() => {
      history.replaceState(null, "", hash({ ...route, search: input.value.trim() }));
      go();
    }, 120);
  });
  const back = route.view === "service" && h("a", { href: "#/services", class: "back" }, "All services");
  const form = h("form", { class: "search", role: "search" }, input, h("kbd", { "aria-hidden": "true" }, "/"));
  form.addEventListener("submit", (event) => event.preventDefault());
  return h("div", { class: "bar" }, back || "", form);
}

function showList() {
  const list = at("list");
  if (route.view === "changes") morphFeed(list, feed(changes, 200));
  else if (route.view === "services") morph(list, services(pages));
  else if (route.view === "quarantine") morph(list, quarantine(pages));
  else morph(list, service(pages, route.name));
}

async function refresh() {
  const of = pages;
  if (!of) return;
  await of.refresh();
  if (of !== pages) return;
  showList();
  // For whoever measures.
  if (!performance.getEntriesByName("first-list").length) performance.mark("first-list");
}

// At once, but no more often than this; what comes meanwhile is seen at its end.
const PACE = 400;
let rests = false;
let isWanted = false;

function refreshSoon() {
  if (rests) { isWanted = true; return; }
  rests = true;
  refresh().finally(() => setTimeout(() => {
    rests = false;
    if (isWanted) { isWanted = false; refreshSoon(); }
  }, PACE));
}

// === Changes ===

function morphFeed(parent, children) {
  parent.replaceChildren(...children.filter(Boolean));
}

let isDrawn = true;

/** At most once a frame, however many come. */
function showChanges() {
  if (!isDrawn) return;
  isDrawn = false;
  requestAnimationFrame(() => {
    isDrawn = true;
    morphFeed(at("feed"), feed(changes, 40));
    morph(at("spark"), sparkline(changes));
    if (route.view === "changes") showList();
  });
}

async function begin() {
  const { changes: all } = await ask("changes", { limit: 200 });
  changes.begin(all);
  showChanges();
}

// === The beginning ===

at("view").addEventListener("click", async (event) => {
  const button = event.target.closest("[data-more]");
  if (!button) return;
  button.disabled = true;
  const of = pages;
  await of.more();
  if (of === pages) showList();
});
// It does not bubble.
at("view").addEventListener("toggle", (event) => {
  if (event.target.open && event.target.dataset.keep) reveal(event.target);
}, true);

addEventListener("hashchange", go);
addEventListener("keydown", (event) => {
  const isTyping = event.target.closest?.("input, textarea");
  if (event.key === "/" && !isTyping && !event.ctrlKey && !event.metaKey && !event.altKey) {
    const search = at("search");
    if (search) { event.preventDefault(); search.focus(); search.select(); }
  }
});
at("skip").addEventListener("click", (event) => {
  event.preventDefault();
  (at("search") ?? at("tab-services")).focus();
});

go();
ask("status").then(showStatus, lost);
begin().catch(() => {});
listen({
  status: showStatus,
  change(change) {
    if (!changes.take(change)) return;
    showChanges();
    if (route.view === "service" && change.service === route.name) refreshSoon();
  },
  more(number) {
    changes.more(number);
    showChanges();
    if (route.view === "service") refreshSoon();
  },
  live(isLive) {
    morph(at("live"), [isLive ? state("ok", "live") : state("idle", "asking each 3 s")]);
    // What came while nobody listened.
    if (isLive) begin().catch(() => {});
  },
  polled: begin,
  lost,
});
setInterval(() => {
  tick();
  morph(at("spark"), sparkline(changes));
}, 1000);
