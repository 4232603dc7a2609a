//! Pages of entries, for those who look.

use std::ops::Bound;

use super::Entries;
use super::waiting::Name;
use crate::core::cost::Cost;
use crate::core::key::Key;
use crate::core::quarantine::Reason;
use crate::core::query::{
    HeldOut, Instance, InstancePlace, InstancesPage, InstancesQuery, QuarantinePage,
    QuarantinePlace, QuarantineQuery, Search, Standing,
};
use crate::core::service::{Entry, State};
use crate::core::value::Target;

/// So many entries, or services, are looked at for one page: about a millisecond.
const LOOKED_AT: usize = 4096;

/// So many addresses take as long to look at as one more entry.
const ADDRESSES: usize = 8;

/// Rows are added until their targets have so many bytes.
const BYTES: usize = 1 << 20;

impl Entries {
    /// Some instances of a service. If its keys have several parents, these are looked for
    /// among all.
    #[must_use]
    pub fn instances(&self, query: &InstancesQuery) -> InstancesPage {
        let InstancesQuery { service: wanted, search, after, limit } = query;
        let mut page = InstancesPage::default();
        let mut looked_at = 0;
        let is_plain = self.schema.pattern.is_plain();
        let parents = if is_plain {
            // The parent is the service.
            (Bound::Included(&**wanted), Bound::Included(&**wanted))
        } else {
            let from = after.as_ref().map_or(Bound::Unbounded, |after| match after.name {
                None => Bound::Excluded(&*after.parent),
                Some(_) => Bound::Included(&*after.parent),
            });
            (from, Bound::Unbounded)
        };
        for (parent, service) in self.services.range::<str, _>(parents) {
            if *self.schema.pattern.service(parent) == **wanted {
                let after = after.as_ref().filter(|after| after.parent == *parent);
                let after = after.and_then(|after| after.name.as_deref());
                let from = after.map_or(Bound::Unbounded, Bound::Excluded);
                let entries = service.instances.range::<str, _>((from, Bound::Unbounded));
                for (name, entry) in entries {
                    let row = self.instance(parent, name, entry, search.as_ref());
                    if let Some(row) = row {
                        page.bytes += row.key.len() + Cost::of(row.target.as_ref()).bytes;
                        page.rows.push(row);
                    }
                    looked_at += weight(entry);
                    if looked_at >= LOOKED_AT || page.rows.len() >= *limit || page.bytes >= BYTES {
                        let name = Some(name.clone());
                        page.next = Some(InstancePlace { parent: parent.clone(), name });
                        return page;
                    }
                }
            }
            looked_at += 1;
            if looked_at >= LOOKED_AT {
                page.next = Some(InstancePlace { parent: parent.clone(), name: None });
                return page;
            }
        }
        page
    }

    /// Some of the entries in quarantine.
    #[must_use]
    pub fn quarantine(&self, query: &QuarantineQuery) -> QuarantinePage {
        let total = self.counts.quarantined;
        let mut page = QuarantinePage { total, ..QuarantinePage::default() };
        let is_full = if let Some(QuarantinePlace::Entry(parent, name)) = &query.after {
            let after = Bound::Excluded((parent.clone(), name.clone()));
            self.add_held_out(after, query.limit, &mut page)
        } else {
            self.add_bad_keys(query, &mut page)
                || self.add_held_out(Bound::Unbounded, query.limit, &mut page)
        };
        page.next = page.next.filter(|_| is_full);
        page
    }

    /// Returns whether the page is full.
    fn add_bad_keys(&self, query: &QuarantineQuery, page: &mut QuarantinePage) -> bool {
        let after = match &query.after {
            Some(QuarantinePlace::Key(key)) => Bound::Excluded(&**key),
            _ => Bound::Unbounded,
        };
        for (key, &revision) in self.invalid_keys.range::<[u8], _>((after, Bound::Unbounded)) {
            if page.rows.len() >= query.limit.min(LOOKED_AT) || page.bytes >= BYTES {
                return true;
            }
            page.bytes += key.len();
            page.next = Some(QuarantinePlace::Key(key.to_vec()));
            if let Key::Invalid(reason) = self.schema.classify(key) {
                let (key, reason) = (key.to_vec(), reason.into());
                let keeps_last_good = false;
                page.rows.push(HeldOut { key, name: None, revision, reason, keeps_last_good });
            }
        }
        false
    }

    /// Returns whether the page is full.
    fn add_held_out(&self, after: Bound<Name>, limit: usize, page: &mut QuarantinePage) -> bool {
        for (parent, name) in self.ledger.held_out.range((after, Bound::Unbounded)) {
            if page.rows.len() >= limit.min(LOOKED_AT) || page.bytes >= BYTES {
                return true;
            }
            page.bytes += parent.len() + name.len();
            page.next = Some(QuarantinePlace::Entry(parent.clone(), name.clone()));
            page.rows.extend(self.held_out(parent, name));
        }
        false
    }

    fn instance(
        &self,
        parent: &str,
        name: &str,
        entry: &Entry,
        search: Option<&Search>,
    ) -> Option<Instance> {
        let pattern = &self.schema.pattern;
        let key = pattern.key(parent, name);
        let target = entry.state.target();
        let is_found = search.is_none_or(|search| {
            let addresses = target.map(Target::addresses).unwrap_or_default();
            search.is_in(&key) || addresses.iter().any(|address| search.is_in(address))
        });
        is_found.then(|| {
            let instance = pattern.captures(parent, name).instance.into_owned();
            let (standing, reason) = standing(entry);
            let (revision, target) = (entry.mod_revision, target.cloned());
            Instance { key, instance, revision, standing, reason, target }
        })
    }

    fn held_out(&self, parent: &str, name: &str) -> Option<HeldOut> {
        let entry = self.services.get(parent)?.instances.get(name)?;
        let pattern = &self.schema.pattern;
        let instance = pattern.captures(parent, name).instance.into_owned();
        Some(HeldOut {
            key: pattern.key(parent, name).into_bytes(),
            name: Some((pattern.service(parent).into_owned(), instance)),
            revision: entry.mod_revision,
            reason: standing(entry).1?,
            keeps_last_good: entry.state.target().is_some(),
        })
    }
}

fn standing(entry: &Entry) -> (Standing, Option<Reason>) {
    match &entry.state {
        State::Valid(_) => (Standing::Valid, None),
        State::Quarantined(bad) => (Standing::Quarantined, Some(bad.reason.clone().into())),
        State::Waiting(waiting) => (Standing::Waiting, Some(waiting.reason.into())),
    }
}

/// How many entries of one address it is as much work as.
fn weight(entry: &Entry) -> usize {
    1 + entry.state.target().map_or(0, |target| target.addresses().len() / ADDRESSES)
}

#[cfg(test)]
mod tests;
