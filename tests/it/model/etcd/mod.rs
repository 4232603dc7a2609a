//! The model of etcd: members that lag behind the log of their cluster, and the log itself.
//!
//! What is committed is in the log of the newest [`Lineage`]. Each member has applied it up
//! to some revision: it serves watches from that, while a linearizable read first has it
//! catch up. A restore begins a new lineage that shares the past with the old one; a cluster
//! that is created anew shares nothing.

mod lineage;
mod stream;

use etcd_sd::core::event::{KeyValue, Revision};
use etcd_sd::core::session::Header;

use super::history::Write;
use super::keys::{KEYS, Key};

pub(super) use lineage::Lineage;
pub(super) use stream::{Sent, Stream};

/// The cluster id of the server that has no place in the list.
const STRANGER: u64 = 666;

/// All that the servers of the daemon's list are.
#[derive(Debug)]
pub(super) struct Etcd {
    /// The last one is that of today.
    lineages: Vec<Lineage>,
    members: Vec<Member>,
    term: u64,
    /// Members apply only when they are told to.
    lags: bool,
    /// The server that belongs to another cluster.
    stranger: Option<usize>,
}

#[derive(Debug)]
struct Member {
    version: &'static str,
    /// The newest revision that it has.
    applied: i64,
    term: u64,
    compacted: i64,
    /// The daemon can reach it.
    up: bool,
    /// The other members can reach it.
    joined: bool,
}

/// One page of a list.
pub(super) struct Page {
    pub(super) header: Header,
    pub(super) entries: Vec<KeyValue>,
    /// Where the next one starts, if there is one.
    pub(super) next: Option<Key>,
}

/// A request that failed, for whatever reason.
#[derive(Debug)]
pub(super) struct Refused;

impl Etcd {
    pub(super) fn new(versions: &[&'static str], lags: bool) -> Self {
        let member = |&version| Member {
            version,
            applied: 1,
            term: 2,
            compacted: 0,
            up: true,
            joined: true,
        };
        Self {
            lineages: vec![Lineage::new(7)],
            members: versions.iter().map(member).collect(),
            term: 2,
            lags,
            stranger: None,
        }
    }

    pub(super) fn servers(&self) -> usize {
        self.members.len()
    }

    /// The index of the newest lineage.
    pub(super) fn today(&self) -> usize {
        self.lineages.len() - 1
    }

    pub(super) fn lineage(&self, index: usize) -> &Lineage {
        &self.lineages[index]
    }

    pub(super) fn newest(&self) -> &Lineage {
        self.lineage(self.today())
    }

    /// Whether two lineages are the same up to a revision.
    pub(super) fn shares(&self, one: usize, other: usize, revision: i64) -> bool {
        one == other || self.lineages[one].shares(&self.lineages[other], revision)
    }

    // What the writers do: nothing without a quorum.

    pub(super) fn transact(&mut self, writes: &[Write]) -> bool {
        self.write(|lineage| lineage.transact(writes))
    }

    pub(super) fn expire(&mut self, lease: u8) -> bool {
        self.write(|lineage| lineage.expire(lease))
    }

    pub(super) fn elsewhere(&mut self) -> bool {
        self.write(Lineage::elsewhere)
    }

    /// Forgets what is older than the revision that lies so far back.
    pub(super) fn compact(&mut self, depth: u8) -> bool {
        let wanted = self.newest().revision() - i64::from(depth);
        let possible = self.has_quorum() && wanted > self.newest().compacted;
        if possible {
            self.write(|lineage| lineage.compacted = wanted);
        }
        possible
    }

    // What happens to the cluster.

    /// The members elect a leader.
    pub(super) fn elect(&mut self) -> bool {
        self.term += u64::from(self.has_quorum());
        self.replicate_all();
        self.has_quorum()
    }

    /// A member applies some more of the log, if it can.
    pub(super) fn replicate(&mut self, member: usize, revisions: u8) {
        let (committed, member) = (self.newest().revision(), member % self.members.len());
        if self.has_quorum() && self.members[member].joined {
            let applied = &mut self.members[member].applied;
            *applied = (*applied + i64::from(revisions)).min(committed);
            self.learn(member);
        }
    }

    /// Cuts off those members from the others.
    pub(super) fn partition(&mut self, mask: u8) {
        for (index, member) in self.members.iter_mut().enumerate() {
            member.joined = mask >> index & 1 == 0;
        }
        self.replicate_all();
    }

    /// The daemon can't reach those members.
    pub(super) fn outage(&mut self, mask: u8) {
        for (index, member) in self.members.iter_mut().enumerate() {
            member.up = mask >> index & 1 == 0;
        }
    }

    /// All is restored from a backup of that revision, and starts anew.
    pub(super) fn restore(&mut self, depth: u8, term_back: bool) {
        let revision = (self.newest().revision() - i64::from(depth)).max(1);
        let term = if term_back { 2 } else { self.term + 1 };
        self.begin(self.newest().fork(revision), term);
    }

    /// All is lost, and a new cluster is made of the members.
    pub(super) fn recreate(&mut self) {
        self.begin(Lineage::new(self.newest().cluster_id + 1), 2);
    }

    /// Puts a server of another cluster in the place of a member, or takes it away again.
    pub(super) fn set_stranger(&mut self, place: Option<usize>) {
        // With one or two servers nobody could tell who is meant.
        let places = self.members.len();
        self.stranger = place.filter(|_| places > 2).map(|place| place % places);
    }

    /// Heals all but the operator's mistakes.
    pub(super) fn heal(&mut self) {
        (self.lags, self.term) = (false, self.term + 1);
        self.outage(0);
        self.partition(0);
    }

    // What the daemon asks for.

    pub(super) fn is_up(&self, server: usize) -> bool {
        self.members[server].up
    }

    pub(super) fn is_stranger(&self, server: usize) -> bool {
        self.stranger == Some(server)
    }

    pub(super) fn version(&self, server: usize) -> &'static str {
        self.members[server].version
    }

    /// What a server says of itself.
    pub(super) fn header(&self, server: usize) -> Header {
        let stranger =
            Header { cluster_id: STRANGER, revision: Revision(9), raft_term: 9, member_id: 9 };
        if self.is_stranger(server) {
            return stranger;
        }
        let member = &self.members[server];
        Header {
            cluster_id: self.newest().cluster_id,
            member_id: u64::try_from(server).unwrap() + 1,
            revision: Revision(member.applied),
            raft_term: member.term,
        }
    }

    /// A linearizable read from a key on, at the newest revision or at an older one.
    pub(super) fn page(
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
    pub(super) fn value(&self, server: usize, key: Key, revision: Revision) -> Option<Vec<u8>> {
        let record = self.newest().record(revision.0);
        let record = record.filter(|_| revision.0 >= self.members[server].compacted);
        record?.state[key].map(|cell| cell.text(key).into())
    }

    fn write(&mut self, write: impl FnOnce(&mut Lineage)) -> bool {
        let today = self.today();
        let has_quorum = self.has_quorum();
        if has_quorum {
            write(&mut self.lineages[today]);
            self.replicate_all();
        }
        has_quorum
    }

    fn has_quorum(&self) -> bool {
        self.members.iter().filter(|member| member.joined).count() * 2 > self.members.len()
    }

    /// Tells the members whatever does not lag.
    fn replicate_all(&mut self) {
        if !self.has_quorum() {
            return;
        }
        let committed = self.newest().revision();
        for index in 0..self.members.len() {
            let member = &mut self.members[index];
            if member.joined {
                member.term = self.term;
                if !self.lags {
                    member.applied = committed;
                }
                self.learn(index);
            }
        }
    }

    /// Compaction is an entry of the log like any other.
    fn learn(&mut self, member: usize) {
        let compacted = self.newest().compacted;
        let member = &mut self.members[member];
        if member.applied >= compacted {
            member.compacted = compacted;
        }
    }

    fn begin(&mut self, lineage: Lineage, term: u64) {
        for member in &mut self.members {
            (member.applied, member.compacted) = (lineage.revision(), lineage.compacted);
            (member.term, member.joined) = (term, true);
        }
        self.term = term;
        self.lineages.push(lineage);
    }
}
