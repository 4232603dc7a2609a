//! The command line and the environment, checked and turned into a [`Config`].

use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::FalseyValueParser;
use clap::{ArgAction, Parser};
use thiserror::Error;

use crate::core::debounce::Debounce;
use crate::core::key::{Prefix, PrefixError};
use crate::etcd::{Server, ServerError};
use crate::file::TargetFile;
use crate::telemetry::{LogFormat, LogLevel};

/// The endings that `file_sd_configs` accepts.
const ENDINGS: [&str; 6] = ["json", "yml", "yaml", "JSON", "YML", "YAML"];

const DEFAULT_SERVER: &str = "http://127.0.0.1:2379";

/// No duration may be longer: whoever wants more means something else.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// `--debounce-max` is at least this, unless it is given.
const CEILING: Duration = Duration::from_secs(2);

/// Everything that the daemon needs to know, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Members of one etcd cluster; at least one.
    pub servers: Vec<Server>,
    /// Where services register.
    pub prefix: Prefix,
    /// What Prometheus reads.
    pub target_file: TargetFile,
    /// When a burst of changes is over.
    pub debounce: Debounce,
    /// How often to look at the file even without a notification.
    pub drift_interval: Duration,
    /// Set to list and publish once and end, within that time.
    pub once: Option<Duration>,
}

/// What is wrong with the command line or the environment.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The two don't fit each other.
    #[error(
        "--debounce-max {ceiling} is shorter than --debounce {quiet}: a change would be overdue \
         before the quiet window ends; raise the one or lower the other",
        ceiling = humantime::format_duration(*ceiling),
        quiet = humantime::format_duration(*quiet)
    )]
    DebounceOrder {
        /// `--debounce`
        quiet: Duration,
        /// `--debounce-max`
        ceiling: Duration,
    },
    /// Looking all the time is no check now and then.
    #[error("--drift-interval {} is too short; give at least 100ms", humantime::format_duration(*.0))]
    DriftInterval(Duration),
    /// It names no file.
    #[error("--target-file {}: not a file name; give a path such as /etc/prometheus/tgroups.json", .0.display())]
    NoFileName(PathBuf),
    /// Prometheus would refuse its configuration.
    #[error(
        "--target-file {}: Prometheus reads only names that end in .json, .yml or .yaml; \
         the content is JSON, so .json is best", .0.display()
    )]
    Ending(PathBuf),
    /// A directory made here could not be the one that Prometheus watches.
    #[error("--target-file {}: {} is no directory; create it first", path.display(), directory.display())]
    NoDirectory {
        /// The target file.
        path: PathBuf,
        /// Where it should be.
        directory: PathBuf,
    },
    /// It may be there, but can't be looked at.
    #[error("--target-file {}: cannot look at its directory {}: {source}", path.display(), directory.display())]
    Directory {
        /// The target file.
        path: PathBuf,
        /// Where it should be.
        directory: PathBuf,
        /// Why it can't.
        source: std::io::Error,
    },
    /// A directory can't be replaced by a file.
    #[error("--target-file {}: that is a directory; give the path of a file in it", .0.display())]
    IsDirectory(PathBuf),
}

/// Keeps Prometheus' file-based service discovery in step with a service registry in etcd.
///
/// Services register in etcd under PREFIX/SERVICE/INSTANCE with an address as the value.
/// etcd-sd keeps a file of target groups true to that, one group a service with the label
/// job; point file_sd_configs of Prometheus at the file.
#[allow(clippy::doc_markdown, reason = "the comments are the text of --help")]
#[derive(Clone, Debug, Parser)]
#[command(name = "etcd-sd", version, max_term_width = 100, after_long_help = AFTER_HELP)]
pub struct Args {
    /// Members of the etcd cluster; repeat it, or separate them by commas
    #[arg(long = "server", visible_alias = "endpoints", value_name = "URL",
          env = "ETCD_SD_SERVER", default_value = DEFAULT_SERVER, value_parser = parse_servers,
          action = ArgAction::Append, help_heading = "etcd")]
    pub servers: Vec<Servers>,

    /// The key under which services register
    ///
    /// Watched with a trailing slash: with /services, the key /services2/x is not ours.
    #[arg(long, value_name = "KEY", env = "ETCD_SD_PREFIX", default_value = "/services",
          value_parser = parse_prefix, help_heading = "etcd")]
    pub prefix: Prefix,

    /// The file that Prometheus reads
    ///
    /// Its directory must exist. Temporary files go to a subdirectory .etcd-sd beside it.
    #[arg(
        long,
        value_name = "PATH",
        env = "ETCD_SD_TARGET_FILE",
        default_value = "tgroups.json",
        help_heading = "Target file"
    )]
    pub target_file: PathBuf,

    /// Quiet time before changes are written
    ///
    /// A burst of changes makes one write, this long after the last of them. 0 writes at
    /// once, still one write at a time.
    #[arg(long, value_name = "DURATION", env = "ETCD_SD_DEBOUNCE", default_value = "200ms",
          value_parser = parse_duration, help_heading = "Target file")]
    pub debounce: Duration,

    /// The longest that a change may wait for its write while more keep coming
    ///
    /// [default: the larger of 2s and 4 times --debounce]
    #[arg(long, value_name = "DURATION", env = "ETCD_SD_DEBOUNCE_MAX",
          value_parser = parse_duration, help_heading = "Target file")]
    pub debounce_max: Option<Duration>,

    /// How often to look at the file even if the kernel reports no change of it
    #[arg(long, value_name = "DURATION", env = "ETCD_SD_DRIFT_INTERVAL", default_value = "10s",
          value_parser = parse_duration, help_heading = "Target file")]
    pub drift_interval: Duration,

    /// List, write the file and exit, instead of running on
    ///
    /// Exits with 0; with 3, and the file untouched, if etcd gave no complete list in time.
    #[arg(long, env = "ETCD_SD_ONCE", value_parser = FalseyValueParser::new(),
          help_heading = "Running")]
    pub once: bool,

    /// With --once: how long to try
    #[arg(long, value_name = "DURATION", env = "ETCD_SD_TIMEOUT", default_value = "30s",
          value_parser = parse_duration, help_heading = "Running")]
    pub timeout: Duration,

    /// How much to log, to standard error
    #[arg(
        long,
        value_name = "LEVEL",
        env = "ETCD_SD_LOG_LEVEL",
        default_value = "info",
        value_enum,
        help_heading = "Running"
    )]
    pub log_level: LogLevel,

    /// How a line of log looks
    #[arg(
        long,
        value_name = "FORMAT",
        env = "ETCD_SD_LOG_FORMAT",
        default_value = "text",
        value_enum,
        help_heading = "Running"
    )]
    pub log_format: LogFormat,
}

const AFTER_HELP: &str = "\
Durations: 250ms, 2s, 5m.

Signals: SIGTERM and SIGINT write what is pending and stop, a second one stops at once;
SIGHUP lists anew.

Exit codes: 0 done, 1 failed while running, 2 wrong usage, 3 no complete list from
etcd in time (--once).

Prometheus:
  scrape_configs:
    - job_name: etcd
      file_sd_configs:
        - files: ['/etc/prometheus/tgroups.json']";

impl Args {
    /// Checks what one argument alone can't tell.
    pub fn config(self) -> Result<Config, ConfigError> {
        let quiet = self.debounce;
        let ceiling = self.debounce_max.unwrap_or(CEILING.max(quiet * 4));
        if ceiling < quiet {
            return Err(ConfigError::DebounceOrder { quiet, ceiling });
        }
        if self.drift_interval < Duration::from_millis(100) {
            return Err(ConfigError::DriftInterval(self.drift_interval));
        }
        Ok(Config {
            servers: self.servers.into_iter().flat_map(|part| part.0).collect(),
            prefix: self.prefix,
            target_file: check_target_file(self.target_file)?,
            debounce: Debounce::new(quiet, ceiling),
            drift_interval: self.drift_interval,
            once: self.once.then_some(self.timeout),
        })
    }
}

fn check_target_file(path: PathBuf) -> Result<TargetFile, ConfigError> {
    if path.file_name().is_none() || path.as_os_str().as_encoded_bytes().ends_with(b"/") {
        return Err(ConfigError::NoFileName(path));
    }
    if path.is_dir() {
        return Err(ConfigError::IsDirectory(path));
    }
    if !ENDINGS.iter().any(|&ending| path.extension().is_some_and(|found| found == ending)) {
        return Err(ConfigError::Ending(path));
    }
    let file = TargetFile::new(path);
    let (path, directory) = (file.path().to_owned(), file.directory().to_owned());
    match directory.metadata() {
        Ok(metadata) if metadata.is_dir() => {}
        Err(source) if source.kind() != ErrorKind::NotFound => {
            return Err(ConfigError::Directory { path, directory, source });
        }
        _ => return Err(ConfigError::NoDirectory { path, directory }),
    }
    Ok(file)
}

/// The servers in one argument.
#[derive(Clone, Debug)]
pub struct Servers(Vec<Server>);

fn parse_servers(text: &str) -> Result<Servers, ServerError> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    let servers: Vec<_> = parts.map(Server::parse).collect::<Result<_, _>>()?;
    if servers.is_empty() { Err(ServerError::Malformed) } else { Ok(Servers(servers)) }
}

fn parse_prefix(text: &str) -> Result<Prefix, PrefixError> {
    Prefix::parse(text)
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    match humantime::parse_duration(text) {
        Ok(duration) if duration <= LONGEST => Ok(duration),
        Ok(_) => Err("longer than a day; give a duration such as 250ms, 2s or 5m".into()),
        Err(error) => Err(format!("{error}; give a duration such as 250ms, 2s or 5m")),
    }
}

#[cfg(test)]
mod tests;
