//! What a file holds beside what it should hold: the same, or which targets are missing and
//! which are too many?

use std::collections::{BTreeMap, BTreeSet};

use super::parse::{ReadGroup, merged};
use super::{Document, NoDocument, Piece};
use crate::core::event::Revision;
use crate::core::value::Labels;

/// How a file compares with the document that it should hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// They are equal to the byte.
    Equal,
    /// Prometheus reads the same from it; the order or the white space is another one.
    OtherBytes,
    /// Prometheus reads something else from it.
    OtherTargets(Difference),
    /// There is no file.
    NoFile(Difference),
    /// Prometheus reads nothing from it, and keeps the targets that it has.
    NoDocument(NoDocument),
}

/// The targets in which two documents differ. One with other labels is another one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// How many are in the wanted document alone.
    pub missing: usize,
    /// How many are in the found document alone.
    pub extra: usize,
    /// How many addresses are among both in the same job: only their labels differ.
    pub relabelled: usize,
    /// Where; ascending by job, then labels.
    pub groups: Vec<GroupDifference>,
}

/// The targets in which two groups of the same labels differ, at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupDifference {
    /// Empty for groups without that label.
    pub job: String,
    /// But for the job.
    pub labels: Labels,
    /// In the wanted document alone; ascending.
    pub missing: Vec<String>,
    /// In the found document alone; ascending.
    pub extra: Vec<String>,
}

impl Comparison {
    /// Compares the bytes of a file, if there is one, with `wanted`.
    #[must_use]
    pub fn of(found: Option<&[u8]>, wanted: &Document) -> Self {
        let Some(bytes) = found else {
            return Self::NoFile(Difference::between(&Document::new(Revision(0)), wanted));
        };
        if is_equal(bytes, wanted) {
            return Self::Equal;
        }
        match Document::parse(bytes) {
            Err(error) => Self::NoDocument(error),
            Ok(found) if found.same_bytes(wanted) => Self::OtherBytes,
            Ok(found) => Self::OtherTargets(Difference::between(&found, wanted)),
        }
    }

    /// The targets that differ, if there are any.
    #[must_use]
    pub fn difference(&self) -> Option<&Difference> {
        match self {
            Self::OtherTargets(difference) | Self::NoFile(difference) => Some(difference),
            Self::Equal | Self::OtherBytes | Self::NoDocument(_) => None,
        }
    }
}

impl Difference {
    /// How `found` is not `wanted`.
    #[must_use]
    pub fn between(found: &Document, wanted: &Document) -> Self {
        let mut difference = Self::default();
        for (was, will) in found.clone().differences(wanted) {
            difference.add(was.as_ref(), will.as_ref());
        }
        difference
    }

    /// Adds what differs in one job.
    fn add(&mut self, found: Option<&Piece>, wanted: Option<&Piece>) {
        let job = found.or(wanted).map_or("", Piece::job);
        let (found, wanted) = (groups(found), groups(wanted));
        let (found, wanted) = (targets(&found), targets(&wanted));
        let labels: BTreeSet<_> = found.keys().chain(wanted.keys()).copied().collect();
        let nothing = BTreeSet::new();
        let (mut all_missing, mut all_extra) = (BTreeSet::new(), BTreeSet::new());
        for labels in labels {
            let found = found.get(&labels).unwrap_or(&nothing);
            let wanted = wanted.get(&labels).unwrap_or(&nothing);
            let missing: Vec<_> = wanted.difference(found).copied().collect();
            let extra: Vec<_> = found.difference(wanted).copied().collect();
            if missing.is_empty() && extra.is_empty() {
                continue;
            }
            self.missing += missing.len();
            self.extra += extra.len();
            all_missing.extend(missing.iter().copied());
            all_extra.extend(extra.iter().copied());
            let owned = |addresses: Vec<&str>| addresses.into_iter().map(str::to_owned).collect();
            self.groups.push(GroupDifference {
                job: job.to_owned(),
                labels: labels.cloned().unwrap_or_default(),
                missing: owned(missing),
                extra: owned(extra),
            });
        }
        self.relabelled += all_missing.intersection(&all_extra).count();
    }
}

fn groups(piece: Option<&Piece>) -> Vec<ReadGroup<'_>> {
    piece.into_iter().flat_map(Piece::groups).collect()
}

type Targets<'g> = BTreeMap<Option<&'g Labels>, BTreeSet<&'g str>>;

fn targets<'g>(groups: &'g [ReadGroup<'_>]) -> Targets<'g> {
    let groups = merged(groups).into_iter();
    groups.map(|(labels, addresses)| (labels, addresses.into_iter().collect())).collect()
}

fn is_equal(bytes: &[u8], document: &Document) -> bool {
    let mut rest = bytes;
    bytes.len() == document.len()
        && document.chunks().all(|chunk| {
            let after = rest.strip_prefix(chunk);
            rest = after.unwrap_or_default();
            after.is_some()
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn document(text: &str) -> Document {
        Document::parse(text.as_bytes()).expect(text)
    }

    fn group(
        job: &str,
        labels: &[(&str, &str)],
        missing: &[&str],
        extra: &[&str],
    ) -> GroupDifference {
        let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        GroupDifference {
            job: job.to_owned(),
            labels: labels.iter().map(|&(name, text)| (name.into(), text.into())).collect(),
            missing: owned(missing),
            extra: owned(extra),
        }
    }

    #[test]
    fn what_is_missing_and_what_is_too_many_is_told_for_each_job_and_set_of_labels() {
        let wanted = document(
            r#"[{"targets":["h:1","h:2","h:3"],"labels":{"job":"a"}},
                {"targets":["h:4"],"labels":{"job":"a","env":"prod"}},
                {"targets":["h:5"],"labels":{"job":"b"}},
                {"targets":["h:6"],"labels":{"job":"c"}}]"#,
        );
        let found = br#"[{"targets":["h:3","h:0","h:4"],"labels":{"job":"a"}},
                {"targets":["h:5"],"labels":{"job":"b"}},
                {"targets":["h:7"],"labels":{"x":"y"}}]"#;
        let told = Comparison::of(Some(found), &wanted);
        let expected = Difference {
            missing: 4,
            extra: 3,
            relabelled: 1,
            groups: vec![
                group("", &[("x", "y")], &[], &["h:7"]),
                group("a", &[], &["h:1", "h:2"], &["h:0", "h:4"]),
                group("a", &[("env", "prod")], &["h:4"], &[]),
                group("c", &[], &["h:6"], &[]),
            ],
        };
        assert_eq!(told, Comparison::OtherTargets(expected));
    }

    #[test]
    fn equal_bytes_are_told_from_the_same_targets_in_other_words() {
        let wanted = document(r#"[{"targets":["h:1","h:2"],"labels":{"job":"a"}}]"#);
        let ours = wanted.to_vec();
        assert_eq!(Comparison::of(Some(&ours), &wanted), Comparison::Equal);
        let other = br#"[{"labels":{"job":"a"},"targets":["h:2","h:1"]}]"#;
        assert_eq!(Comparison::of(Some(other), &wanted), Comparison::OtherBytes);
        let split = br#"[{"targets":["h:2"],"labels":{"job":"a"}},
                         {"targets":["h:1","h:2"],"labels":{"job":"a"}}]"#;
        assert_eq!(Comparison::of(Some(split), &wanted), Comparison::OtherBytes);
        let empty = Document::new(Revision(1));
        assert_eq!(Comparison::of(Some(b"[]\n"), &empty), Comparison::Equal);
        assert_eq!(Comparison::of(Some(b"[]"), &empty), Comparison::OtherBytes);
    }

    #[test]
    fn no_file_and_no_document_are_said_to_be_that() {
        let wanted = document(r#"[{"targets":["h:1"],"labels":{"job":"a"}}]"#);
        let Comparison::NoFile(difference) = Comparison::of(None, &wanted) else {
            panic!("there is no file");
        };
        assert_eq!((difference.missing, difference.extra), (1, 0));
        for text in [&b""[..], b"- targets: ['h:1']", b"[{\"targets\":", b"\0\xff"] {
            let told = Comparison::of(Some(text), &wanted);
            assert!(matches!(told, Comparison::NoDocument(_)), "{told:?}");
        }
    }

    /// Job, label, address.
    type Entry = (u8, u8, u8);

    fn written(entries: &[Entry]) -> Vec<u8> {
        let groups = entries.iter().map(|(job, label, address)| {
            let labels = if *label == 0 { String::new() } else { format!(r#","l":"{label}""#) };
            format!(r#"{{"targets":["h:{address}"],"labels":{{"job":"j{job}"{labels}}}}}"#)
        });
        format!("[{}]", groups.collect::<Vec<_>>().join(",")).into_bytes()
    }

    fn entries() -> impl Strategy<Value = Vec<Entry>> {
        prop::collection::vec((0u8..3, 0u8..3, 0u8..6), 0..25)
    }

    proptest! {
        #[test]
        fn a_difference_is_the_difference_of_the_two_sets(found in entries(), wanted in entries()) {
            let document = Document::parse(&written(&wanted)).expect("a document");
            let told = Comparison::of(Some(&written(&found)), &document);
            let (found, wanted): (BTreeSet<_>, BTreeSet<_>) =
                (found.into_iter().collect(), wanted.into_iter().collect());
            let difference = told.difference().cloned().unwrap_or_default();
            prop_assert_eq!(difference.missing, wanted.difference(&found).count());
            prop_assert_eq!(difference.extra, found.difference(&wanted).count());
            let listed: usize =
                difference.groups.iter().map(|group| group.missing.len() + group.extra.len()).sum();
            prop_assert_eq!(listed, difference.missing + difference.extra);
            prop_assert_eq!(difference.groups.is_empty(), found == wanted);
        }
    }
}
