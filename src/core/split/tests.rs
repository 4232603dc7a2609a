use proptest::prelude::*;

use super::*;
use crate::core::value::{self, Target};

/// Service, address and labels. Service 0 has no name: groups of another program.
type Entry = (u8, u8, u8);

fn document(entries: &[Entry]) -> Document {
    let mut services: BTreeMap<String, Vec<Target>> = BTreeMap::new();
    for &(service, address, label) in entries {
        let value = format!(r#"{{"address":"h:{}","labels":{{"l":"{label}"}}}}"#, address + 1);
        let name = if service == 0 { String::new() } else { format!("s{service}") };
        services.entry(name).or_default().push(value::parse(value.as_bytes()).expect("a target"));
    }
    let mut document = Document::new(Revision(1));
    for (service, targets) in services {
        document.push(&Piece::render(&service, targets.iter()));
    }
    document
}

/// A directory, and what is known of it.
#[derive(Default)]
struct Directory {
    files: Files,
    /// What each file really holds; nothing if that is no document.
    actual: BTreeMap<String, Option<Piece>>,
    /// The services whose files can't be written or removed.
    failing: BTreeSet<String>,
    /// The services whose files were written or removed, in that order.
    touched: Vec<String>,
    /// What must be somewhere at each instant.
    kept: BTreeSet<String>,
    /// What must be in before anything is removed.
    wanted: Option<Document>,
}

impl Directory {
    fn holding(document: &Document) -> Self {
        let mut directory = Self::default();
        directory.publish(document, false);
        directory.touched.clear();
        directory
    }

    fn damage(&mut self, service: &str) {
        self.actual.insert(service.to_owned(), None);
        self.files.strayed(service);
    }

    fn publish(&mut self, wanted: &Document, backwards: bool) -> Failed {
        let after: BTreeSet<_> = services(wanted).flat_map(addresses).collect();
        self.kept = self.present().intersection(&after).cloned().collect();
        self.wanted = Some(wanted.clone());
        let plan = self.files.plan(wanted);
        let mut additions = plan.additions().to_vec();
        if backwards {
            additions.reverse();
        }
        let mut failed = self.write(additions);
        failed.extend(self.write(plan.last_addition(&failed).into_iter().collect()));
        let removals = plan.removals(&failed);
        let also_failed = self.write(removals);
        let mut removed = Vec::new();
        for service in plan.deletions(&failed) {
            if !self.failing.contains(&*service) {
                self.step(&service, None);
                removed.push(service);
            }
        }
        self.files.carried_out(Vec::new(), &removed);
        failed.extend(also_failed);
        failed
    }

    fn write(&mut self, pieces: Vec<Piece>) -> Failed {
        let (failed, written): (Vec<_>, Vec<_>) =
            pieces.into_iter().partition(|piece| self.failing.contains(piece.job()));
        for piece in &written {
            self.step(piece.job(), Some(piece));
        }
        self.files.carried_out(written, &[]);
        failed.iter().map(|piece| piece.job().into()).collect()
    }

    fn step(&mut self, service: &str, will: Option<&Piece>) {
        self.touched.push(service.to_owned());
        let was = self.actual.remove(service).flatten();
        if let Some(piece) = will {
            self.actual.insert(service.to_owned(), Some(piece.clone()));
        }
        let present = self.present();
        assert!(present.is_superset(&self.kept), "{:?} of {:?}", present, self.kept);
        let lost = was.is_some_and(|was| {
            let after = will.map(addresses).unwrap_or_default();
            !addresses(&was).is_subset(&after)
        });
        if lost && self.failing.is_empty() {
            self.has_all_additions();
        }
    }

    fn has_all_additions(&self) {
        for piece in services(self.wanted.as_ref().expect("a document")) {
            let actual = self.actual.get(piece.job()).cloned().flatten();
            let has = actual.as_ref().map(addresses).unwrap_or_default();
            assert!(has.is_superset(&addresses(piece)), "{} is not in yet", piece.job());
        }
    }

    fn present(&self) -> BTreeSet<String> {
        self.actual.values().flatten().flat_map(addresses).collect()
    }

    fn holds(&self, wanted: &Document) {
        let bytes = |piece: &Piece| piece.alone(Revision(1)).to_vec();
        let actual: Vec<_> =
            self.actual.values().map(|piece| piece.as_ref().map(bytes).expect("whole")).collect();
        assert_eq!(actual, services(wanted).map(bytes).collect::<Vec<_>>());
    }
}

fn services(document: &Document) -> impl Iterator<Item = &Piece> {
    document.pieces().filter(|piece| !piece.job().is_empty())
}

fn addresses(piece: &Piece) -> BTreeSet<String> {
    piece.addresses().into_iter().map(Cow::into_owned).collect()
}

/// Publishes `new` over `old`, and says which files were touched, in which order.
fn touched(old: &[Entry], new: &[Entry]) -> String {
    let mut directory = Directory::holding(&document(old));
    let failed = directory.publish(&document(new), false);
    assert_eq!(failed, Failed::default());
    directory.holds(&document(new));
    directory.touched.join(" ")
}

#[test]
fn a_change_of_one_service_writes_its_file_once_and_no_other() {
    let fleet: Vec<Entry> = (1..200).map(|service| (service, service, 0)).collect();
    let changed = |entries: &[Entry]| touched(&fleet, &[&fleet[1..], entries].concat());
    assert_eq!(touched(&fleet, &fleet), "");
    assert_eq!(changed(&[(1, 1, 0), (1, 250, 0)]), "s1", "gained");
    assert_eq!(changed(&[(1, 250, 0)]), "s1", "exchanged");
    assert_eq!(changed(&[(1, 1, 1)]), "s1", "labelled anew");
    assert_eq!(changed(&[]), "s1", "gone");
    assert_eq!(touched(&[(1, 1, 0), (1, 2, 0)], &[(1, 1, 0)]), "s1", "lost");
}

#[test]
fn additions_come_first_and_the_files_of_services_that_are_gone_go_last() {
    assert_eq!(
        touched(
            &[(1, 1, 0), (2, 2, 0), (2, 3, 0), (3, 4, 0)],
            &[(2, 3, 0), (3, 4, 0), (3, 2, 0), (4, 1, 0)],
        ),
        "s3 s4 s2 s1"
    );
}

#[test]
fn two_files_that_exchange_a_target_hold_both_in_between() {
    let (old, new) = ([(1, 1, 0), (2, 2, 0)], [(1, 2, 0), (2, 1, 0)]);
    assert_eq!(touched(&old, &new), "s1 s2 s1 s2");
}

#[test]
fn the_only_file_that_gains_and_loses_is_written_once_as_the_last_addition() {
    let (old, new) = ([(1, 1, 0), (1, 2, 0), (2, 3, 0)], [(1, 1, 0), (1, 3, 0), (3, 2, 0)]);
    assert_eq!(touched(&old, &new), "s3 s1 s2");
}

#[test]
fn groups_without_a_job_are_in_no_file() {
    assert_eq!(touched(&[(0, 1, 0), (1, 2, 0)], &[(0, 3, 0), (1, 2, 0)]), "");
    assert_eq!(touched(&[(1, 2, 0)], &[(0, 1, 0), (1, 2, 0)]), "");
}

#[test]
fn what_a_failed_file_was_to_gain_stays_where_it_was_and_nothing_else_waits() {
    let old = [(1, 1, 0), (2, 2, 0), (3, 3, 0), (3, 4, 0), (4, 5, 0), (4, 6, 0), (6, 1, 0)];
    let old = document(&[&old[..], &[(6, 8, 0)]].concat());
    let new = document(&[(3, 4, 0), (3, 7, 0), (4, 6, 0), (5, 1, 0), (5, 3, 0), (6, 1, 0)]);
    let mut directory = Directory::holding(&old);
    directory.failing.insert("s5".to_owned());
    assert_eq!(directory.publish(&new, false), Failed::from(["s5".into()]));
    // s3 gains; s4 loses what nobody has any more, s6 keeps what s5 wants; s2 is gone; s1 waits.
    assert_eq!(directory.touched, ["s3", "s4", "s6", "s2"]);
    assert_eq!(addresses(directory.actual["s3"].as_ref().expect("whole")).len(), 3);
    directory.touched.clear();
    directory.failing.clear();
    directory.publish(&new, false);
    assert_eq!(directory.touched, ["s5", "s3", "s1"]);
    directory.holds(&new);
}

#[test]
fn only_files_that_went_astray_are_healed() {
    let fleet = document(&[(1, 1, 0), (2, 2, 0), (3, 3, 0)]);
    let mut directory = Directory::holding(&fleet);
    directory.damage("s2");
    directory.damage("s9");
    directory.files.strayed("s3");
    directory.files.returned("s3");
    directory.publish(&fleet, false);
    assert_eq!(directory.touched, ["s2", "s9"], "the one written, the other removed");
    directory.holds(&fleet);
    assert!(directory.files.plan(&fleet).is_empty());
}

#[test]
fn a_document_that_was_rendered_anew_with_the_same_bytes_changes_nothing() {
    let entries = [(1, 1, 0), (2, 2, 0)];
    let mut files = Files::holding(document(&entries));
    assert!(files.plan(&document(&entries)).is_empty());
}

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    prop::collection::vec((0u8..5, 0u8..6, 0u8..2), 0..14)
}

fn some_services() -> impl Strategy<Value = BTreeSet<String>> {
    prop::collection::btree_set((1u8..6).prop_map(|service| format!("s{service}")), 0..3)
}

proptest! {
    #[test]
    fn no_target_is_ever_absent_and_none_is_removed_before_all_additions_are_in(
        old in entries(), new in entries(), damaged in some_services(), backwards: bool,
    ) {
        let (old, new) = (document(&old), document(&new));
        let mut directory = Directory::holding(&old);
        for service in &damaged {
            directory.damage(service);
        }
        directory.publish(&new, backwards);
        directory.holds(&new);
        for service in &directory.touched {
            let bytes = |document: &Document| {
                document.piece(service).map(|piece| piece.alone(Revision(1)).to_vec())
            };
            prop_assert!(damaged.contains(service) || bytes(&old) != bytes(&new), "{}", service);
            let times = directory.touched.iter().filter(|other| *other == service).count();
            prop_assert!(times <= 2, "{} was touched {} times", service, times);
        }
    }

    #[test]
    fn no_target_is_absent_for_the_failure_of_a_file_and_in_the_end_all_is_right(
        publishes in prop::collection::vec((entries(), some_services(), some_services()), 1..5),
        backwards: bool,
    ) {
        let mut directory = Directory::default();
        let mut last = Document::new(Revision(1));
        for (entries, failing, damaged) in publishes {
            last = document(&entries);
            for service in &damaged {
                directory.damage(service);
            }
            directory.failing = failing;
            directory.publish(&last, backwards);
        }
        directory.failing.clear();
        directory.publish(&last, backwards);
        directory.holds(&last);
        prop_assert!(directory.files.plan(&last).is_empty());
    }
}
