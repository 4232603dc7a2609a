//! The commands beside the daemon: they read and print, and write nothing.
//!
//! | module | holds |
//! |---|---|
//! | `explain` | what becomes of one key and its value |
//! | `check` | the registry in numbers, and what is quarantined in it |
//! | `diff` | the files beside what they should hold |
//! | `history` | what became of which target, from the journal |
//! | `presets` | the value formats |
//! | `completions` | what shells complete the command line with |
//! | `manual` | the manual pages |
//! | `read` | the registry, read once by the daemon's own watcher |

mod check;
mod completions;
mod diff;
mod explain;
mod history;
mod manual;
mod presets;
mod read;

use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use crate::config::{Command, ConfigError};
use crate::file;

/// What files that are not as they should be make the process exit with.
const DIFFERENT: i32 = 5;

/// What an entry that would not be published makes the process exit with.
const BAD_ENTRY: i32 = 6;

/// Why a command came to nothing.
#[derive(Debug, Error)]
pub enum Error {
    /// About the command line.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// No member answered.
    #[error("no server could be asked: {0}")]
    Etcd(String),
    /// No complete list in time.
    #[error("no complete list from etcd within {}: {failure}", humantime::format_duration(*limit))]
    NoList {
        /// `--timeout`
        limit: Duration,
        /// What the last try came to.
        failure: String,
    },
    /// It is not there.
    #[error("etcd has no key {0}; give a value behind it to have that explained")]
    NoKey(String),
    /// What `--key-base64` promises.
    #[error("KEY is not base64, as --key-base64 has it: {0}")]
    NoBase64(base64::DecodeError),
    /// There is no page of it.
    #[error(
        "no command is called {name}; there are {known}, and without one the program's own page"
    )]
    NoCommand {
        /// What was asked for.
        name: String,
        /// The names of the commands.
        known: String,
    },
    /// The value was to come from there.
    #[error("cannot read the value from standard input")]
    Input(#[source] io::Error),
    /// There is none to read.
    #[error("there is no journal {}; give the path that the daemon's --journal has", .0.display())]
    NoJournal(PathBuf),
    /// A target file or a journal can't be looked at.
    #[error(transparent)]
    File(#[from] file::Error),
    /// The output can't be written.
    #[error("cannot print")]
    Print(#[source] io::Error),
}

impl Error {
    /// What the process exits with.
    #[must_use]
    pub fn exit_code(&self) -> i32 {
        match self {
            Self::Config(_) | Self::NoBase64(_) | Self::NoJournal(_) | Self::NoCommand { .. } => 2,
            Self::Etcd(_) | Self::NoList { .. } => 3,
            Self::NoKey(_) | Self::Input(_) | Self::File(_) | Self::Print(_) => 1,
        }
    }
}

/// Runs a command. Returns what the process exits with.
///
/// Must be called within an [`actix::System`].
pub async fn run(command: Command) -> Result<i32, Error> {
    match command {
        Command::Presets => presets::run(),
        Command::Completions(args) => completions::run(&args),
        Command::Manual(args) => manual::run(&args),
        Command::Explain(args) => explain::run(*args).await,
        Command::Check(args) => check::run(*args).await,
        Command::Diff(args) => diff::run(*args).await,
        Command::History(args) => history::run(&args),
    }
}

/// Has something written to standard output. That whoever reads it has seen enough is no error.
fn print(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Error> {
    let mut out = BufWriter::new(io::stdout().lock());
    match write(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Error::Print(error)),
        _ => Ok(()),
    }
}

/// A number of things, such as `1 target`, `2 targets`.
fn count(number: usize, what: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{number} {what}{ending}")
}
