//! Lines of a journal: one JSON object for each change, and a few notes between them.
//!
//! ```json
//! {"time":"2026-01-02T03:04:05.678Z","revision":7,"service":"web","instance":"1",
//!  "key":"/services/web/1","before":{"targets":["h:1"],"labels":{}},"after":null,
//!  "cause":"delete","publish":{"number":3,"time":"2026-01-02T03:04:05.901Z","revision":8}}
//! ```

use std::collections::BTreeMap;

use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};

use super::{Carried, Millis, Recorded};
use crate::core::value::{Labels, Target};

impl Serialize for Carried {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("publish", 3)?;
        fields.serialize_field("number", &self.number)?;
        fields.serialize_field("time", &self.time)?;
        fields.serialize_field("revision", &self.revision.0)?;
        fields.end()
    }
}

struct Shown<'t>(&'t Target);

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("target", 2)?;
        fields.serialize_field("targets", self.0.addresses())?;
        match self.0.labels() {
            Some(labels) => fields.serialize_field("labels", labels)?,
            None => fields.serialize_field("labels", &Labels::new())?,
        }
        fields.end()
    }
}

impl Serialize for Recorded {
    /// As a line of a journal has it.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { change, publish } = self;
        let mut fields = serializer.serialize_struct("change", 9)?;
        fields.serialize_field("time", &change.time)?;
        fields.serialize_field("revision", &change.revision.0)?;
        fields.serialize_field("service", &change.service)?;
        fields.serialize_field("instance", &change.instance)?;
        fields.serialize_field("key", &change.key)?;
        fields.serialize_field("before", &change.before.as_ref().map(Shown))?;
        fields.serialize_field("after", &change.after.as_ref().map(Shown))?;
        fields.serialize_field("cause", change.cause.name())?;
        fields.serialize_field("publish", publish)?;
        fields.end()
    }
}

/// What a journal says beside the changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "note", rename_all = "snake_case")]
pub enum Note {
    /// A process begins to write. What happened between its predecessor's end and its first
    /// list is in no line.
    Started {
        /// Of the program.
        version: String,
    },
    /// The first complete list of a source: what changes come after. Its entries have no lines.
    Listed {
        /// The prefix of the source.
        prefix: String,
        /// Of the list.
        revision: i64,
        /// How many targets there are.
        targets: usize,
    },
    /// So many changes have no line: they came more quickly than they could be written.
    Dropped {
        /// How many.
        changes: u64,
    },
    /// The process has ended as it should.
    Stopped,
}

/// A line, read back.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Line {
    /// A change.
    Change(Box<Outline>),
    /// A note, of one kind or another.
    Note {
        /// When, in RFC 3339.
        time: String,
        /// What it says.
        #[serde(flatten)]
        note: Note,
    },
}

/// A change, as a line tells of it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Outline {
    /// When the registry took it, in RFC 3339.
    pub time: String,
    /// The revision that did it.
    pub revision: i64,
    /// The label `job`.
    pub service: String,
    /// Which of its instances.
    pub instance: String,
    /// The whole key.
    pub key: String,
    /// What was there before.
    pub before: Option<OutlinedTarget>,
    /// What is there now.
    pub after: Option<OutlinedTarget>,
    /// The [name](super::Cause::name) of the cause.
    pub cause: String,
    /// The publish that carried it.
    pub publish: Option<OutlinedPublish>,
}

/// A target, as a line tells of it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct OutlinedTarget {
    /// Its addresses.
    pub targets: Vec<String>,
    /// Its labels, without `job`.
    pub labels: BTreeMap<String, String>,
}

/// A publish, as a line tells of it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct OutlinedPublish {
    /// Counts the publishes of a process.
    pub number: u64,
    /// When, in RFC 3339.
    pub time: String,
    /// Of its document.
    pub revision: i64,
}

impl Recorded {
    /// Appends its line, with the end of it.
    pub fn write_line(&self, out: &mut Vec<u8>) {
        write_line(self, out);
    }
}

impl Note {
    /// Appends its line, with the end of it.
    pub fn write_line(&self, time: Millis, out: &mut Vec<u8>) {
        #[derive(Serialize)]
        struct Timed<'n> {
            time: Millis,
            #[serde(flatten)]
            note: &'n Note,
        }
        write_line(&Timed { time, note: self }, out);
    }
}

fn write_line(line: &impl Serialize, out: &mut Vec<u8>) {
    serde_json::to_writer(&mut *out, line)
        .unwrap_or_else(|error| unreachable!("texts and numbers are always JSON: {error}"));
    out.push(b'\n');
}

impl Line {
    /// Reads a line; `None` if it is none of a journal.
    #[must_use]
    pub fn parse(line: &[u8]) -> Option<Self> {
        serde_json::from_slice(line).ok()
    }
}

/// Whether this is a line of a journal, be it of a later version of the program.
#[must_use]
pub fn is_line(line: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Marks {
        time: String,
        note: Option<serde::de::IgnoredAny>,
        cause: Option<serde::de::IgnoredAny>,
        key: Option<serde::de::IgnoredAny>,
    }
    serde_json::from_slice::<Marks>(line).is_ok_and(|marks| {
        let is_change = marks.cause.is_some() && marks.key.is_some();
        Millis::parse(&marks.time).is_some() && (marks.note.is_some() || is_change)
    })
}
