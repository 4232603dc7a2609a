//! Liveness: is a watch that says nothing idle, or dead?
//!
//! Two questions tell. A ping, by a second watch on the same stream, is answered at once by
//! every etcd that lives; the answer says how far the store is. If that is ahead of the
//! watch, the watch is asked for its progress, which it must then give: either the events
//! that it held back, or a word that none of what happened was for us.
//!
//! The second question would mislead where the store is not ahead: etcd passes it over then
//! without an answer (from 3.5.8 on).

use std::time::{Duration, Instant};

/// A watch that says nothing for so long is asked.
const IDLE: Duration = Duration::from_secs(5);

/// And that is how long each answer may take.
const ANSWER: Duration = Duration::from_secs(5);

/// What is known of the life of a watch.
#[derive(Clone, Copy, Debug)]
pub struct Liveness {
    waiting: Waiting,
    since: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    Anything,
    Pong,
    Progress,
}

/// What was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// The watch itself spoke: events, or a word on its progress.
    Watch,
    /// The ping was answered.
    Pong {
        /// The store is ahead of what the watch has told.
        ahead: bool,
    },
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Wait until [`Liveness::deadline`].
    Wait,
    /// Send a ping.
    Ping,
    /// Ask the watch for its progress.
    RequestProgress,
    /// The watch is dead.
    GiveUp,
}

impl Liveness {
    /// A watch that has just been asked for.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { waiting: Waiting::Anything, since: now }
    }

    /// When silence means something.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.since + if self.waiting == Waiting::Anything { IDLE } else { ANSWER }
    }

    /// The deadline has passed in silence.
    pub fn silence(&mut self, now: Instant) -> Action {
        if self.waiting != Waiting::Anything {
            return Action::GiveUp;
        }
        *self = Self { waiting: Waiting::Pong, since: now };
        Action::Ping
    }

    /// Something was heard.
    pub fn heard(&mut self, sign: Sign, now: Instant) -> Action {
        match sign {
            Sign::Pong { ahead: true } => {
                *self = Self { waiting: Waiting::Progress, since: now };
                Action::RequestProgress
            }
            Sign::Watch | Sign::Pong { ahead: false } => {
                *self = Self::new(now);
                Action::Wait
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_watch_on_a_quiet_cluster_is_pinged_and_that_is_enough() {
        let mut now = Instant::now();
        let mut liveness = Liveness::new(now);
        for _ in 0..100 {
            now = liveness.deadline();
            assert_eq!(liveness.silence(now), Action::Ping);
            assert_eq!(liveness.heard(Sign::Pong { ahead: false }, now), Action::Wait);
        }
    }

    #[test]
    fn a_stream_that_does_not_answer_is_given_up() {
        let start = Instant::now();
        let mut liveness = Liveness::new(start);
        assert_eq!(liveness.silence(liveness.deadline()), Action::Ping);
        let end = liveness.deadline();
        assert_eq!(liveness.silence(end), Action::GiveUp);
        assert_eq!(end - start, IDLE + ANSWER);
    }

    #[test]
    fn a_watch_that_is_behind_the_store_must_speak_for_itself() {
        let now = Instant::now();
        let mut liveness = Liveness::new(now);
        liveness.silence(now);
        assert_eq!(liveness.heard(Sign::Pong { ahead: true }, now), Action::RequestProgress);
        assert_eq!(liveness.heard(Sign::Watch, now), Action::Wait);
        liveness.silence(now);
        liveness.heard(Sign::Pong { ahead: true }, now);
        assert_eq!(liveness.silence(liveness.deadline()), Action::GiveUp);
    }

    #[test]
    fn a_watch_that_keeps_speaking_is_never_asked() {
        let mut now = Instant::now();
        let mut liveness = Liveness::new(now);
        for _ in 0..100 {
            now += IDLE / 2;
            assert_eq!(liveness.heard(Sign::Watch, now), Action::Wait);
            assert!(liveness.deadline() > now);
        }
    }
}
