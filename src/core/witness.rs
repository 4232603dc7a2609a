//! Witness: one write that was seen, by which a history of revisions is known again.
//!
//! A cluster that is restored from a backup keeps its id, may keep its raft term, and its
//! revisions may have overtaken the position before the daemon is back: a watch resumes there
//! without a word. But at the revision of the newest write that was seen, the restored history
//! has another write: of another key, or, where one key is written all the time, with another
//! value. An audit finds the rest: what was lost was a deletion, the witness is older than the
//! backup, or the same was written again.

use super::event::{Change, KeyValue};

/// The newest put that was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Witness {
    put: Option<KeyValue>,
}

impl Witness {
    /// What the key must be at its `mod_revision`, in the history that was seen; if any put was.
    #[must_use]
    pub fn put(&self) -> Option<&KeyValue> {
        self.put.as_ref()
    }

    /// A page of a list was seen.
    pub fn saw_page(&mut self, page: &[KeyValue]) {
        self.saw(page.iter().max_by_key(|kv| kv.mod_revision));
    }

    /// Changes were seen, in etcd's order.
    pub fn saw_changes(&mut self, changes: &[Change]) {
        self.saw(changes.iter().rev().find_map(|change| match change {
            Change::Put(kv) => Some(kv),
            Change::Delete { .. } => None,
        }));
    }

    fn saw(&mut self, newest: Option<&KeyValue>) {
        let before = self.put.as_ref().map(|put| put.mod_revision);
        if let Some(kv) = newest.filter(|kv| Some(kv.mod_revision) > before) {
            self.put = Some(kv.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::event::Revision;

    fn kv(key: &str, revision: i64) -> KeyValue {
        KeyValue {
            key: key.into(),
            value: b"h:1".to_vec(),
            create_revision: Revision(revision),
            mod_revision: Revision(revision),
            version: 1,
        }
    }

    fn check(witness: &Witness, expected: Option<(&str, i64)>) {
        let put = witness.put();
        let put = put.map(|put| (str::from_utf8(&put.key).expect("UTF-8"), put.mod_revision.0));
        assert_eq!(put, expected);
    }

    #[test]
    fn the_newest_put_is_the_witness_in_lists_as_in_changes() {
        let mut witness = Witness::default();
        check(&witness, None);
        witness.saw_page(&[kv("a", 3), kv("b", 7), kv("c", 5)]);
        witness.saw_page(&[kv("d", 4)]);
        check(&witness, Some(("b", 7)));
        let gone = Change::Delete { key: b"b".to_vec(), mod_revision: Revision(10), lease: 0 };
        witness.saw_changes(&[Change::Put(kv("a", 8)), Change::Put(kv("e", 9)), gone.clone()]);
        check(&witness, Some(("e", 9)));
        witness.saw_changes(&[gone]);
        check(&witness, Some(("e", 9)));
    }
}
