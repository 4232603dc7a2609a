use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::core::key::Prefix;
use crate::core::render::{Document, Piece};

fn schema() -> Schema {
    Schema::below(&Prefix::parse("/services").expect("a prefix"))
}

fn target(address: &str) -> Target {
    Target::Address(address.into())
}

fn change(key: &str, before: Option<Target>, after: Option<Target>) -> TargetChange {
    let cause = if after.is_some() { Cause::Put } else { Cause::Delete };
    let key = format!("/services/{key}").into_bytes();
    let capture = Capture::new(key, Revision(7), before, after, cause);
    TargetChange::new(&schema(), 0, Millis(1_700_000_000_123), capture).expect("a key")
}

/// A document of these services and their addresses.
fn document(services: &[(&str, &[&str])]) -> Document {
    let mut document = Document::new(Revision(9));
    for (service, addresses) in services {
        let targets: Vec<_> = addresses.iter().map(|address| target(address)).collect();
        document.push(&Piece::render(service, targets.iter()));
    }
    document
}

fn publish(number: u64, document: Document, held: bool) -> Publish {
    Publish { number, time: Millis(1_700_000_001_000), document, held }
}

/// Key, cause and publish of each.
fn shown(recorded: &[Recorded]) -> Vec<(String, Cause, Option<u64>)> {
    let one = |Recorded { change, publish }: &Recorded| {
        (change.key.to_string(), change.cause, publish.map(|carried| carried.number))
    };
    recorded.iter().map(one).collect()
}

fn key(key: &str) -> String {
    format!("/services/{key}")
}

#[test]
fn what_is_never_to_be_scraped_is_no_change_of_a_target() {
    let of_another_shard = || Some(Target::new(Vec::new(), BTreeMap::new()));
    for (before, after, is_change) in [
        (None, of_another_shard(), false),
        (of_another_shard(), None, false),
        (of_another_shard(), of_another_shard(), false),
        (None, Some(target("h:1")), true),
        (of_another_shard(), Some(target("h:1")), true),
        (Some(target("h:1")), of_another_shard(), true),
    ] {
        let key = key("web/1").into_bytes();
        let capture = Capture::new(key, Revision(7), before, after, Cause::Put);
        let shown = format!("{capture:?}");
        let change = TargetChange::new(&schema(), 0, Millis(0), capture);
        assert_eq!(change.is_some(), is_change, "{shown}");
    }
}

#[test]
fn a_change_belongs_to_the_first_publish_whose_document_was_rendered_after_it() {
    let mut attribution = Attribution::new(10);
    let nothing = document(&[]);
    assert_eq!(attribution.change(change("web/1", None, Some(target("h:1")))), None);
    assert!(attribution.published(&publish(1, nothing.clone(), false)).is_empty());
    attribution.rendered(0);
    assert_eq!(attribution.change(change("web/2", None, Some(target("h:2")))), None);
    let first = attribution.published(&publish(2, nothing.clone(), false));
    assert_eq!(shown(&first), [(key("web/1"), Cause::Put, Some(2))]);
    attribution.rendered(1);
    assert!(attribution.published(&publish(3, nothing.clone(), false)).is_empty());
    attribution.rendered(0);
    let second = attribution.published(&publish(4, nothing, false));
    assert_eq!(shown(&second), [(key("web/2"), Cause::Put, Some(4))]);
    assert!(attribution.is_empty());
}

#[test]
fn a_removal_that_the_guard_holds_waits_until_its_target_is_gone() {
    let mut attribution = Attribution::new(10);
    for (name, address) in [("web/1", "h:1"), ("web/2", "h:2"), ("api/1", "a:1")] {
        assert_eq!(attribution.change(change(name, Some(target(address)), None)), None);
    }
    attribution.rendered(0);
    let held = document(&[("web", &["h:1", "h:2"])]);
    let carried = attribution.published(&publish(1, held.clone(), true));
    assert_eq!(shown(&carried), [(key("api/1"), Cause::Delete, Some(1))]);
    assert!(attribution.published(&publish(2, held, true)).is_empty());
    let less = document(&[("web", &["h:2", "h:3"])]);
    let carried = attribution.published(&publish(3, less, true));
    assert_eq!(shown(&carried), [(key("web/1"), Cause::Guard, Some(3))]);
    let carried = attribution.published(&publish(4, document(&[("web", &["h:2"])]), false));
    assert_eq!(shown(&carried), [(key("web/2"), Cause::Guard, Some(4))]);
}

#[test]
fn a_key_that_comes_back_settles_its_removal_that_is_held() {
    let mut attribution = Attribution::new(10);
    let held = document(&[("web", &["h:1", "h:2"])]);
    assert_eq!(attribution.change(change("web/1", Some(target("h:1")), None)), None);
    assert_eq!(attribution.change(change("web/2", Some(target("h:2")), None)), None);
    attribution.rendered(0);
    assert!(attribution.published(&publish(1, held.clone(), true)).is_empty());
    assert_eq!(attribution.change(change("web/1", None, Some(target("h:1")))), None);
    attribution.rendered(0);
    let carried = attribution.published(&publish(2, held, true));
    let expected = [(key("web/1"), Cause::Guard, Some(2)), (key("web/1"), Cause::Put, Some(2))];
    assert_eq!(shown(&carried), expected);
    assert_eq!(shown(&attribution.give_up()), [(key("web/2"), Cause::Delete, None)]);
}

#[test]
fn of_too_many_that_wait_the_oldest_do_so_no_longer() {
    let mut attribution = Attribution::new(1);
    assert_eq!(attribution.change(change("web/1", None, Some(target("h:1")))), None);
    let given_up =
        attribution.change(change("web/2", None, Some(target("h:2")))).expect("too many");
    assert_eq!(shown(&[given_up]), [(key("web/1"), Cause::Put, None)]);
    assert_eq!(attribution.len(), 1);
}

#[test]
fn a_line_tells_what_a_target_was_and_is_and_who_carried_it() {
    let labels = [("env".into(), "q\"".into())].into();
    let grouped = Target::new(vec!["h:1".into(), "h:2".into()], labels);
    let mut change = change("web/1", Some(target("h:1")), Some(grouped));
    change.cause = Cause::LeaseEnd;
    let carried = Carried { number: 3, time: Millis(1_700_000_001_000), revision: Revision(8) };
    let mut line = Vec::new();
    Recorded { change, publish: Some(carried) }.write_line(&mut line);
    let text = String::from_utf8(line.clone()).expect("UTF-8");
    assert_eq!(
        text,
        "{\"time\":\"2023-11-14T22:13:20.123Z\",\"revision\":7,\"service\":\"web\",\
         \"instance\":\"1\",\"key\":\"/services/web/1\",\
         \"before\":{\"targets\":[\"h:1\"],\"labels\":{}},\
         \"after\":{\"targets\":[\"h:1\",\"h:2\"],\"labels\":{\"env\":\"q\\\"\"}},\
         \"cause\":\"lease_end\",\"publish\":{\"number\":3,\
         \"time\":\"2023-11-14T22:13:21.000Z\",\"revision\":8}}\n"
    );
    assert!(is_line(&line));
    let Some(Line::Change(outline)) = Line::parse(&line) else { panic!("no change") };
    assert_eq!((&*outline.service, &*outline.cause, outline.revision), ("web", "lease_end", 7));
    assert_eq!(outline.publish.as_ref().map(|publish| publish.number), Some(3));
    assert_eq!(Millis::parse(&outline.time), Some(Millis(1_700_000_000_123)));
}

#[test]
fn notes_are_lines_and_other_texts_are_none() {
    for note in [
        Note::Started { version: "1".into() },
        Note::Listed { prefix: "/services/".into(), revision: 3, targets: 4 },
        Note::Dropped { changes: 5 },
        Note::Stopped,
    ] {
        let mut line = Vec::new();
        note.write_line(Millis(5), &mut line);
        assert!(is_line(&line), "{}", line.escape_ascii());
        let time = Millis(5).to_string();
        assert_eq!(Line::parse(&line), Some(Line::Note { time, note }));
    }
    for text in [
        "",
        "[]",
        "{}",
        "{\"time\":\"x\",\"note\":\"stopped\"}",
        "{\"time\":\"2023-11-14T22:13:20Z\"}",
    ] {
        assert!(!is_line(text.as_bytes()), "{text}");
    }
}

/// One step of a registry, its persister and its guard.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// The entry of this number has this address, or none.
    Change(u8, Option<u8>),
    Render,
    /// Whether the guard holds what was published before.
    Publish {
        holds: bool,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0u8..4, prop::option::of(0u8..3)).prop_map(|(key, address)| Step::Change(key, address)),
        2 => Just(Step::Render),
        2 => any::<bool>().prop_map(|holds| Step::Publish { holds }),
    ];
    prop::collection::vec(step, 0..60)
}

fn address((entry, address): (u8, u8)) -> String {
    format!("h{entry}:{address}")
}

proptest! {
    #[test]
    fn every_change_gets_one_publish_which_shows_it_in_the_order_of_its_key(steps in steps()) {
        let mut attribution = Attribution::new(1000);
        let mut entries = BTreeMap::<u8, u8>::new();
        let (mut rendered, mut published) = (entries.clone(), BTreeSet::<String>::new());
        // By key: each change, and how many there were when a document was last rendered.
        let mut expected = BTreeMap::<String, Vec<(Option<Target>, Option<Target>)>>::new();
        let (mut of_render, mut changes, mut number) = (0, 0, 0);
        let mut got = Vec::new();
        for step in steps {
            match step {
                Step::Change(entry, new) => {
                    let of = |at: Option<u8>| at.map(|at| target(&address((entry, at))));
                    let (before, after) = (of(entries.get(&entry).copied()), of(new));
                    if before == after {
                        continue;
                    }
                    match new {
                        Some(new) => drop(entries.insert(entry, new)),
                        None => drop(entries.remove(&entry)),
                    }
                    let change = change(&format!("web/{entry}"), before.clone(), after.clone());
                    expected.entry(change.key.to_string()).or_default().push((before, after));
                    prop_assert_eq!(attribution.change(change), None);
                    changes += 1;
                }
                Step::Render => {
                    attribution.rendered(0);
                    (rendered, of_render) = (entries.clone(), changes);
                }
                Step::Publish { holds } => {
                    let wanted = rendered.iter().map(|(&entry, &at)| address((entry, at)));
                    let mut next: BTreeSet<_> = wanted.collect();
                    if holds {
                        next.extend(std::mem::take(&mut published));
                    }
                    published = next;
                    let addresses: Vec<_> = published.iter().map(String::as_str).collect();
                    number += 1;
                    let document = document(&[("web", &addresses)]);
                    let carried = attribution.published(&publish(number, document, holds));
                    for recorded in &carried {
                        let mut gone = recorded.change.gone().filter(|gone| published.contains(*gone));
                        let settled = recorded.change.cause == Cause::Guard;
                        prop_assert!(!holds || settled || gone.next().is_none());
                        prop_assert_eq!(recorded.publish.map(|carried| carried.number), Some(number));
                    }
                    got.extend(carried);
                    prop_assert!(holds || got.len() == of_render);
                }
            }
        }
        got.extend(attribution.give_up());
        prop_assert!(attribution.is_empty());
        prop_assert_eq!(got.len(), changes);
        let mut by_key = BTreeMap::<String, Vec<_>>::new();
        for Recorded { change, .. } in got {
            by_key.entry(change.key.to_string()).or_default().push((change.before, change.after));
        }
        prop_assert_eq!(by_key, expected);
    }
}
