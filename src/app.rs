//! The program: starts the actors, hears the signals, stops in order.

mod actors;
mod health;
mod onlookers;
mod signals;

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::task::spawn_blocking;
use tracing::info;

use crate::actors::messages::Unpublished;
use crate::config::Config;
use crate::core::guard::{Cause, GuardSettings, Hold};
use crate::core::history::is_line;
use crate::core::schema::Schema;
use crate::etcd;
use crate::file::{self, JournalFile};
use crate::http::{self, Order};
use crate::service;
use actors::Actors;
use onlookers::Onlookers;
use signals::Requests;

pub use signals::{outlive_requests, terminated};

/// Why the daemon ended before it was told to.
#[derive(Debug, Error)]
pub enum Error {
    /// `--once`: no complete list in time.
    #[error("no complete list from etcd within {}; {path} is untouched ({failure})", humantime::format_duration(*limit))]
    NoList {
        /// `--timeout`
        limit: Duration,
        /// The target file.
        path: String,
        /// What the last try came to.
        failure: String,
    },
    /// What was pending could not be written.
    #[error("the last changes are not in the target file")]
    Publish(#[source] Arc<file::Error>),
    /// What was pending could not be written in time.
    #[error(
        "the last write was not finished in time; {path} holds the old document or the new one, as a whole"
    )]
    Slow {
        /// The target file.
        path: String,
    },
    /// `--once`: the guard does not believe that so many targets are gone.
    #[error("{}; {path} is untouched; see whether etcd is ill, and if the targets are really gone, run this again with --guard-ratio 1", why_refused(.hold, .settings))]
    Refused {
        /// What would have been removed.
        hold: Box<Hold>,
        /// What is too much.
        settings: GuardSettings,
        /// The target file.
        path: String,
    },
    /// `--once`: told to end before the file was written.
    #[error("interrupted; {path} is untouched")]
    Interrupted {
        /// The target file.
        path: String,
    },
    /// Another etcd-sd writes what this one was told to.
    #[error("another etcd-sd writes {}, and by the end of --timeout it did not hold what etcd does; see its log", .path.display())]
    Elsewhere {
        /// The file.
        path: PathBuf,
    },
    /// What is to be written may be somebody else's.
    #[error(transparent)]
    Refusal(file::Error),
    /// An actor died.
    #[error("a part of the program ended on its own")]
    Died,
    /// There can be no thread.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
    /// It can't listen where it was told to.
    #[error(transparent)]
    Listen(#[from] http::Error),
    /// The process can't hear signals.
    #[error("cannot listen for signals")]
    Signals(#[source] io::Error),
}

impl Error {
    /// What the process exits with.
    #[must_use]
    pub fn exit_code(&self) -> i32 {
        match self {
            Self::Refusal(_) | Self::Listen(http::Error::File(_)) => 2,
            Self::NoList { .. } => 3,
            Self::Refused { .. } => 4,
            _ => 1,
        }
    }
}

/// Runs the daemon until `shutdown`, or, with `once`, until the file holds the document.
///
/// Must be called within an [`actix::System`]. On SIGHUP it lists anew, on SIGUSR1 it lets the
/// removals through that the guard holds.
///
/// # Errors
///
/// See [`enum@Error`]; with `once` unset only a failed last write, or a part that died, is one.
pub async fn run(config: Config, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
    info!(
        version = env!("CARGO_PKG_VERSION"),
        servers = %config.servers.iter().map(etcd::Server::as_str).collect::<Vec<_>>().join(","),
        key_pattern = of_sources(&config, |source| source.pattern.as_str()),
        value_format = of_sources(&config, |source| source.format.name()),
        target_file = config.target_file.as_ref().map(|file| file.path().display().to_string()),
        target_dir = config.target_dir.as_ref().map(|directory| directory.path().display().to_string()),
        "starting"
    );
    let mut requests = Requests::hear().map_err(Error::Signals)?;
    vouch(&config).await?;
    let once = config.once;
    let mut onlookers = Onlookers::start(&config)?;
    let actors = Actors::start(config, &onlookers.observer).await?;
    if let Some(limit) = once {
        return actors.publish_once(limit, shutdown).await;
    }
    onlookers.see(&actors);
    #[cfg(debug_assertions)]
    actix::spawn(signals::hang_when_told());
    tokio::pin!(shutdown);
    let ended = loop {
        let order = tokio::select! {
            () = &mut shutdown => break Ok(()),
            () = actors.died() => break Err(Error::Died),
            order = requests.next() => order,
            order = onlookers.order() => order,
        };
        match order {
            Order::Relist => actors.relist().await,
            Order::Release => actors.release().await,
        }
    };
    service::stopping().await;
    let (stopped, ()) = tokio::join!(actors.stop(), onlookers.take_server());
    onlookers.stop().await;
    ended.and(stopped)
}

fn of_sources(config: &Config, say: impl Fn(&Schema) -> &str) -> String {
    config.sources.iter().map(|source| say(source)).collect::<Vec<_>>().join(" and ")
}

/// Whoever gives the path of another program's file by mistake learns it at once. What else is
/// wrong with the files is tried again and again, once the daemon runs.
async fn vouch(config: &Config) -> Result<(), Error> {
    let (file, directory) = (config.target_file.clone(), config.target_dir.clone());
    let journal = config.journal.as_ref().map(|journal| journal.path.clone());
    let vouching = spawn_blocking(move || {
        let of_file = file.map_or(Ok(()), |file| file.locate()?.vouch());
        let of_directory = directory.map_or(Ok(()), |directory| directory.vouch());
        let of_journal = journal.map_or(Ok(()), |path| JournalFile::vouch(&path, is_line));
        [of_file, of_directory, of_journal]
            .into_iter()
            .filter_map(Result::err)
            .find(file::Error::is_refusal)
    });
    match vouching.await {
        Ok(Some(error)) => Err(Error::Refusal(error)),
        _ => Ok(()),
    }
}

fn unpublished(why: Unpublished, settings: GuardSettings, path: String) -> Error {
    match why {
        Unpublished::Failed(error) => Error::Publish(error),
        Unpublished::Refused(hold) => Error::Refused { hold: Box::new(hold), settings, path },
        Unpublished::Elsewhere { path } => Error::Elsewhere { path },
    }
}

fn why_refused(hold: &Hold, settings: &GuardSettings) -> String {
    let Hold { published, wanted, removals, .. } = hold;
    let GuardSettings { ratio, min, .. } = settings;
    match hold.cause {
        Cause::TooMany => format!(
            "refused: the {wanted} targets in etcd would remove {removals} of the {published} in \
             the target file, more than --guard-ratio {ratio} and --guard-min {min} allow"
        ),
        Cause::EmptyList => format!(
            "refused: etcd lists no target under --prefix, and the target file has {published}"
        ),
    }
}
