//! Closing the loop: asks the Prometheus that reads what is published whether it has it.
//!
//! Asks for its metrics now and then, and soon after each publish, on a thread of its own; what
//! they mean is decided in [`core::loaded`](crate::core::loaded). What is found is written on the
//! board, and said once. A Prometheus that can't be asked harms nothing.

mod client;
mod places;
mod url;

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::{Instant as Moment, sleep_until};
use tracing::{debug, info, warn};

use crate::board::Board;
use crate::clock;
use crate::core::loaded::{Judge, Own, Seen, State};
use crate::core::status::PrometheusStatus;
use crate::core::time::Millis;
use crate::telemetry::{Foreign, seconds};
use client::Client;

pub use places::Place;
pub use url::{Url, UrlError};

/// How often it is asked.
const PERIOD: Duration = Duration::from_secs(5);

/// How long after a publish: Prometheus reads a file at once.
const SOON: [Duration; 4] = [
    Duration::from_millis(100),
    Duration::from_millis(400),
    Duration::from_secs(1),
    Duration::from_millis(2500),
];

/// Why one can't be asked whose answer has no `prometheus_build_info`.
const NOT_PROMETHEUS: &str = "what answers there has not the metrics of a Prometheus";

/// Publishes may follow one another more quickly than a Prometheus should be asked.
const PAUSE: Duration = Duration::from_secs(1);

/// Asks it for as long as the program runs.
///
/// # Errors
///
/// If there can be no thread.
pub fn watch(url: Url, places: Arc<[Place]>, board: Arc<Board>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let run = move || {
        let task = Task::new(url, places, board);
        runtime.block_on(task.run());
    };
    thread::Builder::new().name("prometheus".into()).spawn(run)?;
    Ok(())
}

struct Task {
    client: Client,
    url: Url,
    /// Where it may read what is published.
    places: Arc<[Place]>,
    /// And where it does, as far as is known.
    place: usize,
    board: Arc<Board>,
    judge: Judge,
    /// Since when it is as it is.
    since: Millis,
    /// The oldest change that is not known to be loaded, by its arrival.
    unloaded: Option<Instant>,
    /// What the last one took from its arrival.
    lag: Option<Duration>,
}

impl Task {
    fn new(url: Url, places: Arc<[Place]>, board: Arc<Board>) -> Self {
        Self {
            client: Client::new(url.clone()),
            url,
            places,
            place: 0,
            board,
            judge: Judge::new(Instant::now()),
            since: clock::now(),
            unloaded: None,
            lag: None,
        }
    }

    async fn run(mut self) {
        let mut shown = self.board.watch_shown();
        let mut due = Moment::now();
        let mut soon = SOON.iter();
        let mut asked = None::<Moment>;
        loop {
            tokio::select! {
                () = sleep_until(due) => {}
                changed = shown.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    self.published(&mut shown);
                    soon = SOON.iter();
                    let earliest = asked.map_or(due, |asked| asked + PAUSE);
                    due = due.min(earliest.max(Moment::now() + SOON[0]));
                    continue;
                }
            }
            asked = Some(Moment::now());
            self.ask().await;
            let is_pending = self.unloaded.is_some();
            let next = soon.next().filter(|_| is_pending);
            due = Moment::now() + next.copied().unwrap_or(PERIOD);
        }
    }

    fn published(&mut self, shown: &mut watch::Receiver<Option<Instant>>) {
        let Some(arrived) = *shown.borrow_and_update() else { return };
        self.unloaded = Some(self.unloaded.map_or(arrived, |before| before.min(arrived)));
    }

    async fn ask(&mut self) {
        // A publish that comes meanwhile is not what is judged.
        let unloaded = self.unloaded;
        let ask = self.client.get("/metrics");
        let published = self.board.published();
        let (mut owns, answer) = Place::own_during(&self.places, published, ask).await;
        let seen = answer
            .map_err(|error| error.to_string())
            .and_then(|text| Seen::parse(&text).ok_or_else(|| NOT_PROMETHEUS.to_owned()));
        if let Ok(seen) = &seen {
            let is_read = |own: &Option<_>| own.as_ref().is_some_and(|own| Own::is_read(own, seen));
            self.place = owns.iter().position(is_read).unwrap_or(self.place);
        }
        let own = owns.swap_remove(self.place);
        let now = Instant::now();
        let is_news = self.judge.judge(own, seen.as_ref().map_err(Clone::clone), now);
        if let (Some(arrived), Some(until)) = (unloaded, self.judge.loaded_until(now)) {
            if until == now {
                self.lag = Some(now.saturating_duration_since(arrived));
                self.unloaded = None;
            } else {
                self.unloaded = Some(arrived.max(until));
            }
        }
        if is_news {
            self.since = clock::now();
            self.say();
        }
        self.board.prometheus(self.status());
    }

    fn say(&self) {
        let url = self.url.as_str();
        let place = &self.places[self.place];
        let path = place.path();
        match self.judge.state() {
            State::Loaded => {
                let after_seconds = self.lag.map(seconds);
                info!(url, path, after_seconds, "Prometheus has loaded what is published");
            }
            State::NotYet => debug!(url, path, "Prometheus has not loaded what is published yet"),
            State::WrongPath { path, reads } => {
                let names: Vec<_> =
                    reads.iter().map(|name| Foreign(name.as_bytes()).to_string()).collect();
                let reads = if names.is_empty() { "none".into() } else { names.join(", ") };
                warn!(
                    url,
                    path,
                    reads,
                    "Prometheus reads no file of this name: see files: under file_sd_configs in its \
                     configuration, whether it has that configuration, and in a container whether \
                     the file's directory is mounted there"
                );
            }
            State::Unreadable if !matches!(place, Place::Http) => warn!(
                url,
                path,
                "Prometheus can't read a file, its errors grow: see whether its user may \
                 (--file-mode, and the directories above the file), and its log"
            ),
            State::Unreadable => warn!(
                url,
                path,
                "Prometheus' discovery by HTTP fails: see its log, the url under http_sd_configs, \
                 and the token and certificate if there are any"
            ),
            State::Stale { path, read, seen } => {
                let of = Millis(seen.saturating_mul(1000));
                let reads = Foreign(read.as_bytes());
                warn!(
                    url, path, %reads, %of,
                    "Prometheus still has another version of this file: if it is mounted into \
                     a container as a single file, mount its directory; if the directory was made \
                     anew, restart Prometheus; where the kernel tells of no changes, as on a network \
                     file system, lower refresh_interval"
                );
            }
            State::OtherTargets { expected } => warn!(
                url,
                path,
                expected,
                "Prometheus has discovered another number of targets in each of its jobs: see the \
                 url under http_sd_configs in its configuration, and its refresh_interval"
            ),
            State::Unreachable { reason } => warn!(
                url, %reason,
                "cannot ask Prometheus whether it has loaded what is published; this changes \
                 nothing else"
            ),
        }
    }

    fn status(&self) -> PrometheusStatus {
        let state = self.judge.state();
        PrometheusStatus {
            url: self.url.as_str().to_owned(),
            up: !matches!(state, State::Unreachable { .. }),
            loaded: *state == State::Loaded,
            state: state.name(),
            reason: match state {
                State::Unreachable { reason } => Some(reason.clone()),
                _ => None,
            },
            since: self.since,
            load_lag_seconds: self.lag.map(|lag| lag.as_secs_f64()),
        }
    }
}
