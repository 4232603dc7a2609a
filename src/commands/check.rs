//! `etcd-sd check`: the registry in numbers, and every entry that is quarantined, with its reason.

use std::io::{self, Write};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Serialize, Serializer};

use super::read::read;
use super::{BAD_ENTRY, Error, count, print};
use crate::actors::reader::Reading;
use crate::config::CheckArgs;
use crate::core::quarantine::Quarantine;
use crate::core::render::Joined;
use crate::core::schema::Schema;
use crate::core::summary::{SourceSummary, Summary};
use crate::telemetry::Foreign;

pub(super) async fn run(args: CheckArgs) -> Result<i32, Error> {
    let CheckArgs { json, reading } = args;
    let registries = reading.registries()?;
    let report = Report::of(&registries.sources, read(&registries).await?);
    print(|out| if json { report.write_json(out) } else { report.write_text(out) })?;
    Ok(if report.summary.quarantined == 0 { 0 } else { BAD_ENTRY })
}

/// What is printed.
struct Report {
    summary: Summary,
    sources: Vec<(Arc<Schema>, SourceSummary)>,
    /// Ascending by key.
    quarantined: Vec<Quarantine>,
}

impl Report {
    fn of(schemas: &[Arc<Schema>], readings: Vec<Reading>) -> Self {
        let (mut documents, mut summaries, mut quarantined) = (Vec::new(), Vec::new(), Vec::new());
        for reading in readings {
            documents.push(reading.document);
            summaries.push(reading.summary);
            quarantined.extend(reading.quarantined);
        }
        quarantined.sort_by(|one, other| one.key.cmp(&other.key));
        let summary = Summary::of(&summaries, &Joined::default().merge(&documents));
        Self { summary, sources: schemas.iter().cloned().zip(summaries).collect(), quarantined }
    }

    fn write_text(&self, out: &mut dyn Write) -> io::Result<()> {
        let Summary { revision, keys, services, groups, targets, quarantined, ignored, bytes } =
            self.summary;
        let mut line = |name: &str, text: String| writeln!(out, "{name:<12} {text}");
        line("revision", revision.to_string())?;
        line("keys", keys.to_string())?;
        line("services", services.to_string())?;
        line("targets", format!("{targets} in {}", count(groups, "group")))?;
        line("quarantined", quarantined.to_string())?;
        line("ignored", ignored.to_string())?;
        line("document", count(bytes, "byte"))?;
        if self.sources.len() > 1 {
            for (schema, source) in &self.sources {
                let SourceSummary { revision, keys, quarantined, ignored } = source;
                let text = format!(
                    "{}: revision {revision}, {}, {quarantined} quarantined, {ignored} ignored",
                    schema.pattern.as_str(),
                    count(*keys, "key"),
                );
                line("source", text)?;
            }
        }
        if quarantined > 0 {
            writeln!(out)?;
        }
        for Quarantine { key, reason, keeps_last_good, .. } in &self.quarantined {
            let kept = if *keeps_last_good { " (its last good target stays)" } else { "" };
            writeln!(out, "{}: {reason}{kept}", Foreign(key))?;
        }
        Ok(())
    }

    fn write_json(&self, out: &mut dyn Write) -> io::Result<()> {
        let Summary { revision, keys, services, groups, targets, quarantined, ignored, bytes } =
            self.summary;
        let sources = self.sources.iter().map(|(schema, source)| JsonSource {
            key_pattern: schema.pattern.as_str(),
            value_format: schema.format.name(),
            revision: source.revision.0,
            keys: source.keys,
            quarantined: source.quarantined,
            ignored: source.ignored,
        });
        let report = JsonReport {
            revision: revision.0,
            keys,
            services,
            groups,
            targets,
            quarantined,
            ignored,
            bytes,
            sources: sources.collect(),
            quarantined_entries: &self.quarantined,
        };
        serde_json::to_writer(&mut *out, &report)?;
        writeln!(out)
    }
}

/// The names are an interface: fields may be added, none is renamed or removed.
#[derive(Serialize)]
struct JsonReport<'r> {
    revision: i64,
    keys: usize,
    services: usize,
    groups: usize,
    targets: usize,
    quarantined: usize,
    ignored: usize,
    bytes: usize,
    sources: Vec<JsonSource<'r>>,
    #[serde(serialize_with = "one_by_one")]
    quarantined_entries: &'r [Quarantine],
}

#[derive(Serialize)]
struct JsonSource<'r> {
    key_pattern: &'r str,
    value_format: &'r str,
    revision: i64,
    keys: usize,
    quarantined: usize,
    ignored: usize,
}

#[derive(Serialize)]
struct JsonEntry {
    key: String,
    /// For keys that JSON has no text for.
    #[serde(skip_serializing_if = "Option::is_none")]
    key_base64: Option<String>,
    mod_revision: i64,
    reason: String,
    keeps_last_good: bool,
}

impl JsonEntry {
    fn of(quarantine: &Quarantine) -> Self {
        let Quarantine { key, mod_revision, reason, keeps_last_good } = quarantine;
        let is_text = str::from_utf8(key).is_ok();
        Self {
            key: String::from_utf8_lossy(key).into_owned(),
            key_base64: (!is_text).then(|| STANDARD.encode(key)),
            mod_revision: mod_revision.0,
            reason: reason.to_string(),
            keeps_last_good: *keeps_last_good,
        }
    }
}

fn one_by_one<S: Serializer>(entries: &&[Quarantine], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(entries.iter().map(JsonEntry::of))
}
