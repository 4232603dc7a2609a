//! Status: the state of each part of the daemon as of now, for people and programs that look on.
//!
//! Pure data, as `/api/v1/status` shows it, and what follows from it: whether the daemon is ready.
//! Times are those of the host's clock.

mod output;
mod source;

use std::time::Duration;

use serde::{Serialize, Serializer};

use super::event::Revision;
use super::guard::Cause;
use super::time::Millis;

pub use output::{OutputKind, OutputStatus, Standing};
pub use source::{AuditStatus, Connection, EntriesStatus, ListStatus, SourceStatus};

/// All of it.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// Of the program.
    pub version: &'static str,
    /// When the daemon started.
    pub started: Millis,
    /// Whether all actors answer.
    pub healthy: bool,
    /// Which of them do not.
    pub unhealthy_because: Vec<String>,
    /// Whether a complete list is published, and known to be fresh.
    pub ready: bool,
    /// Why it is not.
    pub not_ready_because: Vec<String>,
    /// What Prometheus gets; `None` before the first complete list.
    pub published: Option<PublishedStatus>,
    /// Since when changes wait to be published.
    pub pending_since: Option<Millis>,
    /// One for each prefix or pattern.
    pub sources: Vec<SourceStatus>,
    /// Whether removals are held.
    pub guard: GuardStatus,
    /// Where it publishes to.
    pub outputs: Vec<OutputStatus>,
    /// The journal of changes; `None` if there is none.
    pub journal: Option<JournalStatus>,
    /// The Prometheus that reads what is published; `None` if there is none to ask.
    pub prometheus: Option<PrometheusStatus>,
}

/// What the Prometheus that reads what is published says.
#[derive(Clone, Debug, Serialize)]
pub struct PrometheusStatus {
    /// Where it is asked.
    pub url: String,
    /// Whether it answers.
    pub up: bool,
    /// Whether it has loaded what is published.
    pub loaded: bool,
    /// How it stands, by the [name](super::loaded::State::name).
    pub state: &'static str,
    /// Why it can't be asked.
    pub reason: Option<String>,
    /// Since when it stands so.
    pub since: Millis,
    /// From the arrival of the oldest change in the last publish that it has loaded to its having
    /// been loaded; to the nearest second or so.
    pub load_lag_seconds: Option<f64>,
}

/// How the journal fares.
#[derive(Clone, Debug, Serialize)]
pub struct JournalStatus {
    /// The file.
    pub path: String,
    /// Changes that were written to it.
    pub lines: u64,
    /// Changes that are not in it: nothing waits for the journal.
    pub dropped: u64,
    /// Whether it can't be written.
    pub failing: bool,
    /// Changes that wait to be looked at.
    pub queued: usize,
}

impl Status {
    /// All of it in one line.
    #[must_use]
    pub fn summary(&self) -> String {
        let mut said = match &self.published {
            None => Vec::new(),
            Some(PublishedStatus { targets, services, revision, .. }) => vec![format!(
                "revision {revision} published, targets: {targets}, services: {services}"
            )],
        };
        if let Some(HoldStatus { removals, .. }) = self.guard.holding {
            said.push(format!("the removal of {removals} targets is held"));
        }
        let troubles = self.unhealthy_because.iter().chain(&self.not_ready_because);
        said.extend(troubles.cloned());
        // systemd takes one line.
        said.join("; ").replace(['\n', '\r'], " ")
    }
}
/// What is published.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct PublishedStatus {
    /// Counts the documents since the start, from 1.
    pub number: u64,
    /// Since when it is visible.
    pub time: Millis,
    /// Of etcd.
    pub revision: Revision,
    /// Services with a target.
    pub services: usize,
    /// Targets.
    pub targets: usize,
    /// Its length.
    pub bytes: usize,
}

/// What the guard does.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct GuardStatus {
    /// A removal that is held.
    pub holding: Option<HoldStatus>,
    /// How often one was, since the start.
    pub trips: u64,
}

/// A removal that is held.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct HoldStatus {
    /// Why.
    #[serde(serialize_with = "cause")]
    pub cause: Cause,
    /// Targets that are published though etcd does not have them.
    pub removals: usize,
    /// Targets that etcd has.
    pub wanted: usize,
    /// Since when.
    pub since: Millis,
    /// When they will be let through; `None` for as long as etcd can't be reached.
    pub until: Option<Millis>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn cause<S: Serializer>(cause: &Cause, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(match cause {
        Cause::TooMany => "too_many",
        Cause::EmptyList => "empty_list",
    })
}
/// Outputs that are being looked at or written for so long are on a disk that hangs: a million
/// targets take a few seconds.
const HANGS: Duration = Duration::from_secs(30);

/// What can't be vouched for, each with its reason; none of it if the daemon is ready. `working`
/// says for how long the outputs are being looked at or written.
#[must_use]
pub fn not_ready(
    published: Option<&PublishedStatus>,
    sources: &[SourceStatus],
    outputs: &[OutputStatus],
    working: Duration,
) -> Vec<String> {
    let mut reasons = Vec::new();
    if published.is_none() {
        reasons.push("no complete list has been published yet".into());
    }
    let stale = sources.iter().filter(|source| !source.fresh).map(|source| {
        let since = source.fresh_at;
        let since = since.map_or("never was fresh".into(), |at| format!("may be stale since {at}"));
        let why = source.failure.as_deref().unwrap_or("etcd has given no sign of life");
        format!("{} {since}: {why}", source.name)
    });
    reasons.extend(stale);
    for output in outputs {
        let OutputStatus { path, standing, failure, published_at, .. } = output;
        match failure {
            Some(failure) => reasons.push(format!("cannot publish to {path}: {failure}")),
            None if *standing != Standing::Standby && published_at.is_none() => {
                reasons.push(format!("nothing has been published to {path} yet"));
            }
            None => {}
        }
    }
    if working > HANGS {
        let seconds = working.as_secs();
        reasons.push(format!(
            "a look at what is published, or a write, has not ended for {seconds} s: a disk or a \
             network file system hangs"
        ));
    }
    reasons
}

#[cfg(test)]
mod tests;
