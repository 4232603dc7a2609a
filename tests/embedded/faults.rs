//! Faults that a real etcd can't be told to have.
//!
//! Lasting ones are settings, switched on and off; momentary ones are orders to
//! the watch streams that are open; the rest waits for a certain range request.
//! All take effect at once and in the same way in every run.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{broadcast, watch};
use tonic::Status;

use super::connections::Connections;

/// What the server is told to do wrong.
pub(crate) struct Faults {
    settings: watch::Sender<Settings>,
    orders: broadcast::Sender<Order>,
    ranges: Mutex<RangeScript>,
    cluster_id: AtomicU64,
    connections: Arc<Connections>,
}

/// The faults that last.
#[derive(Clone, Default)]
pub(super) struct Settings {
    pub(super) rpc_failure: Option<Status>,
    pub(super) watch_refusal: Option<String>,
    pub(super) range_delay: Duration,
    pub(super) events_held: bool,
    pub(super) lost_keys: Vec<Vec<u8>>,
    pub(super) status_refused: bool,
    pub(super) progress: Progress,
    pub(super) one_event_fragments: bool,
}

/// How requests for progress are answered.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Progress {
    /// When every watch of the stream has got all.
    #[default]
    True,
    /// Not at all.
    Ignored,
    /// At once, although events are still to come.
    Overtaking,
    /// Not at all, as by etcd's grpc-proxy, which gives watches numbers of its own, too.
    Proxied,
}

/// What happens once, to every open watch stream.
#[derive(Clone)]
pub(super) enum Order {
    /// The stream ends, with or without an error.
    End(Option<Status>),
    /// Every watch is cancelled with this reason; the stream stays.
    Cancel(String),
    /// Every watch goes back to this revision, or to the begin of its last response.
    Resend(Option<i64>),
}

/// What is to happen at certain range requests, by their number.
#[derive(Default)]
struct RangeScript {
    begun: usize,
    failures: BTreeMap<usize, Status>,
    hooks: BTreeMap<usize, Box<dyn FnOnce() + Send>>,
}

impl Faults {
    pub(super) fn new(cluster_id: u64, connections: Arc<Connections>) -> Self {
        Self {
            settings: watch::Sender::default(),
            orders: broadcast::Sender::new(64),
            ranges: Mutex::default(),
            cluster_id: AtomicU64::new(cluster_id),
            connections,
        }
    }

    /// Ends every fault that lasts. The cluster's id stays as it is, and so does
    /// what is to happen at a certain range.
    pub(crate) fn heal(&self) {
        self.set(|settings| *settings = Settings::default());
        self.refuse_connections(false);
        self.freeze_connections(false);
    }

    /// No watch is told of changes of these keys, and all go on as if they had been: what
    /// etcd did in its issues 18089 and 19179.
    pub(crate) fn lose_events_of(&self, keys: &[&str]) {
        let keys = keys.iter().map(|key| key.as_bytes().to_vec()).collect();
        self.set(|settings| settings.lost_keys = keys);
    }

    /// New connections are closed at once. Open ones stay.
    pub(crate) fn refuse_connections(&self, refuse: bool) {
        self.connections.refuse(refuse);
    }

    /// Closes all connections, as a crash does.
    pub(crate) fn kill_connections(&self) {
        self.connections.kill();
    }

    /// Connections stay open but nothing is read or written, pings included: what
    /// is left of a connection when the other machine or the network is gone.
    pub(crate) fn freeze_connections(&self, freeze: bool) {
        self.connections.freeze(freeze);
    }

    /// Every request and every new watch stream fails with this status.
    pub(crate) fn fail_rpcs(&self, status: impl Into<Option<Status>>) {
        let status = status.into();
        self.set(|settings| settings.rpc_failure = status);
    }

    /// Every new watch is created and cancelled with this reason and the id -1,
    /// as etcd does when the token has expired.
    pub(crate) fn refuse_watches(&self, reason: Option<&str>) {
        self.set(|settings| settings.watch_refusal = reason.map(Into::into));
    }

    /// Every range takes this long.
    pub(crate) fn delay_ranges(&self, delay: Duration) {
        self.set(|settings| settings.range_delay = delay);
    }

    /// Nobody may ask for the status, as newer releases have it for users without the role
    /// `root`.
    pub(crate) fn refuse_status(&self, refuse: bool) {
        self.set(|settings| settings.status_refused = refuse);
    }

    /// How many ranges were asked for, answered or not.
    pub(crate) fn ranges_begun(&self) -> usize {
        self.ranges().begun
    }

    /// The `nth` range from now (1 is the next) fails with this status.
    pub(crate) fn fail_range(&self, nth: usize, status: Status) {
        let mut ranges = self.ranges();
        let number = ranges.begun + nth;
        ranges.failures.insert(number, status);
    }

    /// Runs `hook` after the `nth` range from now (1 is the next) was read and
    /// before it is answered: what the hook does belongs to the ranges after it.
    pub(crate) fn after_range(&self, nth: usize, hook: impl FnOnce() + Send + 'static) {
        let mut ranges = self.ranges();
        let number = ranges.begun + nth;
        ranges.hooks.insert(number, Box::new(hook));
    }

    /// Watch streams stay open but say nothing: no events, and no answer to a
    /// request for progress. The events come when the fault ends.
    pub(crate) fn go_silent(&self, silent: bool) {
        self.set(|settings| {
            settings.events_held = silent;
            settings.progress = if silent { Progress::Ignored } else { Progress::True };
        });
    }

    /// As behind etcd's grpc-proxy: it gives watches numbers of its own, whatever they ask for, and
    /// no answer to a request for progress.
    pub(crate) fn behave_as_a_proxy(&self) {
        self.set(|settings| settings.progress = Progress::Proxied);
    }

    /// Events are withheld until told otherwise; progress is answered when it is true.
    pub(crate) fn hold_events(&self, hold: bool) {
        self.set(|settings| settings.events_held = hold);
    }

    /// Progress is answered at once with the present revision, although events are
    /// still to come: a bug of etcd before 3.4.25 and 3.5.8. How it should be:
    /// [`super::progress`].
    pub(crate) fn let_progress_overtake(&self, overtake: bool) {
        let progress = if overtake { Progress::Overtaking } else { Progress::True };
        self.set(|settings| settings.progress = progress);
    }

    /// Responses to watches with `fragment` are split into single events.
    pub(crate) fn one_event_fragments(&self, split: bool) {
        self.set(|settings| settings.one_event_fragments = split);
    }

    /// Ends all open watch streams: with an error, or as if all had been said.
    pub(crate) fn end_watch_streams(&self, status: impl Into<Option<Status>>) {
        self.order(Order::End(status.into()));
    }

    /// Cancels all watches; their streams stay open.
    pub(crate) fn cancel_watches(&self, reason: &str) {
        self.order(Order::Cancel(reason.into()));
    }

    /// Sends each watch its last response once more.
    pub(crate) fn repeat_last_response(&self) {
        self.order(Order::Resend(None));
    }

    /// Sends each watch all changes from `revision` on once more.
    pub(crate) fn resend_from(&self, revision: i64) {
        self.order(Order::Resend(Some(revision)));
    }

    /// From now on the server claims to be of another cluster.
    pub(crate) fn set_cluster_id(&self, cluster_id: u64) {
        self.cluster_id.store(cluster_id, Ordering::Relaxed);
    }

    pub(crate) fn cluster_id(&self) -> u64 {
        self.cluster_id.load(Ordering::Relaxed)
    }

    pub(super) fn settings(&self) -> watch::Ref<'_, Settings> {
        self.settings.borrow()
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Settings> {
        self.settings.subscribe()
    }

    pub(super) fn orders(&self) -> broadcast::Receiver<Order> {
        self.orders.subscribe()
    }

    /// What a range request goes through first. Gives back its number.
    pub(super) async fn before_range(&self) -> Result<usize, Status> {
        let (number, failure) = {
            let mut ranges = self.ranges();
            ranges.begun += 1;
            let number = ranges.begun;
            (number, ranges.failures.remove(&number))
        };
        let delay = self.settings().range_delay;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        failure.map_or(Ok(number), Err)
    }

    pub(super) fn after_reading_range(&self, number: usize) {
        // The hook may well ask for more faults: not under the lock.
        let hook = self.ranges().hooks.remove(&number);
        if let Some(hook) = hook {
            hook();
        }
    }

    fn set(&self, change: impl FnOnce(&mut Settings)) {
        self.settings.send_modify(change);
    }

    fn order(&self, order: Order) {
        // An error means that no watch stream is open.
        let _ = self.orders.send(order);
    }

    fn ranges(&self) -> std::sync::MutexGuard<'_, RangeScript> {
        self.ranges.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
