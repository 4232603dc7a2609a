//! Rendering: the bytes of the target file, a pure function of the entries.
//!
//! A JSON array with one target group a line, groups ascending by job and then labels,
//! targets ascending and each once, `[]` if there is none. Equal entries make equal bytes on
//! every host. The document is held in pieces, one a service: documents share the pieces in
//! which they don't differ, so a change costs the rendering of its service alone.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::ser::{CompactFormatter, Formatter};

use super::event::Revision;
use super::value::{Labels, Target};

const OPEN: &[u8] = b"[\n";
const BETWEEN: &[u8] = b",\n";
const CLOSE: &[u8] = b"\n]\n";
const EMPTY: &[u8] = b"[]\n";

/// What the target file should hold as of one revision.
#[derive(Clone, Debug)]
pub struct Document {
    revision: Revision,
    pieces: Vec<Arc<[u8]>>,
    bytes: usize,
    targets: usize,
}

impl Document {
    /// The document without any group.
    #[must_use]
    pub fn new(revision: Revision) -> Self {
        Self { revision, pieces: Vec::new(), bytes: 0, targets: 0 }
    }

    /// Adds a service; services come in ascending order.
    pub fn push(&mut self, piece: &Piece) {
        if piece.targets > 0 {
            self.bytes += piece.bytes.len();
            self.targets += piece.targets;
            self.pieces.push(Arc::clone(&piece.bytes));
        }
    }

    /// The revision of etcd that it shows.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// How many services have a group in it.
    #[must_use]
    pub fn services(&self) -> usize {
        self.pieces.len()
    }

    /// How many targets are in it, each counted once a group.
    #[must_use]
    pub fn targets(&self) -> usize {
        self.targets
    }

    /// Its length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        if self.pieces.is_empty() {
            return EMPTY.len();
        }
        OPEN.len() + self.bytes - BETWEEN.len() + CLOSE.len()
    }

    /// Whether it has no group; it still has bytes then: `[]`.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Its bytes, in slices to be written one after the other.
    pub fn chunks(&self) -> impl Iterator<Item = &[u8]> {
        let last = self.pieces.len().saturating_sub(1);
        let pieces = self.pieces.iter().enumerate().map(move |(index, piece)| {
            // Each piece ends with the separator, which the last one must not have.
            if index == last { &piece[..piece.len() - BETWEEN.len()] } else { piece }
        });
        let (open, close) = if self.is_empty() { (EMPTY, &[][..]) } else { (OPEN, CLOSE) };
        std::iter::once(open).chain(pieces).chain(std::iter::once(close))
    }

    /// Its bytes as a whole: a copy.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        self.chunks().collect::<Vec<_>>().concat()
    }

    /// Whether `other` has the same bytes. Shared pieces are not looked into.
    #[must_use]
    pub fn same_bytes(&self, other: &Self) -> bool {
        // A piece holds all groups of its job and nothing else, so equal bytes fall into
        // equal pieces.
        self.bytes == other.bytes
            && self.pieces.len() == other.pieces.len()
            && self.pieces.iter().zip(&other.pieces).all(|(a, b)| Arc::ptr_eq(a, b) || a == b)
    }
}

/// The groups of one service, each followed by the separator.
#[derive(Clone, Debug)]
pub struct Piece {
    bytes: Arc<[u8]>,
    targets: usize,
}

impl Piece {
    /// Renders the groups of `job`: one for each set of labels among `targets`.
    pub fn render<'t>(job: &str, targets: impl Iterator<Item = &'t Target>) -> Self {
        let mut groups: BTreeMap<Option<&Labels>, Vec<&str>> = BTreeMap::new();
        for target in targets {
            let addresses = target.addresses().iter().map(AsRef::as_ref);
            groups.entry(target.labels()).or_default().extend(addresses);
        }
        let mut bytes = Vec::new();
        let mut count = 0;
        for (labels, mut addresses) in groups {
            addresses.sort_unstable();
            addresses.dedup();
            count += addresses.len();
            let group = Group { targets: &addresses, labels: GroupLabels { job, labels } };
            let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, Printable);
            group.serialize(&mut serializer).unwrap_or_else(|error| {
                unreachable!("texts and maps of texts are always JSON: {error}")
            });
            bytes.extend_from_slice(BETWEEN);
        }
        Self { bytes: bytes.into(), targets: count }
    }
}

#[derive(Serialize)]
struct Group<'g> {
    targets: &'g [&'g str],
    labels: GroupLabels<'g>,
}

struct GroupLabels<'g> {
    job: &'g str,
    labels: Option<&'g Labels>,
}

impl Serialize for GroupLabels<'_> {
    /// `job` stands first, the others ascend by name.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("job", self.job)?;
        for (name, value) in self.labels.into_iter().flatten() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// Compact JSON that is YAML too, since Prometheus reads a target file named `*.yml` as
/// YAML: the characters that YAML forbids, or takes for the end of a line, are escaped. One
/// such character in one label would else make Prometheus refuse the whole file.
struct Printable;

impl Formatter for Printable {
    fn write_string_fragment<W>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()>
    where
        W: ?Sized + Write,
    {
        let mut rest = fragment;
        while let Some((at, special)) = rest.char_indices().find(|&(_, c)| needs_escape(c)) {
            CompactFormatter.write_string_fragment(writer, &rest[..at])?;
            write!(writer, "\\u{:04x}", u32::from(special))?;
            rest = &rest[at + special.len_utf8()..];
        }
        CompactFormatter.write_string_fragment(writer, rest)
    }
}

fn needs_escape(c: char) -> bool {
    matches!(
        c,
        '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::value;

    fn target(value: &str) -> Target {
        value::parse(value.as_bytes()).expect("a target")
    }

    fn document(services: &[(&str, &[&str])]) -> Document {
        let mut document = Document::new(Revision(1));
        for (job, values) in services {
            let targets: Vec<_> = values.iter().map(|value| target(value)).collect();
            document.push(&Piece::render(job, targets.iter()));
        }
        document
    }

    fn check(services: &[(&str, &[&str])], expected: &str) {
        let document = document(services);
        assert_eq!(String::from_utf8(document.to_vec()).expect("UTF-8"), expected);
        assert_eq!(document.len(), expected.len());
    }

    #[test]
    fn no_group_is_an_empty_array_and_never_null_or_nothing() {
        check(&[], "[]\n");
        check(&[("a", &[])], "[]\n");
    }

    #[test]
    fn one_group_stands_on_a_line_with_its_targets_sorted_and_each_once() {
        check(
            &[("node_exporter", &["10.0.34.12:32535", "10.0.33.1:54423", "10.0.34.12:32535"])],
            "[\n{\"targets\":[\"10.0.33.1:54423\",\"10.0.34.12:32535\"],\"labels\":{\"job\":\"node_exporter\"}}\n]\n",
        );
    }

    #[test]
    fn instances_with_different_labels_fall_into_groups_sorted_by_job_and_then_labels() {
        check(
            &[
                (
                    "a",
                    &[
                        r#"{"address":"h:3","labels":{"env":"b"}}"#,
                        r#"{"targets":["h:2","h:1"],"labels":{"env":"a","dc":"x"}}"#,
                        "h:4",
                        r#"{"address":"h:5","labels":{"env":"b"}}"#,
                    ],
                ),
                ("b", &["h:4"]),
            ],
            concat!(
                "[\n",
                "{\"targets\":[\"h:4\"],\"labels\":{\"job\":\"a\"}},\n",
                "{\"targets\":[\"h:1\",\"h:2\"],\"labels\":{\"job\":\"a\",\"dc\":\"x\",\"env\":\"a\"}},\n",
                "{\"targets\":[\"h:3\",\"h:5\"],\"labels\":{\"job\":\"a\",\"env\":\"b\"}},\n",
                "{\"targets\":[\"h:4\"],\"labels\":{\"job\":\"b\"}}\n",
                "]\n",
            ),
        );
    }

    #[test]
    fn what_yaml_can_not_read_is_escaped_and_means_the_same() {
        let job = "q\"\\\n\u{7f}\u{85}\u{2028}\u{feff}ü☃\u{1f600}\u{1}";
        let text = String::from_utf8(document(&[(job, &["h:1"])]).to_vec()).expect("UTF-8");
        assert!(text.contains(r#"q\"\\\n\u007f\u0085\u2028\ufeffü☃😀\u0001"#), "{text}");
        let parsed: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(parsed[0]["labels"]["job"], job);
    }

    #[test]
    fn documents_are_the_same_if_their_bytes_are() {
        let one = document(&[("a", &["h:1"]), ("b", &["h:2"])]);
        assert!(one.same_bytes(&one.clone()));
        assert!(one.same_bytes(&document(&[("a", &["h:1"]), ("b", &["h:2"])])));
        assert!(!one.same_bytes(&document(&[("a", &["h:1"]), ("b", &["h:3"])])));
        assert!(!one.same_bytes(&document(&[("a", &["h:1"])])));
        assert_eq!((one.targets(), one.services()), (2, 2));
    }
}
