//! The daemon's pure parts on a connection to the model, one message at a time.

use std::collections::VecDeque;

use etcd_sd::core::event::{Event, KeyValue, Revision};
use etcd_sd::core::key::Prefix;
use etcd_sd::core::registry::Registry;
use etcd_sd::core::session::{Header, Next, RelistReason, Session, Verdict, WatchMessage};

use super::etcd::{self, Etcd};

/// Session and registry, and the connection between them and the model.
pub(super) struct Daemon {
    session: Session,
    registry: Registry,
    connection: Connection,
    /// What was rendered last.
    pub(super) rendered: Option<(i64, String)>,
}

enum Connection {
    None,
    Listing { header: Header, left: VecDeque<KeyValue> },
    Watching { next: i64, wire: VecDeque<WatchMessage>, last: Option<WatchMessage> },
}

impl Daemon {
    pub(super) fn new() -> Self {
        Self {
            session: Session::new(),
            registry: Registry::new(Prefix::parse("/services").unwrap()),
            connection: Connection::None,
            rendered: None,
        }
    }

    /// Goes one message further: connects, takes a page, or takes a response of the watch.
    pub(super) fn advance(&mut self, etcd: &Etcd, revisions: u8, fragment: u8) {
        match std::mem::replace(&mut self.connection, Connection::None) {
            Connection::None => self.connect(etcd),
            Connection::Listing { header, left } => {
                self.take_page(etcd, header, left, revisions);
            }
            Connection::Watching { mut next, mut wire, .. } => {
                if wire.is_empty() {
                    wire.extend(etcd.events(next, revisions.max(1), fragment));
                    next = (next + i64::from(revisions.max(1))).min(etcd.revision() + 1);
                }
                let last = wire.pop_front();
                if last.clone().is_none_or(|message| self.take(message)) {
                    self.connection = Connection::Watching { next, wire, last };
                }
            }
        }
    }

    /// Loses the connection with whatever is on the way.
    pub(super) fn disconnect(&mut self) {
        self.connection = Connection::None;
    }

    /// Has the last response come twice.
    pub(super) fn duplicate(&mut self) {
        if let Connection::Watching { wire, last: Some(last), .. } = &mut self.connection {
            wire.push_front(last.clone());
        }
    }

    /// Has a word on the progress come: that of the watch itself comes in its order, that of
    /// a request overtakes all that is on the way.
    pub(super) fn progress(&mut self, etcd: &Etcd, requested: bool) {
        if let Connection::Watching { next, wire, .. } = &mut self.connection {
            if requested {
                wire.push_front(etcd.progress(-1));
            } else if wire.is_empty() && *next == etcd.revision() + 1 {
                wire.push_back(etcd.progress(0));
            }
        }
    }

    /// Goes on until all of the model is known.
    pub(super) fn catch_up(&mut self, etcd: &Etcd) {
        for _ in 0..10_000 {
            if matches!(&self.connection, Connection::Watching { next, wire, .. }
                if wire.is_empty() && *next == etcd.revision() + 1)
            {
                return;
            }
            self.advance(etcd, 100, 100);
        }
        panic!("the daemon does not catch up");
    }

    /// Asks for a list, as SIGHUP does.
    pub(super) fn request_list(&mut self) {
        self.session.request_list(RelistReason::Requested);
        self.connection = Connection::None;
    }

    fn connect(&mut self, etcd: &Etcd) {
        self.connection = match self.session.connected("") {
            Next::List(_) => {
                self.apply(Event::ListStarted);
                let header = etcd.header();
                let mut left: Vec<_> = etcd.state(etcd.revision()).values().cloned().collect();
                left.sort_by(|a, b| a.key.cmp(&b.key));
                Connection::Listing { header, left: left.into() }
            }
            Next::Watch(Revision(from)) => Connection::Watching {
                next: from,
                wire: etcd.create_watch(from).into(),
                last: None,
            },
        }
    }

    fn take_page(&mut self, etcd: &Etcd, header: Header, mut left: VecDeque<KeyValue>, limit: u8) {
        if etcd.is_compacted(header.revision.0) {
            return;
        }
        let page = left.drain(..left.len().min(usize::from(limit.max(1)))).collect();
        self.apply(Event::Page(page));
        if left.is_empty() {
            self.apply(Event::ListEnded { revision: header.revision, new_epoch: false });
            self.session.listed(header);
            self.connect(etcd);
        } else {
            self.connection = Connection::Listing { header, left };
        }
    }

    /// Takes a response; returns whether the watch goes on.
    fn take(&mut self, message: WatchMessage) -> bool {
        match self.session.judge(message) {
            Verdict::Apply(changes, revision) => {
                self.apply(Event::Changes { changes, revision, complete: true });
                true
            }
            Verdict::End(_) => false,
            _ => true,
        }
    }

    fn apply(&mut self, event: Event) {
        let changed = self.registry.apply(event).changed;
        let Some(document) = self.registry.render() else {
            assert!(!changed, "a change is only said once there is a document");
            return;
        };
        let rendered = String::from_utf8(document.to_vec()).unwrap();
        if let Some((_, before)) = &self.rendered {
            assert!(changed || *before == rendered, "a change of the document is always said");
        }
        self.rendered = Some((document.revision().0, rendered));
    }
}

/// What the model's file holds at that revision.
pub(super) fn expected(etcd: &Etcd, revision: i64) -> String {
    etcd::render(etcd.state(revision))
}
