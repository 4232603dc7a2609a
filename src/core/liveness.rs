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

/// What is known of the life of a watch.
#[derive(Clone, Copy, Debug)]
pub struct Liveness {
    idle: Duration,
    answer: Duration,
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

impl Sign {
    /// Whether the watch has told all that the member knows.
    #[must_use]
    pub fn is_fresh(self) -> bool {
        self != Self::Pong { ahead: true }
    }
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
    /// A watch that has just been asked for. One that says nothing for `idle` is asked for a
    /// sign of life, and each answer may take as long as `answer`.
    #[must_use]
    pub fn new(idle: Duration, answer: Duration, now: Instant) -> Self {
        Self { idle, answer, waiting: Waiting::Anything, since: now }
    }

    /// When silence means something.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.since + if self.waiting == Waiting::Anything { self.idle } else { self.answer }
    }

    /// The deadline has passed in silence.
    pub fn silence(&mut self, now: Instant) -> Action {
        if self.waiting != Waiting::Anything {
            return Action::GiveUp;
        }
        (self.waiting, self.since) = (Waiting::Pong, now);
        Action::Ping
    }

    /// Something was heard.
    pub fn heard(&mut self, sign: Sign, now: Instant) -> Action {
        match sign {
            Sign::Pong { ahead: true } => {
                (self.waiting, self.since) = (Waiting::Progress, now);
                Action::RequestProgress
            }
            Sign::Watch | Sign::Pong { ahead: false } => {
                (self.waiting, self.since) = (Waiting::Anything, now);
                Action::Wait
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_secs(5);
    const ANSWER: Duration = Duration::from_secs(3);

    fn asked_for(now: Instant) -> Liveness {
        Liveness::new(IDLE, ANSWER, now)
    }

    #[test]
    fn an_idle_watch_on_a_quiet_cluster_is_pinged_and_that_is_enough() {
        let mut now = Instant::now();
        let mut liveness = asked_for(now);
        for _ in 0..100 {
            now = liveness.deadline();
            assert_eq!(liveness.silence(now), Action::Ping);
            assert_eq!(liveness.heard(Sign::Pong { ahead: false }, now), Action::Wait);
        }
    }

    #[test]
    fn a_stream_that_does_not_answer_is_given_up() {
        let start = Instant::now();
        let mut liveness = asked_for(start);
        assert_eq!(liveness.silence(liveness.deadline()), Action::Ping);
        let end = liveness.deadline();
        assert_eq!(liveness.silence(end), Action::GiveUp);
        assert_eq!(end - start, IDLE + ANSWER);
    }

    #[test]
    fn a_watch_that_is_behind_the_store_must_speak_for_itself() {
        let now = Instant::now();
        let mut liveness = asked_for(now);
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
        let mut liveness = asked_for(now);
        for _ in 0..100 {
            now += IDLE / 2;
            assert_eq!(liveness.heard(Sign::Watch, now), Action::Wait);
            assert!(liveness.deadline() > now);
        }
    }
}
