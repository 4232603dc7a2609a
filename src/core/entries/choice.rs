//! Choosing who is in and who waits, when a list has more than the budgets admit.
//!
//! A list is taken as a whole first, and looked at once it is complete: its keys come in their
//! order, which is no reason to be in. Those that were admitted before go first: none of them is
//! displaced, and where one wants more than there is room for, it keeps what it had. Then come
//! the others, those first whose keys were created first, as if this process had been there all
//! the time, and of the same revision in the order of their keys. When a key was last written
//! says nothing: heartbeats would lose to what nobody writes any more.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::Entries;
use super::waiting::Name;
use crate::core::cost::{Cost, Need, room};
use crate::core::event::Revision;
use crate::core::quarantine::{OverBudget, Quarantine};
use crate::core::service::{Bad, Entry, State, Waiting};
use crate::core::value::Target;

/// An entry that wants more than it had.
struct Candidate<'e> {
    parent: &'e str,
    instance: &'e str,
    created: Revision,
    /// What it had, and keeps in any case.
    floor: Option<&'e Target>,
    need: Need,
    /// The place of its service's room.
    job: usize,
}

/// A candidate for which there is no room.
struct Loser {
    name: Name,
    floor: Option<Target>,
    reason: OverBudget,
}

impl Entries {
    /// The list is complete, and is to replace `held`: has those wait for which the budgets have
    /// no room. Returns what is to be said of them: not of those that have waited in `held` for
    /// the same.
    pub fn end_list(&mut self, held: Option<&Self>) -> Vec<Quarantine> {
        self.settle_run(held);
        let over = std::mem::take(&mut self.ledger.over);
        let created = std::mem::take(&mut self.created);
        let is_over = self.counts.bytes > self.schema.policy.budgets.total_bytes;
        if over.is_empty() && !is_over {
            self.ledger.reborn.clear();
            return Vec::new();
        }
        let of_services = if is_over { None } else { self.choose(Some(&over), held, &created) };
        let losers = of_services.or_else(|| self.choose(None, held, &created)).unwrap_or_default();
        let mut said = Vec::new();
        for Loser { name: (parent, instance), floor, reason } in losers {
            self.replace(&parent, &instance, |state| match state {
                State::Valid(wanted) => {
                    State::Waiting(Box::new(Waiting { last_good: floor, wanted, reason }))
                }
                // It falls back on what it had, not on what etcd's history has.
                State::Quarantined(bad) => {
                    State::Quarantined(Box::new(Bad { last_good: floor, ..*bad }))
                }
                State::Waiting(waiting) => {
                    State::Waiting(Box::new(Waiting { last_good: floor, ..*waiting }))
                }
            });
            said.extend(self.to_be_said(&parent, &instance, reason, held));
        }
        self.admit();
        let admitted: BTreeSet<_> = self.take_admitted().into_iter().collect();
        said.retain(|quarantine| !admitted.contains(&quarantine.key));
        self.ledger.over.clear();
        self.ledger.reborn.clear();
        said
    }

    /// Who has to wait, if only the services that are `over` are looked at, or all. `None` if
    /// those alone can't make room for what they have to keep.
    fn choose(
        &self,
        over: Option<&BTreeSet<Box<str>>>,
        held: Option<&Self>,
        created: &[Revision],
    ) -> Option<Vec<Loser>> {
        let Self { schema, counts, .. } = self;
        let ages = self.ages(created);
        let budgets = &schema.policy.budgets;
        let mut jobs = BTreeMap::<Cow<'_, str>, usize>::new();
        let mut rooms = Vec::<isize>::new();
        let signed = |limit: usize| room(limit, 0);
        // As if every candidate had what it keeps.
        let mut bytes = signed(budgets.total_bytes).saturating_sub(signed(counts.bytes));
        let mut candidates = Vec::new();
        for (parent, service) in self.services() {
            let job = schema.pattern.service(parent);
            if over.is_some_and(|over| !over.contains(&*job)) {
                continue;
            }
            let job = *jobs.entry(job).or_insert_with(|| {
                rooms.push(signed(budgets.service_targets));
                rooms.len() - 1
            });
            let before = held.and_then(|held| held.service(parent));
            let created = ages.get(parent).copied().unwrap_or_default();
            for (at, (instance, entry)) in service.instances.iter().enumerate() {
                let before = before.and_then(|before| before.instances.get(instance));
                let floor = self.floor((parent, instance), before);
                let kept = Cost::of(floor);
                let need = entry.state.cost().beyond(kept);
                let takes = Cost::default().beyond(kept).targets;
                rooms[job] = rooms[job].saturating_add(takes);
                bytes = bytes.saturating_add(need.bytes);
                if need.needs() {
                    let created = created.get(at).copied().unwrap_or(entry.mod_revision);
                    candidates.push(Candidate { parent, instance, created, floor, need, job });
                } else {
                    rooms[job] = rooms[job].saturating_sub(need.targets);
                    bytes = bytes.saturating_sub(need.bytes);
                }
            }
        }
        if over.is_some() && bytes < 0 {
            return None;
        }
        // They are in the order of their keys, and stay so where these are equal.
        candidates.sort_by_key(|one| (one.floor.is_none(), one.created));
        let mut losers = Vec::new();
        for Candidate { parent, instance, floor, need, job, .. } in candidates {
            let targets = rooms[job];
            let reason = if need.targets > 0 && need.targets > targets {
                let limit = budgets.service_targets;
                let found = limit.saturating_add_signed(need.targets.saturating_sub(targets));
                OverBudget::Service { found, limit }
            } else if need.bytes > 0 && need.bytes > bytes {
                let limit = budgets.total_bytes;
                let found = limit.saturating_add_signed(need.bytes.saturating_sub(bytes));
                OverBudget::Total { found, limit }
            } else {
                rooms[job] = targets.saturating_sub(need.targets);
                bytes = bytes.saturating_sub(need.bytes);
                continue;
            };
            let name = (parent.into(), instance.into());
            losers.push(Loser { name, floor: floor.cloned(), reason });
        }
        Some(losers)
    }

    /// When the entries of each parent were created, in the order of their names.
    fn ages<'c>(&self, created: &'c [Revision]) -> BTreeMap<&str, &'c [Revision]> {
        let mut services: Vec<_> = self.services().collect();
        services.sort_by_cached_key(|(parent, _)| self.schema.pattern.key(parent, ""));
        let mut left = created;
        let of_each = services.into_iter().map_while(|(parent, service)| {
            let (of_this, rest) = left.split_at_checked(service.instances.len())?;
            left = rest;
            Some((parent, of_this))
        });
        of_each.collect()
    }

    /// What an entry of the list keeps in any case: what it had `before`, in the same life.
    fn floor<'e>(&self, name: (&str, &str), before: Option<&'e Entry>) -> Option<&'e Target> {
        let had = before?.state.target()?;
        let reborn = &self.ledger.reborn;
        let is_reborn = !reborn.is_empty() && reborn.contains(&(name.0.into(), name.1.into()));
        (!is_reborn).then_some(had)
    }

    fn to_be_said(
        &self,
        parent: &str,
        instance: &str,
        reason: OverBudget,
        held: Option<&Self>,
    ) -> Option<Quarantine> {
        let entry = self.service(parent)?.instances.get(instance)?;
        let State::Waiting(waiting) = &entry.state else { return None };
        let before = held.and_then(|held| held.service(parent)?.instances.get(instance));
        let known = before.is_some_and(|before| {
            matches!(&before.state, State::Waiting(before) if before.wanted == waiting.wanted)
        });
        (!known).then(|| Quarantine {
            key: self.schema.pattern.key(parent, instance).into_bytes(),
            mod_revision: entry.mod_revision,
            reason: reason.into(),
            keeps_last_good: waiting.last_good.is_some(),
        })
    }
}
