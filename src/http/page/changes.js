// Recent changes as they come, and how many there were lately.

import { clock, count, foreign, h, svg } from "./dom.js";
import { serviceLink } from "./lists.js";

const KEPT = 200;
const CAUSES = {
  put: "put", delete: "deleted", lease_end: "lease ended", relist: "found by a list",
  admitted: "room again", guard: "guard let go",
};

const items = new WeakMap();
const fresh = new WeakSet();

/** What has changed lately, newest first. */
export class Changes {
  constructor() {
    this.all = [];
    this.unshown = 0;
    this.buckets = [];
  }

  /** Takes a change; returns whether it is a new one. */
  take(change) {
    if (this.all.some((held) => held.key === change.key && held.time === change.time && held.revision === change.revision)) return false;
    this.all.unshift(change);
    fresh.add(change);
    this.all.length = Math.min(this.all.length, KEPT);
    this.note(1);
    return true;
  }

  more(number) {
    this.unshown = number;
    this.note(number);
  }

  /** What was before we looked; newest first. */
  begin(changes) {
    this.all = changes.slice(0, KEPT);
  }

  note(number) {
    const at = Math.floor(Date.now() / STEP);
    const last = this.buckets.at(-1);
    if (last?.at === at) last.number += number;
    else this.buckets.push({ at, number });
    this.buckets = this.buckets.filter((bucket) => bucket.at > at - STEPS);
  }
}

export function feed(changes, most) {
  const shown = changes.all.slice(0, most);
  if (shown.length === 0) return [h("p", { class: "empty" }, "No target has changed since the daemon started.")];
  const list = h("ol", { class: "changes" });
  list.append(...shown.map((change) => {
    let item = items.get(change);
    if (!item) items.set(change, (item = row(change)));
    return item;
  }));
  return [
    changes.unshown > 0 && h("p", { class: "burst" }, `In the last burst ${count(changes.unshown)} more changed, too many to show one by one.`),
    list,
  ];
}

function row(change) {
  const { before, after } = change;
  return h("li", { class: `change ${after ? (before ? "moved" : "came") : "went"}${fresh.has(change) ? " new" : ""}` },
    h("div", { class: "what" },
      h("time", { datetime: change.time, title: change.time }, clock(change.time)),
      h("span", { class: "sign", "aria-label": after ? (before ? "changed" : "came") : "went" }, after ? (before ? "~" : "+") : "−"),
      h("a", { href: serviceLink(change.service) }, foreign(change.service)),
      h("span", { class: "of" }, foreign(change.instance))),
    h("div", { class: "how" }, difference(before, after)),
    h("div", { class: "when" },
      h("span", {}, CAUSES[change.cause] ?? change.cause),
      h("span", {}, `revision ${count(change.revision)}`),
      change.publish ? h("span", {}, `published in ${took(change)}`) : h("span", {}, "not published")));
}

function took(change) {
  const milliseconds = Math.max(0, Date.parse(change.publish.time) - Date.parse(change.time));
  return milliseconds < 1000 ? `${milliseconds} ms` : `${(milliseconds / 1000).toFixed(1)} s`;
}

function difference(before, after) {
  const one = before?.targets ?? [];
  const other = after?.targets ?? [];
  const gone = one.filter((address) => !other.includes(address));
  const come = other.filter((address) => !one.includes(address));
  const parts = [...few(gone, "del"), ...few(come, "ins")];
  if (before && after && JSON.stringify(before.labels ?? {}) !== JSON.stringify(after.labels ?? {})) parts.push(h("span", { class: "labels" }, "other labels"));
  return parts.length ? parts : few(other, "span");
}

function few(addresses, name) {
  const shown = addresses.slice(0, 3).map((address) => h(name, {}, foreign(address, "code")));
  if (addresses.length > 3) shown.push(h("span", {}, ` and ${count(addresses.length - 3)} more`));
  return shown;
}

const STEP = 2000;
const STEPS = 60;

/** How many changes there were in each two seconds of the last two minutes. */
export function sparkline(changes) {
  const last = Math.floor(Date.now() / STEP);
  const most = Math.max(1, ...changes.buckets.map((bucket) => bucket.number));
  const total = changes.buckets.filter((bucket) => bucket.at > last - STEPS).reduce((sum, bucket) => sum + bucket.number, 0);
  const bars = changes.buckets.filter((bucket) => bucket.at > last - STEPS).map((bucket) => {
    const height = 2 + 20 * (Math.log1p(bucket.number) / Math.log1p(most));
    return svg("rect", { x: (STEPS - 1 - (last - bucket.at)) * 4, y: 24 - height, width: 3, height });
  });
  return [
    svg("svg", { viewBox: `0 0 ${STEPS * 4} 24`, preserveAspectRatio: "none", "aria-hidden": "true" },
      svg("path", { d: `M0 23.5H${STEPS * 4}`, class: "ground" }), ...bars),
    h("p", {}, `${count(total)} in the last two minutes`),
  ];
}
