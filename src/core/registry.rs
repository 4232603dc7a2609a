//! The registry: the entries as of one revision, and the list that may replace them.
//!
//! A list is built beside the entries held so far, with which it shares the services that are
//! as they were, and takes their place when it is complete; until then the old ones are served. Nothing is rendered before the first
//! complete list, nor while a revision is there in part only.

mod check;

use std::sync::Arc;

use super::audit::Audit;
use super::entries::{Counts, Entries, Put, Relisted};
use super::event::{Change, Event, KeyValue, Lookup, Revision};
use super::history::Capture;
use super::key::Key;
use super::quarantine::Quarantine;
use super::render::{Document, Origin};
use super::schema::Schema;

pub use check::{Audited, Check, Standing};

/// All that is known of the prefix.
#[derive(Debug)]
pub struct Registry {
    schema: Arc<Schema>,
    held: Option<Held>,
    listing: Option<Listing>,
    audit: Option<Audit>,
    /// Whether somebody wants to know what becomes of each target.
    captures: bool,
}

#[derive(Debug)]
struct Held {
    entries: Entries,
    revision: Revision,
    /// Where `entries` come from.
    origin: Origin,
    /// Whether all up to that revision is there.
    whole: bool,
    /// Up to which revision all is there in any case: several may come in parts.
    position: Revision,
    /// Whether a part of a revision changed something, to be said with its end.
    unsaid: bool,
}

/// A list that is not complete yet.
#[derive(Debug)]
struct Listing {
    entries: Entries,
    quarantined: Vec<Quarantine>,
}

/// What an event did.
#[derive(Debug, Default)]
pub struct Applied {
    /// There is a document, and it may differ from the last one rendered, in where it comes
    /// from at least.
    pub changed: bool,
    /// Entries that went into quarantine, or stay in it with another bad value. Those of a
    /// list are said with its end.
    pub quarantined: Vec<Quarantine>,
    /// Keys that waited for room, and were admitted by a change after the list.
    pub admitted: Vec<Vec<u8>>,
    /// Older values that the watcher should read, to be answered before the list ends.
    pub lookups: Vec<Lookup>,
    /// Set when a list has just become the registry.
    pub listed: Option<Listed>,
    /// What has become of targets by changes after the list, if that is
    /// [wanted](Registry::capturing).
    pub captures: Vec<Capture>,
    /// What a list has in the place of what was held before, if that is wanted.
    pub relisted: Option<Relisted>,
    /// Entries that are not needed any more. Freeing many takes long: drop them where nothing
    /// waits.
    pub discarded: Option<Discarded>,
}

/// A list that has become the registry.
#[derive(Debug)]
pub struct Listed {
    /// The revision of the list.
    pub revision: Revision,
    /// How many keys it holds.
    pub counts: Counts,
    /// Whether it is the first one: from now on there is a document.
    pub first: bool,
}

/// Entries that are not needed any more.
#[derive(Debug)]
pub struct Discarded {
    _entries: Entries,
}

impl Listing {
    fn discard(self) -> Discarded {
        Discarded { _entries: self.entries }
    }
}

impl Registry {
    /// The registry before its first list.
    #[must_use]
    pub fn new(schema: Arc<Schema>) -> Self {
        Self { schema, held: None, listing: None, audit: None, captures: false }
    }

    /// Has it say of each change what became of which target.
    #[must_use]
    pub fn capturing(self) -> Self {
        Self { captures: true, ..self }
    }

    /// Takes the next event.
    pub fn apply(&mut self, event: Event) -> Applied {
        let mut applied = Applied::default();
        match event {
            Event::ListStarted => {
                self.audit = None;
                let held = self.held.as_ref().map(|held| &held.entries);
                let entries = Entries::beside(held, Arc::clone(&self.schema));
                let begun = self.listing.replace(Listing { entries, quarantined: Vec::new() });
                applied.discarded = begun.map(Listing::discard);
            }
            Event::Page(page) => self.take_page(page, &mut applied),
            Event::Recovered(values) => {
                if let Some(listing) = &mut self.listing {
                    for value in &values {
                        listing.entries.recover(value);
                    }
                }
            }
            Event::ListEnded { revision, new_epoch } => {
                self.end_list(revision, Some(new_epoch), &mut applied);
            }
            Event::CaughtUp(revision) => self.end_list(revision, None, &mut applied),
            Event::OutOfTouch => {
                // A list that broke off is asked for anew.
                applied.discarded = self.listing.take().map(Listing::discard);
                self.touch(true, &mut applied);
            }
            Event::InTouch => self.touch(false, &mut applied),
            Event::Changes { changes, revision, complete } => {
                self.take_changes(changes, revision, complete, &mut applied);
            }
        }
        applied
    }

    /// The document as of the newest revision; `None` before the first complete list and in
    /// the middle of a revision.
    pub fn render(&mut self) -> Option<Document> {
        let held = self.held.as_mut().filter(|held| held.whole)?;
        Some(held.entries.render(held.revision).of(held.origin))
    }

    /// Begins an audit, takes a part of its list, or says how it stands. An audit that was
    /// begun before and not ended is dropped.
    pub fn audit(&mut self, check: Check) -> Audited {
        let Some(held) = self.held.as_mut().filter(|_| self.listing.is_none()) else {
            return Audited::Void;
        };
        if matches!(check, Check::Start) {
            self.audit = Some(Audit::new(&mut held.entries));
        }
        let Some(audit) = &mut self.audit else {
            return Audited::Void;
        };
        match check {
            Check::Start | Check::Settle => {}
            Check::Page { revision, entries } => audit.take(revision, &entries, &mut held.entries),
            Check::End(revision) => audit.end(revision, &held.entries),
            Check::Report => {
                let report = self.audit.take().map(|audit| audit.report(&held.entries));
                return report.map_or(Audited::Void, Audited::Report);
            }
        }
        let suspects = audit.settle(&held.entries);
        if suspects == 0 && audit.is_overflown() {
            // Whether those that were not kept would have been cleared as well, nobody knows.
            self.audit = None;
            return Audited::Void;
        }
        let Held { position, .. } = *held;
        Audited::Stands(Standing { position, is_past: position >= audit.revision(), suspects })
    }

    /// The entries, once there was a complete list.
    #[must_use]
    pub fn entries(&self) -> Option<&Entries> {
        self.held.as_ref().map(|held| &held.entries)
    }

    /// How many keys are held, and as of which revision.
    #[must_use]
    pub fn counts(&self) -> Option<(Revision, Counts)> {
        self.held.as_ref().map(|held| (held.revision, held.entries.counts()))
    }

    fn take_page(&mut self, page: Vec<KeyValue>, applied: &mut Applied) {
        let Some(listing) = &mut self.listing else {
            return;
        };
        let held = self.held.as_ref().map(|held| &held.entries);
        // Keys of others may stand between.
        let is_entry =
            |kv: &&KeyValue| matches!(self.schema.classify(&kv.key), Key::Instance { .. });
        let first = page.iter().find(is_entry).map(|kv| kv.key.clone());
        for kv in page {
            let (put, lookup) = listing.entries.put_listed(kv, held);
            listing.quarantined.extend(put.quarantine);
            applied.lookups.extend(lookup);
        }
        if let Some(first) = first {
            listing.entries.render_ahead(&first);
        }
    }

    /// A list is complete. Whether it begins a new epoch; `None` if it stands for the changes
    /// since the last one, after which the entries come from where they came from before.
    fn end_list(&mut self, revision: Revision, new_epoch: Option<bool>, applied: &mut Applied) {
        let Some(Listing { mut entries, mut quarantined }) = self.listing.take() else {
            return;
        };
        quarantined.extend(entries.end_list(self.held.as_ref().map(|held| &held.entries)));
        for quarantine in &mut quarantined {
            quarantine.keeps_last_good = entries.has_target(&quarantine.key);
        }
        let counts = entries.counts();
        let before = self.held.as_ref().map(|held| held.origin).unwrap_or_default();
        let had_targets = self.held.as_ref().is_some_and(|held| held.entries.counts().targets > 0);
        let origin = match new_epoch {
            Some(new_epoch) => Origin {
                epoch: before.epoch + u32::from(new_epoch),
                list: before.list + 1,
                list_was_empty: counts.targets == 0,
                emptied: before.emptied + u32::from(counts.targets == 0 && had_targets),
                out_of_touch: false,
            },
            None => Origin { out_of_touch: false, ..before },
        };
        let position = revision;
        if self.captures {
            entries.begin_captures();
            let before = self.held.as_ref();
            applied.relisted =
                before.map(|before| Relisted::between(&before.entries, &entries, revision));
        }
        let held = Held { entries, revision, origin, whole: true, position, unsaid: false };
        let replaced = self.held.replace(held);
        applied.changed = true;
        applied.quarantined = quarantined;
        applied.listed = Some(Listed { revision, counts, first: replaced.is_none() });
        applied.discarded = replaced.map(|held| Discarded { _entries: held.entries });
    }

    fn touch(&mut self, out_of_touch: bool, applied: &mut Applied) {
        if let Some(held) = &mut self.held {
            applied.changed = held.whole && held.origin.out_of_touch != out_of_touch;
            held.origin.out_of_touch = out_of_touch;
        }
    }

    fn take_changes(
        &mut self,
        changes: Vec<Change>,
        revision: Revision,
        complete: bool,
        applied: &mut Applied,
    ) {
        let Some(held) = &mut self.held else {
            return;
        };
        for change in changes {
            let put = match change {
                Change::Put(kv) => held.entries.put(kv),
                Change::Delete { key, mod_revision, lease } => {
                    self.audit.take_if(|audit| !audit.deleted(&key, mod_revision));
                    let is_news = held.entries.delete(&key, mod_revision, lease);
                    Put { changed: is_news, quarantine: None }
                }
            };
            held.unsaid |= put.changed;
            applied.quarantined.extend(put.quarantine);
        }
        applied.admitted = held.entries.take_admitted();
        applied.captures = held.entries.take_captures();
        held.whole = complete;
        held.revision = held.revision.max(revision);
        if complete {
            held.position = held.revision;
        }
        applied.changed = complete && std::mem::take(&mut held.unsaid);
    }
}

#[cfg(test)]
mod tests;
