//! Every state that the one writer of a registry has made, in order, and what a reader of
//! the target file has seen of them.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::backend::Etcd;
use super::reader::Seen;
use super::render;

/// One change of an entry: its key, and its new value unless it was deleted.
pub(crate) type Change = (String, Option<String>);

/// No two states of it may look the same.
pub(crate) struct Ledger {
    entries: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The number of each state, by the hash of its document.
    states: HashMap<u64, usize>,
    /// The newest state that a reader has seen.
    seen: Option<usize>,
}

impl Ledger {
    /// Begins with what the registry holds now.
    pub(crate) fn begin(etcd: &Etcd) -> Self {
        let entries = etcd.entries().into_iter().collect();
        let mut ledger = Self { entries, states: HashMap::new(), seen: None };
        ledger.note();
        ledger
    }

    /// One revision, be it that the registry has it already or not yet.
    pub(crate) fn apply(&mut self, changes: &[Change]) {
        for (key, value) in changes {
            match value {
                Some(value) => self.entries.insert(key.clone().into(), value.clone().into()),
                None => self.entries.remove(key.as_bytes()),
            };
        }
        self.note();
    }

    fn note(&mut self) {
        let number = self.states.len();
        let known = self.states.insert(hash(&self.document()), number);
        assert_eq!(known, None, "two states look the same");
    }

    /// How many states there were.
    pub(crate) fn states(&self) -> usize {
        self.states.len()
    }

    /// What is to be rendered now.
    pub(crate) fn document(&self) -> String {
        let entries: Vec<_> =
            self.entries.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        render::document(&entries)
    }

    /// Panics unless each document is a state, and none is older than the one before it, be
    /// it one of an earlier call.
    pub(crate) fn knows(&mut self, seen: &Seen) {
        for document in &seen.documents {
            let Some(&state) = self.states.get(&hash(document)) else {
                panic!("no state that there ever was:\n{document}");
            };
            if let Some(before) = self.seen.filter(|&before| before > state) {
                panic!("state {state} was seen after {before}:\n{document}");
            }
            self.seen = Some(state);
        }
    }
}

fn hash(document: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    document.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    fn judge(states: &[u16]) -> Result<(), String> {
        let mut ledger = Ledger { entries: BTreeMap::new(), states: HashMap::new(), seen: None };
        let document = |port: u16| {
            let entry = (b"/services/web/1".to_vec(), format!("host:{port}").into_bytes());
            render::document(&[entry])
        };
        for port in 1..=5 {
            ledger.apply(&[("/services/web/1".to_owned(), Some(format!("host:{port}")))]);
        }
        let documents = states.iter().map(|&state| document(state)).collect();
        let seen = Seen { documents, ..Seen::default() };
        let judged = catch_unwind(move || ledger.knows(&seen));
        judged.map_err(|panic| panic.downcast_ref::<String>().cloned().unwrap_or_default())
    }

    #[test]
    fn a_ledger_tells_what_was_no_state_and_what_is_an_older_one() {
        assert_eq!(judge(&[1, 3, 5]), Ok(()));
        assert!(judge(&[1, 3, 2]).unwrap_err().starts_with("state 1 was seen after 2"));
        assert!(judge(&[1, 9]).unwrap_err().starts_with("no state"));
    }
}
