//! What `check` and `diff` read: the registry as the daemon would, once.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use crate::config::args::RegistryArgs;
use crate::config::{ConfigError, parse};
use crate::core::schema::Schema;
use crate::etcd::{Connector, Server};
use crate::telemetry::LogLevel;

/// What to read once, and for how long to try.
#[derive(Clone, Debug, Args)]
pub struct ReadingArgs {
    /// What to read, and as whom.
    #[command(flatten)]
    pub registry: RegistryArgs,
    /// How long to try
    #[arg(long, value_name = "DURATION", env = "ETCD_SD_TIMEOUT", default_value = "30s",
          value_parser = parse::duration, help_heading = "Running")]
    pub timeout: Duration,
    /// How much to log, to standard error
    #[arg(
        long,
        value_name = "LEVEL",
        env = "ETCD_SD_LOG_LEVEL",
        default_value = "warn",
        value_enum,
        help_heading = "Running"
    )]
    pub log_level: LogLevel,
}

/// What to read once, checked.
#[derive(Clone, Debug)]
pub struct Registries {
    /// Members of one etcd cluster; at least one.
    pub servers: Vec<Server>,
    /// How to connect to them, and as whom.
    pub connector: Connector,
    /// The sources: what keys and values say, and where they are.
    pub sources: Vec<Arc<Schema>>,
    /// The most keys below one prefix.
    pub max_entries: usize,
    /// How long to try.
    pub limit: Duration,
}

impl ReadingArgs {
    /// Checks what one argument alone can't tell.
    pub fn registries(self) -> Result<Registries, ConfigError> {
        let Self { registry: RegistryArgs { etcd, security, sources }, timeout, log_level: _ } =
            self;
        let (servers, connector) = etcd.connector(security)?;
        let sources = sources.sources()?;
        let max_entries = etcd.max_entries;
        Ok(Registries { servers, connector, sources, max_entries, limit: timeout })
    }
}
