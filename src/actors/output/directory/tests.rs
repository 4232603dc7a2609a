use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::time::Duration;

use super::*;
use crate::core::event::Revision;
use crate::core::value::Target;
use crate::file::Mode;

mod beginning;

/// An output on a directory of its own.
struct Harness {
    home: tempfile::TempDir,
    output: DirectoryOutput,
    now: Instant,
}

impl Harness {
    fn new() -> Self {
        let home = tempfile::tempdir().expect("a directory");
        let path = home.path().join("targets");
        fs::create_dir(&path).expect("made");
        let output = DirectoryOutput::new(TargetDir::new(path, None, false));
        Self { home, output, now: publish::now() }
    }

    /// With this document published.
    fn holding(services: &[(&str, &[u16])]) -> Self {
        let mut harness = Self::new();
        assert_eq!(harness.claim(), Claim::Ours);
        harness.look();
        assert!(harness.publish(services).failed.is_none());
        harness.holds(services);
        harness
    }

    /// The same directory to a new process, after the end of the old one.
    fn restart(mut self) -> Self {
        let directory = self.output.directory.clone();
        self.output = DirectoryOutput::new(directory);
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.output.path().join(name)
    }

    fn put(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("written");
    }

    fn claim(&mut self) -> Claim {
        self.output.claim().expect("claimed")
    }

    /// The names of files that have drifted.
    fn look(&mut self) -> Vec<String> {
        let look = self.output.look(true, self.now).expect("looked");
        names(&look.drift)
    }

    fn publish(&mut self, services: &[(&str, &[u16])]) -> Publication {
        self.output.publish(&document(services), self.now)
    }

    /// The files hold these services, and there are no others.
    fn holds(&self, services: &[(&str, &[u16])]) {
        let expected = services.iter().map(|service| {
            let bytes = document(&[*service]).to_vec();
            (format!("{}.json", service.0), String::from_utf8(bytes).expect("UTF-8"))
        });
        assert_eq!(self.files(), expected.collect());
        assert!(self.output.holds(&document(services)).expect("compared"));
    }

    fn files(&self) -> BTreeMap<String, String> {
        let entries = fs::read_dir(self.output.path()).expect("a directory");
        let entries = entries.map(|entry| entry.expect("an entry"));
        let files = entries.filter(|entry| entry.file_type().expect("a type").is_file());
        let read = |path| fs::read_to_string(path).expect("read");
        let name = |entry: &fs::DirEntry| entry.file_name().into_string().expect("UTF-8");
        files.map(|entry| (name(&entry), read(entry.path()))).collect()
    }

    fn inodes(&self) -> BTreeMap<String, u64> {
        let names = self.files().into_keys();
        let inode = |name: &str| fs::metadata(self.path(name)).expect("a file").ino();
        names.map(|name| (name.clone(), inode(&name))).collect()
    }
}

fn names(drift: &[Drifted]) -> Vec<String> {
    let name = |drifted: &Drifted| drifted.path.file_name().expect("a name").to_owned();
    drift.iter().map(|drifted| name(drifted).into_string().expect("UTF-8")).collect()
}

fn document(services: &[(&str, &[u16])]) -> Document {
    let mut document = Document::new(Revision(1));
    for (service, ports) in services {
        let targets: Vec<_> =
            ports.iter().map(|port| Target::Address(format!("h:{port}").into())).collect();
        document.push(&Piece::render(service, targets.iter()));
    }
    document
}

/// How many files were written or removed.
fn files(publication: &Publication) -> usize {
    match publication.written {
        Written::Now { files, .. } => files,
        _ => 0,
    }
}

#[tokio::test]
async fn only_files_that_change_are_written() {
    let mut harness = Harness::holding(&[("a", &[1]), ("b", &[2]), ("c", &[3])]);
    let before = harness.inodes();
    let new: [(&str, &[u16]); 3] = [("a", &[1]), ("b", &[2, 4]), ("d", &[3])];
    let published = harness.publish(&new);
    assert_eq!(files(&published), 3, "one changed, one new, one gone");
    harness.holds(&new);
    assert_eq!(harness.inodes()["a.json"], before["a.json"]);
    assert_eq!(harness.publish(&new).written, Written::Before);
    assert!(harness.look().is_empty(), "what was written is as it was written");
}

#[tokio::test]
async fn drift_is_healed_file_by_file_and_said_by_path() {
    let services: [(&str, &[u16]); 4] = [("a", &[1]), ("b", &[2]), ("c", &[3]), ("d", &[4])];
    let mut harness = Harness::holding(&services);
    let before = harness.inodes();
    harness.put("other.json", "mine");
    harness.put("a.json", "[]");
    fs::remove_file(harness.path("c.json")).expect("removed");
    fs::remove_file(harness.path(".etcd-sd/manifest.json")).expect("removed");
    assert_eq!(harness.look(), ["a.json", "c.json", "manifest.json"]);
    let published = harness.publish(&services);
    assert_eq!(names(&published.healed), ["a.json", "c.json", "manifest.json"]);
    assert_eq!(files(&published), 2);
    assert_eq!(harness.files()["other.json"], "mine");
    fs::remove_file(harness.path("other.json")).expect("removed");
    harness.holds(&services);
    assert_eq!(harness.inodes()["b.json"], before["b.json"]);
    assert!(harness.look().is_empty());
}

#[tokio::test]
async fn what_was_put_right_by_somebody_else_needs_no_heal() {
    let services: [(&str, &[u16]); 1] = [("a", &[1])];
    let mut harness = Harness::holding(&services);
    let right = harness.files()["a.json"].clone();
    harness.put("a.json", "[]");
    assert_eq!(harness.look(), ["a.json"]);
    harness.put("a.json", &right);
    assert!(harness.look().is_empty());
    assert_eq!(harness.publish(&services).written, Written::Before);
}

#[tokio::test]
async fn a_fight_over_one_file_is_damped_and_another_is_healed_at_once() {
    let services: [(&str, &[u16]); 2] = [("a", &[1]), ("b", &[2])];
    let mut harness = Harness::holding(&services);
    let mut heals = 0;
    for round in 0..200 {
        // Of another length each time: looks alone tell.
        harness.put("a.json", &"x".repeat(round + 1));
        if !harness.look().is_empty() {
            heals += harness.publish(&services).healed.len();
        }
        harness.now += Duration::from_millis(100);
    }
    assert!((8..30).contains(&heals), "{heals} heals in 20 s");
    assert!(harness.output.is_fight(harness.now));
    harness.put("a.json", "mine");
    harness.put("b.json", "mine");
    let look = harness.output.look(true, harness.now).expect("looked");
    assert_eq!(names(&look.drift), ["b.json"]);
    let again = look.again.expect("another look");
    assert_eq!(harness.publish(&services).healed.len(), 1);
    harness.now = again;
    assert_eq!(harness.look(), ["a.json"]);
    harness.publish(&services);
    harness.holds(&services);
}

#[tokio::test]
async fn a_file_of_another_program_harms_its_service_alone_until_it_is_out_of_the_way() {
    let mut harness = Harness::new();
    harness.put("b.json", "mine");
    harness.claim();
    harness.look();
    let services: [(&str, &[u16]); 3] = [("a", &[1]), ("b", &[2]), ("c", &[3])];
    let published = harness.publish(&services);
    assert!(published.failed.as_ref().is_some_and(Error::is_confined), "{published:?}");
    assert!(harness.output.has_published(), "the others are");
    assert_eq!(harness.files()["b.json"], "mine");
    assert_eq!(files(&published), 2);
    harness.put("a.json", "[]");
    assert_eq!(harness.look(), ["a.json"]);
    assert_eq!(harness.publish(&services).healed.len(), 1);
    fs::remove_file(harness.path("b.json")).expect("removed");
    let published = harness.publish(&services);
    assert!(published.failed.is_none() && files(&published) == 1, "{published:?}");
    harness.holds(&services);
}

#[tokio::test]
async fn several_failures_are_one_error_that_counts_them_and_names_the_first() {
    let services: [(&str, &[u16]); 3] = [("a", &[1]), ("b", &[2]), ("c", &[3])];
    let mut harness = Harness::new();
    harness.put("a.json", "mine");
    harness.put("c.json", "mine");
    harness.claim();
    let error = harness.publish(&services).failed.expect("an error");
    let text = Chain(&error).to_string();
    assert!(text.contains('2') && text.contains("a.json") && !text.contains("c.json"), "{text}");
    harness.put("c.json", "another");
    let again = harness.publish(&services).failed.expect("an error");
    assert!(error.is_like(&again), "it is said once");
}

#[tokio::test]
async fn a_target_does_not_leave_its_file_before_the_new_one_can_be_written() {
    let mut harness = Harness::holding(&[("a", &[1, 2]), ("b", &[3])]);
    fs::create_dir(harness.path("c.json")).expect("in the way");
    let moved: [(&str, &[u16]); 3] = [("a", &[1]), ("b", &[4]), ("c", &[2])];
    assert!(harness.publish(&moved).failed.is_some());
    let held = |harness: &Harness, name: &str| harness.files()[name].contains("h:2");
    assert!(held(&harness, "a.json"));
    assert!(harness.files()["b.json"].contains("h:4"), "the others go on");
    fs::remove_dir(harness.path("c.json")).expect("out of the way");
    assert!(harness.publish(&moved).failed.is_none());
    harness.holds(&moved);
}

#[tokio::test]
async fn permissions_that_were_asked_for_are_healed_and_others_are_the_operators() {
    let change = |harness: &Harness, mode| {
        fs::set_permissions(harness.path("a.json"), fs::Permissions::from_mode(mode)).expect("set");
    };
    let mode = |harness: &Harness| {
        fs::metadata(harness.path("a.json")).expect("a file").permissions().mode() & 0o777
    };
    let services: [(&str, &[u16]); 1] = [("a", &[1])];
    let mut harness = Harness::holding(&services);
    change(&harness, 0o600);
    assert!(harness.look().is_empty());
    change(&harness, 0);
    assert_eq!(harness.look(), ["a.json"], "its own owner could not read it");
    harness.publish(&services);
    assert_eq!(mode(&harness), 0o600);

    let path = harness.output.path().to_owned();
    harness.output = DirectoryOutput::new(TargetDir::new(path, Mode::new(0o640), false));
    harness.claim();
    harness.publish(&services);
    assert_eq!(mode(&harness), 0o640);
    change(&harness, 0o600);
    assert_eq!(harness.look(), ["a.json"]);
    harness.publish(&services);
    assert_eq!(mode(&harness), 0o640);
}

#[tokio::test]
async fn an_empty_document_leaves_no_file() {
    let mut harness = Harness::holding(&[("a", &[1])]);
    harness.publish(&[]);
    harness.holds(&[]);
    let mut harness = harness.restart();
    harness.claim();
    assert!(harness.output.baseline().is_none());
    assert_eq!(harness.publish(&[]).written, Written::Elsewhere);
}

#[tokio::test]
async fn after_a_look_at_many_files_there_is_a_rest_and_drift_is_found_after_it() {
    assert_eq!(rest_after(MANY - 1), None);
    assert_eq!(rest_after(10 * MANY), Some(Duration::from_millis(400)));
    assert_eq!(rest_after(usize::MAX), Some(LONGEST_REST));
    let mut harness = Harness::holding(&[("a", &[1])]);
    let rested = harness.now + LONGEST_REST;
    harness.output.rests_until = Some(rested);
    harness.put("a.json", "mine");
    let look = harness.output.look(true, harness.now).expect("looked");
    assert_eq!((names(&look.drift).len(), look.again), (0, Some(rested)));
    harness.now = rested;
    assert_eq!(harness.look(), ["a.json"]);
}
