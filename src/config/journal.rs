//! The journal's arguments.

use std::path::PathBuf;

use clap::Args;

use super::parse;
use crate::core::history::Moment;
use crate::history::JournalSettings;

/// What becomes of each target, written down.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Journal")]
pub struct JournalArgs {
    /// Write each change of a target to this file, one JSON line each; etcd-sd history reads it
    ///
    /// When, which key, what it was, what it is, why, and which publish carried it; never the
    /// values of the registry. Publishing never waits for it: while it can't be written, that is
    /// said, and changes that can't be kept are counted.
    #[arg(long, value_name = "PATH", env = "ETCD_SD_JOURNAL")]
    pub journal: Option<PathBuf>,

    /// How large the journal may become before it is renamed to PATH.1, and that to PATH.2
    #[arg(long, value_name = "SIZE", env = "ETCD_SD_JOURNAL_MAX_SIZE", default_value = "64MiB",
          value_parser = parse::size)]
    pub journal_max_size: u64,

    /// How many of those stay
    #[arg(long, value_name = "NUMBER", env = "ETCD_SD_JOURNAL_KEEP", default_value_t = 4,
          value_parser = parse::keep)]
    pub journal_keep: usize,
}

impl JournalArgs {
    pub(super) fn settings(self) -> Option<JournalSettings> {
        let Self { journal, journal_max_size: max_size, journal_keep: keep } = self;
        let path = journal.filter(|path| !path.as_os_str().is_empty())?;
        Some(JournalSettings { path, max_size, keep })
    }
}

/// What to show of a journal.
#[derive(Clone, Debug, Args)]
pub struct HistoryArgs {
    /// The journal, as the daemon was told to write it; PATH.1 and so on are read as well
    #[arg(long, value_name = "PATH", env = "ETCD_SD_JOURNAL")]
    pub journal: PathBuf,

    /// Only changes of this service
    #[arg(long, value_name = "SERVICE")]
    pub service: Option<String>,

    /// Only changes of the instances of this name
    #[arg(long, value_name = "INSTANCE")]
    pub instance: Option<String>,

    /// Only changes that came or were published from then on: so long ago, such as 1h, or at a
    /// time, such as 2026-01-02T03:04:05Z
    #[arg(long, value_name = "WHEN", value_parser = parse::moment)]
    pub since: Option<Moment>,

    /// Only changes up to then, said the same way
    #[arg(long, value_name = "WHEN", value_parser = parse::moment)]
    pub until: Option<Moment>,

    /// Only the last so many
    #[arg(long, value_name = "NUMBER")]
    pub limit: Option<usize>,

    /// Print the lines as they are in the journal
    #[arg(long)]
    pub json: bool,
}
