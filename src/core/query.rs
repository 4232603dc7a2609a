//! Queries: questions about some of the entries, and the pages that answer them.
//!
//! A page looks at a bounded number of entries, so that whoever holds a million answers at
//! once; it may have fewer rows than were asked for, or none, and still not be the last one.
//! The next one goes on after the place where this one ended: places are names of keys, so what
//! comes and goes meanwhile neither repeats a row nor hides another.

use serde::{Deserialize, Serialize};

use super::event::Revision;
use super::quarantine::Reason;
use super::value::Target;

/// A text to be found in others, whatever the case of its letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search(Box<str>);

impl Search {
    /// Searches for `text`; `None` if there is nothing to search for.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then(|| Self(text.to_lowercase().into()))
    }

    /// Whether `text` has it.
    #[must_use]
    pub fn is_in(&self, text: &str) -> bool {
        if text.is_ascii() && self.0.is_ascii() {
            let (wanted, text) = (self.0.as_bytes(), text.as_bytes());
            return text.windows(wanted.len()).any(|part| part.eq_ignore_ascii_case(wanted));
        }
        text.to_lowercase().contains(&*self.0)
    }
}

/// Which instances of a service.
#[derive(Clone, Debug)]
pub struct InstancesQuery {
    /// The service, as the label `job` says it.
    pub service: Box<str>,
    /// Only those with this in their key or an address.
    pub search: Option<Search>,
    /// Only those after this place.
    pub after: Option<InstancePlace>,
    /// At most so many.
    pub limit: usize,
}

/// Where a page of instances ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstancePlace {
    /// The parent of the last key that was looked at.
    pub parent: Box<str>,
    /// Its name; `None` if all of the parent were looked at.
    pub name: Option<Box<str>>,
}

/// Some instances of a service.
#[derive(Clone, Debug, Default)]
pub struct InstancesPage {
    /// In the order of their places.
    pub rows: Vec<Instance>,
    /// About how many bytes their texts have.
    pub bytes: usize,
    /// Where the next page begins; `None` if this is the last one.
    pub next: Option<InstancePlace>,
}

/// One instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// The whole key.
    pub key: String,
    /// What tells it from the others of its service; empty if the keys do not say.
    pub instance: String,
    /// The revision that last changed the key.
    pub revision: Revision,
    /// What became of the value.
    pub standing: Standing,
    /// Why it is no target, if it is none.
    pub reason: Option<Reason>,
    /// The target in the document: for one that is held out, its last good one, if there is.
    pub target: Option<Target>,
}

/// What became of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// It is the target.
    Valid,
    /// It is bad.
    Quarantined,
    /// There is no room for its target.
    Waiting,
}

/// Which entries in quarantine.
#[derive(Clone, Debug)]
pub struct QuarantineQuery {
    /// Only those after this place.
    pub after: Option<QuarantinePlace>,
    /// At most so many.
    pub limit: usize,
}

/// Where a page of the quarantine ended. Bad keys come first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum QuarantinePlace {
    /// At this bad key.
    Key(Vec<u8>),
    /// At the entry of this parent and name.
    Entry(Box<str>, Box<str>),
}

/// Some of the entries in quarantine.
#[derive(Clone, Debug, Default)]
pub struct QuarantinePage {
    /// In the order of their places.
    pub rows: Vec<HeldOut>,
    /// About how many bytes their texts have.
    pub bytes: usize,
    /// How many there are in all.
    pub total: usize,
    /// Where the next page begins; `None` if this is the last one.
    pub next: Option<QuarantinePlace>,
}

/// An entry in quarantine, be it that it only waits for room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldOut {
    /// The whole key.
    pub key: Vec<u8>,
    /// Service and instance, if the key says them.
    pub name: Option<(String, String)>,
    /// The revision of the bad value.
    pub revision: Revision,
    /// What is wrong.
    pub reason: Reason,
    /// Whether an older target of the entry stays in the document.
    pub keeps_last_good: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_finds_a_text_anywhere_and_in_any_case() {
        for (wanted, text, is_in) in [
            ("web", "/services/Web/1", true),
            (" WEB ", "web", true),
            ("web", "we", false),
            ("ÄPFEL", "/services/äpfel/1", true),
            ("web", "/services/äweb/1", true),
            ("<b>", "a<B>c", true),
        ] {
            let search = Search::new(wanted).expect("something to search for");
            assert_eq!(search.is_in(text), is_in, "{wanted} in {text}");
        }
        assert_eq!(Search::new("  "), None);
    }
}
