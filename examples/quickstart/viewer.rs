//! The target file, shown whenever it differs from what was shown before.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use crate::console::{Console, Who};
use crate::journal::Journal;
use crate::table::Table;

/// How often the file is read.
pub(crate) const PERIOD: Duration = Duration::from_millis(20);

/// After a change in etcd the daemon has written the file by then: what differs later is
/// somebody else's work.
const SETTLED: Duration = Duration::from_secs(1);

/// Who reads the file, as Prometheus does.
pub(crate) struct Viewer {
    path: PathBuf,
    warnings: Receiver<Vec<String>>,
    seen: Option<Vec<u8>>,
    /// What the daemon wrote last.
    good: Option<Vec<u8>>,
    table: Table,
    /// Since when the file has not been as the daemon left it.
    spoiled: Option<Instant>,
    pub(crate) writes: usize,
}

impl Viewer {
    pub(crate) fn new(path: PathBuf, warnings: Receiver<Vec<String>>) -> Self {
        Self {
            path,
            warnings,
            seen: None,
            good: None,
            table: Table::default(),
            spoiled: None,
            writes: 0,
        }
    }

    /// Of the file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the file, and shows it if it differs; then what the daemon has to say to that.
    pub(crate) fn look(&mut self, journal: &Journal, console: &Console) {
        // What can't be read is no file to whoever wants its targets.
        let bytes = fs::read(&self.path).ok();
        if bytes != self.seen {
            console.entry(Who::File, &self.describe(bytes.as_deref(), journal));
            self.seen = bytes;
        }
        for lines in self.warnings.try_iter() {
            console.entry(Who::Daemon, &lines);
        }
    }

    fn describe(&mut self, bytes: Option<&[u8]>, journal: &Journal) -> Vec<String> {
        let now = Instant::now();
        let table = match bytes.map(|bytes| (bytes, Table::parse(bytes))) {
            Some((_, Ok(table))) => table,
            bad => {
                self.spoiled.get_or_insert(now);
                return vec![match bad {
                    None => "gone".into(),
                    Some(([], _)) => "emptied: 0 bytes".into(),
                    Some((bytes, _)) => format!("spoiled: {} bytes that are no table", bytes.len()),
                }];
            }
        };
        let before = std::mem::replace(&mut self.table, table);
        let age = journal.last_change.get().map(|change| now - change);
        let spoiled = self.spoiled.take();
        let how = match (spoiled, age) {
            (Some(since), _) if bytes == self.good.as_deref() => {
                format!("healed after {}", seconds(now - since))
            }
            (_, Some(age)) if age <= SETTLED => {
                format!("written {} after the last change", seconds(age))
            }
            _ => {
                self.spoiled = spoiled.or(Some(now));
                "changed by hand".into()
            }
        };
        if self.spoiled.is_none() {
            self.good = bytes.map(Into::into);
            self.writes += 1;
        }
        let mut lines = vec![format!("{how}: {}", self.table.summary(&before))];
        if self.table != before {
            lines.extend(self.table.rows(&before));
        }
        lines
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f32())
}
