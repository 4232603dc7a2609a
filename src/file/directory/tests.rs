use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use super::*;
use crate::core::value::Target;
use crate::file::Cause;

mod beginning;

/// A target directory in a directory that nothing else is in.
struct Harness {
    outside: tempfile::TempDir,
    directory: TargetDir,
    inventory: Inventory,
}

impl Harness {
    fn new() -> Self {
        let outside = tempfile::tempdir().expect("a directory");
        let path = outside.path().join("targets");
        fs::create_dir(&path).expect("made");
        let directory = TargetDir::new(path, None, false);
        Self { outside, directory, inventory: Inventory::default() }
    }

    fn forced(self) -> Self {
        let directory = TargetDir::new(self.directory.path, None, true);
        Self { directory, ..self }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Puts something there that is not ours.
    fn put(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("written");
    }

    fn write(&mut self, pieces: &[Piece]) -> Batch<Identity> {
        let orders: Vec<_> = pieces.iter().map(|piece| Order { piece, access: None }).collect();
        self.directory.write(&mut self.inventory, &orders)
    }

    fn writes(&mut self, pieces: &[Piece]) {
        let batch = self.write(pieces);
        assert!(batch.stopped.is_none() && batch.done.iter().all(Result::is_ok), "{batch:?}");
        assert_eq!(batch.done.len(), pieces.len());
    }

    fn remove(&mut self, services: &[&str]) -> Batch<()> {
        let services: Vec<Box<str>> = services.iter().map(|&service| service.into()).collect();
        self.directory.remove(&mut self.inventory, &services)
    }

    /// All files and what they hold, but for those in the staging directory.
    fn files(&self) -> BTreeMap<String, String> {
        let entries = fs::read_dir(self.directory.path()).expect("a directory");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        let files = paths.filter(|path| path.is_file() && !path.is_symlink());
        let name = |path: &Path| path.file_name().expect("a name").to_string_lossy().into_owned();
        files.map(|path| (name(&path), fs::read_to_string(&path).expect("read"))).collect()
    }

    fn names(&self) -> Vec<String> {
        self.files().into_keys().collect()
    }

    /// The services that a new process would take for ours.
    fn ours(&self) -> Vec<String> {
        let (inventory, _) = self.directory.open().expect("opened");
        inventory.services().map(str::to_owned).collect()
    }
}

fn piece(service: &str, ports: std::ops::Range<u16>) -> Piece {
    let targets: Vec<_> = ports.map(|port| Target::Address(format!("h:{port}").into())).collect();
    Piece::render(service, targets.iter())
}

fn text(piece: &Piece) -> String {
    String::from_utf8(piece.alone(Revision(0)).to_vec()).expect("UTF-8")
}

fn document(pieces: &[Piece]) -> Document {
    let mut document = Document::new(Revision(1));
    for piece in pieces {
        document.push(piece);
    }
    document
}

#[test]
fn services_of_any_name_have_files_of_their_own_and_nothing_is_touched_outside() {
    let mut harness = Harness::new();
    let long = "x".repeat(300);
    let services = ["..", ".hidden", "CON", "API", "a b", "a/../../b", "api", &long, "ünïcode"];
    let mut pieces: Vec<_> = services.iter().map(|service| piece(service, 1..3)).collect();
    pieces.sort_unstable_by(|one, other| one.job().cmp(other.job()));
    harness.writes(&pieces);
    let files = harness.files();
    assert_eq!(files.len(), services.len());
    for piece in &pieces {
        assert_eq!(files[FileName::encode(piece.job()).as_str()], text(piece));
    }
    let (_, found) = harness.directory.open().expect("opened");
    assert!(found.document.same_bytes(&document(&pieces)));
    assert!(found.astray.is_empty() && found.looks.len() == services.len(), "{found:?}");
    let removed = harness.remove(&services);
    assert!(removed.done.iter().all(Result::is_ok) && removed.done.len() == services.len());
    assert!(harness.files().is_empty() && harness.ours().is_empty());
    assert_eq!(fs::read_dir(harness.outside.path()).expect("a directory").count(), 1);
}

#[test]
fn more_files_than_fit_into_one_batch_are_written_and_look_as_it_said() {
    let mut harness = Harness::new();
    let pieces: Vec<_> = (0..200).map(|at| piece(&format!("s{at}"), 1..2)).collect();
    let batch = harness.write(&pieces);
    assert_eq!(batch.done.len(), 200);
    for (piece, looks) in pieces.iter().zip(batch.done) {
        let seen = harness.directory.identity(piece.job()).expect("looked at");
        assert_eq!(seen, Some(looks.expect("written")));
        assert_eq!(harness.directory.compare(piece).expect("compared"), None);
    }
    harness.directory.sync().expect("synced");
    let staging = harness.path(STAGING);
    assert_eq!(fs::read_dir(staging).expect("a directory").count(), 1, "the manifest");
}

#[test]
fn files_of_others_are_not_touched_whatever_they_are_called() {
    let mut harness = Harness::new();
    fs::create_dir(harness.path("folder.json")).expect("made");
    let others = [("api.json", "mine"), ("notes.txt", "mine"), ("old.json", "[]"), ("z.json", "")];
    for (name, text) in others {
        harness.put(name, text);
    }
    let pieces = ["api", "web", "z"].map(|service| piece(service, 1..2));
    let batch = harness.write(&pieces);
    assert!(batch.stopped.is_none() && batch.done[1].is_ok(), "{batch:?}");
    for (at, name) in [(0, "targets/api.json"), (2, "targets/z.json")] {
        let error = batch.done[at].as_ref().expect_err("not ours").to_string();
        assert!(error.contains(name) && error.contains("--force"), "{error}");
    }
    let removed = harness.remove(&["api", "old", "folder", "web", "z"]);
    assert!(removed.stopped.is_none() && removed.done.len() == 5, "{removed:?}");
    let left = others.map(|(name, text)| (name.to_owned(), text.to_owned()));
    assert_eq!(harness.files(), BTreeMap::from(left));
    assert!(harness.path("folder.json").is_dir() && harness.ours().is_empty());
}

#[test]
fn with_force_a_file_that_is_not_ours_is_overwritten_and_ours_from_then_on() {
    let mut harness = Harness::new().forced();
    harness.put("api.json", "mine");
    let api = piece("api", 1..2);
    harness.writes(std::slice::from_ref(&api));
    assert_eq!(harness.files()["api.json"], text(&api));
    assert_eq!(harness.ours(), ["api"]);
}

#[test]
fn a_file_that_holds_what_would_be_written_is_taken_up_and_not_written() {
    let mut harness = Harness::new();
    let api = piece("api", 1..2);
    harness.put("api.json", &text(&api));
    let inode = |harness: &Harness| fs::metadata(harness.path("api.json")).expect("a file").ino();
    let before = inode(&harness);
    harness.writes(&[api]);
    assert_eq!(inode(&harness), before);
    assert_eq!(harness.ours(), ["api"]);
}

#[test]
fn a_directory_in_the_place_of_a_file_keeps_no_other_from_being_written() {
    let mut harness = Harness::new();
    let pieces = |ports: std::ops::Range<u16>| {
        ["api", "mid", "web"].map(|service| piece(service, ports.clone()))
    };
    harness.writes(&pieces(1..2));
    fs::remove_file(harness.path("mid.json")).expect("removed");
    fs::create_dir(harness.path("mid.json")).expect("made");
    let batch = harness.write(&pieces(1..3));
    assert!(batch.stopped.is_none() && batch.done[0].is_ok() && batch.done[2].is_ok());
    let error = batch.done[1].as_ref().expect_err("a directory");
    assert!(matches!(error, Error::Io { cause: Cause::Directory, .. }), "{error:?}");
    assert_eq!(harness.ours(), ["api", "mid", "web"]);
    let removed = harness.remove(&["mid", "web"]);
    assert!(removed.done[0].is_err() && removed.done[1].is_ok(), "{removed:?}");
    assert_eq!(harness.ours(), ["api", "mid"]);
}

#[test]
fn a_link_in_the_place_of_a_file_is_replaced_and_what_it_leads_to_stays() {
    let mut harness = Harness::new();
    let api = piece("api", 1..2);
    harness.writes(std::slice::from_ref(&api));
    let elsewhere = harness.outside.path().join("elsewhere.json");
    fs::write(&elsewhere, text(&api)).expect("written");
    fs::remove_file(harness.path("api.json")).expect("removed");
    symlink(&elsewhere, harness.path("api.json")).expect("linked");
    assert_eq!(harness.directory.compare(&api).expect("compared"), Some(Drift::NotAFile));
    let (_, found) = harness.directory.open().expect("opened");
    assert!(found.document.is_empty() && *found.astray == ["api".into()], "{found:?}");
    harness.writes(&[piece("api", 1..3)]);
    assert_eq!(harness.files()["api.json"], text(&piece("api", 1..3)));
    assert_eq!(fs::read_to_string(&elsewhere).expect("read"), text(&api));
    harness.remove(&["api"]);
    assert!(elsewhere.exists());
}

#[test]
fn a_staging_directory_that_leads_elsewhere_is_refused() {
    let mut harness = Harness::new();
    let elsewhere = harness.outside.path().join("elsewhere");
    fs::create_dir(&elsewhere).expect("made");
    symlink(&elsewhere, harness.path(STAGING)).expect("linked");
    let stopped = harness.write(&[piece("api", 1..2)]).stopped.expect("stopped").to_string();
    assert!(stopped.contains("targets/.etcd-sd"), "{stopped}");
    assert!(harness.directory.lock().is_err());
    assert_eq!(fs::read_dir(&elsewhere).expect("a directory").count(), 0);
}

#[test]
fn a_directory_that_is_away_stops_all_and_comes_back_with_its_files_known() {
    let mut harness = Harness::new();
    harness.writes(&["api", "web"].map(|service| piece(service, 1..2)));
    let (here, away) = (harness.path(""), harness.outside.path().join("away"));
    fs::rename(&here, &away).expect("renamed");
    assert!(harness.write(&[piece("new", 1..2)]).stopped.is_some());
    let removed = harness.remove(&["web"]);
    assert!(removed.done.is_empty() && removed.stopped.is_some(), "{removed:?}");
    fs::rename(&away, &here).expect("renamed back");
    harness.remove(&["web"]);
    assert_eq!(harness.names(), ["api.json"]);
    assert_eq!(harness.ours(), ["api"]);
}

#[test]
fn files_have_the_mode_that_is_wanted_or_that_they_had() {
    let mut harness = Harness::new();
    let mode =
        |harness: &Harness| fs::metadata(harness.path("api.json")).expect("a file").mode() & 0o7777;
    let api = piece("api", 1..2);
    harness.writes(std::slice::from_ref(&api));
    assert_eq!(mode(&harness), 0o644);
    fs::set_permissions(harness.path("api.json"), Permissions::from_mode(0o640)).expect("a mode");
    let looks = harness.directory.identity("api").expect("looked at").expect("a file");
    let orders = [Order { piece: &api, access: looks.access() }];
    harness.directory.write(&mut harness.inventory, &orders);
    assert_eq!(mode(&harness), 0o640);
    harness.directory.mode = Mode::new(0o600);
    let (_, found) = harness.directory.open().expect("opened");
    assert_eq!(*found.astray, ["api".into()], "it has another mode");
    harness.directory.write(&mut harness.inventory, &orders);
    assert_eq!(mode(&harness), 0o600);
}
