//! What the auditor asks the registry, and what that answers.

use crate::core::audit::Report;
use crate::core::event::{KeyValue, Revision};

/// A step of an audit; see [`audit`](crate::core::audit).
#[derive(Debug)]
pub enum Check {
    /// It begins; a list may be asked for from now on.
    Start,
    /// A part of its list, ascending by key.
    Page {
        /// The revision of the list, the same for all parts.
        revision: Revision,
        /// The keys.
        entries: Vec<KeyValue>,
    },
    /// The list is complete, and was as of this revision.
    End(Revision),
    /// Only say how it stands.
    Settle,
    /// It is over: what is suspect still is a difference.
    Report,
}

/// How an audit stands.
#[derive(Debug, PartialEq, Eq)]
pub enum Audited {
    /// It came to nothing: there is no complete list, a relist began, or too much changed.
    Void,
    /// It goes on.
    Stands(Standing),
    /// It is over.
    Report(Report),
}

/// How an audit that goes on stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The newest revision that the registry holds as a whole.
    pub position: Revision,
    /// Whether that is as far as the list, or further: no change that was still on its way
    /// can explain anything any more.
    pub is_past: bool,
    /// Keys that differ, and may yet be explained.
    pub suspects: usize,
}
