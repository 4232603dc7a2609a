//! The command line and the environment, checked and turned into a [`Config`].

mod args;
mod commands;
mod journal;
mod listen;
mod output;
mod parse;
mod prometheus;
mod schema;
mod security;
mod sources;

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use crate::core::debounce::Debounce;
use crate::core::guard::GuardSettings;
use crate::core::schema::Schema;
use crate::etcd::{Connector, Patience, Server};
use crate::file::{TargetDir, TargetFile};
use crate::history::JournalSettings;
use crate::http::Listen;
use crate::prometheus::Url;

pub use args::{Arguments, EtcdArgs, GuardArgs, RegistryArgs, RunningArgs, TargetArgs};
pub use commands::{
    CheckArgs, Command, CompletionsArgs, DiffArgs, ExplainArgs, ManualArgs, ReadingArgs, Registries,
};
pub use journal::{HistoryArgs, JournalArgs};
pub use listen::{ListenArgs, ListenError};
pub use output::OutputError;
pub use parse::Servers;
pub use prometheus::PrometheusArgs;
pub use schema::{SchemaArgs, SchemaError};
pub use security::{SecurityArgs, SecurityError};
pub use sources::{SourcesArgs, SourcesError};

/// Nothing that is done again and again may come more often.
const SHORTEST: Duration = Duration::from_millis(100);

/// `--debounce-max` is at least this, unless it is given.
const CEILING: Duration = Duration::from_secs(2);

/// Everything that the daemon needs to know, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Members of one etcd cluster; at least one.
    pub servers: Vec<Server>,
    /// How to connect to them, and as whom.
    pub connector: Connector,
    /// What keys and values say, and where they are: at least one, and no key is of two.
    pub sources: Vec<Arc<Schema>>,
    /// How often to compare everything with etcd; `None` for only after outages.
    pub audit_interval: Option<Duration>,
    /// The most keys below the prefix of one source.
    pub max_entries: usize,
    /// The single file that Prometheus reads; `None` for none.
    pub target_file: Option<TargetFile>,
    /// The directory with one file a service; `None` for none.
    pub target_dir: Option<TargetDir>,
    /// When a burst of changes is over.
    pub debounce: Debounce,
    /// Which removals are too many to be believed.
    pub guard: GuardSettings,
    /// The Prometheus to ask whether it has what is published; `None` for none.
    pub prometheus: Option<Url>,
    /// Where to write down what becomes of each target; `None` for nowhere.
    pub journal: Option<JournalSettings>,
    /// How often to look at the file even without a notification.
    pub drift_interval: Duration,
    /// What to serve over HTTP, and where; `None` for nothing.
    pub listen: Option<Listen>,
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
    /// What is done again and again must leave time between.
    #[error("--{flag} {} is too short; give at least 100ms", humantime::format_duration(*given))]
    TooShort {
        /// The name of the flag.
        flag: &'static str,
        /// Its value.
        given: Duration,
    },
    /// About keys, values and labels.
    #[error(transparent)]
    Sources(#[from] SourcesError),
    /// About TLS or authentication.
    #[error(transparent)]
    Security(#[from] SecurityError),
    /// About the files to write.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// About serving over HTTP.
    #[error(transparent)]
    Listen(#[from] ListenError),
}

impl Arguments {
    /// Checks what one argument alone can't tell.
    pub fn config(self) -> Result<Config, ConfigError> {
        let Self {
            registry: RegistryArgs { etcd, security, sources },
            target,
            guard,
            listen,
            journal,
            prometheus,
            running,
            command: _,
        } = self;
        let quiet = target.debounce;
        let ceiling = target.debounce_max.unwrap_or(CEILING.max(quiet * 4));
        if ceiling < quiet {
            return Err(ConfigError::DebounceOrder { quiet, ceiling });
        }
        let audit_interval = Some(etcd.audit_interval).filter(|interval| !interval.is_zero());
        let again_and_again = [
            ("drift-interval", Some(target.drift_interval)),
            ("dial-timeout", Some(etcd.dial_timeout)),
            ("keepalive-time", Some(etcd.keepalive_time)),
            ("keepalive-timeout", Some(etcd.keepalive_timeout)),
            ("audit-interval", audit_interval),
            ("guard-hold", Some(guard.guard_hold)),
        ];
        for (flag, given) in again_and_again {
            if let Some(given) = given.filter(|&given| given < SHORTEST) {
                return Err(ConfigError::TooShort { flag, given });
            }
        }
        let (servers, mut connector) = etcd.connector(security)?;
        let journal = journal.settings();
        if journal.is_some() {
            connector = connector.with_leases();
        }
        let listen = listen.check(sources.shard)?;
        let is_served = listen.is_some() && !running.once;
        let (target_file, target_dir) = output::check(&target, is_served)?;
        let is_journal =
            |file: &TargetFile| journal.as_ref().is_some_and(|journal| journal.path == file.path());
        if let Some(file) = target_file.as_ref().filter(|&file| is_journal(file)) {
            return Err(OutputError::Journal(file.path().to_owned()).into());
        }
        Ok(Config {
            servers,
            connector,
            sources: sources.sources()?,
            audit_interval,
            max_entries: etcd.max_entries,
            target_file,
            target_dir,
            debounce: Debounce::new(quiet, ceiling),
            guard: GuardSettings {
                ratio: guard.guard_ratio,
                min: guard.guard_min,
                hold: guard.guard_hold,
            },
            prometheus: prometheus.prometheus_url,
            journal,
            drift_interval: target.drift_interval,
            listen,
            once: running.once.then_some(running.timeout),
        })
    }
}

impl EtcdArgs {
    /// The members, and how to connect to them.
    pub(crate) fn connector(
        &self,
        security: SecurityArgs,
    ) -> Result<(Vec<Server>, Connector), SecurityError> {
        let servers = self.servers.iter().cloned();
        let servers: Vec<Server> = servers
            .map(|servers| servers.0.ok_or(SecurityError::UserInServer))
            .collect::<Result<Vec<_>, _>>()?
            .concat();
        let credentials = security.credentials(&servers)?;
        let patience = Patience {
            dial: self.dial_timeout,
            idle: self.keepalive_time,
            answer: self.keepalive_timeout,
        };
        Ok((servers, Connector::new(patience, credentials)))
    }
}

#[cfg(test)]
mod tests;
