use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use super::*;
use crate::core::event::Revision;
use crate::core::render::{Document, Piece};
use crate::core::value::Target;

mod place;

struct Harness {
    directory: tempfile::TempDir,
    file: TargetFile,
}

impl Harness {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let file = TargetFile::new(directory.path().join("tgroups.json"));
        Self { directory, file }
    }

    fn path(&self) -> &Path {
        self.file.path()
    }

    fn place(&self) -> Place {
        self.file.locate().expect("located")
    }

    fn write(&self, bytes: &[u8]) {
        fs::write(self.path(), bytes).expect("written");
    }

    fn read(&self) -> Vec<u8> {
        fs::read(self.path()).expect("read")
    }

    fn mode(&self) -> u32 {
        fs::metadata(self.path()).expect("a file").mode() & 0o7777
    }

    fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        for directory in [self.directory.path().to_owned(), self.directory.path().join(STAGING)] {
            for entry in fs::read_dir(directory).expect("a directory") {
                names.push(entry.expect("an entry").file_name().into_string().expect("UTF-8"));
            }
        }
        names.sort();
        names
    }
}

fn document(targets: usize) -> Document {
    let mut document = Document::new(Revision(1));
    let targets: Vec<_> =
        (0..targets).map(|port| Target::Address(format!("h:{port}").into())).collect();
    document.push(&Piece::render("web", targets.iter()));
    document
}

#[test]
fn replacing_leaves_the_document_readable_by_all_and_nothing_else() {
    let harness = Harness::new();
    for targets in [1, 100_000, 0] {
        let document = document(targets);
        harness.place().replace(&document, Access::default()).expect("replaced");
        assert_eq!(harness.read(), document.to_vec());
        assert_eq!(harness.place().compare(&document).expect("compared"), None);
    }
    assert_eq!(harness.mode(), 0o644);
    assert_eq!(harness.names(), [STAGING, "tgroups.json"]);
}

#[test]
fn replacing_can_keep_the_mode_of_the_file_and_makes_a_new_inode() {
    let harness = Harness::new();
    harness.write(b"old");
    fs::set_permissions(harness.path(), Permissions::from_mode(0o640)).expect("a mode");
    let old = harness.place().identity().expect("looked at").expect("a file");
    let access = old.access().expect("a usable mode");
    let written = harness.place().replace(&document(1), access).expect("replaced").identity;
    assert_eq!(harness.mode(), 0o640);
    assert_ne!(old.inode, written.inode, "whoever has the old file open keeps it whole");
}

#[test]
fn the_file_looks_afterwards_as_replacing_said() {
    let harness = Harness::new();
    let written =
        harness.place().replace(&document(10), Access::default()).expect("replaced").identity;
    assert_eq!(harness.place().identity().expect("looked at"), Some(written));
}

#[test]
fn an_edit_right_after_the_rename_does_not_pass_for_our_own_work() {
    let harness = Harness::new();
    let ours = harness.place().replace(&document(3), Access::default()).expect("replaced").identity;
    let renamed = Identity { changed: (1, 2), ..ours };
    assert_eq!(ours.after_rename(renamed), renamed);
    harness.write(b"mine");
    let edited = harness.place().identity().expect("looked at").expect("a file");
    assert_eq!(edited.inode, ours.inode);
    assert_eq!(ours.after_rename(edited), ours);
}

#[test]
fn leftovers_of_the_dead_are_removed_and_those_of_the_living_are_not() {
    let harness = Harness::new();
    harness.place().remove_leftovers().expect("nothing to do");
    harness.place().replace(&document(1), Access::default()).expect("replaced");
    let staging = harness.directory.path().join(STAGING);
    fs::write(staging.join("tgroups.json.abc123.tmp"), "[").expect("a leftover");
    let living =
        stage::stage(&staging, "tgroups.json", &document(1), Access::default()).expect("staged").0;
    harness.place().remove_leftovers().expect("removed");
    assert!(living.path().exists());
    assert!(!staging.join("tgroups.json.abc123.tmp").exists());
}

#[test]
fn a_failed_replacement_names_the_path_and_leaves_the_old_file_and_no_leftovers() {
    let harness = Harness::new();
    fs::create_dir(harness.path()).expect("a directory in its place");
    let error =
        harness.place().replace(&document(1), Access::default()).expect_err("not over a directory");
    assert!(error.to_string().contains("tgroups.json"), "{error}");
    assert!(harness.path().is_dir());
    assert_eq!(harness.names(), [STAGING, "tgroups.json"]);
    let gone = TargetFile::new(harness.directory.path().join("gone/tgroups.json"));
    let error = gone
        .locate()
        .expect("located")
        .replace(&document(1), Access::default())
        .expect_err("no directory");
    assert!(error.to_string().contains("gone/.etcd-sd"), "{error}");
}

#[test]
fn only_the_mode_of_a_file_that_its_owner_can_read_is_worth_keeping() {
    let harness = Harness::new();
    harness.write(b"x");
    let mode = |mode| {
        fs::set_permissions(harness.path(), Permissions::from_mode(mode)).expect("a mode");
        harness
            .place()
            .identity()
            .expect("looked at")
            .expect("a file")
            .access()
            .map(|access| access.mode)
    };
    assert_eq!(mode(0o600), Some(Mode(0o600)));
    assert_eq!(mode(0o044), None);
    fs::remove_file(harness.path()).expect("removed");
    fs::create_dir(harness.path()).expect("a directory");
    assert_eq!(harness.place().identity().expect("looked at").expect("something").access(), None);
}

#[test]
fn what_only_looks_like_a_leftover_is_not_opened() {
    let harness = Harness::new();
    let staging = harness.directory.path().join(STAGING);
    fs::create_dir_all(staging.join("tgroups.json.abc123.tmp")).expect("a directory");
    symlink("/dev/zero", staging.join("tgroups.json.abc124.tmp")).expect("a link");
    harness.place().remove_leftovers().expect("left alone");
    assert!(staging.join("tgroups.json.abc123.tmp").is_dir());
    assert!(staging.join("tgroups.json.abc124.tmp").is_symlink());
}

#[test]
fn every_kind_of_drift_is_told() {
    let harness = Harness::new();
    let document = document(3);
    let whole = document.to_vec();
    let check = |expected| {
        assert_eq!(harness.place().compare(&document).expect("compared"), expected);
    };
    check(Some(Drift::Deleted));
    harness.write(b"");
    check(Some(Drift::Emptied));
    harness.write(&whole[..7]);
    check(Some(Drift::Truncated { bytes: 7 }));
    let mut longer = whole.clone();
    longer.push(b' ');
    harness.write(&longer);
    check(Some(Drift::Edited { bytes: longer.len() as u64 }));
    let mut other = whole.clone();
    other[5] ^= 1;
    harness.write(&other);
    check(Some(Drift::Edited { bytes: whole.len() as u64 }));
    fs::remove_file(harness.path()).expect("removed");
    symlink("elsewhere.json", harness.path()).expect("a link");
    check(Some(Drift::Deleted));
    fs::remove_file(harness.path()).expect("removed");
    fs::create_dir(harness.path()).expect("a directory");
    check(Some(Drift::NotAFile));
}

#[test]
fn the_file_is_read_as_a_whole_also_through_a_symlink_and_never_a_device() {
    let harness = Harness::new();
    let read = || harness.place().read().map_err(|error| error.to_string());
    assert_eq!(read(), Ok(None));
    harness.write(b"old");
    assert_eq!(read(), Ok(Some(b"old".to_vec())));
    let elsewhere = harness.directory.path().join("elsewhere");
    fs::rename(harness.path(), &elsewhere).expect("renamed");
    symlink(&elsewhere, harness.path()).expect("a link");
    assert_eq!(read(), Ok(Some(b"old".to_vec())));
    fs::remove_file(harness.path()).expect("removed");
    symlink("/dev/zero", harness.path()).expect("a link");
    assert!(read().expect_err("not read").contains("/dev/zero"));
    let error = harness.place().replace(&document(1), Access::default()).expect_err("a device");
    assert!(error.to_string().contains("/dev/zero"), "{error}");
    assert!(!Path::new("/dev").join(STAGING).exists());
}

#[test]
fn a_file_name_alone_means_the_current_directory() {
    assert_eq!(directory_of(Path::new("tgroups.json")), Path::new("."));
}

#[test]
fn a_full_disk_is_said_with_what_is_needed_and_what_is_free() {
    let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
    let harness = Harness::new();
    let error = Error::new("write to", harness.directory.path(), full, 4711);
    let text = error.to_string();
    assert!(text.contains("no space") && text.contains("4711 bytes"), "{text}");
    let again = std::io::Error::from(std::io::ErrorKind::StorageFull);
    assert!(error.is_like(&Error::new("write to", harness.directory.path(), again, 4712)));
    let other = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
    assert!(!error.is_like(&Error::new("write to", harness.directory.path(), other, 4711)));
}
