//! What is found in the directory, and who may write there.

use super::*;

#[test]
fn what_is_found_at_start_is_what_files_hold_of_their_service() {
    let mut harness = Harness::new();
    let names = ["damaged", "empty", "mixed", "missing", "pretty", "right"];
    let mut pieces = names.map(|service| piece(service, 1..3));
    harness.writes(&pieces);
    harness.put("damaged.json", "[{");
    harness.put("empty.json", "[]\n");
    let mixed = document(&[piece("foreign", 7..8), pieces[2].clone()]);
    harness.put("mixed.json", &String::from_utf8(mixed.to_vec()).expect("UTF-8"));
    fs::remove_file(harness.path("missing.json")).expect("removed");
    harness.put("pretty.json", &text(&pieces[4]).replace(',', " , "));
    harness.put("foreign.json", &text(&piece("foreign", 8..9)));
    let (inventory, found) = harness.directory.open().expect("opened");
    pieces[..].rotate_left(2);
    let expected = [&pieces[0], &pieces[2], &pieces[3]].map(Piece::clone);
    assert!(found.document.same_bytes(&document(&expected)), "{found:?}");
    assert_eq!(found.astray.concat(), "damagedemptymixedpretty");
    assert_eq!(found.looks.iter().map(|(service, _)| &**service).collect::<Vec<_>>(), ["right"]);
    assert_eq!(inventory.services().count(), 5, "whoever makes the missing file anew, it is his");
}

#[test]
fn a_manifest_that_can_not_be_used_is_refused_and_a_damaged_one_is_begun_anew_by_force() {
    let mut harness = Harness::new();
    let api = piece("api", 1..2);
    harness.writes(std::slice::from_ref(&api));
    let manifest = harness.path(".etcd-sd/manifest.json");
    fs::write(&manifest, "{").expect("damaged");
    assert!(harness.directory.vouch().expect_err("damaged").is_refusal());
    assert!(harness.directory.open().is_err());
    harness = harness.forced();
    (harness.inventory, _) = harness.directory.open().expect("forced");
    harness.put("web.json", "mine");
    harness.writes(&[api, piece("web", 1..2)]);
    assert_eq!(harness.ours(), ["api", "web"]);
    fs::write(&manifest, "{\"version\":2}").expect("newer");
    assert!(harness.directory.vouch().expect_err("newer").is_refusal());
}

#[test]
fn a_manifest_that_somebody_changes_is_written_anew_with_the_next_file() {
    let mut harness = Harness::new();
    harness.writes(&[piece("api", 1..2)]);
    let drift =
        |harness: &Harness| harness.directory.manifest_drift(&harness.inventory).expect("looked");
    assert_eq!(drift(&harness), None);
    fs::remove_file(harness.path(".etcd-sd/manifest.json")).expect("removed");
    assert_eq!(drift(&harness), Some(Drift::Deleted));
    harness.writes(&[]);
    assert_eq!(drift(&harness), None);
    assert_eq!(harness.ours(), ["api"]);
}

#[test]
fn a_document_is_held_if_all_services_are_there_and_no_others_of_ours() {
    let mut harness = Harness::new();
    let pieces = ["api", "web"].map(|service| piece(service, 1..2));
    let holds = |harness: &Harness, pieces: &[Piece]| {
        harness.directory.holds(&document(pieces)).expect("compared")
    };
    assert!(holds(&harness, &[]) && !holds(&harness, &pieces));
    harness.writes(&pieces);
    harness.put("other.json", "mine");
    assert!(holds(&harness, &pieces));
    assert!(!holds(&harness, &pieces[..1]));
    assert!(!holds(&harness, &[pieces[0].clone(), piece("web", 1..3)]));
    fs::remove_file(harness.path("web.json")).expect("removed");
    assert!(holds(&harness, &pieces[..1]) && !holds(&harness, &pieces));
}

#[test]
fn one_process_has_the_right_to_write_and_removes_what_the_dead_have_left() {
    let harness = Harness::new();
    let Asked::Ours(lock) = harness.directory.lock().expect("asked") else { panic!("not ours") };
    assert!(harness.directory.is_locked_by(&lock));
    assert!(matches!(harness.directory.lock().expect("asked"), Asked::Theirs { .. }));
    harness.put(".etcd-sd/manifest.json.a1B2c3.tmp", "[");
    harness.directory.remove_leftovers().expect("removed");
    assert!(!harness.path(".etcd-sd/manifest.json.a1B2c3.tmp").exists());
    assert!(harness.path(".etcd-sd/manifest.lock").exists());
}
