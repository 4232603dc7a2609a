//! The command line, as `--help` shows it: one struct for each of its headings.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{FalseyValueParser, OsStringValueParser, TypedValueParser};
use clap::{ArgAction, Args, Parser};

use super::commands::Command;
use super::journal::JournalArgs;
use super::listen::ListenArgs;
use super::parse::{self, Servers};
use super::prometheus::PrometheusArgs;
use super::security::SecurityArgs;
use super::sources::SourcesArgs;
use crate::file::Mode;
use crate::telemetry::{LogFormat, LogLevel};

const DEFAULT_SERVER: &str = "http://127.0.0.1:2379";

/// Keeps Prometheus' file-based service discovery in step with a service registry in etcd.
///
/// Services register in etcd under PREFIX/SERVICE/INSTANCE with an address as the value.
/// etcd-sd keeps a file of target groups true to that, one group a service with the label
/// job; point file_sd_configs of Prometheus at the file.
#[allow(clippy::doc_markdown, reason = "the comments are the text of --help")]
#[derive(Clone, Debug, Parser)]
#[command(name = "etcd-sd", version, max_term_width = 100, after_long_help = AFTER_HELP,
          args_conflicts_with_subcommands = true)]
pub struct Arguments {
    /// What to read, and as whom.
    #[command(flatten)]
    pub registry: RegistryArgs,
    /// What Prometheus reads.
    #[command(flatten)]
    pub target: TargetArgs,
    /// What is not believed at once.
    #[command(flatten)]
    pub guard: GuardArgs,
    /// What is written down.
    #[command(flatten)]
    pub journal: JournalArgs,
    /// What is served over HTTP.
    #[command(flatten)]
    pub listen: ListenArgs,
    /// Who reads it.
    #[command(flatten)]
    pub prometheus: PrometheusArgs,
    /// How the program runs.
    #[command(flatten)]
    pub running: RunningArgs,
    /// What to do instead of running.
    #[command(subcommand)]
    pub command: Option<Command>,
}

const AFTER_HELP: &str = "\
Durations: 250ms, 2s, 5m.

Signals: SIGTERM and SIGINT write what is pending and stop, a second one stops at once;
SIGHUP reads certificates and the password anew, connects and lists anew;
SIGUSR1 lets the removals through that the guard holds.

Exit codes: 0 done, 1 failed while running, 2 wrong usage, a target file or journal that is
not ours, or a certificate or token that can't be read, 3 no complete list from etcd in time
(--once, explain, check, diff), 4 too many targets would be removed (--once), 5 diff: the
files are not what etcd has, 6 explain: the entry is not published, check: something is
quarantined.

Prometheus:
  scrape_configs:
    - job_name: etcd
      file_sd_configs:
        - files: ['/etc/prometheus/tgroups.json']";

/// Which registry to read, and as whom.
#[derive(Clone, Debug, Args)]
pub struct RegistryArgs {
    /// Where services register.
    #[command(flatten)]
    pub etcd: EtcdArgs,
    /// How to know the servers, and what they know us by.
    #[command(flatten)]
    pub security: SecurityArgs,
    /// What keys and values say.
    #[command(flatten)]
    pub sources: SourcesArgs,
}

/// Which cluster, and how to talk to it.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "etcd")]
pub struct EtcdArgs {
    /// Members of the etcd cluster; repeat it, or separate them by commas
    // Whoever puts a password here finds it refused; --help must not show it.
    #[arg(long = "server", visible_alias = "endpoints", value_name = "URL",
          env = "ETCD_SD_SERVER", hide_env_values = true, default_value = DEFAULT_SERVER,
          value_parser = parse::servers, action = ArgAction::Append)]
    pub servers: Vec<Servers>,

    /// How long a member may take to accept a connection and to answer on it
    #[arg(long, value_name = "DURATION", env = "ETCD_SD_DIAL_TIMEOUT", default_value = "2s",
          value_parser = parse::duration)]
    pub dial_timeout: Duration,

    /// How long a connection may be silent before the member is asked for a sign of life
    #[arg(long, value_name = "DURATION", env = "ETCD_SD_KEEPALIVE_TIME", default_value = "6s",
          value_parser = parse::duration)]
    pub keepalive_time: Duration,

    /// How long to wait for that sign of life before another member is asked
    #[arg(long, value_name = "DURATION", env = "ETCD_SD_KEEPALIVE_TIMEOUT", default_value = "4s",
          value_parser = parse::duration)]
    pub keepalive_timeout: Duration,

    /// How often to compare everything with etcd, whatever the watch said; 0 for only after
    /// outages
    ///
    /// Varied by a quarter, so that many daemons don't do it at once, and stretched so that
    /// no more than a hundredth of the time goes into it. Every outage ends with such a
    /// comparison as well.
    #[arg(long, value_name = "DURATION", env = "ETCD_SD_AUDIT_INTERVAL", default_value = "10m",
          value_parser = parse::duration)]
    pub audit_interval: Duration,

    /// The most keys that the prefix may have: a wrong prefix is refused before it fills memory
    #[arg(long, value_name = "NUMBER", env = "ETCD_SD_MAX_ENTRIES", default_value_t = 5_000_000,
          value_parser = parse::max_entries)]
    pub max_entries: usize,
}

/// The files that Prometheus reads, and when they are written.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Target files")]
pub struct TargetArgs {
    /// The file that Prometheus reads
    ///
    /// Its directory must exist. Temporary files and a lock go to a subdirectory .etcd-sd beside
    /// it. If it is a symbolic link, the file that it leads to is written. Empty for none.
    #[arg(long, value_name = "PATH", env = "ETCD_SD_TARGET_FILE", default_value = "tgroups.json",
          value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub target_file: PathBuf,

    /// Write no single file, only those in --target-dir, or none with --listen
    #[arg(long, env = "ETCD_SD_NO_TARGET_FILE", value_parser = FalseyValueParser::new())]
    pub no_target_file: bool,

    /// A directory for one file a service, SERVICE.json; it must exist
    ///
    /// Other files in it are left alone. Characters that are not safe in a file name are written
    /// as %xx. The target file can't be in the same directory: Prometheus would read every
    /// target twice.
    #[arg(long, value_name = "DIR", env = "ETCD_SD_TARGET_DIR")]
    pub target_dir: Option<PathBuf>,

    /// Permissions of the files, such as 0640
    ///
    /// [default: those of the file that is replaced, or 0644]
    #[arg(long, value_name = "OCTAL", env = "ETCD_SD_FILE_MODE", value_parser = parse::file_mode)]
    pub file_mode: Option<Mode>,

    /// Write into the target file instead of replacing it
    ///
    /// For a single file that is mounted into a container, which can't be replaced. While it is
    /// written, which is no longer from one instant to the next, Prometheus can't read it and
    /// keeps the targets that it has.
    #[arg(long, env = "ETCD_SD_IN_PLACE", value_parser = FalseyValueParser::new())]
    pub in_place: bool,

    /// Overwrite files even if they may be somebody else's
    ///
    /// Without this, a target file that holds no target groups, and that etcd-sd has not written,
    /// is left alone, and the program ends with exit code 2; in --target-dir, a file that etcd-sd
    /// has not made is left alone, and the log says so.
    #[arg(long, env = "ETCD_SD_FORCE", value_parser = FalseyValueParser::new())]
    pub force: bool,

    /// Quiet time before changes are written
    ///
    /// A burst of changes makes one write, this long after the last of them. 0 writes at
    /// once, still one write at a time.
    #[arg(long, value_name = "DURATION", env = "ETCD_SD_DEBOUNCE", default_value = "200ms",
          value_parser = parse::duration)]
    pub debounce: Duration,

    /// The longest that a change may wait for its write while more keep coming
    ///
    /// [default: the larger of 2s and 4 times --debounce]
    #[arg(long, value_name = "DURATION", env = "ETCD_SD_DEBOUNCE_MAX",
          value_parser = parse::duration)]
    pub debounce_max: Option<Duration>,

    /// How often to look at the file even if the kernel reports no change of it
    #[arg(long, value_name = "DURATION", env = "ETCD_SD_DRIFT_INTERVAL", default_value = "10s",
          value_parser = parse::duration)]
    pub drift_interval: Duration,
}

/// Which removals are too many to be believed.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Mass-removal guard")]
pub struct GuardArgs {
    /// Hold a removal of more than this share of the published targets; 1 for no guard
    ///
    /// Counted over a minute, longer in large fleets, by how many targets fewer each service
    /// has: a rolling restart is no removal. While it is held, these targets stay in the file
    /// and additions go in, until enough are back, --guard-hold is over, or SIGUSR1 comes. A
    /// list of etcd that comes back empty is always held.
    #[arg(long, value_name = "RATIO", env = "ETCD_SD_GUARD_RATIO", default_value = "0.5",
          value_parser = parse::ratio)]
    pub guard_ratio: f64,

    /// Hold no removal of this many targets or fewer
    #[arg(long, value_name = "NUMBER", env = "ETCD_SD_GUARD_MIN", default_value = "20",
          value_parser = parse::guard_min)]
    pub guard_min: usize,

    /// For how long a removal is held before it is believed
    #[arg(long, value_name = "DURATION", env = "ETCD_SD_GUARD_HOLD", default_value = "5m",
          value_parser = parse::duration)]
    pub guard_hold: Duration,
}

/// Once or for ever, and how much it says.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Running")]
pub struct RunningArgs {
    /// List, write the file and exit, instead of running on
    ///
    /// Exits with 0; with 3, and the file untouched, if etcd gave no complete list in time;
    /// with 4, and the file untouched, if the guard would hold removals.
    #[arg(long, env = "ETCD_SD_ONCE", value_parser = FalseyValueParser::new())]
    pub once: bool,

    /// With --once: how long to try
    #[arg(long, value_name = "DURATION", env = "ETCD_SD_TIMEOUT", default_value = "30s",
          value_parser = parse::duration)]
    pub timeout: Duration,

    /// How much to log, to standard error
    #[arg(
        long,
        value_name = "LEVEL",
        env = "ETCD_SD_LOG_LEVEL",
        default_value = "info",
        value_enum
    )]
    pub log_level: LogLevel,

    /// How a line of log looks
    #[arg(
        long,
        value_name = "FORMAT",
        env = "ETCD_SD_LOG_FORMAT",
        default_value = "text",
        value_enum
    )]
    pub log_format: LogFormat,
}
