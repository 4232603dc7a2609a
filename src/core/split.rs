//! Splitting a document over the files of a target directory, one a service: which to write,
//! and in which order?
//!
//! A set of files can't change at once. A target that moves from one service to another would be
//! absent for a moment, if its old file were written first, and Prometheus would drop it. So a
//! publish goes in three phases: additions, then removals, then the files of services that are
//! gone. A file that both gains and loses targets is written in the first with what it gains, and
//! in the second without what it loses. If it is the only such file, then once is enough: as the
//! last addition.
//!
//! A file may fail by itself. What it was to gain is nowhere then, so whatever removes such a
//! target elsewhere waits, be it for the next publish.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::event::Revision;
use super::render::{Document, Piece};

/// What the files of a target directory hold, as far as is known.
#[derive(Clone, Debug)]
pub struct Files {
    /// What each was last known to hold; nothing of those that held no target then.
    held: Document,
    /// Those that hold something else by now, or of which nothing is known but that they are
    /// there.
    astray: BTreeSet<Box<str>>,
}

/// The steps that make the files hold a document. Services without a change are not in it.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    changes: BTreeMap<Box<str>, Change>,
    /// What files with gains hold in the meantime or from then on, ascending.
    additions: Vec<Piece>,
    /// The service of the only file that gains and loses.
    exchange: Option<Box<str>>,
}

/// Services whose files could not be written.
pub type Failed = BTreeSet<Box<str>>;

#[derive(Clone, Debug)]
struct Change {
    was: Option<Piece>,
    /// The file may not hold it any more.
    is_astray: bool,
    will: Option<Piece>,
    /// Whether it loses a target.
    loses: bool,
}

impl Default for Files {
    fn default() -> Self {
        Self { held: Document::new(Revision(0)), astray: BTreeSet::new() }
    }
}

impl Files {
    /// Files that hold one service of `held` each.
    #[must_use]
    pub fn holding(held: Document) -> Self {
        Self { held, astray: BTreeSet::new() }
    }

    /// What they were last known to hold.
    #[must_use]
    pub fn held(&self) -> &Document {
        &self.held
    }

    /// The file of `service` is there, but does not hold what it should.
    pub fn strayed(&mut self, service: &str) {
        if !self.astray.contains(service) {
            self.astray.insert(service.into());
        }
    }

    /// The file of `service` holds what it should after all.
    pub fn returned(&mut self, service: &str) {
        self.astray.remove(service);
    }

    /// How to make the files hold `wanted`. Groups without a job are no service, and are in no
    /// file.
    pub fn plan(&mut self, wanted: &Document) -> Plan {
        let mut plan = Plan::default();
        for (was, will) in self.held.differences(wanted) {
            if let Some(piece) = will.as_ref().or(was.as_ref()) {
                let service = piece.job().into();
                plan.add(service, was, will, &self.astray);
            }
        }
        for service in &self.astray {
            if !plan.changes.contains_key(service) {
                let piece = wanted.piece(service).cloned();
                plan.add(service.clone(), piece.clone(), piece, &self.astray);
            }
        }
        plan.order();
        plan
    }

    /// These files were written, and those removed.
    pub fn carried_out(&mut self, mut written: Vec<Piece>, removed: &[Box<str>]) {
        written.sort_unstable_by(|one, other| one.job().cmp(other.job()));
        let mut document = Document::new(self.held.revision());
        for piece in &written {
            self.astray.remove(piece.job());
            document.push(piece);
        }
        for service in removed {
            self.astray.remove(service);
        }
        let removed: BTreeSet<&str> = removed.iter().map(AsRef::as_ref).collect();
        self.held = self.held.amended(&document, |service| removed.contains(service));
    }
}

impl Plan {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The first phase: what to write into the files of these services, in whatever order, but
    /// all before the [last addition](Self::last_addition).
    #[must_use]
    pub fn additions(&self) -> &[Piece] {
        &self.additions
    }

    /// The end of the first phase, given whose additions failed.
    #[must_use]
    pub fn last_addition(&self, failed: &Failed) -> Option<Piece> {
        let change = &self.changes[self.exchange.as_ref()?];
        let (was, will) = change.was.as_ref().zip(change.will.as_ref())?;
        let waits = change.waits_for(&self.missing(failed));
        Some(if waits { will.keeping(was) } else { will.clone() })
    }

    /// The second phase: what to write into the files of these services, given whose additions
    /// failed, the last one included.
    #[must_use]
    pub fn removals(&self, failed: &Failed) -> Vec<Piece> {
        let missing = self.missing(failed);
        let removals = self.changes.iter().filter(|(service, change)| {
            let is_last = self.exchange.as_ref() == Some(service);
            change.loses && !is_last && !failed.contains(*service) && !change.waits_for(&missing)
        });
        removals.filter_map(|(_, change)| change.will.clone()).collect()
    }

    /// The third phase: the services whose files to remove, given whose additions failed, the
    /// last one included.
    #[must_use]
    pub fn deletions(&self, failed: &Failed) -> Vec<Box<str>> {
        let missing = self.missing(failed);
        let deletions = self.changes.iter().filter(|(_, change)| change.will.is_none());
        let deletions = deletions.filter(|(_, change)| !change.waits_for(&missing));
        deletions.map(|(service, _)| service.clone()).collect()
    }

    fn add(
        &mut self,
        service: Box<str>,
        was: Option<Piece>,
        will: Option<Piece>,
        astray: &BTreeSet<Box<str>>,
    ) {
        if !service.is_empty() {
            let is_astray = astray.contains(&service);
            self.changes.insert(service, Change { was, is_astray, will, loses: false });
        }
    }

    /// Finds out who gains and who loses.
    fn order(&mut self) {
        let mut exchanges = Vec::new();
        for (service, change) in &mut self.changes {
            let Some(will) = &change.will else { continue };
            let Some(was) = &change.was else {
                self.additions.push(will.clone());
                continue;
            };
            let (before, after) = (was.addresses(), will.addresses());
            let gains = change.is_astray || !after.is_subset(&before);
            let loses = !before.is_subset(&after);
            match (gains, loses) {
                (true, true) => exchanges.push(service.clone()),
                // Other labels alone neither add nor remove a target.
                (_, false) => self.additions.push(will.clone()),
                (false, true) => {}
            }
            change.loses = loses;
        }
        if let [only] = &*exchanges {
            self.exchange = Some(only.clone());
            return;
        }
        for service in exchanges {
            let Change { was: Some(was), will: Some(will), .. } = &self.changes[&service] else {
                continue;
            };
            self.additions.push(will.keeping(was));
        }
        self.additions.sort_unstable_by(|one, other| one.job().cmp(other.job()));
    }

    /// The addresses that are not where they should be by the end of the first phase.
    fn missing(&self, failed: &Failed) -> BTreeSet<Cow<'_, str>> {
        let changes = failed.iter().filter_map(|service| self.changes.get(service));
        changes.flat_map(Change::gained).collect()
    }
}

impl Change {
    /// The addresses that it adds to its file.
    fn gained(&self) -> BTreeSet<Cow<'_, str>> {
        let mut gained = addresses(self.will.as_ref());
        if !self.is_astray {
            let before = addresses(self.was.as_ref());
            gained.retain(|address| !before.contains(address));
        }
        gained
    }

    /// Whether it removes one of these addresses from its file.
    fn waits_for(&self, missing: &BTreeSet<Cow<'_, str>>) -> bool {
        if missing.is_empty() {
            return false;
        }
        let after = addresses(self.will.as_ref());
        addresses(self.was.as_ref())
            .iter()
            .any(|address| missing.contains(address) && !after.contains(address))
    }
}

fn addresses(piece: Option<&Piece>) -> BTreeSet<Cow<'_, str>> {
    piece.map(Piece::addresses).unwrap_or_default()
}

#[cfg(test)]
mod tests;
