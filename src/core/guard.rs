//! The mass-removal guard: can so many targets be gone at once, or is etcd ill?
//!
//! The leases of a whole fleet end together when etcd, not the fleet, is ill; a backup is
//! restored; a prefix is deleted by mistake. A publish that would remove too much is held:
//! what is published then is what etcd says *joined* with what it seems to have lost, so that
//! additions still go in. The hold ends when the registry recovers, when the removal has
//! stood for `--guard-hold`, or when the operator releases it.
//!
//! # What is counted
//!
//! Targets of groups, not keys: a baseline that was read from disk has no keys. The **loss**
//! is how many targets fewer there are than in the baseline, whichever they are. So a rolling
//! restart, or a deployment of a new generation beside the old one, which change addresses and
//! labels and keep the number, lose nothing. Within one burst the loss is summed over the jobs:
//! a job that grows does not hide that another one is gone. Over a longer time all targets are
//! taken together: services come and go, and are renamed.
//!
//! A fleet does not change all its addresses because etcd was restored, though: if the
//! document is of another epoch of revisions than the baseline (of a rewound or foreign
//! cluster), each target of the baseline that is missing counts, be it made up for or not.
//!
//! A loss is too much if it is *more than* `--guard-ratio` of the baseline and *more than*
//! `--guard-min` targets: small fleets never see the guard. One case needs no minimum: a list
//! that comes back empty (a lost data directory, the wrong cluster) where targets were
//! published. Deletions that a watch reports, down to the last target, are no such case. Of
//! several sources, each list that comes back empty is one, however small its share.
//!
//! # Against what, over which window
//!
//! Against every document that was published within the window, and not just the last one:
//! leases end one after the other, as far apart as their keep-alives were, and are revoked at
//! a limited pace; each single publish may lose little. The window is [`WINDOW`], and longer
//! by [`WINDOW_PER_TARGET`] for large fleets. What has been gone for longer is believed: a
//! fleet that shrinks slowly, in the evening or at a drip, never loses too much within it. A
//! few documents, spaced over the window, stand for all, of each stretch the largest.
//!
//! At start the document on disk is the baseline, as if it had been published just before;
//! it belongs to no epoch. After a hold that expired or was released, what was published before
//! is forgotten: it is believed to be gone. After a document of a new epoch has gone through,
//! only the numbers count again, against what was published before it as well.
//!
//! # While it holds
//!
//! The baseline that has lost the most stays the base, to which every further document is
//! compared and joined. Targets that come later and go again are removed as ever. The clock
//! of the hold starts when it trips; no event starts it again. It stands still while etcd can't
//! be reached: nobody knows then whether the targets still are gone, and losing etcd must not
//! change what is published.

mod baselines;
mod hold;
mod loss;

use std::time::{Duration, Instant};

use super::render::Document;
use baselines::Baselines;
use loss::{Measure, comes_back_empty, has_emptied, is_out_of_touch, loss};

pub use baselines::{WINDOW, WINDOW_PER_TARGET};
pub use hold::{Cause, End, Hold, News};

/// What is too much, and for how long it is held.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GuardSettings {
    /// More than this share of the baseline, from 0 to 1. With 1 there is no guard.
    pub ratio: f64,
    /// And more than so many targets.
    pub min: usize,
    /// A removal that has stood for so long is believed.
    pub hold: Duration,
}

impl Default for GuardSettings {
    /// Half the fleet, for as long as Prometheus takes to call a series stale.
    fn default() -> Self {
        Self { ratio: 0.5, min: 20, hold: Duration::from_secs(5 * 60) }
    }
}

impl GuardSettings {
    /// Whether there is no guard.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.ratio >= 1.0
    }

    fn limit(&self) -> Limit {
        Limit { ratio: self.ratio, min: self.min }
    }
}

/// What is not too much yet.
#[derive(Clone, Copy, Debug)]
struct Limit {
    ratio: f64,
    min: usize,
}

impl Limit {
    #[allow(clippy::cast_precision_loss, reason = "exact up to 2^53 targets")]
    fn is_exceeded(&self, lost: usize, of: usize) -> bool {
        lost > self.min && lost as f64 > self.ratio * of as f64
    }
}

/// The guard of one file.
#[derive(Debug, Default)]
pub struct Guard {
    settings: GuardSettings,
    baselines: Baselines,
    held: Option<Held>,
    released: bool,
    news: Option<News>,
}

#[derive(Debug)]
struct Held {
    hold: Hold,
    limit: Limit,
    measure: Measure,
    base: Document,
    /// The newest document, and what came of joining it with the base.
    wanted: Document,
    joined: Document,
}

impl Guard {
    /// A guard that knows of no publish yet.
    #[must_use]
    pub fn new(settings: GuardSettings) -> Self {
        Self { settings, ..Self::default() }
    }

    /// Its settings.
    #[must_use]
    pub fn settings(&self) -> GuardSettings {
        self.settings
    }

    /// What the file held before the first publish.
    pub fn baseline(&mut self, on_disk: Document) {
        if !self.settings.is_off() {
            self.baselines = Baselines::of(on_disk);
        }
    }

    /// What stands where others have published until now, beside what this guard knows of. The
    /// larger of the two is what must not be lost.
    pub fn found(&mut self, on_disk: Document, now: Instant) {
        let is_more = |last: &Document| on_disk.targets() > last.targets();
        if !self.settings.is_off() && self.baselines.last().is_none_or(is_more) {
            self.baselines.publish(on_disk, now);
        }
    }

    /// Reviews what the registry renders. Returns what to publish: that, or that joined with
    /// the removals that are held.
    pub fn review(&mut self, wanted: Document, now: Instant) -> Document {
        let released = std::mem::take(&mut self.released);
        match self.held.take() {
            Some(held) => self.go_on(held, wanted, released, now),
            None => self.watch(wanted, now),
        }
    }

    /// What [`Guard::review`] returned is published.
    pub fn published(&mut self, document: &Document, now: Instant) {
        if self.held.is_none() && !self.settings.is_off() {
            self.baselines.publish(document.clone(), now);
        }
    }

    /// Ends the hold with the next review. Returns whether there is one.
    pub fn release(&mut self) -> bool {
        self.released = self.held.is_some();
        self.released
    }

    /// When to review the registry's document again, even if nothing changes.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        let hold = self.hold()?;
        if self.released {
            Some(hold.since)
        } else {
            Some(hold.until).filter(|_| hold.paused.is_none())
        }
    }

    /// What is held.
    #[must_use]
    pub fn hold(&self) -> Option<Hold> {
        self.held.as_ref().map(|held| held.hold)
    }

    /// What the last review brought about.
    pub fn take_news(&mut self) -> Option<News> {
        self.news.take()
    }

    /// A review while nothing is held.
    fn watch(&mut self, wanted: Document, now: Instant) -> Document {
        self.baselines.forget_old(now);
        let published = self.baselines.last();
        let limit = self.settings.limit();
        let (cause, limit) = if published.is_some_and(|last| comes_back_empty(last, &wanted)) {
            (Cause::EmptyList, Limit { min: 0, ..limit })
        } else if published.is_some_and(|last| has_emptied(last, &wanted)) {
            // What is a small part of all is all of that source.
            (Cause::EmptyList, Limit { ratio: 0.0, min: 0 })
        } else {
            (Cause::TooMany, limit)
        };
        let bases = self.baselines.iter().filter(|(base, _)| base.targets() > limit.min);
        let losses = bases.map(|(base, measure)| {
            let lost = loss(base, &wanted, measure, || wanted.join(base, None));
            (lost, base, measure)
        });
        let too_much = |&(lost, base, _): &(usize, &Document, Measure)| {
            limit.is_exceeded(lost, base.targets())
        };
        let Some((_, base, measure)) = losses.filter(too_much).max_by_key(|&(lost, ..)| lost)
        else {
            return wanted;
        };
        let mut base = base.clone();
        base.share(&wanted);
        let joined = wanted.join(&base, None);
        let hold = Hold {
            cause,
            published: base.targets(),
            wanted: wanted.targets(),
            removals: joined.targets() - wanted.targets(),
            since: now,
            until: now + self.settings.hold,
            paused: is_out_of_touch(&wanted).then_some(now),
        };
        self.baselines = Baselines::default();
        self.news = Some(News::Tripped(hold));
        self.held = Some(Held { hold, limit, measure, base, wanted, joined: joined.clone() });
        joined
    }

    /// A review while `held` is.
    fn go_on(
        &mut self,
        mut held: Held,
        wanted: Document,
        released: bool,
        now: Instant,
    ) -> Document {
        held.hold.run(is_out_of_touch(&wanted), now);
        if released || held.hold.is_over(now) {
            let end = if released { End::Released } else { End::Expired };
            self.news = Some(News::Ended(held.hold, end));
            self.baselines = Baselines::of(wanted.clone());
            return wanted;
        }
        let joined = wanted.join(&held.base, Some((&held.wanted, &held.joined)));
        let lost = loss(&held.base, &wanted, held.measure, || joined.clone());
        if !held.limit.is_exceeded(lost, held.base.targets()) {
            self.news = Some(News::Ended(held.hold, End::Recovered));
            self.baselines = Baselines::of(held.base);
            return wanted;
        }
        held.hold.wanted = wanted.targets();
        held.hold.removals = joined.targets() - wanted.targets();
        (held.wanted, held.joined) = (wanted, joined.clone());
        self.held = Some(held);
        joined
    }
}

#[cfg(test)]
mod tests;
