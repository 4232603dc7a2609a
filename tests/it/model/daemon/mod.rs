//! The daemon's pure parts, put together as its actors do it, one message at a time.
//!
//! What the actors leave to time and chance is left to the steps of the history: when a
//! message comes, when silence has lasted, when an audit is due.

mod auditor;
mod bugs;
mod connection;
mod watch;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use etcd_sd::core::event::{Event, Lookup, Revision};
use etcd_sd::core::key::Prefix;
use etcd_sd::core::liveness::Liveness;
use etcd_sd::core::registry::Registry;
use etcd_sd::core::schema::Schema;
use etcd_sd::core::session::{Header, RelistReason, Session};

use super::etcd::{Etcd, Stream};
use super::keys::Key;
use super::properties::Properties;
use super::violation::Violation;
use auditor::Auditor;

pub(super) use bugs::Bug;

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
            registry: Registry::new(Schema::below(&Prefix::parse("/services").unwrap()).into()),
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

    /// Whether it has a list of the cluster of today.
    pub(super) fn follows(&self, etcd: &Etcd) -> bool {
        let today = etcd.newest().cluster_id;
        self.session.position().is_some_and(|position| position.cluster_id == today)
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
    pub(super) fn notice_strangers(&mut self, etcd: &Etcd) -> Result<(), Violation> {
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
        if let Some(newest) = lost {
            self.properties.lost(newest);
        }
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

    /// Finds that a list is quicker than the watch.
    pub(super) fn fall_behind(&mut self, etcd: &Etcd) -> Result<(), Violation> {
        let Connection::Watching(Watching { stream, .. }) = &self.connection else {
            return Ok(());
        };
        let server = stream.server;
        self.take_all_parts(etcd)?;
        let reason =
            RelistReason::Behind { ahead: 0, watch: Duration::ZERO, keys: 0, list: Duration::ZERO };
        self.count_relist(&reason);
        self.session.request_list(reason);
        self.properties.list_is_quicker = true;
        self.connection = Connection::None;
        self.serve(etcd, server, false)
    }

    /// Whether it has taken all that the member has, which is at that revision at least.
    pub(super) fn has_received(&self, etcd: &Etcd, revision: Revision) -> bool {
        let Connection::Watching(Watching { stream, .. }) = &self.connection else {
            return false;
        };
        let is_at = etcd.header(stream.server).revision;
        stream.is_idle(etcd) && is_at >= revision && self.parts.is_empty()
    }

    fn lose(&mut self) {
        self.connection = Connection::None;
        // A list that broke off may be followed by a watch.
        self.registry.apply(Event::OutOfTouch);
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
            Some(bug) => bug.retell(event, self.session.position().is_some()),
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
            RelistReason::Behind { .. } => "relists: behind",
            RelistReason::TookOver => "relists: took over",
            RelistReason::Requested => "relists: requested",
        });
    }
}
