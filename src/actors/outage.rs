//! What the log says of connections: each transition once, and now and then that an outage
//! still lasts.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use tracing::{debug, info, warn};

use crate::etcd::Server;
use crate::telemetry::seconds;

/// At the latest after so long an outage is said again.
const REMINDER: Duration = Duration::from_secs(60);

/// Whether etcd gives what it is asked for, and what was said of that.
pub(super) struct Outage {
    /// Why it does not, for whoever asks.
    failure: Rc<RefCell<Option<String>>>,
    /// When the registry was last known to be what etcd holds.
    fresh: Option<SystemTime>,
    /// A member answered on the newest connection.
    connected: bool,
    /// That was said since all was well.
    said_connected: bool,
    ongoing: Option<Ongoing>,
}

#[derive(Clone, Copy)]
struct Ongoing {
    since: Instant,
    said: Instant,
}

impl Outage {
    pub(super) fn new(failure: Rc<RefCell<Option<String>>>) -> Self {
        Self { failure, fresh: None, connected: false, said_connected: false, ongoing: None }
    }

    /// A member is asked.
    pub(super) fn trying(&mut self, server: &Server) {
        self.failure.borrow_mut().get_or_insert_with(|| format!("{server}: no answer yet"));
    }

    /// A member answers.
    pub(super) fn connected(&mut self, server: &Server, version: &str) {
        self.connected = true;
        self.failure.replace(Some(format!("{server}: the list is not complete yet")));
        if !std::mem::replace(&mut self.said_connected, true) {
            let away_seconds = self.ongoing.map(|ongoing| seconds(ongoing.since.elapsed()));
            info!(%server, version, away_seconds, "connected");
        }
    }

    /// The watch is alive: until now nothing was missed.
    pub(super) fn heard(&mut self) {
        self.fresh = Some(SystemTime::now());
    }

    /// The member gave what it was asked for: a list, or a watch.
    pub(super) fn over(&mut self) {
        self.heard();
        self.ongoing = None;
        self.said_connected = false;
        self.failure.replace(None);
    }

    /// The connection is gone, or there was none.
    pub(super) fn lost(&mut self, server: &Server, reason: &str, delay: Duration) {
        let now = Instant::now();
        let was_connected = std::mem::replace(&mut self.connected, false);
        self.failure.replace(Some(format!("{server}: {reason}")));
        let retry_in_seconds = seconds(delay);
        let stale_since =
            self.fresh.map(|fresh| humantime::format_rfc3339_seconds(fresh).to_string());
        let Some(ongoing) = &mut self.ongoing else {
            if was_connected {
                warn!(%server, reason, retry_in_seconds, stale_since, "connection lost");
            } else {
                warn!(%server, reason, retry_in_seconds, stale_since, "cannot connect");
            }
            self.ongoing = Some(Ongoing { since: now, said: now });
            return;
        };
        if now - ongoing.said < REMINDER {
            debug!(%server, reason, retry_in_seconds, "still no connection");
            return;
        }
        ongoing.said = now;
        let away_seconds = seconds(now - ongoing.since);
        warn!(
            %server, reason, away_seconds, stale_since,
            "still no connection; the target file stays as it is"
        );
    }
}
