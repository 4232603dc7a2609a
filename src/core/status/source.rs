//! How one source stands: its connection to etcd, and its registry.

use serde::Serialize;

use crate::core::entries::Counts;
use crate::core::event::Revision;
use crate::core::time::Millis;

/// What is known of one source.
#[derive(Clone, Debug, Serialize)]
pub struct SourceStatus {
    /// What tells it from the others in metrics and logs: its prefix, or its pattern if another
    /// one has the same prefix.
    pub name: String,
    /// Which keys are its entries.
    pub key_pattern: String,
    /// How their values are written.
    pub value_format: &'static str,
    /// How it stands with etcd.
    pub connection: Connection,
    /// The member that is or was asked last.
    pub server: Option<String>,
    /// The version that it says it has.
    pub server_version: Option<String>,
    /// Of the cluster, in hexadecimal digits.
    pub cluster_id: Option<String>,
    /// Why there is no connection, no list yet, or not all of what happened since.
    pub failure: Option<String>,
    /// When the registry was last known to be what etcd holds.
    pub fresh_at: Option<Millis>,
    /// Whether that is recent enough to vouch for.
    pub fresh: bool,
    /// How far etcd is, as far as it was heard.
    pub observed_revision: Revision,
    /// How far the registry is.
    pub applied_revision: Revision,
    /// Changes that were received and that the registry has not taken yet.
    pub queued: usize,
    /// What the registry holds.
    pub entries: EntriesStatus,
    /// The last complete list.
    pub last_list: Option<ListStatus>,
    /// The last audit that was carried through.
    pub last_audit: Option<AuditStatus>,
}

/// How it stands with etcd.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Connection {
    /// A member is asked.
    #[default]
    Connecting,
    /// The prefix is listed.
    Listing,
    /// The watch stands again, and tells what happened before it did.
    CatchingUp,
    /// The watch stands.
    Watching,
    /// No member can be reached, or none gives what it is asked for.
    Away,
}

/// How many keys a registry holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EntriesStatus {
    /// Good ones.
    pub valid: usize,
    /// Those that can't become a target.
    pub quarantined: usize,
    /// Good ones that wait for room in a budget.
    pub waiting: usize,
    /// Keys below the prefix that are not ours.
    pub ignored: usize,
    /// Services with an entry.
    pub services: usize,
    /// Addresses of all entries.
    pub targets: usize,
}

impl From<Counts> for EntriesStatus {
    fn from(counts: Counts) -> Self {
        let Counts { services, valid, quarantined, ignored, targets, waiting, .. } = counts;
        Self { valid, quarantined: quarantined - waiting, waiting, ignored, services, targets }
    }
}

/// A list that was complete.
#[derive(Clone, Debug, Serialize)]
pub struct ListStatus {
    /// When.
    pub time: Millis,
    /// What it took.
    pub seconds: f64,
    /// Why it was needed.
    pub reason: String,
}

/// An audit that was carried through.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct AuditStatus {
    /// When.
    pub time: Millis,
    /// How many entries were not as etcd has them.
    pub differences: usize,
}
