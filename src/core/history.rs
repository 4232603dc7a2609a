//! History: what became of which target, why, and which publish carried it.
//!
//! The registry takes note of each change of a target, a [`Capture`]. Beside the actors, where
//! nothing waits, it becomes a [`TargetChange`], which an [`Attribution`] keeps until the publish
//! that carries it has happened: then it is [`Recorded`].

mod attribution;
mod line;
mod table;

use std::time::Duration;

use super::event::Revision;
use super::key::Key;
use super::schema::Schema;
use super::value::{Labels, Target};

pub use super::time::Millis;
pub use attribution::{Attribution, Publish};
pub use line::{Line, Note, Outline, is_line};
pub use table::{Row, Widths};

/// A point in time, as people say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// So long before now.
    Ago(Duration),
    /// Then.
    At(Millis),
}

impl Moment {
    /// When that is.
    #[must_use]
    pub fn at(self, now: Millis) -> Millis {
        match self {
            Self::At(at) => at,
            Self::Ago(ago) => {
                let ago = u64::try_from(ago.as_millis()).unwrap_or(u64::MAX);
                Millis(now.0.saturating_sub(ago))
            }
        }
    }
}

/// Why a target changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The key was put.
    Put,
    /// The key was deleted, by request as far as is known.
    Delete,
    /// The key was deleted because its lease ended.
    LeaseEnd,
    /// A list found it so; which change did it, etcd does not tell any more.
    Relist,
    /// The key was put before, and now there is room for its target.
    Admitted,
    /// The key went before, and the guard held its target until now.
    Guard,
}

impl Cause {
    /// Its name in a journal.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Delete => "delete",
            Self::LeaseEnd => "lease_end",
            Self::Relist => "relist",
            Self::Admitted => "admitted",
            Self::Guard => "guard",
        }
    }
}

/// What the registry knows of a change of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capture {
    /// The whole key.
    pub key: Vec<u8>,
    /// The revision that did it, or that of the list by which it was found.
    pub revision: Revision,
    /// What was in the document, or would have been next.
    pub before: Option<Target>,
    /// What is there now.
    pub after: Option<Target>,
    /// Why.
    pub cause: Cause,
    /// The lease that the deleted key had; 0 for none, or if that is not known.
    pub lease: i64,
}

impl Capture {
    /// One without a lease.
    #[must_use]
    pub fn new(
        key: Vec<u8>,
        revision: Revision,
        before: Option<Target>,
        after: Option<Target>,
        cause: Cause,
    ) -> Self {
        Self { key, revision, before, after, cause, lease: 0 }
    }
}

/// A change of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetChange {
    /// When the registry took it.
    pub time: Millis,
    /// Which source it is of, counted from 0.
    pub source: usize,
    /// The whole key.
    pub key: Box<str>,
    /// What the label `job` says.
    pub service: Box<str>,
    /// Which of the service's instances; the end of the key, if the pattern does not say.
    pub instance: Box<str>,
    /// The revision that did it, or that of the list by which it was found.
    pub revision: Revision,
    /// What was in the document, or would have been next.
    pub before: Option<Target>,
    /// What is there now.
    pub after: Option<Target>,
    /// Why.
    pub cause: Cause,
    /// The lease that the deleted key had; 0 for none, or if that is not known.
    pub lease: i64,
}

impl TargetChange {
    /// The change that `capture` tells of. `None` if nothing was or is to be scraped, as with the
    /// entries of other shards; or if its key names no entry of the source, which can't be.
    #[must_use]
    pub fn new(schema: &Schema, source: usize, time: Millis, capture: Capture) -> Option<Self> {
        let Capture { key, revision, before, after, cause, lease } = capture;
        if [&before, &after].into_iter().flatten().all(|target| target.addresses().is_empty()) {
            return None;
        }
        let key = String::from_utf8(key).ok()?;
        let Key::Instance { parent, name } = schema.classify(key.as_bytes()) else { return None };
        let captures = schema.pattern.captures(parent, name);
        let instance = if captures.instance.is_empty() { name } else { &captures.instance };
        let (service, instance) = ((&*captures.service).into(), instance.into());
        let key = key.into();
        Some(Self { time, source, key, service, instance, revision, before, after, cause, lease })
    }

    /// Under which labels what is gone by it was.
    fn labels(&self) -> Option<&Labels> {
        self.before.as_ref().and_then(Target::labels)
    }

    /// The addresses that are gone by it: those that it does not have any more, or has under
    /// other labels.
    fn gone(&self) -> impl Iterator<Item = &str> {
        let before = self.before.as_ref();
        let after = self.after.as_ref();
        let after = after.filter(|after| Some(after.labels()) == before.map(Target::labels));
        let stays = move |address: &str| {
            after.is_some_and(|after| after.addresses().iter().any(|other| **other == *address))
        };
        let addresses = before.map_or(&[][..], Target::addresses).iter();
        addresses.map(AsRef::as_ref).filter(move |address| !stays(address))
    }
}

/// Which publish carried a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Carried {
    /// Counts the publishes of this process.
    pub number: u64,
    /// When.
    pub time: Millis,
    /// Of which revision its document was.
    pub revision: Revision,
}

/// A change, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The change.
    pub change: TargetChange,
    /// The publish that carried it; `None` if none did for so long that it was waited for no
    /// longer, as at the end of the process or while another one publishes.
    pub publish: Option<Carried>,
}

#[cfg(test)]
mod tests;
