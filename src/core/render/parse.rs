//! Reading documents back: the file on disk, whoever wrote it, and pieces of our own.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use thiserror::Error;

use super::piece::Groups;
use super::{Document, Piece};
use crate::core::event::Revision;
use crate::core::value::Labels;

/// Why bytes are no document. None of them is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("no JSON list of target groups as Prometheus reads it (line {line}, column {column})")]
pub struct NoDocument {
    /// Where it went wrong, from 1.
    pub line: usize,
    /// Where it went wrong, from 1; 0 right after a line's end.
    pub column: usize,
}

/// A target group, by Prometheus' rules: it refuses a file with any other field.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReadGroup<'d> {
    #[serde(borrow)]
    targets: Option<Vec<Text<'d>>>,
    #[serde(borrow)]
    labels: Option<ReadLabels<'d>>,
}

/// Most groups have the job and no other label: that is kept out of a map of its own.
#[derive(Default)]
struct ReadLabels<'d> {
    job: Cow<'d, str>,
    others: Labels,
}

/// Copied only if it has escapes.
#[derive(Deserialize)]
struct Text<'d>(#[serde(borrow)] Cow<'d, str>);

impl<'de: 'd, 'd> Deserialize<'de> for ReadLabels<'d> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;

        impl<'de> Visitor<'de> for Pairs {
            type Value = ReadLabels<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("labels")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut labels = ReadLabels::default();
                while let Some((name, value)) = map.next_entry::<Text<'de>, Text<'de>>()? {
                    if name.0 == "job" {
                        labels.job = value.0;
                    } else {
                        labels.others.insert(name.0.into(), value.0.into());
                    }
                }
                Ok(labels)
            }
        }

        deserializer.deserialize_map(Pairs)
    }
}

impl ReadGroup<'_> {
    /// Adds this group to the others of its job.
    fn add_to<'g>(&'g self, groups: &mut Groups<'g>) {
        let labels = self.labels.as_ref().map(|labels| &labels.others);
        let labels = labels.filter(|labels| !labels.is_empty());
        let addresses = self.targets.iter().flatten().map(|address| address.0.as_ref());
        groups.entry(labels).or_default().extend(addresses);
    }

    /// Empty if there is no such label.
    fn job(&self) -> &str {
        self.labels.as_ref().map_or("", |labels| &labels.job)
    }
}

impl Document {
    /// Reads a target file, in whatever order and with whatever white space. It comes from
    /// no revision.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoDocument> {
        // The program of the blog post wrote `null` for none.
        let groups: Option<Vec<ReadGroup<'_>>> = serde_json::from_slice(bytes)
            .map_err(|error| NoDocument { line: error.line(), column: error.column() })?;
        let mut groups = groups.unwrap_or_default();
        groups.sort_by(|one, other| one.job().cmp(other.job()));
        let mut document = Self::new(Revision(0));
        for of_job in groups.chunk_by(|one, other| one.job() == other.job()) {
            document.push(&Piece::of(of_job[0].job(), merged(of_job)));
        }
        Ok(document)
    }
}

impl Piece {
    /// The piece with all targets of both, which are of one job.
    pub(super) fn union(&self, other: &Self) -> Self {
        Self::union_of(&[self.clone(), other.clone()])
    }

    /// One piece with all targets of these, which are of one job; at least one.
    pub(in crate::core) fn union_of(pieces: &[Self]) -> Self {
        let groups: Vec<_> = pieces.iter().flat_map(Self::groups).collect();
        Self::of(pieces.first().map_or("", Self::job), merged(&groups))
    }

    /// This piece, and of `old`, which is of the same job, the targets whose address it does not
    /// have under any labels.
    pub(in crate::core) fn keeping(&self, old: &Self) -> Self {
        let ours = self.addresses();
        let mut groups: Vec<_> = old.groups().collect();
        for addresses in groups.iter_mut().filter_map(|group| group.targets.as_mut()) {
            addresses.retain(|address| !ours.contains(&address.0));
        }
        groups.extend(self.groups());
        Self::of(self.job(), merged(&groups))
    }

    /// The addresses of its targets.
    pub(in crate::core) fn addresses(&self) -> BTreeSet<Cow<'_, str>> {
        let addresses = self.groups().filter_map(|group| group.targets);
        addresses.flatten().map(|address| address.0).collect()
    }

    /// Its targets, to be looked up.
    pub(in crate::core) fn index(&self) -> Index<'_> {
        let mut groups = BTreeMap::<_, HashSet<_>>::new();
        for ReadGroup { targets, labels } in self.groups() {
            let labels = labels.map(|labels| labels.others).unwrap_or_default();
            let addresses = targets.into_iter().flatten().map(|address| address.0);
            groups.entry(labels).or_default().extend(addresses);
        }
        Index(groups)
    }

    pub(super) fn groups(&self) -> impl Iterator<Item = ReadGroup<'_>> {
        // A group stands on a line of its own: in JSON no text has the end of a line.
        self.text().lines().map(|line| {
            serde_json::from_str(line.trim_end_matches(',')).unwrap_or_else(|error| {
                unreachable!("what was rendered is a list of groups: {error}")
            })
        })
    }
}

/// The targets of a piece: their addresses by their labels.
#[derive(Debug)]
pub(in crate::core) struct Index<'p>(BTreeMap<Labels, HashSet<Cow<'p, str>>>);

impl Index<'_> {
    /// Whether any of these addresses is there under these labels.
    pub(in crate::core) fn has_any<'a>(
        &self,
        labels: Option<&Labels>,
        mut addresses: impl Iterator<Item = &'a str>,
    ) -> bool {
        let of_labels = match labels {
            Some(labels) => self.0.get(labels),
            None => self.0.get(&Labels::new()),
        };
        of_labels.is_some_and(|group| addresses.any(|address| group.contains(address)))
    }
}

/// The groups of one job, those with the same labels as one.
pub(super) fn merged<'g>(groups: &'g [ReadGroup<'_>]) -> Groups<'g> {
    let mut merged = Groups::new();
    for group in groups {
        group.add_to(&mut merged);
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let document = Document::parse(text.as_bytes()).expect(text);
        assert_eq!(String::from_utf8(document.to_vec()).expect("UTF-8"), expected);
    }

    #[test]
    fn a_document_of_ours_is_read_back_to_the_same_bytes() {
        for text in [
            "[]\n",
            "[\n{\"targets\":[\"h:1\",\"h:2\"],\"labels\":{\"job\":\"a\"}},\n\
             {\"targets\":[\"h:1\"],\"labels\":{\"job\":\"a\",\"env\":\"q\\\"\\u0085\"}},\n\
             {\"targets\":[\"h:1\"],\"labels\":{\"job\":\"b\"}}\n]\n",
        ] {
            check(text, text);
        }
    }

    #[test]
    fn whatever_prometheus_reads_the_same_way_makes_the_same_document() {
        let ours = "[\n{\"targets\":[\"h:3\"],\"labels\":{}},\n\
                    {\"targets\":[\"h:1\",\"h:2\"],\"labels\":{\"job\":\"a\"}}\n]\n";
        check(
            r#" [ { "labels": {"job": "a"}, "targets": ["h:2", "h:1", "h:2"] },
                  { "targets": ["h:3"] }, { "targets": [], "labels": {"job": "b"} },
                  { "targets": null, "labels": null } ] "#,
            ours,
        );
        check("null", "[]\n");
    }

    #[test]
    fn keeping_old_targets_brings_back_no_old_labels_of_those_that_stay() {
        let piece = |text: &str| {
            let document = Document::parse(text.as_bytes()).expect(text);
            document.pieces().next().expect("a job").clone()
        };
        let old = piece(
            r#"[{"targets":["h:1","h:2"],"labels":{"job":"a","env":"old"}},
                {"targets":["h:3","h:2"],"labels":{"job":"a"}}]"#,
        );
        let new = piece(
            r#"[{"targets":["h:1","h:4"],"labels":{"job":"a","env":"new"}},
                {"targets":["h:5"],"labels":{"job":"a","env":"old"}}]"#,
        );
        let both = piece(
            r#"[{"targets":["h:1","h:4"],"labels":{"job":"a","env":"new"}},
                {"targets":["h:5","h:2"],"labels":{"job":"a","env":"old"}},
                {"targets":["h:3","h:2"],"labels":{"job":"a"}}]"#,
        );
        assert!(new.keeping(&old).same_bytes(&both), "{}", new.keeping(&old).text());
        assert!(new.keeping(&new).same_bytes(&new));
        let addresses: Vec<_> = both.addresses().into_iter().collect();
        assert_eq!(addresses, ["h:1", "h:2", "h:3", "h:4", "h:5"]);
    }

    #[test]
    fn what_prometheus_refuses_is_no_document_and_its_text_is_not_repeated() {
        for text in [
            "",
            "{}",
            "[null]",
            "[{\"targets\":[\"h:1\"]}",
            "[{\"targets\":[\"h:1\"],\"secret\":\"secret\"}]",
            "[{\"targets\":[\"h:1\"],\"labels\":{\"secret\":1}}]",
            "- targets: ['secret:1']\n",
        ] {
            let error = Document::parse(text.as_bytes()).expect_err(text);
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        assert!(Document::parse(b"\xff").is_err());
    }
}
