//! Reading documents back: the file on disk, whoever wrote it, and pieces of our own.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
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
    labels: Option<Labels>,
}

/// Copied only if it has escapes.
#[derive(Deserialize)]
struct Text<'d>(#[serde(borrow)] Cow<'d, str>);

impl ReadGroup<'_> {
    /// Adds this group, which has no job among its labels, to those of its job.
    pub(super) fn add_to<'g>(&'g self, groups: &mut Groups<'g>) {
        let labels = self.labels.as_ref().filter(|labels| !labels.is_empty());
        let addresses = self.targets.iter().flatten().map(|address| address.0.as_ref());
        groups.entry(labels).or_default().extend(addresses);
    }

    /// The label `job`, or nothing.
    fn take_job(&mut self) -> Box<str> {
        self.labels.as_mut().and_then(|labels| labels.remove("job")).unwrap_or_default()
    }
}

impl Document {
    /// Reads a target file, in whatever order and with whatever white space. It comes from
    /// no revision.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoDocument> {
        let groups: Vec<ReadGroup<'_>> = serde_json::from_slice(bytes)
            .map_err(|error| NoDocument { line: error.line(), column: error.column() })?;
        let mut jobs: BTreeMap<Box<str>, Vec<ReadGroup<'_>>> = BTreeMap::new();
        for mut group in groups {
            jobs.entry(group.take_job()).or_default().push(group);
        }
        let mut document = Self::new(Revision(0));
        for (job, groups) in jobs {
            let mut of_job = Groups::new();
            for group in &groups {
                group.add_to(&mut of_job);
            }
            document.push(&Piece::of(&job, of_job));
        }
        Ok(document)
    }
}

impl Piece {
    /// Its groups, without the job among their labels.
    pub(super) fn groups(&self) -> impl Iterator<Item = ReadGroup<'_>> {
        // A group stands on a line of its own: in JSON no text has the end of a line.
        self.text().lines().map(|line| {
            let mut group: ReadGroup<'_> = serde_json::from_str(line.trim_end_matches(','))
                .unwrap_or_else(|error| {
                    unreachable!("what was rendered is a list of groups: {error}")
                });
            group.take_job();
            group
        })
    }
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
    }

    #[test]
    fn what_prometheus_refuses_is_no_document_and_its_text_is_not_repeated() {
        for text in [
            "",
            "null",
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
