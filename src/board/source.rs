//! What the actors of one source write down: the watcher, the registry and the auditor.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::{Clock, lock};
use crate::clock;
use crate::core::entries::Counts;
use crate::core::event::Revision;
use crate::core::status::{AuditStatus, Connection, EntriesStatus, ListStatus, SourceStatus};

/// How one source stands.
#[derive(Debug)]
pub struct SourceBoard {
    name: String,
    key_pattern: String,
    value_format: &'static str,
    /// How old the last sign of life may be while all is well.
    patience: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    connection: Connection,
    server: Option<String>,
    server_version: Option<String>,
    cluster_id: Option<String>,
    failure: Option<String>,
    fresh: Option<Instant>,
    /// Since then something has happened that the registry lacks, or may have.
    has_missed: bool,
    observed: Revision,
    applied: Revision,
    /// Up to here etcd has told all that there is, and the registry has taken it: what it holds may
    /// be of long before.
    told: Revision,
    queued: usize,
    counts: Counts,
    last_list: Option<ListStatus>,
    last_audit: Option<AuditStatus>,
}

impl SourceBoard {
    /// One of which nothing is known yet, by the name that tells it from others. While all is
    /// well, it is heard of at least once in `patience`.
    #[must_use]
    pub fn new(
        name: String,
        key_pattern: String,
        value_format: &'static str,
        patience: Duration,
    ) -> Self {
        Self { name, key_pattern, value_format, patience, state: Mutex::default() }
    }

    /// What tells it from the others.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A member is asked.
    pub fn trying(&self, server: &str) {
        let mut state = lock(&self.state);
        if state.server.as_deref() != Some(server) {
            state.server = Some(server.into());
            state.server_version = None;
        }
        if state.connection != Connection::Away {
            state.connection = Connection::Connecting;
        }
        state.failure.get_or_insert_with(|| format!("{server}: no answer yet"));
    }

    /// It has answered.
    pub fn connected(&self, server: &str, version: &str, cluster_id: u64) {
        let mut state = lock(&self.state);
        state.server_version = Some(version.into());
        state.cluster_id = Some(format!("{cluster_id:x}"));
        state.failure = Some(format!("{server}: the list is not complete yet"));
    }

    /// The prefix is listed, be it because the registry lacks something.
    pub fn listing(&self, has_missed: bool) {
        let mut state = lock(&self.state);
        // Revisions may begin anew.
        (state.connection, state.told) = (Connection::Listing, Revision::default());
        state.has_missed |= has_missed;
        if state.has_missed {
            let server = state.server.as_deref().unwrap_or_default();
            state.failure = Some(format!("{server}: the list is not complete yet"));
        }
    }

    /// The list is complete, as of now.
    pub fn listed(&self, reason: String, took: Duration) {
        let time = clock::now();
        lock(&self.state).last_list =
            Some(ListStatus { time, seconds: took.as_secs_f64(), reason });
    }

    /// The watch stands, and has told all that happened before it did, or will do so.
    pub fn watching(&self, has_told: bool) {
        let mut state = lock(&self.state);
        state.connection = if has_told { Connection::Watching } else { Connection::CatchingUp };
        state.has_missed |= !has_told;
        state.failure = (!has_told).then(|| "the watch still tells what happened meanwhile".into());
    }

    /// The list is complete, and etcd gives what it is asked for.
    pub fn well(&self) {
        lock(&self.state).failure = None;
    }

    /// Until this instant nothing was missed.
    pub fn fresh(&self, now: Instant) {
        let mut state = lock(&self.state);
        (state.fresh, state.has_missed) = (Some(now), false);
        if state.connection == Connection::CatchingUp {
            (state.connection, state.failure) = (Connection::Watching, None);
        }
    }

    /// There is no connection any more, or there was none.
    pub fn lost(&self, failure: String) {
        let mut state = lock(&self.state);
        (state.connection, state.has_missed) = (Connection::Away, true);
        state.failure = Some(failure);
    }

    /// Why there is no connection, no list yet, or not all of what happened since; `None` if all is
    /// well.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        lock(&self.state).failure.clone()
    }

    /// The revision that etcd was last seen at.
    pub fn observed(&self, revision: Revision) {
        lock(&self.state).observed = revision;
    }

    /// What the registry holds, as of this revision.
    pub fn applied(&self, revision: Revision, counts: Counts) {
        let mut state = lock(&self.state);
        (state.applied, state.counts) = (revision, counts);
    }

    /// The watch has spoken: etcd is at this revision, 0 if it did not say, and so many changes are
    /// on their way to the registry.
    pub fn receives(&self, member: Revision, changes: usize) {
        let mut state = lock(&self.state);
        if member > Revision::default() {
            state.observed = member;
        }
        state.queued = changes;
    }

    /// The registry has all that there is up to this revision, and nothing is on its way.
    pub fn has(&self, revision: Revision) {
        let mut state = lock(&self.state);
        state.told = state.told.max(revision);
        state.queued = 0;
    }

    /// An audit was carried through.
    pub fn audited(&self, differences: usize) {
        let time = clock::now();
        lock(&self.state).last_audit = Some(AuditStatus { time, differences });
    }

    pub(super) fn status(&self, clock: Clock) -> SourceStatus {
        let state = lock(&self.state);
        let applied = state.applied.max(state.told);
        let is_recent = |at: Instant| clock.since(at) <= self.patience;
        SourceStatus {
            name: self.name.clone(),
            key_pattern: self.key_pattern.clone(),
            value_format: self.value_format,
            connection: state.connection,
            server: state.server.clone(),
            server_version: state.server_version.clone(),
            cluster_id: state.cluster_id.clone(),
            failure: state.failure.clone(),
            fresh_at: state.fresh.map(|at| clock.time(at)),
            fresh: !state.has_missed && state.fresh.is_some_and(is_recent),
            observed_revision: state.observed.max(applied),
            applied_revision: applied,
            queued: state.queued,
            entries: EntriesStatus::from(state.counts),
            last_list: state.last_list.clone(),
            last_audit: state.last_audit,
        }
    }
}
