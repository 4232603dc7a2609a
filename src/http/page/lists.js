// The lists: services, one service, the quarantine. The daemon has them in pages; so do we.

import { ask } from "./api.js";
import { count, counted, foreign, h, state, svg } from "./dom.js";

const PAGE = 100;

/** What has been loaded of a list. */
export class Pages {
  constructor(path, parameters, rows) {
    Object.assign(this, { path, parameters, rowsOf: rows, rows: [], next: null, first: null, error: null, loading: false });
    this.asked = new AbortController();
  }

  /** Loads what was loaded before anew, or the first page. */
  async refresh() {
    await this.load(null, Math.max(PAGE, this.rows.length));
  }

  async more() {
    if (this.next) await this.load(this.next, PAGE);
  }

  stop() {
    this.asked.abort();
  }

  async load(after, wanted) {
    this.asked.abort();
    const asked = (this.asked = new AbortController());
    this.loading = true;
    let rows = after ? this.rows.slice() : [];
    const enough = rows.length + wanted;
    let first = null;
    try {
      do {
        const limit = Math.min(1000, enough - rows.length);
        const answer = await ask(this.path, { ...this.parameters, after, limit }, asked.signal);
        first ??= answer;
        rows = rows.concat(this.rowsOf(answer));
        after = answer.next;
      } while (after && rows.length < enough);
      Object.assign(this, { rows, next: after, first, error: null });
    } catch (error) {
      if (error.name === "AbortError") return;
      this.error = error;
    }
    this.loading = false;
  }
}

export const serviceLink = (name) => `#/service/${encodeURIComponent(name)}`;

/** A list with what stands above and below it. */
function listed(pages, empty, table) {
  if (pages.error) return h("p", { class: "empty bad", role: "alert" }, state("bad", pages.error.message));
  if (!pages.first) return h("p", { class: "empty" }, "Loading…");
  if (pages.rows.length === 0) return h("p", { class: "empty" }, empty);
  return [table, pages.next && h("p", { class: "more" }, h("button", { type: "button", "data-more": true }, `Show ${PAGE} more`))];
}

export function services(pages) {
  const rows = pages.rows;
  const most = Math.max(1, ...rows.map((row) => row.targets));
  const found = pages.first && (pages.parameters.search
    ? `${counted(pages.first.total, "service")} found`
    : `${counted(pages.first.total, "service")} with targets`);
  return [
    h("p", { class: "sum", role: "status" }, found ?? ""),
    listed(pages,
      pages.parameters.search ? "No service has this in its name." : "No service has a target.",
      h("table", { class: "services" },
        h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Service"), h("th", { scope: "col", class: "number" }, "Targets"))),
        h("tbody", {}, rows.map((row) => h("tr", {},
          h("td", {}, h("a", { href: serviceLink(row.name), class: "whole" }, foreign(row.name))),
          h("td", { class: "number" }, bar(row.targets / most), count(row.targets))))))),
  ];
}

function bar(share) {
  const width = Math.max(1.5, 64 * Math.sqrt(share)).toFixed(1);
  return svg("svg", { viewBox: "0 0 64 5", class: "bar-of", "aria-hidden": "true" },
    svg("rect", { x: 64 - width, width, height: 5, rx: 1 }));
}

const STANDINGS = { quarantined: ["warn", "Quarantined"], waiting: ["warn", "Waits for room"] };

export function service(pages, name) {
  const answer = pages.first;
  const found = answer && (pages.parameters.search
    ? `${counted(pages.rows.length, "instance")} found${pages.next ? " so far" : ""}`
    : `${counted(answer.targets, "target")} published`);
  return [
    h("h2", { class: "title" }, foreign(name)),
    h("p", { class: "sum", role: "status" }, found ?? ""),
    listed(pages,
      pages.parameters.search ? "No instance has this in its key or address." : "No instance is registered under this name.",
      h("ul", { class: "instances" }, pages.rows.map((row) => instance(row, answer.values)))),
  ];
}

function instance(row, hasValues) {
  const [level, word] = STANDINGS[row.state] ?? [];
  const { targets = [], labels = {} } = row.target ?? {};
  return h("li", { class: "instance" },
    h("div", { class: "addresses" },
      targets.map((address) => foreign(address, "code")),
      targets.length === 0 && h("span", { class: "none" }, row.state === "valid" ? "not to be scraped now" : "no target"),
      Object.entries(labels).map(([label, text]) => h("span", { class: "label" }, foreign(label), "=", foreign(text, "bdi", { class: "text" })))),
    h("div", { class: "key" }, foreign(row.key, "code"), h("span", { class: "revision" }, `revision ${count(row.revision)}`),
      hasValues && h("details", { class: "value", "data-keep": row.key }, h("summary", {}, "value"), h("pre", {}, ""))),
    level && h("p", { class: "reason" }, state(level, word), " ", foreign(row.reason ?? "", "span"), row.target && h("span", { class: "keeps" }, " Its last good target stays.")));
}

/** Shows the value that etcd has at a key, when it is asked for. */
export async function reveal(details) {
  const shown = details.querySelector("pre");
  shown.textContent = "Asking etcd…";
  try {
    const answer = await ask("value", { key: details.dataset.keep });
    shown.textContent = answer.value ?? `${answer.value_base64} (base64: it is no text)`;
  } catch (error) {
    shown.textContent = error.message;
  }
}

export function quarantine(pages) {
  const answer = pages.first;
  return [
    h("p", { class: "sum", role: "status" }, answer ? `${counted(answer.total, "entry", "entries")} held out of the document` : ""),
    listed(pages, "Nothing is in quarantine: every value became a target.",
      h("ul", { class: "instances" }, pages.rows.map((row) => h("li", { class: "instance" },
        h("div", { class: "addresses" }, foreign(row.key, "code")),
        h("p", { class: "reason" }, foreign(row.reason, "span")),
        h("div", { class: "key" },
          row.service != null && h("a", { href: serviceLink(row.service) }, "service ", foreign(row.service)),
          h("span", {}, row.keeps_last_good ? "its last good target stays" : "left out"),
          h("span", { class: "revision" }, `revision ${count(row.revision)}`)))))),
  ];
}
