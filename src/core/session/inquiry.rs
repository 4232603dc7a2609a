//! Asking a watch that is behind for its progress: when, and when again?

use std::time::{Duration, Instant};

use super::WatchMessage;

/// From one question to the next. etcd tells a watch what it missed every 100 ms.
const PERIOD: Duration = Duration::from_millis(200);

/// The questions that one watch is asked.
#[derive(Clone, Copy, Debug)]
pub struct Inquiry {
    /// Of the last question, or of its answer.
    since: Instant,
    is_open: bool,
}

impl Inquiry {
    /// Of a watch that was asked for now.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { since: now, is_open: false }
    }

    /// When to ask next, if at all. Where the answer keeps its place among the events, etcd loses
    /// the question for as long as there is something to tell: it is repeated. Where it does not,
    /// each one is answered, also several at once by a server that had stalled: two answers say
    /// something only if the server has had time between them, so that each is waited for.
    #[must_use]
    pub fn due(&self, is_ordered: bool) -> Option<Instant> {
        (is_ordered || !self.is_open).then(|| self.since + PERIOD)
    }

    /// It is asked.
    pub fn ask(&mut self, now: Instant) {
        (self.since, self.is_open) = (now, true);
    }

    /// The watch has spoken.
    pub fn hear(&mut self, message: &WatchMessage, now: Instant) {
        if message.is_requested_progress() {
            (self.since, self.is_open) = (now, false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::REQUESTED_PROGRESS;
    use super::*;

    #[test]
    fn an_answer_that_may_overtake_events_is_waited_for_and_then_a_period_more() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut inquiry = Inquiry::new(start);
        assert_eq!(inquiry.due(false), Some(at(200)));
        inquiry.ask(at(200));
        assert_eq!(inquiry.due(false), None, "the server stalls, and would answer all at once");
        inquiry.hear(&WatchMessage::default(), at(300));
        assert_eq!(inquiry.due(false), None, "that was no answer");
        let answer = WatchMessage { watch_id: REQUESTED_PROGRESS, ..WatchMessage::default() };
        inquiry.hear(&answer, at(5_000));
        assert_eq!(inquiry.due(false), Some(at(5_200)));
    }

    #[test]
    fn a_question_that_may_get_lost_is_repeated() {
        let start = Instant::now();
        let mut inquiry = Inquiry::new(start);
        inquiry.ask(start);
        assert_eq!(inquiry.due(true), Some(start + PERIOD));
    }
}
