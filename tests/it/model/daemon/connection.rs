//! The watcher's way to a member: which server, which cluster, and the list.

use etcd_sd::core::census::elect;
use etcd_sd::core::event::{Event, Lookup, Recovered};
use etcd_sd::core::liveness::Liveness;
use etcd_sd::core::session::Next;

use super::{ANSWER, Bug, Connection, Daemon, IDLE, Listing, Watching};
use crate::model::etcd::{Etcd, Stream};
use crate::model::keys;
use crate::model::violation::{Violation, holds};

impl Daemon {
    pub(super) fn connect(&mut self, etcd: &Etcd) -> Result<(), Violation> {
        let server = self.attempt % etcd.servers();
        if !etcd.is_up(server) || !self.identify(etcd, server) {
            self.lose();
            return Ok(());
        }
        let is_ours = !etcd.is_stranger(server);
        holds!("resumable", is_ours, "a stranger is followed: {:?}", etcd.header(server));
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

    pub(super) fn serve(
        &mut self,
        etcd: &Etcd,
        server: usize,
        resumes: bool,
    ) -> Result<(), Violation> {
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

    pub(super) fn take_page(
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
        let revision = header.revision;
        let ended = if listing.reason.is_shortcut() && !new_epoch {
            Event::CaughtUp(revision)
        } else {
            Event::ListEnded { revision, new_epoch }
        };
        self.tell(etcd, ended)?;
        self.session.listed(header);
        self.serve(etcd, listing.server, false)
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
