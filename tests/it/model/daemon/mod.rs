//! The daemon's pure parts, put together as its actors do it, one message at a time.
//!
//! What the actors leave to time and chance is left to the steps of the history: when a
//! message comes, when silence has lasted, when an audit is due.

mod auditor;
mod bugs;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use etcd_sd::core::census::elect;
use etcd_sd::core::event::{Change, Event, Lookup, Recovered, Revision};
use etcd_sd::core::key::Prefix;
use etcd_sd::core::liveness::{Action, Liveness, Sign};
use etcd_sd::core::registry::Registry;
use etcd_sd::core::session::{Header, Next, RelistReason, Session, Verdict, WatchEnd};

use super::etcd::{Etcd, Sent, Stream};
use super::keys::{self, Key};
use super::properties::Properties;
use super::violation::Violation;
use auditor::Auditor;

pub(super) use bugs::Bug;

/// Changes in one message to the registry.
const CHUNK: usize = 3;

const IDLE: Duration = Duration::from_secs(6);
const ANSWER: Duration = Duration::from_secs(4);

/// Session, registry and audits, and their connections to the model.
pub(super) struct Daemon {
    session: Session,
    registry: Registry,
    connection: Connection,
    attempt: usize,
    /// What the session let through, and the registry has yet to take.
    parts: VecDeque<Event>,
    auditor: Auditor,
    now: Instant,
    bug: Option<Bug>,
    pub(super) properties: Properties,
}

enum Connection {
    None,
    Listing(Listing),
    Watching(Watching),
}

struct Listing {
    server: usize,
    reason: RelistReason,
    first: Option<Header>,
    from: Key,
    lookups: Vec<Lookup>,
}

struct Watching {
    stream: Stream,
    liveness: Liveness,
    /// It is the first thing on its connection.
    resumes: bool,
}

impl Daemon {
    pub(super) fn new(bug: Option<Bug>) -> Self {
        Self {
            session: Session::new(),
            registry: Registry::new(Prefix::parse("/services").unwrap()),
            connection: Connection::None,
            attempt: 0,
            parts: VecDeque::new(),
            auditor: Auditor::default(),
            now: Instant::now(),
            bug,
            properties: Properties::default(),
        }
    }

    /// Goes one message further: connects, takes a page, a response of the watch, or a part
    /// of one.
    pub(super) fn advance(
        &mut self,
        etcd: &mut Etcd,
        revisions: u8,
        limit: usize,
    ) -> Result<(), Violation> {
        if let Some(part) = self.parts.pop_front() {
            return self.tell(etcd, part).map(|_| ());
        }
        match std::mem::replace(&mut self.connection, Connection::None) {
            Connection::None => self.connect(etcd),
            Connection::Listing(listing) => self.take_page(etcd, listing, limit),
            Connection::Watching(mut watching) => {
                if watching.stream.is_empty() {
                    watching.stream.send(etcd, revisions, limit);
                }
                self.take_response(etcd, watching)
            }
        }
    }

    /// The watch, if there is one.
    pub(super) fn stream(&mut self) -> Option<&mut Stream> {
        match &mut self.connection {
            Connection::Watching(watching) => Some(&mut watching.stream),
            _ => None,
        }
    }

    /// Whether there is a complete list.
    pub(super) fn has_position(&self) -> bool {
        self.session.position().is_some()
    }

    /// The watch says nothing until its deadline.
    pub(super) fn silence(&mut self, etcd: &Etcd, overtakes: bool) -> Result<(), Violation> {
        self.take_all_parts(etcd)?;
        let Connection::Watching(watching) = &mut self.connection else {
            return Ok(());
        };
        self.now = watching.liveness.deadline();
        match watching.liveness.silence(self.now) {
            Action::GiveUp => {
                self.properties.tally.count("watches given up for silence");
                if let WatchEnd::Relist(reason) = self.session.silent() {
                    self.count_relist(&reason);
                    self.properties.list_is_due = true;
                }
                self.lose();
            }
            _ => watching.stream.ping(etcd, overtakes),
        }
        Ok(())
    }

    /// Loses its connection with whatever is on the way, perhaps also that of an audit.
    pub(super) fn disconnect(&mut self, etcd: &Etcd, audit: bool) -> Result<(), Violation> {
        self.take_all_parts(etcd)?;
        self.lose();
        if audit {
            self.disconnect_audit();
        }
        Ok(())
    }

    /// Loses the connections to servers that it can't reach any more.
    pub(super) fn notice_outage(&mut self, etcd: &Etcd) -> Result<(), Violation> {
        let server = match &self.connection {
            Connection::None => return Ok(()),
            Connection::Listing(listing) => listing.server,
            Connection::Watching(watching) => watching.stream.server,
        };
        if etcd.is_up(server) { Ok(()) } else { self.disconnect(etcd, false) }
    }

    /// Loses the watch of a server that is now a stranger. A list may go on with the stranger's
    /// pages, as it would behind a proxy.
    pub(super) fn notice_stranger(&mut self, etcd: &Etcd) -> Result<(), Violation> {
        let server = match &self.connection {
            Connection::Watching(watching) => watching.stream.server,
            Connection::Listing(listing) if listing.first.is_none() => listing.server,
            _ => return Ok(()),
        };
        if etcd.is_stranger(server) { self.disconnect(etcd, false) } else { Ok(()) }
    }

    /// The server loses events on their way.
    pub(super) fn lose_events(&mut self) -> bool {
        let lost = self.stream().and_then(Stream::lose);
        lost.into_iter().for_each(|newest| self.properties.lost(newest));
        lost.is_some()
    }

    /// Is told to list anew.
    pub(super) fn request_list(
        &mut self,
        etcd: &Etcd,
        reason: RelistReason,
    ) -> Result<(), Violation> {
        self.take_all_parts(etcd)?;
        self.count_relist(&reason);
        self.session.request_list(reason);
        self.properties.list_is_due = true;
        self.connection = Connection::None;
        Ok(())
    }

    /// Whether it has taken all that the member has, which is at that revision at least.
    pub(super) fn has_received(&self, etcd: &Etcd, revision: Revision) -> bool {
        let Connection::Watching(Watching { stream, .. }) = &self.connection else {
            return false;
        };
        let is_at = etcd.header(stream.server).revision;
        stream.is_idle(etcd) && is_at >= revision && self.parts.is_empty()
    }

    fn connect(&mut self, etcd: &Etcd) -> Result<(), Violation> {
        let server = self.attempt % etcd.servers();
        if !etcd.is_up(server) || !self.identify(etcd, server) {
            self.lose();
            return Ok(());
        }
        self.serve(etcd, server, true)
    }

    /// Whether the server is of the cluster that is meant.
    fn identify(&mut self, etcd: &Etcd, server: usize) -> bool {
        let found = etcd.header(server).cluster_id;
        let known = self.session.position().map(|position| position.cluster_id);
        if etcd.servers() == 1 || known == Some(found) {
            return true;
        }
        let answer = |server| etcd.is_up(server).then(|| etcd.header(server).cluster_id);
        let answers: Vec<_> = (0..etcd.servers()).map(answer).collect();
        let is_meant = elect(known, &answers) == Some(found);
        if !is_meant {
            self.properties.tally.count("connections to the wrong cluster");
        }
        is_meant
    }

    fn serve(&mut self, etcd: &Etcd, server: usize, resumes: bool) -> Result<(), Violation> {
        match self.session.connected(etcd.version(server)) {
            Next::List(reason) => {
                self.properties.lists(self.session.position())?;
                let (first, lookups) = (None, Vec::new());
                let listing = Listing { server, reason, first, from: 0, lookups };
                self.connection = Connection::Listing(listing);
                self.tell(etcd, Event::ListStarted).map(|_| ())
            }
            Next::Watch(from) => {
                let from = self.bug.map_or(from, |bug| bug.start(from));
                if let Some(position) = self.session.position() {
                    self.properties.watches(position, from)?;
                }
                let stream = Stream::open(etcd, server, from.0);
                let liveness = Liveness::new(IDLE, ANSWER, self.now);
                self.connection = Connection::Watching(Watching { stream, liveness, resumes });
                Ok(())
            }
        }
    }

    fn take_page(
        &mut self,
        etcd: &mut Etcd,
        mut listing: Listing,
        limit: usize,
    ) -> Result<(), Violation> {
        let pinned = listing.first.map(|header| header.revision);
        let Ok(page) = etcd.page(listing.server, listing.from, limit, pinned) else {
            self.properties.tally.count("lists that failed");
            self.lose();
            return Ok(());
        };
        let header = *listing.first.get_or_insert(page.header);
        if header.cluster_id != page.header.cluster_id {
            self.properties.tally.count("lists that met a page of another cluster");
            self.lose();
            return Ok(());
        }
        listing.lookups.extend(self.tell(etcd, Event::Page(page.entries))?);
        if let Some(next) = page.next {
            self.connection = Connection::Listing(Listing { from: next, ..listing });
            return Ok(());
        }
        let recovered = recover(etcd, listing.server, listing.lookups);
        self.tell(etcd, Event::Recovered(recovered))?;
        let new_epoch = self.session.new_epoch(header).is_some();
        let new_epoch = new_epoch && self.bug != Some(Bug::EpochUnsaid);
        let position = self.session.position();
        self.properties.listed(etcd, position, &listing.reason, header, new_epoch)?;
        self.properties.tally.count("complete lists");
        self.tell(etcd, Event::ListEnded { revision: header.revision, new_epoch })?;
        self.session.listed(header);
        self.serve(etcd, listing.server, false)
    }

    fn take_response(&mut self, etcd: &Etcd, mut watching: Watching) -> Result<(), Violation> {
        let (Some(mut sent), Some(before)) = (watching.stream.receive(), self.session.position())
        else {
            self.connection = Connection::Watching(watching);
            return Ok(());
        };
        let header = sent.message.header;
        if let Some(bug) = self.bug {
            bug.distort(&mut sent.message, before);
        }
        let Sent { message, due, .. } = sent;
        self.now += Duration::from_millis(1);
        let verdict = self.session.judge(message);
        let after = self.session.position().unwrap_or(before);
        let sign = match verdict {
            Verdict::Unrelated => None,
            Verdict::Pong { ahead } => Some(Sign::Pong { ahead }),
            _ => Some(Sign::Watch),
        };
        let stream = &mut watching.stream;
        match verdict {
            Verdict::End(end) => return self.end_watch(etcd, stream.server, end),
            Verdict::Apply(changes, revision) => {
                let before = before.revision;
                self.properties.let_through(etcd, stream, before, &changes, revision)?;
                self.parts.extend(parts(changes, revision));
            }
            Verdict::Created => {
                self.properties.created(etcd, stream, after, header)?;
                if watching.resumes {
                    self.properties.tally.count("watches resumed");
                    self.audit_is_due();
                }
            }
            Verdict::Pong { .. } => stream.end_ping(etcd),
            Verdict::Alive | Verdict::Unrelated => {}
        }
        self.properties.judged(stream, before, after, due)?;
        let action = sign.map(|sign| watching.liveness.heard(sign, self.now));
        if action == Some(Action::RequestProgress) {
            self.properties.tally.count("progress requested");
            stream.request_progress(etcd);
        }
        self.connection = Connection::Watching(watching);
        match self.parts.pop_front() {
            Some(part) => self.tell(etcd, part).map(|_| ()),
            None => Ok(()),
        }
    }

    fn end_watch(&mut self, etcd: &Etcd, server: usize, end: WatchEnd) -> Result<(), Violation> {
        if let WatchEnd::Relist(reason) = end {
            self.count_relist(&reason);
            self.properties.list_is_due = true;
            if reason.is_of_history() {
                return self.serve(etcd, server, false);
            }
        }
        self.lose();
        Ok(())
    }

    fn lose(&mut self) {
        self.connection = Connection::None;
        self.attempt += 1;
    }

    fn take_all_parts(&mut self, etcd: &Etcd) -> Result<(), Violation> {
        while let Some(part) = self.parts.pop_front() {
            self.tell(etcd, part)?;
        }
        Ok(())
    }

    /// Tells the registry, and looks at what it makes of it.
    fn tell(&mut self, etcd: &Etcd, event: Event) -> Result<Vec<Lookup>, Violation> {
        let event = match self.bug {
            Some(bug) => bug.retell(event, self.has_position()),
            None => Some(event),
        };
        let Some(event) = event else {
            return Ok(Vec::new());
        };
        let applied = self.registry.apply(event);
        self.properties.rendered(etcd, &mut self.registry, applied.changed)?;
        Ok(applied.lookups)
    }

    fn count_relist(&mut self, reason: &RelistReason) {
        self.properties.tally.count(match reason {
            RelistReason::First => "relists: first",
            RelistReason::Compacted { .. } => "relists: compacted",
            RelistReason::Rewound { .. } => "relists: rewound, or the member lags",
            RelistReason::OlderTerm { .. } => "relists: older term",
            RelistReason::ForeignCluster { .. } => "relists: another cluster",
            RelistReason::Silent => "relists: silent",
            RelistReason::OtherHistory(_) => "relists: other history",
            RelistReason::Diverged(_) => "relists: diverged",
            RelistReason::TooMany(_) => "relists: too many",
            RelistReason::Requested => "relists: requested",
        });
    }
}

/// Whole revisions in parts for the registry.
fn parts(mut changes: Vec<Change>, revision: Revision) -> VecDeque<Event> {
    let mut parts = VecDeque::new();
    loop {
        let rest = changes.split_off(changes.len().min(CHUNK));
        let complete = rest.is_empty();
        parts.push_back(Event::Changes { changes, revision, complete });
        if complete {
            return parts;
        }
        changes = rest;
    }
}

/// The values before bad ones, as far as the history has them.
fn recover(etcd: &Etcd, server: usize, lookups: Vec<Lookup>) -> Vec<Recovered> {
    let value = |lookup: Lookup| {
        let key = keys::by_name(&lookup.key)?;
        let value = etcd.value(server, key, lookup.mod_revision.previous())?;
        Some(Recovered { lookup, value })
    };
    lookups.into_iter().filter_map(value).collect()
}
