//! What the daemon asks the servers for, watches aside.

use etcd_sd::core::event::{KeyValue, Revision};
use etcd_sd::core::session::Header;

use super::Etcd;
use crate::model::keys::{KEYS, Key};

/// The cluster id of the servers that have no place in the list.
const STRANGER: u64 = 666;

/// One page of a list.
pub(crate) struct Page {
    pub(crate) header: Header,
    pub(crate) entries: Vec<KeyValue>,
    /// Where the next one starts, if there is one.
    pub(crate) next: Option<Key>,
}

/// A request that failed, for whatever reason.
#[derive(Debug)]
pub(crate) struct Refused;

impl Etcd {
    pub(in crate::model) fn is_up(&self, server: usize) -> bool {
        self.members[server].up
    }

    pub(in crate::model) fn is_stranger(&self, server: usize) -> bool {
        self.strangers >> server & 1 == 1
    }

    pub(in crate::model) fn version(&self, server: usize) -> &'static str {
        self.members[server].version
    }

    /// What a server says of itself.
    pub(in crate::model) fn header(&self, server: usize) -> Header {
        let stranger = Header { cluster_id: STRANGER, revision: Revision(9), raft_term: 9 };
        if self.is_stranger(server) {
            return stranger;
        }
        let member = &self.members[server];
        Header {
            cluster_id: self.newest().cluster_id,
            revision: Revision(member.applied),
            raft_term: member.term,
        }
    }

    /// A linearizable read from a key on, at the newest revision or at an older one.
    pub(in crate::model) fn page(
        &mut self,
        server: usize,
        from: Key,
        limit: usize,
        pinned: Option<Revision>,
    ) -> Result<Page, Refused> {
        if !self.is_up(server) {
            return Err(Refused);
        }
        if self.is_stranger(server) {
            return Ok(Page { header: self.header(server), entries: Vec::new(), next: None });
        }
        if !self.has_quorum() || !self.members[server].joined {
            return Err(Refused);
        }
        self.members[server].applied = self.newest().revision();
        self.learn(server);
        let header = self.header(server);
        let Revision(revision) = pinned.unwrap_or(header.revision);
        if revision < self.members[server].compacted {
            return Err(Refused);
        }
        let state = &self.newest().record(revision).ok_or(Refused)?.state;
        let mut keys = (from..KEYS).filter_map(|key| state[key].map(|cell| (key, cell)));
        let page = keys.by_ref().take(limit.max(1));
        let entries = page.map(|(key, cell)| cell.key_value(key)).collect();
        Ok(Page { header, entries, next: keys.next().map(|(key, _)| key) })
    }

    /// A key's value at a revision.
    pub(in crate::model) fn value(
        &self,
        server: usize,
        key: Key,
        revision: Revision,
    ) -> Option<Vec<u8>> {
        let record = self.newest().record(revision.0);
        let record = record.filter(|_| revision.0 >= self.members[server].compacted);
        record?.state[key].map(|cell| cell.text(key).into())
    }
}
