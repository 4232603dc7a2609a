//! Quarantine: what is said of an entry that can't become a valid target.

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
