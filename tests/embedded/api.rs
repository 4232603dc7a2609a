//! What all gRPC services share.

use std::sync::Arc;
use std::time::Duration;

use etcd_client::proto::PbResponseHeader;
use tonic::Status;

use super::faults::Faults;
use super::requests::Requests;
use super::store::Store;

/// One server as its services see it: each service is an `impl` of its trait for this.
#[derive(Clone)]
pub(crate) struct Api {
    pub(super) store: Arc<Store>,
    pub(super) faults: Arc<Faults>,
    pub(super) requests: Arc<Requests>,
    pub(super) limits: Limits,
    pub(super) member_id: u64,
}

/// How much goes into one watch response, and how often it comes unasked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Responses to a watch with `fragment` are split at this size.
    pub(crate) fragment_bytes: usize,
    /// One response has the changes of at most so many revisions.
    pub(crate) batch_revisions: usize,
    /// How often an idle watch with `progress_notify` hears the revision.
    pub(crate) progress_interval: Duration,
}

impl Default for Limits {
    /// etcd's values.
    fn default() -> Self {
        Self {
            fragment_bytes: 2 * 1024 * 1024,
            batch_revisions: 1_000,
            progress_interval: Duration::from_secs(10 * 60),
        }
    }
}

impl Api {
    /// The header of a response about `revision`.
    pub(super) fn header(&self, revision: i64) -> PbResponseHeader {
        PbResponseHeader {
            cluster_id: self.faults.cluster_id(),
            member_id: self.member_id,
            revision,
            raft_term: 2,
        }
    }

    /// Refuses the request if a fault says so.
    pub(super) fn admit(&self) -> Result<(), Status> {
        match &self.faults.settings().rpc_failure {
            Some(status) => Err(status.clone()),
            None => Ok(()),
        }
    }
}
