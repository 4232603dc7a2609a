mod budgets;
mod captures;
mod last_good;

use super::*;
use crate::core::event::Recovered;
use crate::core::format::FormatError;
use crate::core::key::Prefix;
use crate::core::pattern::Pattern;
use crate::core::quarantine::Reason;
use crate::core::schema::{ReadError, Schema};

/// A registry and the revision of the next change.
struct Harness {
    registry: Registry,
    revision: i64,
}

impl Harness {
    fn new() -> Self {
        Self {
            registry: Registry::new(
                Schema::below(&Prefix::parse("/services").expect("a prefix")).into(),
            ),
            revision: 1,
        }
    }

    /// One that has listed `entries`.
    fn listed(entries: &[(&str, &str)]) -> Self {
        let mut harness = Self::new();
        harness.list(entries);
        harness
    }

    fn kv(&mut self, key: &str, value: &str) -> KeyValue {
        self.revision += 1;
        KeyValue {
            key: format!("/services/{key}").into(),
            value: value.into(),
            create_revision: Revision(self.revision),
            mod_revision: Revision(self.revision),
            version: 1,
        }
    }

    fn list(&mut self, entries: &[(&str, &str)]) -> Applied {
        let page = entries.iter().map(|(key, value)| self.kv(key, value)).collect();
        self.take_list(page)
    }

    fn take_list(&mut self, page: Vec<KeyValue>) -> Applied {
        self.registry.apply(Event::ListStarted);
        self.registry.apply(Event::Page(page));
        self.registry
            .apply(Event::ListEnded { revision: Revision(self.revision), new_epoch: false })
    }

    fn apply(&mut self, changes: Vec<Change>, complete: bool) -> Applied {
        let revision = Revision(self.revision);
        self.registry.apply(Event::Changes { changes, revision, complete })
    }

    fn put(&mut self, key: &str, value: &str) -> Applied {
        let change = Change::Put(self.kv(key, value));
        self.apply(vec![change], true)
    }

    fn delete(&mut self, key: &str) -> Applied {
        let kv = self.kv(key, "");
        let change = Change::Delete { key: kv.key, mod_revision: kv.mod_revision, lease: 0 };
        self.apply(vec![change], true)
    }

    /// The targets in the file, as `job=address`.
    fn check(&mut self, expected: &[&str]) {
        let document = self.registry.render().expect("a document");
        let groups: serde_json::Value =
            serde_json::from_slice(&document.to_vec()).expect("the document is JSON");
        let mut targets = Vec::new();
        for group in groups.as_array().expect("an array") {
            for target in group["targets"].as_array().expect("targets") {
                let (job, target) = (group["labels"]["job"].as_str(), target.as_str());
                targets.push(format!("{}={}", job.expect("a job"), target.expect("a text")));
            }
        }
        assert_eq!(targets, expected);
        assert_eq!(document.targets(), expected.len());
    }
}

#[test]
fn nothing_is_rendered_before_the_first_complete_list() {
    let mut harness = Harness::new();
    assert!(harness.registry.render().is_none());
    harness.registry.apply(Event::ListStarted);
    let kv = harness.kv("web/1", "h:1");
    assert!(!harness.registry.apply(Event::Page(vec![kv])).changed);
    assert!(harness.registry.render().is_none());
    let applied =
        harness.registry.apply(Event::ListEnded { revision: Revision(2), new_epoch: false });
    assert!(applied.changed && applied.listed.expect("a list").first);
    harness.check(&["web=h:1"]);
}

#[test]
fn instances_come_change_and_go_and_the_last_takes_its_service_along() {
    let mut harness = Harness::listed(&[("web/1", "h:1")]);
    assert!(harness.put("web/a:b", "h:2").changed);
    harness.check(&["web=h:1", "web=h:2"]);
    assert!(harness.put("web/1", "h:3").changed);
    harness.check(&["web=h:2", "web=h:3"]);
    assert!(harness.delete("web/1").changed);
    assert!(harness.delete("web/a:b").changed);
    harness.check(&[]);
    assert_eq!(harness.registry.counts().expect("counts").1, Counts::default());
}

#[test]
fn a_value_of_the_same_meaning_changes_nothing() {
    let mut harness = Harness::listed(&[("web/1", "h:1")]);
    assert!(!harness.put("web/1", " h:1\n").changed);
    assert!(!harness.put("web/1", r#"{"address":"h:1","seen":17}"#).changed);
    assert!(harness.put("web/1", r#"{"address":"h:1","labels":{"a":"b"}}"#).changed);
}

#[test]
fn keys_that_are_not_ours_change_nothing_and_are_counted() {
    let mut harness = Harness::listed(&[("web/1", "h:1"), ("web", "x"), ("web/1/deep", "x")]);
    assert!(!harness.put("other", "h:9").changed);
    assert!(!harness.put("web/1/deeper", "h:9").changed);
    assert!(!harness.delete("web").changed, "not the service that it names");
    assert!(!harness.delete("web/1/deep").changed);
    harness.check(&["web=h:1"]);
    let expected =
        Counts { services: 1, valid: 1, ignored: 1, targets: 1, bytes: 3, ..Counts::default() };
    assert_eq!(harness.registry.counts().expect("counts").1, expected);
}

#[test]
fn keys_that_are_not_ours_are_counted_in_a_list_however_often_they_were_put() {
    let mut harness = Harness::new();
    harness.registry.apply(Event::ListStarted);
    let page = vec![KeyValue { version: 7, ..harness.kv("web/1/deep", "x") }];
    harness.registry.apply(Event::Page(page));
    harness.registry.apply(Event::ListEnded { revision: Revision(9), new_epoch: false });
    assert_eq!(harness.registry.counts().expect("counts").1.ignored, 1);
}

#[test]
fn deleting_what_is_not_there_changes_nothing() {
    let mut harness = Harness::listed(&[("web/1", "h:1")]);
    assert!(!harness.delete("web/2").changed);
    assert!(!harness.delete("api/1").changed);
    harness.check(&["web=h:1"]);
}

#[test]
fn a_relist_replaces_everything_at_once_when_it_is_complete() {
    let mut harness = Harness::listed(&[("web/1", "h:1"), ("web/2", "h:2")]);
    harness.registry.apply(Event::ListStarted);
    let kv = harness.kv("api/1", "h:3");
    harness.registry.apply(Event::Page(vec![kv]));
    harness.check(&["web=h:1", "web=h:2"]);
    harness.registry.apply(Event::ListEnded { revision: Revision(9), new_epoch: false });
    harness.check(&["api=h:3"]);
}

#[test]
fn a_document_says_which_list_and_which_epoch_it_goes_back_to() {
    let mut harness = Harness::new();
    let mut check = |entries: &[(&str, &str)], epoch, list, list_was_empty, emptied| {
        let before = harness.registry.render().and_then(|document| document.origin());
        let new_epoch = before.is_some_and(|before| before.epoch != epoch);
        harness.registry.apply(Event::ListStarted);
        let page = entries.iter().map(|(key, value)| harness.kv(key, value)).collect();
        harness.registry.apply(Event::Page(page));
        harness.registry.apply(Event::ListEnded { revision: Revision(1), new_epoch });
        harness.put("late/1", "h:9");
        let origin = harness.registry.render().and_then(|document| document.origin());
        assert_eq!(
            origin,
            Some(Origin { epoch, list, list_was_empty, emptied, out_of_touch: false })
        );
    };
    check(&[("web/1", "h:1")], 0, 1, false, 0);
    check(&[("web/1", "bad")], 0, 2, true, 1);
    check(&[], 1, 3, true, 2);
    check(&[("web/1", "h:1")], 1, 4, false, 2);
}

#[test]
fn entries_that_were_listed_as_a_shortcut_come_from_where_the_changes_would_have_come_from() {
    let mut harness = Harness::listed(&[("web/1", "h:1"), ("web/2", "h:2")]);
    let origin = |harness: &mut Harness| harness.registry.render().and_then(|d| d.origin());
    let before = origin(&mut harness);
    harness.registry.apply(Event::OutOfTouch);
    for (page, targets) in [(vec![harness.kv("web/2", "h:3")], vec!["web=h:3"]), (vec![], vec![])] {
        harness.registry.apply(Event::ListStarted);
        harness.registry.apply(Event::Page(page));
        let applied = harness.registry.apply(Event::CaughtUp(Revision(harness.revision)));
        assert!(applied.changed && applied.listed.is_some());
        harness.check(&targets);
        assert_eq!(origin(&mut harness), before);
    }
}

#[test]
fn a_document_says_whether_etcd_could_be_reached() {
    let mut harness = Harness::new();
    assert!(!harness.registry.apply(Event::OutOfTouch).changed, "there is no document");
    harness.list(&[("web/1", "h:1")]);
    let mut check = |event, changed, out_of_touch| {
        assert_eq!(harness.registry.apply(event).changed, changed);
        let origin = harness.registry.render().and_then(|document| document.origin());
        assert_eq!(origin.map(|origin| origin.out_of_touch), Some(out_of_touch));
    };
    check(Event::InTouch, false, false);
    check(Event::OutOfTouch, true, true);
    check(Event::OutOfTouch, false, true);
    check(Event::InTouch, true, false);
    check(Event::OutOfTouch, true, true);
    check(Event::ListStarted, false, true);
    check(Event::ListEnded { revision: Revision(9), new_epoch: false }, true, false);
}

#[test]
fn a_list_that_was_cut_off_leaves_nothing_behind() {
    let mut harness = Harness::listed(&[("web/1", "h:1")]);
    harness.registry.apply(Event::ListStarted);
    let kv = harness.kv("api/1", "h:3");
    harness.registry.apply(Event::Page(vec![kv]));
    harness.list(&[("web/2", "h:2")]);
    harness.check(&["web=h:2"]);
}

#[test]
fn a_revision_that_is_there_in_part_is_not_rendered_and_said_with_its_end() {
    let mut harness = Harness::listed(&[("web/1", "h:1")]);
    let (one, two) = (harness.kv("web/2", "h:2"), harness.kv("web/3", "h:3"));
    assert!(!harness.apply(vec![Change::Put(one)], false).changed);
    assert!(harness.registry.render().is_none());
    assert!(harness.apply(vec![Change::Put(two)], true).changed);
    harness.check(&["web=h:1", "web=h:2", "web=h:3"]);
}

#[test]
fn a_key_that_can_be_no_job_is_quarantined_until_it_is_deleted() {
    let mut harness = Harness::listed(&[("/1", "h:1"), ("web/1", "h:1")]);
    harness.check(&["web=h:1"]);
    assert_eq!(harness.registry.counts().expect("counts").1.quarantined, 1);
    assert_eq!(harness.put("/1", "h:2").quarantined.len(), 1);
    assert!(!harness.delete("/1").changed);
    assert_eq!(harness.registry.counts().expect("counts").1.quarantined, 0);
}

/// Beside each registration there may be a key that is none, as the `ttl` of `TiDB`.
#[test]
fn services_are_rendered_while_the_list_comes_in_whatever_key_a_page_begins_with() {
    let mut harness = Harness::new();
    let pattern = Pattern::parse("/services/{service}/info").expect("a pattern");
    harness.registry = Registry::new(Schema::of(pattern).into());
    harness.registry.apply(Event::ListStarted);
    let page = ["a/begun", "a/info", "b/begun", "b/info", "c/begun", "c/info"];
    let page = page.map(|key| harness.kv(key, "h:1")).into();
    harness.registry.apply(Event::Page(page));
    let listing = harness.registry.listing.as_ref().expect("a list");
    let rendered = listing.entries.services().filter(|(_, service)| service.piece.is_some());
    let rendered: Vec<_> = rendered.map(|(name, _)| name).collect();
    assert_eq!(rendered, ["a", "b"]);
}

#[test]
fn a_relist_shares_the_services_that_are_as_they_were_and_rebuilds_the_others() {
    let mut harness = Harness::new();
    let entries = [("api/1", "h:1"), ("api/2", "h:2"), ("db/1", "h:3"), ("web/1", "h:4")];
    let mut page: Vec<_> = entries.map(|(key, value)| harness.kv(key, value)).into();
    harness.take_list(page.clone());
    let before = harness.registry.render().expect("a document");
    // A heartbeat.
    let beat = page.iter_mut().find(|kv| kv.key.ends_with(b"db/1")).expect("an entry");
    harness.revision += 1;
    (beat.mod_revision, beat.version) = (Revision(harness.revision), 2);
    let _still_being_freed = harness.take_list(page).discarded;
    let after = harness.registry.render().expect("a document");
    assert!(before.same_bytes(&after));
    let is_shared = |job| before.piece(job).zip(after.piece(job)).is_some_and(|(a, b)| a.is(b));
    assert_eq!(["api", "db", "web"].map(is_shared), [true, false, true]);
    assert!(harness.put("api/1", "h:9").changed);
    harness.check(&["api=h:2", "api=h:9", "db=h:3", "web=h:4"]);
}
