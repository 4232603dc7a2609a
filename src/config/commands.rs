//! What the program does instead of running, and the arguments of each command.

mod reading;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{FalseyValueParser, OsStringValueParser, TypedValueParser};
use clap::{Args, Subcommand};
use clap_complete::Shell;

use super::args::RegistryArgs;
use super::journal::HistoryArgs;
use super::output;
use super::output::OutputError;
use crate::file::{TargetDir, TargetFile};
use crate::telemetry::LogLevel;

pub use reading::{ReadingArgs, Registries};

/// What to do instead of running: these read and print, and write nothing.
#[allow(clippy::doc_markdown, reason = "the comments are the text of --help")]
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Show step by step what a key and its value become, or why not
    ///
    /// Looks at this entry alone: whether the budgets that entries share have room for it, check
    /// says. Exits with 0 if the entry is published, or registered as not to be scraped, and with
    /// 6 if it is quarantined or ignored.
    #[command(after_long_help = EXPLAIN_EXAMPLES)]
    Explain(Box<ExplainArgs>),
    /// Read the registry once, sum it up, and list what is quarantined, and why
    ///
    /// Takes no lock and writes nothing: it can run beside the daemon, in its environment or with
    /// the same flags. Shows what a daemon that starts now would publish; one that has been running
    /// for long may know older values of bad entries.
    ///
    /// Exits with 0 if nothing is quarantined, with 6 if something is, and with 3, and nothing on
    /// standard output, if etcd gave no complete list in time.
    #[command(after_long_help = CHECK_EXAMPLES)]
    Check(Box<CheckArgs>),
    /// Compare the target file, and --target-dir if it is given, with the registry
    ///
    /// Takes no lock and writes nothing: it can run beside the daemon, in its environment or with
    /// the same flags. The first line sums up; then come the targets, + for those that are in etcd
    /// alone, - for those that are in the file alone.
    ///
    /// Exits with 0 if the bytes are those that etcd-sd would write; with 5 if they are not: if
    /// there is no file, if it is no list of target groups, and also if it has the same targets
    /// in other bytes, which is said; with 3 if etcd gave no complete list in time; with 1 if a
    /// file can't be read.
    #[command(after_long_help = DIFF_EXAMPLES)]
    Diff(Box<DiffArgs>),
    /// List the value formats, with an example of a key and a value of each
    Presets,
    /// Show what became of which target, from the journal that --journal has the daemon write
    ///
    /// Oldest first: when etcd told it, which service and instance, what the target was and is, why,
    /// and which publish carried it, how long after. Causes: put, delete, lease_end (the key's lease
    /// ended), relist (found by a complete list; which change did it, etcd does not tell any more),
    /// admitted (there was room for it at last), guard (a removal that the guard had held).
    ///
    /// Exits with 0, also if nothing is found, which is said on standard error; with 2 if there is
    /// no journal. Lines that are none are counted, and said there too.
    #[command(after_long_help = HISTORY_EXAMPLES)]
    History(Box<HistoryArgs>),
    /// Print the completions of a shell
    #[command(after_long_help = COMPLETIONS_EXAMPLES)]
    Completions(CompletionsArgs),
    /// Print the manual page of the program, or of one of its commands
    #[command(after_long_help = MANUAL_EXAMPLES)]
    Manual(ManualArgs),
}

const EXPLAIN_EXAMPLES: &str = "\
Examples:
  etcd-sd explain /services/web/1                    the value that etcd has
  etcd-sd explain /services/web/1 10.0.0.1:80        this value; etcd is not asked
  etcd-sd explain /services/web/1 - <value.json      a long value
  etcd-sd explain $'/services/we\\xffb/1'             any bytes, as the shell gives them
  etcd-sd explain --key-base64 L3NlcnZpY2VzL3dlYi8x  as check --json and etcdctl -w json print it";

const CHECK_EXAMPLES: &str = "\
Examples:
  etcd-sd check --server http://etcd-1:2379
  etcd-sd check --json | jq -r '.quarantined_entries[].key'

--json prints one object: revision, keys, services, groups, targets, quarantined, ignored, bytes,
all numbers; sources, a list with key_pattern, value_format, revision, keys, quarantined, ignored
of each; quarantined_entries, a list with key, mod_revision, reason, keeps_last_good of each,
ascending by key. A key that is no UTF-8 has its bytes in key_base64 as well.";

const DIFF_EXAMPLES: &str = "\
Examples:
  etcd-sd diff --target-file /etc/prometheus/tgroups.json
  etcd-sd diff --no-target-file --target-dir /etc/prometheus/etcd.d";

const HISTORY_EXAMPLES: &str = "\
Examples:
  etcd-sd history --journal /var/lib/etcd-sd/journal.jsonl --service api --since 1h
  etcd-sd history --journal journal.jsonl --json | jq -r 'select(.cause == \"lease_end\").key'

--json prints a line for each change: time, revision, service, instance, key, before and after (null,
or an object with targets and labels), cause, publish (null, or an object with number, time,
revision). A note of the journal has time and note: started, listed, dropped (changes that have no
line), stopped.";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  etcd-sd completions bash >/usr/share/bash-completion/completions/etcd-sd
  etcd-sd completions zsh >/usr/share/zsh/vendor-completions/_etcd-sd
  etcd-sd completions fish >/usr/share/fish/vendor_completions.d/etcd-sd.fish
  source <(etcd-sd completions bash)                  in this shell alone";

const MANUAL_EXAMPLES: &str = "\
Examples:
  etcd-sd manual | man -l -
  etcd-sd manual diff >/usr/share/man/man1/etcd-sd-diff.1";

/// What to explain.
#[derive(Clone, Debug, Args)]
pub struct ExplainArgs {
    /// The whole key
    #[arg(id = "etcd_key", value_name = "KEY")]
    pub key: OsString,
    /// Its value; - for standard input; read from etcd if it is not given
    pub value: Option<OsString>,
    /// KEY is in base64, for keys that can't be typed
    #[arg(long)]
    pub key_base64: bool,
    /// Where to read it, and as whom.
    #[command(flatten)]
    pub registry: RegistryArgs,
}

/// What to check.
#[derive(Clone, Debug, Args)]
pub struct CheckArgs {
    /// Print one JSON object and nothing else
    #[arg(long)]
    pub json: bool,
    /// What to read.
    #[command(flatten)]
    pub reading: ReadingArgs,
}

/// What to compare.
#[derive(Clone, Debug, Args)]
pub struct DiffArgs {
    /// The file that Prometheus reads; empty for none
    #[arg(long, value_name = "PATH", env = "ETCD_SD_TARGET_FILE", default_value = "tgroups.json",
          value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub target_file: PathBuf,
    /// Compare no single file, only those in --target-dir
    #[arg(long, env = "ETCD_SD_NO_TARGET_FILE", value_parser = FalseyValueParser::new())]
    pub no_target_file: bool,
    /// The directory with one file a service
    #[arg(long, value_name = "DIR", env = "ETCD_SD_TARGET_DIR")]
    pub target_dir: Option<PathBuf>,
    /// What to read.
    #[command(flatten)]
    pub reading: ReadingArgs,
}

/// Which shell.
#[derive(Clone, Debug, Args)]
pub struct CompletionsArgs {
    /// The shell that is to complete
    #[arg(value_enum)]
    pub shell: Shell,
}

/// Which page.
#[derive(Clone, Debug, Args)]
pub struct ManualArgs {
    /// One of the commands; the program itself if none is given
    #[arg(value_name = "COMMAND")]
    pub command: Option<String>,
}

impl Command {
    /// How much it logs, if it has a say in that.
    #[must_use]
    pub fn log_level(&self) -> Option<LogLevel> {
        match self {
            Self::Check(args) => Some(args.reading.log_level),
            Self::Diff(args) => Some(args.reading.log_level),
            Self::Explain(_)
            | Self::History(_)
            | Self::Presets
            | Self::Completions(_)
            | Self::Manual(_) => None,
        }
    }
}

impl DiffArgs {
    /// The files to compare, at least one of the two.
    pub fn targets(&self) -> Result<(Option<TargetFile>, Option<TargetDir>), OutputError> {
        let is_off = self.no_target_file || self.target_file.as_os_str().is_empty();
        let file = if is_off { None } else { Some(output::named(&self.target_file)?) };
        let directory =
            self.target_dir.as_ref().map(|path| TargetDir::new(path.clone(), None, false));
        if file.is_none() && directory.is_none() {
            return Err(OutputError::NothingToCompare);
        }
        Ok((file, directory))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::Parser;

    use super::*;
    use crate::config::Arguments;

    fn command(arguments: &[&str]) -> Command {
        let arguments = std::iter::once("etcd-sd").chain(arguments.iter().copied());
        let args = Arguments::try_parse_from(arguments).expect("valid");
        args.command.expect("a command")
    }

    #[test]
    fn a_command_reads_what_the_daemon_would_and_says_less() {
        let read = ["--server", "http://a:1,b:2", "--prefix", "/x", "--timeout", "5s"];
        let Command::Check(args) = command(&[&["check"], &read[..]].concat()) else {
            panic!("another command");
        };
        assert!(!args.json);
        let registries = args.reading.registries().expect("valid");
        assert_eq!((registries.servers.len(), registries.limit), (2, Duration::from_secs(5)));
        assert_eq!(registries.sources[0].pattern.prefix().as_str(), "/x/");
        assert_eq!(command(&["check"]).log_level(), Some(LogLevel::Warn));
        assert_eq!(command(&["diff", "--log-level", "info"]).log_level(), Some(LogLevel::Info));
        assert_eq!(command(&["presets"]).log_level(), None);
    }

    #[test]
    fn the_file_the_directory_or_both_are_compared_and_one_must_be() {
        for (arguments, outputs) in [
            (&[][..], (true, false)),
            (&["--target-dir", "/nowhere"][..], (true, true)),
            (&["--target-dir", "/nowhere", "--no-target-file"][..], (false, true)),
            (&["--target-file", "/nowhere/x.json"][..], (true, false)),
        ] {
            let Command::Diff(args) = command(&[&["diff"], arguments].concat()) else {
                panic!("another command");
            };
            let (file, directory) = args.targets().expect("valid");
            assert_eq!((file.is_some(), directory.is_some()), outputs, "{arguments:?}");
        }
        for nothing in [&["--no-target-file"][..], &["--target-file", ""]] {
            let Command::Diff(args) = command(&[&["diff"], nothing].concat()) else {
                panic!("another command");
            };
            let error = args.targets().expect_err("nothing to do").to_string();
            assert!(error.contains("compare") && error.contains("--target-dir"), "{error}");
        }
    }
}
