// Elements, made of text alone: nothing that comes from the registry is ever read as HTML.

/** An element with these attributes and children; a text becomes a text node. */
export function h(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== false && value != null) element.setAttribute(key, value === true ? "" : value);
  }
  append(element, children);
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

/** The same of a picture. */
export function svg(name, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

function append(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child !== false && child != null) element.append(child);
  }
}

// What can't be seen, or would turn the direction of what follows.
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/;
const LONGEST = 240;

/** A text of foreign origin, kept apart from what stands around it. */
export function foreign(text, name = "bdi", attributes = {}) {
  const cut = text.length > LONGEST;
  const shown = cut ? text.slice(0, LONGEST).replace(/[\ud800-\udbff]$/, "") : text;
  const element = h(name, cut ? { ...attributes, title: text.slice(0, 5000) } : attributes);
  let plain = "";
  const flush = () => {
    // Keys and paths are best broken where they have their parts.
    const parts = name === "code" ? plain.split(/(?<=\/)(?=[^/])/) : [plain];
    parts.forEach((part, at) => element.append(...(at ? [h("wbr"), part] : [part])));
    plain = "";
  };
  for (const character of shown) {
    if (!UNSEEN.test(character)) { plain += character; continue; }
    flush();
    const code = character.codePointAt(0).toString(16).padStart(4, "0");
    element.append(h("span", { class: "unseen" }, `\\u${code}`));
  }
  flush();
  if (cut) element.append(h("span", { class: "unseen" }, `… ${count(text.length)} characters`));
  return element;
}

/** Makes `parent` hold what `wanted` are, and touches only what differs: a selection, the focus
 *  and the place in a list stay. */
export function morph(parent, wanted) {
  wanted = wanted.flat(Infinity).filter((node) => node !== false && node != null)
    .map((node) => (node instanceof Node ? node : document.createTextNode(node)));
  const held = [...parent.childNodes];
  wanted.forEach((node, at) => {
    const there = held[at];
    if (!there) parent.append(node);
    else if (!adapt(there, node)) there.replaceWith(node);
  });
  held.slice(wanted.length).forEach((node) => node.remove());
}

function adapt(there, node) {
  if (there === node) return true;
  if (there.nodeType !== node.nodeType || there.nodeName !== node.nodeName) return false;
  if (there.nodeType === Node.TEXT_NODE) {
    if (there.data !== node.data) there.data = node.data;
    return true;
  }
  // It has been opened and filled by whoever reads it.
  if (node.hasAttribute("data-keep")) return there.dataset.keep === node.dataset.keep;
  for (const { name } of [...there.attributes]) {
    if (!node.hasAttribute(name) && name !== "open") there.removeAttribute(name);
  }
  for (const { name, value } of [...node.attributes]) {
    if (there.getAttribute(name) !== value) there.setAttribute(name, value);
  }
  morph(there, [...node.childNodes]);
  return true;
}

const NUMBERS = new Intl.NumberFormat("en");

export function count(number) {
  return NUMBERS.format(number);
}

/** "1 target", "2 targets". */
export function counted(number, one, many = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : many}`;
}

export function bytes(number) {
  if (number < 1000) return `${number} B`;
  if (number < 1e6) return `${(number / 1e3).toPrecision(3)} kB`;
  return `${(number / 1e6).toPrecision(3)} MB`;
}

// By how much the clock of the daemon's host is ahead of ours, in milliseconds.
let ahead = 0;

export function theirClock(date) {
  const difference = Date.parse(date) - Date.now();
  if (Math.abs(difference) > 2500) ahead = difference;
}

export function now() {
  return Date.now() + ahead;
}

/** "12 s", "4 min", "3 h", "2 d". */
export function lasting(milliseconds) {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 100) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 100) return `${minutes} min`;
  const hours = Math.round(minutes / 60);
  return hours < 48 ? `${hours} h` : `${Math.round(hours / 24)} d`;
}

/** The time of day here, and the day if it is another one. */
export function clock(text) {
  const at = new Date(text);
  const time = at.toLocaleTimeString("en-GB");
  if (at.toDateString() === new Date(now()).toDateString()) return time;
  const two = (number) => String(number).padStart(2, "0");
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${time}`;
}

/** How long ago it was, kept up to date by [`tick`]. */
export function ago(text) {
  const element = h("time", { datetime: text, title: text, "data-ago": true });
  element.textContent = words(element);
  return element;
}

/** How long it is until then. */
export function until(text) {
  const element = h("time", { datetime: text, title: text, "data-until": true });
  element.textContent = words(element);
  return element;
}

function words(element) {
  const at = Date.parse(element.getAttribute("datetime"));
  if (element.hasAttribute("data-until")) {
    return at > now() ? `in ${lasting(at - now())}` : "now";
  }
  return now() - at < 1500 ? "just now" : `${lasting(now() - at)} ago`;
}

export function tick() {
  for (const element of document.querySelectorAll("time[data-ago], time[data-until]")) {
    const text = words(element);
    if (element.textContent !== text) element.textContent = text;
  }
}

const SHAPES = {
  ok: () => [svg("circle", { cx: 6, cy: 6, r: 5 }), svg("path", { d: "M3.6 6.2l1.7 1.7 3.2-3.6", class: "mark" })],
  warn: () => [svg("path", { d: "M6 .8 11.6 11H.4Z" }), svg("path", { d: "M6 4.3v3M6 9.2v.1", class: "mark" })],
  bad: () => [svg("path", { d: "M3.6.8h4.8L11.2 3.6v4.8L8.4 11.2H3.6L.8 8.4V3.6Z" }), svg("path", { d: "M4.2 4.2l3.6 3.6m0-3.6L4.2 7.8", class: "mark" })],
  idle: () => [svg("circle", { cx: 6, cy: 6, r: 4.2, class: "ring" })],
};

/** The word for a state, with a shape of its own: colour alone says nothing. */
export function state(level, word) {
  const shape = svg("svg", { viewBox: "0 0 12 12", "aria-hidden": "true", class: "shape" }, ...SHAPES[level]());
  return h("span", { class: `state ${level}` }, shape, word);
}
