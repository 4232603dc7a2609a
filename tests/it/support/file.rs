//! The target file, read as Prometheus reads it.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use tempfile::TempDir;

use super::backend::Etcd;
use super::wait::{SOON, eventually};

/// A target group as Prometheus 2 takes it: an unknown field or a label that is
/// no string fails the whole file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Group {
    pub(crate) targets: Vec<String>,
    pub(crate) labels: BTreeMap<String, String>,
}

/// A target file's path.
pub(crate) struct TargetFile {
    path: PathBuf,
    /// Ends with the test.
    _directory: Option<TempDir>,
}

/// What tells one write of a file from the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    inode: u64,
    modified: (i64, i64),
    changed: (i64, i64),
    length: u64,
}

impl TargetFile {
    /// In an empty directory of its own; there is no file yet.
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { path: directory.path().join("targets.json"), _directory: Some(directory) }
    }

    /// In a directory that is somebody else's.
    pub(crate) fn at(path: PathBuf) -> Self {
        Self { path, _directory: None }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn directory(&self) -> &Path {
        self.path.parent().unwrap()
    }

    /// The bytes, if there is a file.
    pub(crate) fn read(&self) -> Option<String> {
        match fs::read(&self.path) {
            Ok(bytes) => Some(String::from_utf8(bytes).expect("a document in UTF-8")),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => panic!("{}: {error}", self.path.display()),
        }
    }

    /// The groups that Prometheus would take.
    pub(crate) fn groups(&self) -> Vec<Group> {
        let text = self.read().expect("a target file");
        parse(text.as_bytes()).unwrap_or_else(|why| panic!("{why}:\n{text}"))
    }

    /// Writes in place, as someone with an editor might.
    pub(crate) fn write(&self, text: &str) {
        fs::write(&self.path, text).unwrap();
    }

    pub(crate) fn stamp(&self) -> Stamp {
        let metadata = fs::metadata(&self.path).unwrap();
        Stamp {
            inode: metadata.ino(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            length: metadata.len(),
        }
    }

    /// The permission bits.
    pub(crate) fn mode(&self) -> u32 {
        fs::metadata(&self.path).unwrap().mode() & 0o7777
    }

    /// Waits until the file holds exactly this.
    pub(crate) async fn becomes(&self, document: &str, within: Duration) {
        eventually(within, "the target file is right", async || {
            self.differs_from(document).map_or(Ok(()), Err)
        })
        .await;
    }

    /// Waits until the file holds what the registry holds now.
    pub(crate) async fn follows(&self, etcd: &Etcd) {
        self.becomes(&etcd.document(), SOON).await;
    }

    /// Says how the file differs from a document, if it does.
    pub(crate) fn differs_from(&self, document: &str) -> Option<String> {
        let Some(text) = self.read() else {
            return Some("there is no file".to_owned());
        };
        if text == document {
            return None;
        }
        let first = |a: &str, b: &str| {
            a.lines()
                .find(|line| !b.lines().any(|other| other == *line))
                .map(|line| line.chars().take(300).collect::<String>())
        };
        Some(format!(
            "{} bytes, not {}; first line too many: {:?}; first line missing: {:?}",
            text.len(),
            document.len(),
            first(&text, document),
            first(document, &text),
        ))
    }
}

/// Parses a document with Prometheus' rules, or says what Prometheus would
/// stumble over: at the parse, at the scrape, or as an empty list by accident.
pub(crate) fn parse(document: &[u8]) -> Result<Vec<Group>, String> {
    let groups: Vec<Group> =
        serde_json::from_slice(document).map_err(|error| format!("no target groups: {error}"))?;
    for group in &groups {
        if group.targets.is_empty() {
            return Err(format!("a group without targets: {group:?}"));
        }
        for target in &group.targets {
            let port = target.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
            if target.contains('/') || !matches!(port, Some(Ok(1..))) {
                return Err(format!("not host:port: {target:?}"));
            }
        }
        if let Some(name) = group.labels.keys().find(|name| !is_label_name(name)) {
            return Err(format!("not a label name: {name:?}"));
        }
    }
    Ok(groups)
}

/// Prometheus 2's `[a-zA-Z_][a-zA-Z0-9_]*`.
fn is_label_name(name: &str) -> bool {
    let legal = |c: char| c == '_' || c.is_ascii_alphanumeric();
    name.chars().all(legal) && name.starts_with(|c: char| !c.is_ascii_digit())
}
