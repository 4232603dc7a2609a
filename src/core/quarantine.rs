//! Quarantine: what is said of an entry that can't become a valid target, or has to wait to be one.

use thiserror::Error;

use super::event::Revision;
use super::key::KeyError;
use super::schema::ReadError;

/// Why an entry is in quarantine.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Reason {
    /// Its key can be no label value.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Its value stands for no target.
    #[error(transparent)]
    Value(#[from] ReadError),
    /// There is no room for its target.
    #[error(transparent)]
    Budget(#[from] OverBudget),
}

/// Why a good entry has to wait. It is admitted as soon as there is room, without being written
/// anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum OverBudget {
    /// Of its service.
    #[error(
        "the service would have {found} targets, and {limit} are admitted; it waits until there is room, or --max-targets-per-service is raised"
    )]
    Service {
        /// How many targets there would be.
        found: usize,
        /// How many are admitted.
        limit: usize,
    },
    /// Of all together.
    #[error(
        "all targets would have {found} bytes, and {limit} are admitted; it waits until there is room, or --max-total-bytes is raised"
    )]
    Total {
        /// How many bytes there would be.
        found: usize,
        /// How many are admitted.
        limit: usize,
    },
}

/// An entry that went into quarantine, or is in it with yet another value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantine {
    /// The whole key.
    pub key: Vec<u8>,
    /// The revision of the bad value.
    pub mod_revision: Revision,
    /// What is wrong.
    pub reason: Reason,
    /// Whether an older target of the entry stays in the document.
    pub keeps_last_good: bool,
}
