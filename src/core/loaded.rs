//! Loaded: has the Prometheus that reads what is published taken it in, and if not, why?
//!
//! Judged by Prometheus' own metrics. For each file that it reads it says of when the version is
//! that it has, to the second; a file that it can't read counts as an error, and stays at the
//! version before. Prometheus hears of a new version at once, unless it looks at another file of
//! that name, as one does who mounts a single file into a container.

mod scrape;

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

pub use scrape::Seen;

/// Prometheus has this long before anything is found wrong.
const GRACE: Duration = Duration::from_secs(10);

/// By HTTP it asks once a minute by default: for so long it may have an older document.
const REFRESH: Duration = Duration::from_secs(150);

/// Names of files that are given as an example.
const EXAMPLES: usize = 5;

/// What is published, and should be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Own {
    /// The target file, or those of the target directory.
    Files(Vec<Version>),
    /// A document by HTTP.
    Http {
        /// Counts the documents.
        number: u64,
        /// How many targets it has.
        targets: usize,
    },
}

/// A file, and of when it is, in seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Its path here; Prometheus may see it elsewhere.
    pub path: String,
    /// When it was last written, before Prometheus was asked.
    pub since: u64,
    /// And afterwards: what was written meanwhile may have been loaded.
    pub until: u64,
}

impl Version {
    fn is_of(&self, seen: u64) -> bool {
        (self.since..=self.until).contains(&seen)
    }
}

impl Own {
    /// Whether Prometheus reads any of it, wherever it sees it.
    #[must_use]
    pub fn is_read(&self, seen: &Seen) -> bool {
        match self {
            Self::Files(versions) => {
                let files = seen.by_name();
                versions.iter().any(|version| files.find(version).is_some())
            }
            Self::Http { .. } => false,
        }
    }
}

/// Whether Prometheus has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It does.
    Loaded,
    /// Not yet, and that is no wonder.
    NotYet,
    /// It reads no file of that name.
    WrongPath {
        /// Which one, here.
        path: String,
        /// Some that it reads.
        reads: Vec<String>,
    },
    /// It tries, and fails.
    Unreadable,
    /// It has had time enough, and still has another version: maybe of another file.
    Stale {
        /// Of which file, here.
        path: String,
        /// Where it reads it.
        read: String,
        /// Of when its version is, in seconds since 1970.
        seen: u64,
    },
    /// It reads the document by HTTP, and none of its numbers of targets is one that the document
    /// had of late.
    OtherTargets {
        /// How many the document has.
        expected: usize,
    },
    /// It can't be asked.
    Unreachable {
        /// Why.
        reason: String,
    },
}

impl State {
    /// Its name for programs.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Loaded => "loaded",
            Self::NotYet => "not_yet",
            Self::WrongPath { .. } => "wrong_path",
            Self::Unreadable => "unreadable",
            Self::Stale { .. } => "stale",
            Self::OtherTargets { .. } => "other_targets",
            Self::Unreachable { .. } => "unreachable",
        }
    }

    fn is_like(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

/// What was found so far.
#[derive(Debug)]
pub struct Judge {
    state: State,
    /// What was published when Prometheus last answered, once it had read its configuration.
    own: Option<Own>,
    /// Since when Prometheus could have it.
    since: Instant,
    /// The errors of Prometheus before it was; `None` if it was not asked before.
    errors: Option<u64>,
    /// And when it was last asked.
    last_errors: Option<u64>,
    /// How many targets documents had that were published by HTTP, and until when, for as long as
    /// Prometheus may have them.
    counts: Vec<(Instant, usize)>,
    has_newest: bool,
}

impl Judge {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            state: State::NotYet,
            own: None,
            since: now,
            errors: None,
            last_errors: None,
            counts: Vec::new(),
            has_newest: false,
        }
    }

    /// How it stands.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Up to when it has what was published, if it is loaded: by HTTP that may be some time before
    /// `now`, when it was judged.
    #[must_use]
    pub fn loaded_until(&self, now: Instant) -> Option<Instant> {
        let until = if self.has_newest { Some(now) } else { now.checked_sub(REFRESH) };
        until.filter(|_| self.state == State::Loaded)
    }

    /// Judges what Prometheus says of what is published, if anything is. Returns whether that is
    /// news.
    pub fn judge(&mut self, own: Option<Own>, seen: Result<&Seen, String>, now: Instant) -> bool {
        let seen = match seen {
            Ok(seen) => seen,
            Err(reason) => {
                // If it is started anew, it has to read everything again.
                self.own = None;
                return self.become_of(State::Unreachable { reason });
            }
        };
        let Some(own) = own.filter(|_| !seen.is_starting) else {
            self.own = None;
            return self.become_of(State::NotYet);
        };
        let errors = match own {
            Own::Files(_) => seen.read_errors,
            Own::Http { .. } => seen.http_failures,
        };
        // Prometheus reads each version of a file at once: a file that is written all the time is
        // no excuse for one that it never has.
        let is_excused = matches!(own, Own::Http { .. }) || self.state == State::Loaded;
        if self.own.is_none() || (self.own.as_ref() != Some(&own) && is_excused) {
            self.since = now;
            self.errors = self.last_errors;
        }
        if self.last_errors.is_some_and(|last| errors < last) {
            // It was started anew, and counts from the beginning.
            self.errors = Some(0);
        }
        (self.own, self.last_errors) = (Some(own.clone()), Some(errors));
        // What has failed before it was first asked may be of this, nobody knows.
        let has_failed = errors > self.errors.unwrap_or_default();
        let patience = match own {
            Own::Files(_) => GRACE,
            Own::Http { .. } => REFRESH,
        };
        let is_patient = now.saturating_duration_since(self.since) < patience;
        let wrong = match own {
            Own::Files(versions) => {
                self.has_newest = true;
                wrong_with_files(&versions, seen)
            }
            Own::Http { targets, .. } => {
                self.has_newest = seen.discovered.contains(&targets);
                let recent = self.recent(targets, now);
                let is_recent = seen.discovered.iter().any(|count| recent.contains(count));
                (!is_recent).then_some(State::OtherTargets { expected: targets })
            }
        };
        let state = match wrong {
            None => State::Loaded,
            Some(_) if is_patient => State::NotYet,
            Some(_) if has_failed => State::Unreadable,
            Some(wrong) => wrong,
        };
        if state == State::Loaded {
            self.errors = Some(errors);
        }
        self.become_of(state)
    }

    /// Which numbers of targets the document may have had when it was last asked for by HTTP, if it
    /// has so many now.
    fn recent(&mut self, targets: usize, now: Instant) -> RangeInclusive<usize> {
        self.counts.retain(|&(until, _)| now.saturating_duration_since(until) < REFRESH);
        self.counts.retain(|&(_, count)| count != targets);
        self.counts.push((now, targets));
        // Documents come and go between two looks.
        let counts = || self.counts.iter().map(|&(_, count)| count);
        counts().min().unwrap_or(targets)..=counts().max().unwrap_or(targets)
    }

    fn become_of(&mut self, state: State) -> bool {
        let is_news = !self.state.is_like(&state);
        self.state = state;
        is_news
    }
}

/// What is wrong if Prometheus has had its time; `None` if it has all of them.
fn wrong_with_files(versions: &[Version], seen: &Seen) -> Option<State> {
    let (Version { path, .. }, found) = seen.not_loaded(versions)?;
    let path = path.clone();
    let Some((read, seen)) = found else {
        let reads = seen.files.iter().map(|(path, _)| path.clone());
        return Some(State::WrongPath { path, reads: reads.take(EXAMPLES).collect() });
    };
    Some(State::Stale { path, read: read.into(), seen })
}

#[cfg(test)]
mod tests;
