//! Catching up: is a list quicker than the watch?
//!
//! A watch that is behind is told what it missed in steps: a step of etcd has the changes of at
//! most [`STEP`] revisions, the next one comes 100 ms later, and for each of them etcd reads all
//! revisions that are still ahead, whoever they concern. So 200,000 changes of ours take it 46 s
//! where a list of 100,000 keys takes 0.25 s, while the same number of other people's changes is
//! passed over in the first step, in 0.2 s. How far the member is ahead says therefore little by
//! itself. What the watch is told says it: how many of the revisions that it came through were
//! ours, how fast they came, and how far ahead the member still is.
//!
//! Only where reading through what is ahead is half as much work for etcd as a list, whatever is
//! in it, the list comes first: nobody waits for both then.
//!
//! A list is the dearer way for etcd, and who is behind because more is written than any watch
//! is told would be behind again after it: so a list must be worth it by far, and the next one
//! for this reason has to wait for many times what one takes.

use std::time::{Duration, Instant};

use super::RelistReason;

/// etcd puts the changes of so many revisions into one step (`watchBatchMaxRevs`). One with fewer
/// was the last.
const STEP: u64 = 1_000;

/// And sends one so often, which comes to this for each revision.
const TOLD: Duration = Duration::from_micros(100);

/// What etcd needs for each revision that it reads through. Measured, 3.4.23 and 3.5.30: 1.0 to
/// 1.8 µs on an idle machine of two cores, twice that on a busy one.
const READ_THROUGH: Duration = Duration::from_micros(1);

/// What a list takes for each key, at the least. Measured, on the same machine: 2 µs from 100,000
/// keys on, to 4 µs at a million. What the last list took says more, unless there were fewer
/// keys then.
const LISTED: Duration = Duration::from_micros(2);

/// The watch must take so many times what the list takes, and it must be a wait that somebody
/// would notice: five steps.
const WORTH: u32 = 2;
const NOTICEABLE: Duration = Duration::from_millis(500);

/// Of the time, a list for this reason takes no more than one in so many parts.
const PAUSE: u32 = 10;

/// For so long the pace is watched before it is judged: etcd's steps are further apart, and a
/// server that is faster has told much by then.
const GLIMPSE: Duration = Duration::from_millis(100);

/// A longer time without a word is no step: nothing was to be told.
const LONGEST_STEP: Duration = Duration::from_secs(2);

/// What is known for the choice.
#[derive(Debug, Default)]
pub struct CatchUp {
    /// How many there are to list.
    keys: usize,
    /// What the last list took.
    list_took: Duration,
    /// When a list was last chosen.
    chosen: Option<Instant>,
    pace: Option<Pace>,
}

/// How fast a watch that is behind is told.
#[derive(Clone, Copy, Debug)]
struct Pace {
    took: Duration,
    /// Revisions with changes of ours that were told in that time.
    told: u64,
    newest: Instant,
}

/// One response with changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// How many revisions it has changes of.
    pub told: u64,
    /// How many revisions it came through, those of others included.
    pub through: u64,
    /// How many revisions the member was ahead of it.
    pub ahead: u64,
}

impl CatchUp {
    /// There is a list of so many keys, and it took so long.
    pub fn listed(&mut self, keys: usize, took: Duration) {
        (self.keys, self.list_took) = (keys, took);
        self.pace = None;
    }

    /// The registry holds so many keys now.
    pub fn holds(&mut self, keys: usize) {
        self.keys = keys;
    }

    /// A member answers that is so many revisions `ahead` of the registry. Returns why to list
    /// before there is a watch, if so.
    pub fn connected(&mut self, ahead: u64, now: Instant) -> Option<RelistReason> {
        self.pace = None;
        // Both as on an idle machine: what makes one slow slows the other.
        let (reading, listing) = (times(READ_THROUGH, ahead), times(LISTED, self.keys as u64));
        if reading <= (listing / 2).max(GLIMPSE) {
            return None;
        }
        self.choose(ahead, times(TOLD, ahead), now)
    }

    /// A watch is asked for.
    pub fn asks(&mut self, now: Instant) {
        self.pace = Some(Pace { took: Duration::ZERO, told: 0, newest: now });
    }

    /// It stands; the member was so many revisions `ahead` of it.
    pub fn begins(&mut self, ahead: u64) {
        // What comes then is told as it happens.
        self.pace.take_if(|_| ahead < STEP);
    }

    /// The watch was told this. Returns why to list instead, if that is quicker.
    pub fn told(&mut self, step: Step, now: Instant) -> Option<RelistReason> {
        let Step { told, through, ahead } = step;
        if told < STEP || ahead == 0 {
            self.pace = None;
            return None;
        }
        let Some(pace) = &mut self.pace else {
            // It falls behind. When this step was begun, nobody knows.
            self.pace = Some(Pace { took: Duration::ZERO, told: 0, newest: now });
            return None;
        };
        pace.took += now.saturating_duration_since(pace.newest).min(LONGEST_STEP);
        pace.told += told;
        pace.newest = now;
        if pace.took < GLIMPSE {
            return None;
        }
        // Of what is ahead, as much is ours as was of what it came through.
        let left = u128::from(ahead) * u128::from(told) / u128::from(through.max(told));
        let took = left * pace.took.as_nanos() / u128::from(pace.told);
        let took = Duration::from_nanos(u64::try_from(took).unwrap_or(u64::MAX));
        self.choose(ahead, took, now)
    }

    /// Chooses a list if the watch would take so much longer that it is worth it, and if there
    /// was none for this reason of late.
    fn choose(&mut self, ahead: u64, watch: Duration, now: Instant) -> Option<RelistReason> {
        let keys = self.keys;
        let list = self.list_took.max(times(LISTED, keys as u64));
        let is_worth_it = watch > list.saturating_mul(WORTH).max(NOTICEABLE);
        let pause = list.saturating_mul(PAUSE);
        let is_too_soon =
            self.chosen.is_some_and(|chosen| now.saturating_duration_since(chosen) < pause);
        if !is_worth_it || is_too_soon {
            return None;
        }
        (self.chosen, self.pace) = (Some(now), None);
        Some(RelistReason::Behind { ahead, watch, keys, list })
    }
}

fn times(each: Duration, count: u64) -> Duration {
    let nanos = u64::try_from(each.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(nanos.saturating_mul(count))
}

#[cfg(test)]
mod tests;
