// The chain from etcd to Prometheus: a card for each part, and what needs somebody's attention.

import { ago, bytes, clock, count, counted, foreign, h, lasting, now, state, until } from "./dom.js";

const WORST = ["idle", "ok", "warn", "bad"];

/** The stages, each with its cards: `{ level, word, name, figure, unit, lines, note }`. */
export function chain(status) {
  const stages = [
    { title: "etcd", cards: status.sources.map((source) => etcd(source, status)) },
    { title: "Registry", cards: status.sources.map((source) => registry(source, status)) },
    { title: "Document", cards: [published(status)] },
    { title: "Output", cards: outputs(status).map(output) },
  ];
  if (status.prometheus) stages.push({ title: "Prometheus", cards: [prometheus(status.prometheus)] });
  return stages;
}

/** Discovery over HTTP serves the document itself: it is shown apart only if there is no other. */
function outputs({ outputs }) {
  const written = outputs.filter(({ kind }) => kind !== "http");
  return written.length ? written : outputs;
}

/** The picture of them. */
export function picture(stages) {
  const isTall = stages.some(({ cards }) => cards.length > 1);
  return h("ol", { class: isTall ? "stages tall" : "stages" }, stages.map(({ title, cards }) => {
    const level = cards.map((card) => card.level).reduce(worse, "idle");
    return h("li", { class: `stage ${level}` },
      cards.map((card, at) => h("article", { class: `card ${card.level}` },
        h("h3", {}, at === 0 ? title : h("span", { class: "again" }, title), " ", state(card.level, card.word)),
        card.figure && h("p", { class: "figure" }, h("b", {}, card.figure), " ", card.unit),
        h("dl", {}, card.lines.filter(Boolean).map(([term, ...what]) => h("div", {}, h("dt", {}, term), h("dd", {}, what)))))));
  }));
}

/** What needs attention, the worst first. */
export function notes(stages, status) {
  const all = stages.flatMap(({ cards }) => cards).filter((card) => card.note);
  all.push(...beside(status));
  all.sort((one, other) => WORST.indexOf(other.level) - WORST.indexOf(one.level));
  return all.map(({ level, word, note }) => h("article", { class: `note ${level}` },
    h("h3", {}, state(level, note.title ?? word)),
    h("div", { class: "of" },
      h("div", {}, note.text.map((text) => h("p", {}, text))),
      note.todo && h("p", { class: "todo" }, note.todo))));
}

/** What is wrong beside the chain. */
function beside({ journal, healthy, unhealthy_because }) {
  const notes = [];
  if (healthy === false) {
    const text = unhealthy_because.map((why) => foreign(why, "q"));
    notes.push({ level: "bad", note: { title: "A part of the daemon does not answer", text, todo: "If that lasts, start it anew: what is published stays, and etcd has the rest. systemd does so by its watchdog." } });
  }
  if (journal?.failing) {
    notes.push({ level: "warn", note: {
      title: "The journal can't be written",
      text: [[foreign(journal.path, "code"), journal.dropped > 0 && `; ${counted(journal.dropped, "change is", "changes are")} not in it`, "."].filter(Boolean), "Nothing waits for it: what is published is right."],
      todo: "The log says why; it is tried again by itself.",
    } });
  }
  return notes;
}

function worse(one, other) {
  return WORST.indexOf(one) >= WORST.indexOf(other) ? one : other;
}

function named(source, status) {
  return status.sources.length > 1 && ["source", foreign(source.name, "code")];
}

function etcd(source, status) {
  const { connection, fresh, fresh_at, failure } = source;
  const stale = [
    fresh_at ? ["What is published may be stale since ", clock(fresh_at), ", ", ago(fresh_at), "."] : "etcd has not given a complete list yet.",
    " Nothing is removed for that.",
  ];
  const why = failure ? [foreign(failure, "q")] : "It gave no reason.";
  const server = source.server && foreign(source.server, "code");
  const says = {
    watching: fresh
      ? { level: "ok", word: "Watching" }
      : { level: "warn", word: "Silent", note: { title: "etcd is silent", text: [stale], todo: "It is asked for a sign of life; without one, the next member is tried by itself." } },
    listing: { level: "idle", word: "Listing" },
    catching_up: { level: "idle", word: "Catching up" },
    connecting: { level: "idle", word: "Connecting" },
    away: {
      level: "bad", word: "Away",
      note: { title: "etcd can't be reached", text: [stale, why], todo: "Look at the members in --server. etcd-sd tries them again and again by itself, and is right within a moment once one answers." },
    },
  }[connection] ?? { level: "idle", word: connection };
  return {
    ...says,
    figure: count(source.observed_revision), unit: "revision",
    lines: [
      named(source, status),
      server && ["member", server],
      source.server_version && ["version", foreign(source.server_version)],
      source.cluster_id && ["cluster", foreign(source.cluster_id, "code")],
      ["fresh", fresh_at ? ago(fresh_at) : "never yet"],
    ],
  };
}

function registry(source, status) {
  const { entries, last_list, last_audit } = source;
  const behind = source.observed_revision - source.applied_revision;
  const held = entries.quarantined + entries.waiting;
  let says = { level: "ok", word: "In step" };
  if (!last_list) says = { level: "idle", word: "Empty" };
  else if (held > 0) {
    says = {
      level: "warn", word: `${count(held)} held out`,
      note: {
        title: `${counted(held, "entry is", "entries are")} in quarantine`,
        text: [entries.waiting > 0 && `${count(entries.waiting)} of them wait for room in a budget. `, "No other entry is harmed; those that had a good value keep its target."].filter(Boolean),
        todo: ["See ", h("a", { href: "#/quarantine" }, "the quarantine"), " for keys and reasons, and ", h("code", {}, "etcd-sd explain KEY"), " for one of them step by step."],
      },
    };
  } else if (behind > 0) says = { level: "ok", word: "Catching up" };
  return {
    ...says,
    figure: count(entries.valid), unit: counted(entries.valid, "good entry", "good entries").replace(/^\S+ /, ""),
    lines: [
      named(source, status),
      ["services", count(entries.services)],
      held > 0 && ["held out", count(held)],
      entries.ignored > 0 && ["not ours", count(entries.ignored)],
      ["revision", count(source.applied_revision)],
      last_list && ["listed", ago(last_list.time), ` in ${lastingSeconds(last_list.seconds)}`],
      last_audit && ["audited", ago(last_audit.time), last_audit.differences ? `: ${counted(last_audit.differences, "difference")}` : ": equal"],
    ],
  };
}

function lastingSeconds(seconds) {
  return seconds < 1 ? `${Math.round(seconds * 1000)} ms` : `${seconds.toFixed(1)} s`;
}

function published(status) {
  const { published: document, guard, pending_since } = status;
  if (!document) return { level: "idle", word: "None yet", figure: "0", unit: "targets", lines: [["waits for", "a complete list"]] };
  const holding = guard.holding;
  let says = { level: "ok", word: "Current" };
  if (holding) {
    const why = holding.cause === "empty_list" ? "etcd lists no target at all." : "That is too many at once to be believed.";
    says = {
      level: "warn", word: `Holding ${count(holding.removals)}`,
      note: {
        title: `The guard holds ${counted(holding.removals, "removal")}`,
        text: [[
          `Since ${clock(holding.since)}. ${why} etcd has ${counted(holding.wanted, "target")}; those that are gone stay published, additions go in. `,
          holding.until ? ["They go ", until(holding.until), `, at ${clock(holding.until)}.`] : "They stay for as long as etcd can't be reached.",
        ]],
        todo: ["If they are really gone, release them now: signal ", h("code", {}, "SIGUSR1"), ", or ", h("code", {}, "POST /-/release"), " with --enable-lifecycle. If not, put the registry right: then nothing has happened."],
      },
    };
  } else if (pending_since) says = { level: "ok", word: "Changing" };
  return {
    ...says,
    figure: count(document.targets), unit: counted(document.targets, "target").replace(/^\S+ /, ""),
    lines: [
      ["services", count(document.services)],
      ["size", bytes(document.bytes)],
      ["revision", count(document.revision)],
      ["changed", ago(document.time)],
      status.outputs.some(({ kind }) => kind === "http") && ["served", h("code", {}, "/sd")],
      guard.trips > 0 && ["guard", `${counted(guard.trips, "trip")}`],
    ],
  };
}

const OUTPUTS = { file: "file", directory: "directory", http: "HTTP" };

function output(output) {
  const { standing, failure, fight, healed } = output;
  const path = () => foreign(output.path, "code");
  let says = { level: "ok", word: "In place" };
  if (failure) {
    says = {
      level: "bad", word: "Failing",
      note: { title: "Publishing fails", text: [foreign(failure, "q"), ["What was in ", path(), " before stays."]], todo: "It is tried again by itself, at least each 2 s; nothing is lost meanwhile." },
    };
  } else if (fight) {
    says = {
      level: "warn", word: "Contested",
      note: { title: "Another program keeps changing what is published", text: [[path(), ` was put right ${counted(healed, "time")}.`]], todo: "Find out who writes there (the log names what was changed), and have it stop: etcd-sd heals it ever more slowly." },
    };
  } else if (standing === "standby") says = { level: "idle", word: "Standby" };
  else if (standing === "new") says = { level: "idle", word: "Not looked at yet" };
  else if (!output.published_at) says = { level: "idle", word: "Nothing yet" };
  return {
    ...says,
    figure: output.revision == null ? null : count(output.revision), unit: "revision",
    lines: [
      [OUTPUTS[output.kind] ?? output.kind, path()],
      standing === "standby" && ["writer", "another etcd-sd; this one when that ends"],
      output.published_at && ["in place", ago(output.published_at)],
      healed > 0 && ["healed", counted(healed, "time")],
    ],
  };
}

const LOADING = {
  loaded: ["ok", "Loaded"],
  not_yet: ["idle", "Not yet"],
  unreachable: ["warn", "Can't be asked", "Prometheus can't be asked", "Look at --prometheus-url, and whether it runs. What is published does not depend on it."],
  wrong_path: ["bad", "Reads another file", "Prometheus reads no such file", "Give it the path of the target file, or a pattern for those of the target directory, in files: of its file_sd_configs; the log says which it reads."],
  unreadable: ["bad", "Can't read it", "Prometheus can't read a file", "Look at the rights of the file and its directories, for the user that Prometheus runs as."],
  stale: ["bad", "Has an older one", "Prometheus has not loaded what is published", "See whether it reads the same file: a file that is mounted into a container by itself does not follow; mount its directory, or use --in-place."],
  other_targets: ["bad", "Has other targets", "Prometheus has other targets than are published", "See whether its http_sd_configs asks this daemon for all services, and what its log says."],
};

function prometheus({ url, state: name, reason, since, load_lag_seconds: lag }) {
  const [level, word, title, todo] = LOADING[name] ?? ["idle", name];
  const note = title && {
    title, todo,
    text: [["Since ", clock(since), ", ", ago(since), "."], reason && foreign(reason, "q")].filter(Boolean),
  };
  return {
    level, word, note,
    figure: lag == null ? null : lag < 10 ? lag.toFixed(1) : count(Math.round(lag)), unit: "s from change to loaded",
    lines: [["asked at", foreign(url, "code")], ["so since", ago(since)]],
  };
}

/** One line on all of it. */
export function verdict(status) {
  const uptime = `up ${lasting(now() - Date.parse(status.started))}`;
  const about = [`version ${status.version}`, uptime];
  if (status.ready) return { level: "ok", word: "Ready", about };
  return { level: "bad", word: "Not ready", about, why: status.not_ready_because };
}
