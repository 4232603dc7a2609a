//! What the log says of connections: each transition once, and now and then that an outage
//! still lasts.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tracing::{debug, info, warn};

use crate::etcd::Server;

/// At the latest after so long an outage is said again.
const REMINDER: Duration = Duration::from_secs(60);

/// Whether etcd answers, and what was said of that.
pub(super) struct Outage {
    /// Why it does not, for whoever asks.
    failure: Rc<RefCell<Option<String>>>,
    connected: bool,
    since: Option<Instant>,
    said: Option<Instant>,
}

impl Outage {
    pub(super) fn new(failure: Rc<RefCell<Option<String>>>) -> Self {
        Self { failure, connected: false, since: None, said: None }
    }

    /// A member answers.
    pub(super) fn connected(&mut self, server: &Server, version: &str) {
        if self.since.is_none_or(|_| self.connected || self.said.is_some()) {
            let away = self.since.map(|since| format!("{:.1?}", since.elapsed()));
            info!(%server, version, away, "connected");
        }
        self.connected = true;
    }

    /// The member gave what it was asked for: a list, or a watch.
    pub(super) fn over(&mut self) {
        (self.since, self.said) = (None, None);
        self.failure.replace(None);
    }

    /// The connection is gone, or there was none.
    pub(super) fn lost(&mut self, server: &Server, reason: &str, delay: Duration) {
        let now = Instant::now();
        let since = *self.since.get_or_insert(now);
        let was_connected = std::mem::replace(&mut self.connected, false);
        self.failure.replace(Some(format!("{server}: {reason}")));
        if self.said.is_some_and(|said| now - said < REMINDER) {
            debug!(%server, reason, retry_in = ?delay, "still no connection");
            return;
        }
        if self.said.is_some() {
            warn!(%server, reason, away = format!("{:.0?}", now - since), "still no connection");
        } else if was_connected {
            warn!(%server, reason, retry_in = format!("{delay:.1?}"), "connection lost");
        } else {
            warn!(%server, reason, retry_in = format!("{delay:.1?}"), "cannot connect");
        }
        self.said = Some(now);
    }
}
