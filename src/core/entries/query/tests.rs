use std::sync::Arc;

use super::*;
use crate::core::event::{KeyValue, Revision};
use crate::core::pattern::Pattern;
use crate::core::schema::Schema;

/// The entries of these keys and values.
fn entries(pattern: &str, of: &[(&[u8], &str)]) -> Entries {
    budgeted(pattern, 1_000_000, of)
}

/// The same, where a service may have so many targets.
fn budgeted(pattern: &str, service_targets: usize, of: &[(&[u8], &str)]) -> Entries {
    let mut schema = Schema::of(Pattern::parse(pattern).expect("a pattern"));
    schema.policy.budgets.service_targets = service_targets;
    let mut entries = Entries::new(Arc::new(schema));
    for (revision, (key, value)) in (1..).zip(of) {
        let revision = Revision(revision);
        entries.put(KeyValue {
            key: key.to_vec(),
            value: (*value).into(),
            create_revision: revision,
            mod_revision: revision,
            version: 1,
        });
    }
    entries
}

/// Asks for page after page, and returns all rows, and how many pages there were.
fn instances(
    entries: &Entries,
    service: &str,
    search: &str,
    limit: usize,
) -> (Vec<Instance>, usize) {
    let (search, mut after) = (Search::new(search), None);
    let (mut rows, mut pages) = (Vec::new(), 0);
    loop {
        let query =
            InstancesQuery { service: service.into(), search: search.clone(), after, limit };
        let page = entries.instances(&query);
        assert!(page.rows.len() <= limit);
        pages += 1;
        rows.extend(page.rows);
        after = page.next;
        if after.is_none() {
            return (rows, pages);
        }
    }
}

fn quarantine(entries: &Entries, limit: usize) -> (Vec<HeldOut>, usize) {
    let (mut after, mut rows, mut pages) = (None, Vec::new(), 0);
    loop {
        let page = entries.quarantine(&QuarantineQuery { after, limit });
        assert!(page.rows.len() <= limit);
        assert_eq!(page.total, entries.counts().quarantined);
        pages += 1;
        rows.extend(page.rows);
        after = page.next;
        if after.is_none() {
            return (rows, pages);
        }
    }
}

fn keys(rows: &[Instance]) -> Vec<&str> {
    rows.iter().map(|row| &*row.key).collect()
}

#[test]
fn a_service_is_shown_with_what_became_of_each_value() {
    let entries = budgeted(
        "/s/{service}/{instance}",
        3,
        &[
            (b"/s/web/1", "h:1"),
            (b"/s/web/2", "h:2"),
            (b"/s/web/2", "nonsense"),
            (b"/s/web/3", "also nonsense"),
            (b"/s/web/4", r#"{"targets":["h:4","h:5"]}"#),
            (b"/s/wet/1", "h:9"),
        ],
    );
    let (rows, _) = instances(&entries, "web", "", 10);
    let said = rows.iter().map(|row| {
        let target = row.target.as_ref().map(|target| target.addresses().concat());
        (&*row.instance, row.standing, row.revision.0, target, row.reason.is_some())
    });
    let expected = [
        ("1", Standing::Valid, 1, Some("h:1".into()), false),
        ("2", Standing::Quarantined, 3, Some("h:2".into()), true),
        ("3", Standing::Quarantined, 4, None, true),
        ("4", Standing::Waiting, 5, None, true),
    ];
    assert_eq!(said.collect::<Vec<_>>(), expected);
    assert_eq!(instances(&entries, "we", "", 10).0, []);
}

#[test]
fn pages_have_every_instance_once_also_of_a_service_with_several_parents() {
    let names: Vec<_> = (0..3).flat_map(|env| (0..4).map(move |at| (env, at))).collect();
    let all: Vec<_> = names
        .iter()
        .flat_map(|(env, at)| ["web", "db"].map(|job| format!("/e{env}/{job}/{at}").into_bytes()))
        .collect();
    let with_values: Vec<_> = all.iter().map(|key| (&**key, "h:1")).collect();
    let entries = entries("/{env}/{service}/{instance}", &with_values);
    for limit in [1, 2, 5, 100] {
        let (rows, _) = instances(&entries, "web", "", limit);
        let expected = names.iter().map(|(env, at)| format!("/e{env}/web/{at}"));
        assert_eq!(keys(&rows), expected.collect::<Vec<_>>());
        let (found, _) = instances(&entries, "web", "E1/WEB", limit);
        assert_eq!(found.len(), 4);
    }
}

#[test]
fn what_comes_and_goes_between_two_pages_neither_repeats_nor_hides_another() {
    let mut entries = entries(
        "/s/{service}/{instance}",
        &[(b"/s/a/1", "h:1"), (b"/s/a/3", "h:3"), (b"/s/a/5", "h:5")],
    );
    let query = InstancesQuery { service: "a".into(), search: None, after: None, limit: 2 };
    let first = entries.instances(&query);
    assert_eq!(keys(&first.rows), ["/s/a/1", "/s/a/3"]);
    entries.delete(b"/s/a/1", Revision(7), 0);
    entries.delete(b"/s/a/3", Revision(8), 0);
    let second = entries.instances(&InstancesQuery { after: first.next, ..query });
    assert_eq!(keys(&second.rows), ["/s/a/5"]);
    assert_eq!(second.next, None);
}

#[test]
fn a_page_looks_at_a_bounded_number_of_entries_also_if_it_finds_none() {
    let all: Vec<_> = (0..3 * LOOKED_AT).map(|at| format!("/s/a/{at:06}").into_bytes()).collect();
    let with_values: Vec<_> = all.iter().map(|key| (&**key, r#"{"targets":["h:1"]}"#)).collect();
    let entries = entries("/s/{service}/{instance}", &with_values);
    let (found, pages) = instances(&entries, "a", "000007", 10);
    assert_eq!((found.len(), pages), (1, 4));
}

#[test]
fn a_page_ends_with_the_row_that_makes_it_too_long() {
    let long = "x".repeat(4000);
    let value = |at| {
        let labels: Vec<_> = (0..40).map(|label| format!(r#""l{label}":"{long}""#)).collect();
        format!(r#"{{"address":"h:{at}","labels":{{{}}}}}"#, labels.join(","))
    };
    let all: Vec<_> = (1..=20).map(|at| (format!("/s/{at:02}/1"), value(at))).collect();
    let all: Vec<_> = all.iter().map(|(key, value)| (key.as_bytes(), &**value)).collect();
    let entries = entries("/{env}/{instance}/{service}", &all);
    let (found, pages) = instances(&entries, "1", "", 100);
    assert_eq!((found.len(), pages), (20, 3));
}

#[test]
fn the_quarantine_has_bad_keys_and_bad_values_until_they_are_put_right() {
    let mut entries = budgeted(
        "/s/{service}/{instance}",
        3,
        &[
            (b"/s/web/1", "h:1"),
            (b"/s/web/2", "h:2"),
            (b"/s/web/2", "nonsense"),
            (b"/s/db/1", "nonsense"),
            (b"/s/web/3", r#"{"targets":["h:4","h:5"]}"#),
            (b"/s//1", "h:1"),
            (b"/s/\xff/1", "h:1"),
        ],
    );
    for limit in [1, 2, 3, 100] {
        let (rows, _) = quarantine(&entries, limit);
        let said = rows.iter().map(|row| (&*row.key, row.revision.0, row.keeps_last_good));
        let expected = [
            (&b"/s//1"[..], 6, false),
            (b"/s/\xff/1", 7, false),
            (b"/s/db/1", 4, false),
            (b"/s/web/2", 3, true),
            (b"/s/web/3", 5, false),
        ];
        assert_eq!(said.collect::<Vec<_>>(), expected);
        assert_eq!(rows[0].name, None);
        assert_eq!(rows[2].name, Some(("db".into(), "1".into())));
        assert!(rows[4].reason.to_string().contains("--max-targets-per-service"));
    }
    for (revision, key) in (10..).zip([&b"/s//1"[..], b"/s/db/1", b"/s/web/1"]) {
        entries.delete(key, Revision(revision), 0);
    }
    let left = quarantine(&entries, 100).0;
    let left: Vec<_> = left.iter().map(|row| row.key.escape_ascii().to_string()).collect();
    assert_eq!(left, ["/s/\\xff/1", "/s/web/2"], "there is room for the one that waited");
}

#[test]
fn a_search_through_keys_of_many_addresses_rests_as_often_as_one_through_many_keys() {
    let addresses: Vec<_> = (0..1000).map(|port| format!("\"h:{}\"", port + 1)).collect();
    let value = format!("{{\"targets\":[{}]}}", addresses.join(","));
    let keys: Vec<_> = (0..100).map(|at| format!("/s/web/{at:03}").into_bytes()).collect();
    let with_values: Vec<_> = keys.iter().map(|key| (&**key, &*value)).collect();
    let entries = entries("/s/{service}/{instance}", &with_values);
    let (rows, pages) = instances(&entries, "web", "nowhere", 100);
    assert_eq!(rows, []);
    assert!(pages >= 3, "{pages} pages for 100,000 addresses");
    assert_eq!(instances(&entries, "web", "/s/web/09", 100).0.len(), 10);
}
