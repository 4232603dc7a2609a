//! The model: a log of revisions.

use std::collections::BTreeMap;

use etcd_sd::core::event::{Change, KeyValue, Revision};
use etcd_sd::core::session::{Header, WatchMessage};

/// One write of a transaction: a key, and its new value or none.
pub(super) type Write = (u8, Option<u16>);

/// The state of the keys at one revision: key to value.
pub(super) type State = BTreeMap<u8, KeyValue>;

/// A member of a cluster of one.
#[derive(Debug)]
pub(super) struct Etcd {
    cluster_id: u64,
    /// What each revision changed and led to; the first one, at index 0, is revision 1.
    log: Vec<(Vec<Change>, State)>,
    compacted: i64,
}

impl Etcd {
    pub(super) fn new() -> Self {
        Self { cluster_id: 7, log: vec![(Vec::new(), State::new())], compacted: 0 }
    }

    pub(super) fn revision(&self) -> i64 {
        i64::try_from(self.log.len()).unwrap()
    }

    /// The state at a revision, whether it is compacted or not: the model forgets nothing.
    pub(super) fn state(&self, revision: i64) -> &State {
        &self.log[usize::try_from(revision).unwrap() - 1].1
    }

    pub(super) fn is_compacted(&self, revision: i64) -> bool {
        revision <= self.compacted
    }

    pub(super) fn header(&self) -> Header {
        Header {
            cluster_id: self.cluster_id,
            revision: Revision(self.revision()),
            ..Header::default()
        }
    }

    /// Makes all writes in one revision, each key once; none if nothing changes.
    pub(super) fn transact(&mut self, writes: &[Write]) {
        let mod_revision = Revision(self.revision() + 1);
        let mut state = self.state(self.revision()).clone();
        let mut changes = Vec::new();
        let writes: BTreeMap<u8, Option<u16>> = writes.iter().copied().collect();
        for (key, value) in writes {
            let held = state.get(&key);
            let version = held.map_or(0, |kv| kv.version);
            let create_revision = held.map_or(mod_revision, |kv| kv.create_revision);
            if let Some(port) = value {
                let kv = KeyValue {
                    key: name(key),
                    value: format!("h:{}", port.max(1)).into(),
                    create_revision,
                    mod_revision,
                    version: version + 1,
                };
                state.insert(key, kv.clone());
                changes.push(Change::Put(kv));
            } else if state.remove(&key).is_some() {
                changes.push(Change::Delete { key: name(key), mod_revision });
            }
        }
        if !changes.is_empty() {
            self.log.push((changes, state));
        }
    }

    /// Forgets the changes up to some revision, as far as `depth` below the newest one.
    pub(super) fn compact(&mut self, depth: u8) {
        self.compacted = self.compacted.max(self.revision() - 1 - i64::from(depth));
    }

    /// The first answers to a watch, or its end.
    pub(super) fn create_watch(&self, from: i64) -> Vec<WatchMessage> {
        let created =
            WatchMessage { header: self.header(), created: true, ..WatchMessage::default() };
        if !self.is_compacted(from) {
            return vec![created];
        }
        let canceled = WatchMessage {
            header: Header { revision: Revision(0), ..self.header() },
            canceled: true,
            compact_revision: Revision(self.compacted + 1),
            ..WatchMessage::default()
        };
        vec![created, canceled]
    }

    /// The changes of `revisions` from `from` on, in fragments of at most `fragment` changes.
    pub(super) fn events(&self, from: i64, revisions: u8, fragment: u8) -> Vec<WatchMessage> {
        let end = (from + i64::from(revisions)).min(self.revision() + 1);
        let changes: Vec<Change> = (from..end)
            .flat_map(|revision| self.log[usize::try_from(revision).unwrap() - 1].0.clone())
            .collect();
        let mut messages: Vec<WatchMessage> = changes
            .chunks(usize::from(fragment.max(1)))
            .map(|changes| WatchMessage {
                header: self.header(),
                fragment: true,
                changes: changes.to_vec(),
                ..WatchMessage::default()
            })
            .collect();
        if let Some(last) = messages.last_mut() {
            last.fragment = false;
        }
        messages
    }

    /// A word on the progress of the watch `watch_id`.
    pub(super) fn progress(&self, watch_id: i64) -> WatchMessage {
        WatchMessage { header: self.header(), watch_id, ..WatchMessage::default() }
    }
}

/// Keys of three services; two of them are not ours.
fn name(key: u8) -> Vec<u8> {
    match key {
        0 => b"/services/a".to_vec(),
        1 => b"/services/a/1/deeper".to_vec(),
        _ => format!("/services/{}/{key}", ["a", "b", "c"][usize::from(key % 3)]).into(),
    }
}

/// What the file should hold in that state, made without the daemon's code.
pub(super) fn render(state: &State) -> String {
    let mut jobs: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (key, kv) in state.iter().filter(|(key, _)| **key > 1) {
        let job = String::from_utf8(name(*key)).unwrap().split('/').nth(2).unwrap().to_owned();
        jobs.entry(job).or_default().push(String::from_utf8(kv.value.clone()).unwrap());
    }
    let groups: Vec<String> = jobs
        .into_iter()
        .map(|(job, mut targets)| {
            targets.sort();
            targets.dedup();
            let targets = targets.join("\",\"");
            format!("{{\"targets\":[\"{targets}\"],\"labels\":{{\"job\":\"{job}\"}}}}")
        })
        .collect();
    if groups.is_empty() { "[]\n".into() } else { format!("[\n{}\n]\n", groups.join(",\n")) }
}
