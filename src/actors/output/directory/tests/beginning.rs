//! A process that begins, or begins again, with files that are there already.

use std::fs;
use std::time::Duration;

use super::super::*;
use super::{Harness, document, files};

#[tokio::test]
async fn before_the_first_publish_files_are_left_alone_and_read_as_they_are() {
    let mut harness = Harness::holding(&[("a", &[1]), ("b", &[2])]).restart();
    harness.put("b.json", "damaged");
    assert_eq!(harness.claim(), Claim::Ours);
    assert!(harness.look().is_empty());
    let baseline = harness.output.baseline().expect("a baseline");
    assert!(baseline.same_bytes(&document(&[("a", &[1])])));
    harness.put("a.json", "mine");
    assert!(harness.look().is_empty());
    assert_eq!(harness.files()["a.json"], "mine");
    let published = harness.publish(&[("a", &[1]), ("b", &[2])]);
    assert_eq!(files(&published), 2, "what is in them now counts, not what was");
    harness.holds(&[("a", &[1]), ("b", &[2])]);
}

#[tokio::test]
async fn before_the_first_publish_a_file_that_is_as_it_was_is_not_said_to_have_changed() {
    let services: [(&str, &[u16]); 1] = [("a", &[1])];
    let mut harness = Harness::holding(&services).restart();
    harness.claim();
    harness.now += Duration::from_secs(5);
    harness.look();
    let file = &harness.output.state.as_ref().expect("known").files["a"];
    let looks = harness.output.directory.identity("a").expect("seen");
    assert!(file.looks_right(looks, false, harness.now));
    assert!(!file.looks_right(looks, true, harness.now), "it was not taken for a new one");
}

#[tokio::test]
async fn a_new_process_knows_the_files_writes_none_that_is_right_and_removes_those_that_are_gone() {
    let services: [(&str, &[u16]); 2] = [("a", &[1]), ("b", &[2])];
    let mut harness = Harness::holding(&services);
    for wanted in [&services[..], &services[..1]] {
        harness = harness.restart();
        assert_eq!(harness.claim(), Claim::Ours);
        harness.look();
        let published = harness.publish(wanted);
        assert_eq!(files(&published), 2 - wanted.len());
        if wanted.len() == 2 {
            assert_eq!(published.written, Written::Elsewhere);
        }
        harness.holds(wanted);
    }
}

#[tokio::test]
async fn what_another_process_writes_is_not_touched_and_known_anew_when_that_has_ended() {
    let services: [(&str, &[u16]); 1] = [("a", &[1])];
    let mut first = Harness::holding(&services);
    let directory = first.output.directory.clone();
    let mut second = DirectoryOutput::new(directory);
    assert!(matches!(second.claim().expect("asked"), Claim::Theirs { pid: Some(_) }));
    assert!(second.holds(&document(&services)).expect("compared"));
    assert!(!second.holds(&document(&[("b", &[1])])).expect("compared"));
    assert_eq!(second.publish(&document(&[]), first.now).written, Written::Before);
    std::mem::swap(&mut first.output, &mut second);
    drop(second);
    assert_eq!(first.claim(), Claim::Ours);
    first.look();
    assert_eq!(first.publish(&services).written, Written::Elsewhere);
}

#[tokio::test]
async fn a_directory_made_anew_gets_all_files_and_one_that_comes_back_loses_those_that_are_gone() {
    let services: [(&str, &[u16]); 2] = [("a", &[1]), ("b", &[2])];
    let mut harness = Harness::holding(&services);
    let away = harness.home.path().join("away");
    fs::rename(harness.output.path(), &away).expect("renamed");
    assert!(harness.output.claim().is_err());
    fs::create_dir(harness.output.path()).expect("made anew");
    assert_eq!(harness.claim(), Claim::Ours);
    assert_eq!(harness.look(), ["a.json", "b.json", "manifest.json"]);
    harness.publish(&services);
    harness.holds(&services);
    harness.publish(&services[..1]);

    fs::remove_dir_all(harness.output.path()).expect("removed");
    fs::rename(&away, harness.output.path()).expect("renamed");
    assert_eq!(harness.claim(), Claim::Ours);
    assert!(harness.look().contains(&"b.json".to_owned()));
    harness.publish(&services[..1]);
    harness.holds(&services[..1]);
}

#[tokio::test]
async fn what_comes_with_another_directory_is_another_programs_and_our_own_files_stay_ours() {
    let services: [(&str, &[u16]); 2] = [("a", &[1]), ("b", &[2])];
    let mut harness = Harness::holding(&services);
    // Without our mark, and for the rest the same.
    fs::remove_dir_all(harness.path(".etcd-sd")).expect("removed");
    assert_eq!(harness.claim(), Claim::Ours);
    harness.look();
    assert!(harness.publish(&[("a", &[1]), ("b", &[3])]).failed.is_none());

    fs::rename(harness.output.path(), harness.home.path().join("away")).expect("renamed");
    fs::create_dir(harness.output.path()).expect("made anew");
    harness.put("b.json", "mine");
    assert_eq!(harness.claim(), Claim::Ours);
    harness.look();
    let error = harness.publish(&services).failed.expect("an error");
    assert!(error.is_confined(), "{error:?}");
    assert_eq!(harness.files()["b.json"], "mine");
    assert!(harness.files().contains_key("a.json"));
    harness.publish(&[]);
    assert_eq!(harness.files().into_keys().collect::<Vec<_>>(), ["b.json"]);
}
