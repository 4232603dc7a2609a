//! Arrivals: since when is there something that no document shows yet?
//!
//! How long a change takes from etcd to Prometheus is counted from there.

use std::time::Instant;

use super::event::Event;

/// When the oldest change arrived that was not rendered yet.
#[derive(Clone, Copy, Debug, Default)]
pub struct Arrivals {
    /// Of what is applied now, or of the revision that is there in part only.
    newest: Option<Instant>,
    /// Whether that revision is there as a whole.
    whole: bool,
    /// Of all that has changed the document since it was rendered.
    oldest: Option<Instant>,
}

impl Arrivals {
    /// This arrived, and is applied now. A list counts for nothing: when what it has was written,
    /// nobody knows.
    pub fn arrive(&mut self, event: &Event, at: Instant) {
        let Event::Changes { complete, .. } = event else {
            (self.newest, self.whole) = (None, true);
            return;
        };
        let begun = self.newest.filter(|_| !self.whole);
        (self.newest, self.whole) = (Some(begun.unwrap_or(at)), *complete);
    }

    /// What arrived last has changed the document.
    pub fn changed(&mut self) {
        self.oldest = self.oldest.or(self.newest);
    }

    /// The document is rendered: since when it was not what etcd holds, if it was changed by
    /// changes.
    pub fn take(&mut self) -> Option<Instant> {
        self.oldest.take()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::core::event::Revision;

    fn changes(complete: bool) -> Event {
        Event::Changes { changes: Vec::new(), revision: Revision(1), complete }
    }

    #[test]
    fn a_document_is_as_old_as_the_oldest_change_that_it_is_the_first_to_show() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut arrivals = Arrivals::default();
        arrivals.arrive(&changes(true), at(1));
        assert_eq!(arrivals.take(), None, "it changed nothing");
        arrivals.arrive(&changes(false), at(2));
        arrivals.arrive(&changes(true), at(3));
        arrivals.changed();
        arrivals.arrive(&changes(true), at(4));
        arrivals.changed();
        assert_eq!((arrivals.take(), arrivals.take()), (Some(at(2)), None));
        arrivals.arrive(&Event::ListStarted, at(5));
        arrivals.changed();
        assert_eq!(arrivals.take(), None, "a list has no age");
    }
}
