//! Where the file is, and whether it may be written.

use super::*;

#[test]
fn a_link_is_written_through_and_stays_and_its_directory_has_one_event() {
    let (harness, elsewhere) = (Harness::new(), tempfile::tempdir().expect("a directory"));
    let (middle, end) = (harness.directory.path().join("m"), elsewhere.path().join("end.json"));
    symlink(&end, &middle).expect("a link");
    symlink("m", harness.path()).expect("a link");
    for targets in [1, 2] {
        let replaced = harness.place().replace(&document(targets), Access::default());
        assert!(replaced.expect("replaced").unseen.is_none());
        assert_eq!(fs::read(&end).expect("written through"), document(targets).to_vec());
        assert_eq!(fs::read_link(harness.path()).expect("still a link"), Path::new("m"));
        assert_eq!(fs::read_link(&middle).expect("still a link"), end);
    }
    assert_eq!(harness.place().places(), [harness.path(), &middle, &end]);
    let staged = fs::read_dir(harness.directory.path().join(STAGING)).expect("a directory");
    assert_eq!(staged.count(), 0);
}

#[test]
fn links_in_a_circle_are_said() {
    let harness = Harness::new();
    symlink("tgroups.json", harness.path()).expect("a link");
    let error = harness.file.locate().expect_err("a circle");
    assert!(crate::telemetry::Chain(&error).to_string().contains("circle"), "{error}");
}

#[test]
fn the_right_to_write_is_one_processs_until_it_ends_or_its_lock_is_taken_away() {
    let harness = Harness::new();
    let ask = || harness.place().lock().expect("asked").expect("not in place");
    let Asked::Ours(first) = ask() else { panic!("nobody else holds it") };
    let pid = Some(std::process::id());
    assert!(matches!(ask(), Asked::Theirs { pid: found } if found == pid));
    assert!(harness.place().is_locked_by(&first));
    fs::remove_dir_all(harness.directory.path().join(STAGING)).expect("removed");
    assert!(!harness.place().is_locked_by(&first));
    let Asked::Ours(second) = ask() else { panic!("the first one can't be found any more") };
    assert!(harness.place().is_locked_by(&second) && !harness.place().is_locked_by(&first));
    drop(second);
    assert!(matches!(ask(), Asked::Ours(_)));
}

#[test]
fn a_file_of_another_program_is_not_ours_unless_it_is_forced_or_we_have_been_there() {
    let harness = Harness::new();
    for fine in ["", "null", "[]", "[{\"targets\": [\"h:1\"]}]"] {
        harness.write(fine.as_bytes());
        harness.place().vouch().expect(fine);
    }
    harness.write(b"global:\n  scrape_interval: 15s\n");
    let error = harness.place().vouch().expect_err("not ours").to_string();
    assert!(error.contains("tgroups.json") && error.contains("--force"), "{error}");
    let forced = Options { force: true, ..Options::default() };
    harness.file.clone().written(forced).locate().expect("located").vouch().expect("forced");
    drop(harness.place().lock().expect("asked"));
    harness.place().vouch().expect("damaged while we were away");
}

#[test]
fn written_in_place_the_file_keeps_its_inode_and_needs_nothing_beside_it() {
    let harness = Harness::new();
    let in_place = Options { in_place: true, ..Options::default() };
    let place = harness.file.clone().written(in_place).locate().expect("located");
    assert!(place.lock().expect("asked").is_none(), "there is no file yet");
    let mut inodes = Vec::new();
    for targets in [3, 100_000, 0] {
        let identity =
            place.replace(&document(targets), Access::default()).expect("written").identity;
        assert_eq!(harness.read(), document(targets).to_vec());
        inodes.push(identity.inode);
    }
    inodes.dedup();
    assert_eq!(inodes.len(), 1);
    assert!(!harness.directory.path().join(STAGING).exists());
    assert!(matches!(place.lock(), Ok(Some(Asked::Ours(_)))));
    harness.write(b"\0{\"targets\":[\"h");
    place.vouch().expect("an unfinished one of ours");
}
