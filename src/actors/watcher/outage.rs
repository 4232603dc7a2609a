//! What the log says of connections: each transition once, and now and then that an outage
//! still lasts.

use std::time::{Duration, Instant, SystemTime};

use tracing::{debug, info, warn};

use super::wire::Lost;
use crate::core::session::RelistReason;
use crate::etcd::Server;
use crate::observer::SourceObserver;
use crate::telemetry::{Foreign, seconds};

/// At the latest after so long an outage is said again.
const REMINDER: Duration = Duration::from_secs(60);

/// No more reasons than that are said between two reminders.
const REASONS: usize = 8;

/// Whether etcd gives what it is asked for, and what was said of that.
pub(super) struct Outage {
    pub(super) observer: SourceObserver,
    /// When the registry was last known to be what etcd holds.
    fresh: Option<SystemTime>,
    /// A member answered on the newest connection.
    connected: bool,
    /// That was said since all was well.
    said_connected: bool,
    /// As was that it is listed, and why.
    said_listing: bool,
    ongoing: Option<Ongoing>,
}

struct Ongoing {
    since: Instant,
    said: Instant,
    /// Which reasons were given since.
    reasons: Vec<String>,
    /// The last of them is for somebody to put right.
    refused: bool,
}

impl Outage {
    pub(super) fn new() -> Self {
        Self {
            observer: SourceObserver::default(),
            fresh: None,
            connected: false,
            said_connected: false,
            said_listing: false,
            ongoing: None,
        }
    }

    /// A member is asked.
    pub(super) fn trying(&mut self, server: &Server) {
        self.connected = false;
        self.observer.board.trying(server.as_str());
    }

    /// A member answers.
    pub(super) fn connected(&mut self, server: &Server, version: &str, cluster_id: u64) {
        self.connected = true;
        self.observer.board.connected(server.as_str(), version, cluster_id);
        if !std::mem::replace(&mut self.said_connected, true) {
            let away_seconds =
                self.ongoing.as_ref().map(|ongoing| seconds(ongoing.since.elapsed()));
            info!(%server, version, away_seconds, "connected");
        }
    }

    /// The watch is alive and has told all: until now nothing was missed.
    pub(super) fn heard(&mut self) {
        self.is_fresh_as_of(tokio::time::Instant::now().into_std());
    }

    fn is_fresh_as_of(&mut self, then: Instant) {
        self.fresh = SystemTime::now().checked_sub(then.elapsed());
        self.observer.board.fresh(then);
    }

    /// It is listed, for this reason. Answers whether that is news.
    pub(super) fn listing(&mut self, reason: &RelistReason) -> bool {
        self.observer.board.listing(*reason != RelistReason::Requested);
        !std::mem::replace(&mut self.said_listing, true)
    }

    /// The list is complete that was begun then: what has happened since is for the watch to tell.
    pub(super) fn listed(&mut self, begun: Instant) {
        self.over();
        self.is_fresh_as_of(begun);
        self.observer.board.well();
    }

    /// The watch stands, and has told all that happened before, or will do so.
    pub(super) fn watching(&mut self, has_told: bool) {
        self.over();
        self.observer.board.watching(has_told);
        self.observer.metrics.watching();
    }

    /// The member gave what it was asked for.
    fn over(&mut self) {
        self.ongoing = None;
        self.said_connected = false;
        self.said_listing = false;
    }

    /// The connection is gone, or there was none.
    pub(super) fn lost(&mut self, server: &Server, why: &Lost, delay: Duration) {
        let now = Instant::now();
        let was_connected = self.connected;
        let reason = Foreign(why.to_string().as_bytes()).to_string();
        self.observer.board.lost(format!("{server}: {reason}"));
        self.observer.metrics.watch_ended(why.name(was_connected));
        let retry_in_seconds = seconds(delay);
        let stale_since =
            self.fresh.map(|fresh| humantime::format_rfc3339_seconds(fresh).to_string());
        let refused = why.is_to_be_put_right();
        let say = |away_seconds: Option<f64>| {
            let what = why.heading(was_connected);
            warn!(%server, reason, away_seconds, retry_in_seconds, stale_since, "{what}");
        };
        let Some(ongoing) = &mut self.ongoing else {
            say(None);
            let reasons = vec![reason];
            self.ongoing = Some(Ongoing { since: now, said: now, reasons, refused });
            return;
        };
        let away_seconds = seconds(now - ongoing.since);
        if now - ongoing.said >= REMINDER {
            warn!(
                %server, reason, away_seconds, stale_since,
                "still nothing from etcd; the target file stays as it is"
            );
            (ongoing.said, ongoing.reasons, ongoing.refused) = (now, vec![reason], refused);
        } else if ongoing.is_news(&reason, refused) {
            say(Some(away_seconds));
            ongoing.reasons.push(reason);
            ongoing.refused = refused;
        } else {
            debug!(%server, reason, retry_in_seconds, "still nothing from etcd");
        }
    }
}

impl Ongoing {
    /// Whether somebody should hear of this reason too. In which way a server can't be reached
    /// is no news, but that something is to be put right is, and that it has been.
    fn is_news(&self, reason: &str, refused: bool) -> bool {
        (refused || self.refused)
            && self.reasons.len() < REASONS
            && !self.reasons.iter().any(|said| said == reason)
    }
}
