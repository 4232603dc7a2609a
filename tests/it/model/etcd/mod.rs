//! The model of etcd: members that lag behind the log of their cluster, and the log itself.
//!
//! What is committed is in the log of the newest [`Lineage`]. Each member has applied it up
//! to some revision: it serves watches from that, while a linearizable read first has it
//! catch up. A restore begins a new lineage that shares the past with the old one; a cluster
//! that is created anew shares nothing.

mod lineage;
mod reads;
mod stream;

use super::history::Write;

pub(super) use lineage::Lineage;
pub(super) use stream::{Sent, Stream};

/// All that the servers of the daemon's list are.
#[derive(Debug)]
pub(super) struct Etcd {
    /// The last one is that of today.
    lineages: Vec<Lineage>,
    members: Vec<Member>,
    term: u64,
    /// Members apply only when they are told to.
    lags: bool,
    /// The servers that belong to another cluster.
    strangers: u8,
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
            strangers: 0,
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

    /// All is lost, and a new cluster is made of the members. It is found only if most of the
    /// list is right.
    pub(super) fn recreate(&mut self) {
        if self.strangers.count_ones() > 1 {
            self.strangers &= self.strangers.wrapping_neg();
        }
        self.begin(Lineage::new(self.newest().cluster_id + 1), 2);
    }

    /// Puts servers of another cluster in the place of those members, at most half of the list:
    /// else nobody could tell who is meant.
    pub(super) fn set_strangers(&mut self, places: u8) {
        let servers = self.members.len();
        let places = places & ((1 << servers) - 1);
        let are_few = usize::try_from(places.count_ones()).unwrap() * 2 <= servers;
        self.strangers = if servers > 2 && are_few { places } else { 0 };
    }

    /// Heals all but the operator's mistakes.
    pub(super) fn heal(&mut self) {
        (self.lags, self.term) = (false, self.term + 1);
        self.outage(0);
        self.partition(0);
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
