//! What clients asked for, so that tests can assert on it.

use std::time::Duration;

use etcd_client::WatchFilterType;
use tokio::sync::watch;

/// A range request and how much it got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RangeRequest {
    pub(crate) key: Vec<u8>,
    pub(crate) range_end: Vec<u8>,
    pub(crate) limit: i64,
    /// 0 asks for the present.
    pub(crate) revision: i64,
    /// How many keys it got; none if it was refused.
    pub(crate) returned: Option<usize>,
}

/// A request to create a watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WatchRequest {
    pub(crate) key: Vec<u8>,
    pub(crate) range_end: Vec<u8>,
    /// 0 asks for what comes from now on.
    pub(crate) start_revision: i64,
    /// 0 leaves the choice to the server.
    pub(crate) watch_id: i64,
    /// The kinds of events that are not wanted.
    pub(crate) filters: Vec<WatchFilterType>,
    pub(crate) prev_kv: bool,
    pub(crate) progress_notify: bool,
    pub(crate) fragment: bool,
}

/// All requests since the start or the last [`Requests::forget`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) ranges: Vec<RangeRequest>,
    pub(crate) watches: Vec<WatchRequest>,
    /// Requests for progress, also those not answered.
    pub(crate) progress: usize,
    /// Watch streams that are open now.
    pub(crate) open_streams: usize,
}

/// The record of requests.
#[derive(Default)]
pub(crate) struct Requests(watch::Sender<Seen>);

impl Requests {
    /// All that was seen.
    pub(crate) fn seen(&self) -> Seen {
        self.0.borrow().clone()
    }

    /// Forgets what was asked so far.
    pub(crate) fn forget(&self) {
        self.record(|seen| {
            *seen = Seen { open_streams: seen.open_streams, ..Seen::default() };
        });
    }

    /// Waits until `condition` holds of what was seen; fails the test if that takes too long.
    pub(crate) async fn wait_for(&self, condition: impl FnMut(&Seen) -> bool) -> Seen {
        const DEADLINE: Duration = Duration::from_secs(10);
        let mut seen = self.0.subscribe();
        let found = tokio::time::timeout(DEADLINE, seen.wait_for(condition)).await;
        match found {
            Ok(Ok(seen)) => seen.clone(),
            _ => panic!("waited in vain; the registry saw {:#?}", self.seen()),
        }
    }

    pub(super) fn record(&self, change: impl FnOnce(&mut Seen)) {
        self.0.send_modify(change);
    }
}
