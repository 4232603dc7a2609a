//! How one of the places stands that are published to.

use serde::Serialize;

use crate::core::event::Revision;
use crate::core::time::Millis;

/// One of the places that are published to.
#[derive(Clone, Debug, Serialize)]
pub struct OutputStatus {
    /// What it is.
    pub kind: OutputKind,
    /// Where; of HTTP, the path below the server's address.
    pub path: String,
    /// Whether this process writes there, another one does, or nobody knows yet.
    pub standing: Standing,
    /// Why it does not hold what it should.
    pub failure: Option<String>,
    /// When it last was written, or found to be right.
    pub published_at: Option<Millis>,
    /// Of what it holds.
    pub revision: Option<Revision>,
    /// How often it was healed since the start.
    pub healed: u64,
    /// Whether another program keeps changing it.
    pub fight: bool,
}

impl OutputStatus {
    /// Whether it is known who writes there, or why nobody can.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.standing != Standing::New || self.failure.is_some()
    }
}

/// What an output is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OutputKind {
    /// The target file.
    File,
    /// The directory with a file for each service.
    Directory,
    /// Discovery by HTTP.
    Http,
}

impl OutputKind {
    /// Its name, as everywhere.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Directory => "directory",
            Self::Http => "http",
        }
    }
}

/// Who writes an output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// Nobody has looked yet.
    #[default]
    New,
    /// This process.
    Active,
    /// Another process, and this one when that has ended.
    Standby,
}
