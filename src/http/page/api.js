// The daemon's API: questions, and its events as they come.

import { theirClock } from "./dom.js";

// In full: relative to a page whose address has a password in it, nothing can be asked.
const API = `${location.origin}/api/v1`;

/** Why there is no answer, in words. */
export class Unanswered extends Error {
  constructor(message, status = 0) {
    super(message);
    this.status = status;
  }
}

/** GETs JSON. */
export async function ask(path, parameters = {}, signal = undefined) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value != null && value !== "") query.set(name, value);
  }
  const text = query.toString();
  let response;
  try {
    response = await fetch(`${API}/${path}${text && "?"}${text}`, { signal, cache: "no-store" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Unanswered("etcd-sd does not answer");
  }
  const date = response.headers.get("date");
  if (date) theirClock(date);
  const answer = await response.json().catch(() => null);
  if (response.ok && answer) return answer;
  const why = response.status === 401 ? "the token is not right any more: load this page again" : `the answer was ${response.status}`;
  throw new Unanswered(answer?.error ?? why, response.status);
}

/** Has `on` hear of each event, and of whether events come. Where they do not, it asks again and
 *  again instead; so it is in a tab that nobody sees, as a browser has six connections for all. */
export function listen(on) {
  const AGAIN = 3000;
  let source;
  let last = null;
  const isOpen = () => source && source.readyState !== EventSource.CLOSED;
  const connect = () => {
    if (document.hidden || isOpen()) return;
    source = new EventSource(`${API}/events`);
    source.addEventListener("open", () => on.live(true));
    source.addEventListener("status", (event) => on.status(JSON.parse(event.data)));
    source.addEventListener("change", (event) => {
      const change = JSON.parse(event.data);
      last = change.time;
      on.change(change);
    });
    source.addEventListener("more", (event) => on.more(JSON.parse(event.data).changes));
    source.addEventListener("error", () => {
      on.live(false);
      // It connects again by itself, unless the answer was none.
      if (source.readyState === EventSource.CLOSED) setTimeout(connect, AGAIN);
    });
  };
  const poll = async () => {
    if (source?.readyState !== EventSource.OPEN) {
      try {
        on.status(await ask("status"));
        await on.polled(last);
      } catch (error) {
        on.lost(error);
      }
    }
    setTimeout(poll, AGAIN);
  };
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) source?.close();
    else connect();
  });
  connect();
  setTimeout(poll, AGAIN);
}
