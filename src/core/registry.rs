//! The registry: the entries as of one revision, and the list that may replace them.
//!
//! A list is built beside the entries held so far and takes their place when it is
//! complete; until then the old ones are served. Nothing is rendered before the first
//! complete list, nor while a revision is there in part only.

use super::entries::{Counts, Entries, Put};
use super::event::{Change, Event, KeyValue, Lookup, Revision};
use super::key::Prefix;
use super::quarantine::Quarantine;
use super::render::{Document, Origin};

/// All that is known of the prefix.
#[derive(Debug)]
pub struct Registry {
    prefix: Prefix,
    held: Option<Held>,
    listing: Option<Listing>,
}

#[derive(Debug)]
struct Held {
    entries: Entries,
    revision: Revision,
    /// Where `entries` come from.
    origin: Origin,
    /// Whether the newest revision is there as a whole.
    whole: bool,
    /// Whether a part of a revision changed something, to be said with its end.
    unsaid: bool,
}

/// A list that is not complete yet.
#[derive(Debug)]
struct Listing {
    entries: Entries,
    quarantined: Vec<Quarantine>,
    new_epoch: bool,
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
    /// Older values that the watcher should read, to be answered before the list ends.
    pub lookups: Vec<Lookup>,
    /// Set when a list has just become the registry.
    pub listed: Option<Listed>,
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
    /// What it replaced. Freeing a large one takes long: drop it where nothing waits.
    pub replaced: Option<Replaced>,
}

/// Entries that are not needed any more.
#[derive(Debug)]
pub struct Replaced {
    _entries: Entries,
}

impl Registry {
    /// The registry before its first list.
    #[must_use]
    pub fn new(prefix: Prefix) -> Self {
        Self { prefix, held: None, listing: None }
    }

    /// Takes the next event.
    pub fn apply(&mut self, event: Event) -> Applied {
        let mut applied = Applied::default();
        match event {
            Event::ListStarted => {
                let entries = Entries::new(self.prefix.clone());
                self.listing = Some(Listing { entries, quarantined: Vec::new(), new_epoch: false });
            }
            Event::Page(page) => self.take_page(page, &mut applied),
            Event::Recovered(values) => {
                if let Some(listing) = &mut self.listing {
                    for value in &values {
                        listing.entries.recover(value);
                    }
                }
            }
            Event::EpochBegan => {
                if let Some(listing) = &mut self.listing {
                    listing.new_epoch = true;
                }
            }
            Event::ListEnded(revision) => self.end_list(revision, &mut applied),
            Event::OutOfTouch => self.touch(true, &mut applied),
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
        let first = page.first().map(|kv| kv.key.clone()).unwrap_or_default();
        for kv in page {
            let (put, lookup) = listing.entries.put_listed(kv, held);
            listing.quarantined.extend(put.quarantine);
            applied.lookups.extend(lookup);
        }
        listing.entries.render_ahead(&first);
    }

    fn end_list(&mut self, revision: Revision, applied: &mut Applied) {
        let Some(Listing { entries, mut quarantined, new_epoch }) = self.listing.take() else {
            return;
        };
        for quarantine in &mut quarantined {
            quarantine.keeps_last_good = entries.has_target(&quarantine.key);
        }
        let counts = entries.counts();
        let before = self.held.as_ref().map(|held| held.origin).unwrap_or_default();
        let origin = Origin {
            epoch: before.epoch + u32::from(new_epoch),
            list: before.list + 1,
            list_was_empty: counts.targets == 0,
            out_of_touch: false,
        };
        let held = Held { entries, revision, origin, whole: true, unsaid: false };
        let replaced = self.held.replace(held);
        applied.changed = true;
        applied.quarantined = quarantined;
        applied.listed = Some(Listed {
            revision,
            counts,
            first: replaced.is_none(),
            replaced: replaced.map(|held| Replaced { _entries: held.entries }),
        });
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
                Change::Delete { key, mod_revision } => {
                    Put { changed: held.entries.delete(&key, mod_revision), quarantine: None }
                }
            };
            held.unsaid |= put.changed;
            applied.quarantined.extend(put.quarantine);
        }
        held.whole = complete;
        held.revision = held.revision.max(revision);
        applied.changed = complete && std::mem::take(&mut held.unsaid);
    }
}

#[cfg(test)]
mod tests;
