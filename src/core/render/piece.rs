//! One service's share of the document.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::ser::{CompactFormatter, Formatter};

use super::{BETWEEN, Document};
use crate::core::event::Revision;
use crate::core::value::{Labels, Target};

/// The groups of one service, each followed by the separator. Copies share the bytes.
#[derive(Clone, Debug)]
pub struct Piece(Arc<Inner>);

/// One allocation for all text: there may be a million services of one instance.
#[derive(Debug)]
struct Inner {
    /// The job, and right after it the groups.
    text: Box<str>,
    job: usize,
    targets: usize,
}

/// Addresses by their labels without the job; `None` stands for no labels.
pub(super) type Groups<'g> = BTreeMap<Option<&'g Labels>, Vec<&'g str>>;

impl Piece {
    /// Renders the groups of `job`: one for each set of labels among `targets`.
    pub fn render<'t>(job: &str, targets: impl Iterator<Item = &'t Target>) -> Self {
        let mut groups = Groups::new();
        for target in targets {
            let addresses = target.addresses().iter().map(AsRef::as_ref);
            groups.entry(target.labels()).or_default().extend(addresses);
        }
        Self::of(job, groups)
    }

    /// Renders these groups of `job`; the empty job stands for groups without that label.
    pub(super) fn of(job: &str, groups: Groups<'_>) -> Self {
        let mut bytes = job.as_bytes().to_vec();
        let mut count = 0;
        for (labels, mut addresses) in groups {
            addresses.sort_unstable();
            addresses.dedup();
            if addresses.is_empty() {
                continue;
            }
            count += addresses.len();
            let group = Group { targets: &addresses, labels: GroupLabels { job, labels } };
            let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, Printable);
            group.serialize(&mut serializer).unwrap_or_else(|error| {
                unreachable!("texts and maps of texts are always JSON: {error}")
            });
            bytes.extend_from_slice(BETWEEN);
        }
        let text = String::from_utf8(bytes)
            .unwrap_or_else(|error| unreachable!("JSON of texts is UTF-8: {error}"));
        Self(Arc::new(Inner { text: text.into(), job: job.len(), targets: count }))
    }

    /// The service; empty in groups of another program that have no job.
    #[must_use]
    pub fn job(&self) -> &str {
        &self.0.text[..self.0.job]
    }

    /// How many targets are in it, each counted once a group.
    #[must_use]
    pub fn targets(&self) -> usize {
        self.0.targets
    }

    /// The document of this service alone.
    #[must_use]
    pub fn alone(&self, revision: Revision) -> Document {
        let mut document = Document::new(revision);
        document.push(self);
        document
    }

    /// The groups.
    pub(super) fn text(&self) -> &str {
        &self.0.text[self.0.job..]
    }

    /// Whether `other` is a copy of it.
    pub(in crate::core) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether `other` has the same bytes. Copies are not looked into.
    #[must_use]
    pub fn same_bytes(&self, other: &Self) -> bool {
        self.is(other) || (self.0.job == other.0.job && self.0.text == other.0.text)
    }

    /// Which of the two stands first in a document.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        if self.is(other) { Ordering::Equal } else { self.job().cmp(other.job()) }
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
        if !self.job.is_empty() {
            map.serialize_entry("job", self.job)?;
        }
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
