//! Every state that the registry ever had, as etcd's own history has it, and which
//! of them a document shows.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use etcd_client::{Client, Error, Event, EventType, WatchOptions};

use crate::support::cluster::{Cluster, Truth};
use crate::support::render;

/// For reading the history of one round.
const PATIENCE: Duration = Duration::from_secs(20);

/// How many states before the newest one seen are kept, to know an old one again.
const KEPT: usize = 10_000;

pub(super) struct Chronicle {
    /// A restore begins another one.
    epochs: Vec<Epoch>,
    /// The newest state that was seen: which epoch, and which of its states.
    seen: (usize, usize),
}

/// One history of a cluster.
struct Epoch {
    revision: i64,
    entries: BTreeMap<Vec<u8>, Vec<u8>>,
    /// What was to be rendered, in order, as hashes; neighbours differ.
    documents: Vec<u64>,
}

/// Where a document stands.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A state of etcd, none older than those seen before.
    InOrder,
    /// A state of etcd, older than one seen before.
    Older,
    /// No state that etcd ever had.
    Nowhere,
}

impl Chronicle {
    pub(super) fn begin(truth: Truth) -> Self {
        Self { epochs: vec![Epoch::new(truth)], seen: (0, 0) }
    }

    /// Up to where it goes.
    pub(super) fn revision(&self) -> i64 {
        self.epochs.last().map_or(0, |epoch| epoch.revision)
    }

    /// The cluster was restored to this state.
    pub(super) fn begin_epoch(&mut self, truth: Truth) {
        self.epochs.push(Epoch::new(truth));
    }

    /// Reads what has happened up to now.
    pub(super) async fn catch_up(&mut self, cluster: &Cluster) -> Result<(), String> {
        let from = self.revision() + 1;
        let to = cluster.read().await?.revision;
        if to < from {
            return Ok(());
        }
        let request = async |client| Box::pin(changes(client, from, to)).await;
        let changes = cluster.ask_patiently(PATIENCE, request).await?;
        let epoch = self.epochs.last_mut().unwrap();
        for (revision, events) in changes {
            epoch.apply(revision, events);
        }
        epoch.revision = to;
        Ok(())
    }

    /// Finds the state that a document shows; the next one must not be older.
    pub(super) fn place(&mut self, document: &str) -> Place {
        let wanted = hash(document);
        let (epoch, state) = self.seen;
        for (number, found) in self.epochs.iter().enumerate().skip(epoch) {
            let first = if number == epoch { state } else { 0 };
            let states = found.documents.iter().enumerate().skip(first);
            if let Some((state, _)) = states.into_iter().find(|&(_, &hash)| hash == wanted) {
                self.seen = (number, state);
                self.forget();
                return Place::InOrder;
            }
        }
        let is_known = self.epochs.iter().any(|epoch| epoch.documents.contains(&wanted));
        if is_known { Place::Older } else { Place::Nowhere }
    }

    /// What is long past need not be known.
    fn forget(&mut self) {
        let (epoch, state) = &mut self.seen;
        self.epochs.drain(..epoch.saturating_sub(1));
        *epoch = (*epoch).min(1);
        let past = state.saturating_sub(KEPT);
        self.epochs[*epoch].documents.drain(..past);
        *state -= past;
    }
}

impl Epoch {
    fn new(truth: Truth) -> Self {
        let entries = truth.entries.into_iter().collect();
        let mut epoch = Self { revision: truth.revision, entries, documents: Vec::new() };
        epoch.note();
        epoch
    }

    fn apply(&mut self, revision: i64, events: Vec<Event>) {
        for event in events {
            let is_put = event.event_type() == EventType::Put;
            let Some((key, value)) = event.kv().map(|kv| (kv.key(), kv.value())) else {
                continue;
            };
            if is_put {
                self.entries.insert(key.to_vec(), value.to_vec());
            } else {
                self.entries.remove(key);
            }
        }
        self.revision = revision;
        self.note();
    }

    fn note(&mut self) {
        let entries: Vec<_> =
            self.entries.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        let document = hash(&render::document(&entries));
        if self.documents.last() != Some(&document) {
            self.documents.push(document);
        }
    }
}

/// All changes of these revisions, each revision as a whole.
async fn changes(
    mut client: Client,
    from: i64,
    to: i64,
) -> Result<BTreeMap<i64, Vec<Event>>, Error> {
    let options = WatchOptions::new().with_all_keys().with_start_revision(from);
    let mut stream = client.watch("", Some(options)).await?;
    let mut changes = BTreeMap::<i64, Vec<Event>>::new();
    while changes.last_key_value().is_none_or(|(&revision, _)| revision < to) {
        let Some(message) = stream.message().await? else {
            return Err(Error::WatchError("the stream ended".to_owned()));
        };
        if message.canceled() {
            return Err(Error::WatchError(message.cancel_reason().to_owned()));
        }
        for event in message.events() {
            let revision = event.kv().map_or(0, etcd_client::KeyValue::mod_revision);
            changes.entry(revision).or_default().push(event.clone());
        }
    }
    Ok(changes)
}

fn hash(document: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    document.hash(&mut hasher);
    hasher.finish()
}

#[test]
fn a_document_is_in_order_or_older_or_no_state_at_all() {
    let truth = |revision, port: u32| {
        let entry = |key: &str, value: String| (key.as_bytes().to_vec(), value.into_bytes());
        Truth { revision, entries: vec![entry("/services/web/1", format!("host:{port}"))] }
    };
    let document = |port| render::document(&truth(0, port).entries);
    let mut chronicle = Chronicle::begin(truth(1, 1));
    for revision in 2..=5 {
        let entries = truth(revision, u32::try_from(revision).unwrap()).entries;
        let epoch = &mut chronicle.epochs[0];
        epoch.entries = entries.into_iter().collect();
        epoch.apply(revision, Vec::new());
    }
    assert_eq!(chronicle.place(&document(1)), Place::InOrder);
    assert_eq!(chronicle.place(&document(4)), Place::InOrder);
    assert_eq!(chronicle.place(&document(3)), Place::Older);
    assert_eq!(chronicle.place(&document(9)), Place::Nowhere);
    chronicle.begin_epoch(truth(2, 2));
    assert_eq!(chronicle.place(&document(5)), Place::InOrder);
    assert_eq!(chronicle.place(&document(2)), Place::InOrder, "after the restore");
    assert_eq!(chronicle.place(&document(5)), Place::Older, "before the restore");
    assert_eq!(chronicle.place(&document(9)), Place::Nowhere);
}
