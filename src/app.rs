//! The program: starts the actors, hears the signals, stops in order.

mod signals;

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Addr, Arbiter};
use thiserror::Error;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};
use tracing::info;

use crate::actors::auditor::{Auditor, Peers};
use crate::actors::drift::{DriftWatcher, Watched};
use crate::actors::messages::{
    Close, FirstPublish, Flush, LastFailure, Release, Relist, Stop, Subscribe, Unpublished,
};
use crate::actors::persister::Persister;
use crate::actors::registry::Registry;
use crate::actors::watcher::EtcdWatcher;
use crate::config::Config;
use crate::core::guard::{Cause, GuardSettings, Hold};
use crate::core::session::RelistReason;
use crate::etcd::Server;
use crate::file::{self, TargetDir, TargetFile};
use signals::{Request, Requests};

pub use signals::{outlive_requests, terminated};

/// A stop takes no longer than both of these: for the watcher to pass on what it has
/// received, and for the last write, be the disk as slow as it may.
const WATCHER_TIMEOUT: Duration = Duration::from_secs(2);
const FLUSH_TIMEOUT: Duration = Duration::from_secs(8);

/// And `--once` waits no longer than this, after its time is over, for a write under way.
const LAST_WRITE: Duration = Duration::from_millis(500);

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
    /// The process can't hear signals.
    #[error("cannot listen for signals")]
    Signals(#[source] std::io::Error),
}

impl Error {
    /// What the process exits with.
    #[must_use]
    pub fn exit_code(&self) -> i32 {
        match self {
            Self::Refusal(_) => 2,
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
    let once = config.once;
    info!(
        version = env!("CARGO_PKG_VERSION"),
        servers = %config.servers.iter().map(Server::as_str).collect::<Vec<_>>().join(","),
        prefix = %config.schema.pattern.prefix(),
        key_pattern = config.schema.pattern.as_str(),
        value_format = config.schema.format.name(),
        target_file = config.target_file.as_ref().map(|file| file.path().display().to_string()),
        target_dir = config.target_dir.as_ref().map(|directory| directory.path().display().to_string()),
        "starting"
    );
    let mut requests = Requests::hear().map_err(Error::Signals)?;
    vouch(&config).await?;
    let actors = Actors::start(config).await?;
    if let Some(limit) = once {
        return actors.publish_once(limit, shutdown).await;
    }
    tokio::pin!(shutdown);
    let ended = loop {
        tokio::select! {
            () = &mut shutdown => break Ok(()),
            () = actors.died() => break Err(Error::Died),
            request = requests.next() => match request {
                Request::Relist => drop(actors.watcher.send(Relist(RelistReason::Requested)).await),
                Request::Release => drop(actors.persister.send(Release).await),
            }
        }
    };
    let stopped = actors.stop().await;
    ended.and(stopped)
}

/// Whoever gives the path of another program's file by mistake learns it at once. What else is
/// wrong with the files is tried again and again, once the daemon runs.
async fn vouch(config: &Config) -> Result<(), Error> {
    let (file, directory) = (config.target_file.clone(), config.target_dir.clone());
    let vouching = spawn_blocking(move || {
        let of_file = file.map_or(Ok(()), |file| file.locate()?.vouch());
        let of_directory = directory.map_or(Ok(()), |directory| directory.vouch());
        [of_file, of_directory].into_iter().filter_map(Result::err).find(file::Error::is_refusal)
    });
    match vouching.await {
        Ok(Some(error)) => Err(Error::Refusal(error)),
        _ => Ok(()),
    }
}

/// The actors.
struct Actors {
    watcher: Addr<EtcdWatcher>,
    registry: Addr<Registry>,
    persister: Addr<Persister>,
    drift: Addr<DriftWatcher>,
    auditor: Addr<Auditor>,
    /// Decoding a large page takes its time: that happens on a thread of its own, and an audit
    /// on another, so that it does not hold up the watch.
    etcd_thread: Arbiter,
    audit_thread: Arbiter,
    path: String,
    guard: GuardSettings,
}

impl Actors {
    async fn start(config: Config) -> Result<Self, Error> {
        let file = config.target_file.as_ref().map(TargetFile::path);
        let paths = file.into_iter().chain(config.target_dir.as_ref().map(TargetDir::path));
        let path = paths.map(|path| path.display().to_string()).collect::<Vec<_>>().join(" and ");
        let guard = config.guard;
        let registry = Registry::new(Arc::clone(&config.schema)).start();
        let etcd_thread = Arbiter::new();
        let (observed, settings) = (registry.clone().recipient(), config.clone());
        let watcher = EtcdWatcher::start_in_arbiter(&etcd_thread.handle(), move |_| {
            EtcdWatcher::new(
                settings.servers,
                settings.connector,
                settings.schema.pattern.prefix().clone(),
                settings.max_entries,
                observed,
            )
        });
        let mut persister = Persister::new(config.debounce, registry.clone().recipient())
            .guarded(guard, config.once.is_some())
            .confirming(watcher.clone().recipient());
        if let Some(file) = config.target_file.clone() {
            persister = persister.to_file(file);
        }
        if let Some(directory) = config.target_dir.clone() {
            persister = persister.to_directory(directory);
        }
        let persister = persister.start();
        let hints = Subscribe(persister.clone().recipient());
        registry.send(hints).await.map_err(|_| Error::Died)?;
        let inspect = persister.clone().recipient();
        let outputs = config.target_file.clone().map(Watched::File).into_iter();
        let outputs = outputs
            .chain(
                config
                    .target_dir
                    .as_ref()
                    .map(|directory| Watched::Directory(directory.path().to_owned())),
            )
            .collect();
        let drift = DriftWatcher::new(outputs, config.drift_interval, inspect).start();
        let peers = Peers {
            registry: registry.clone().recipient(),
            position: watcher.clone().recipient(),
            relist: watcher.clone().recipient(),
        };
        let audit_thread = Arbiter::new();
        let auditor = Auditor::start_in_arbiter(&audit_thread.handle(), move |_| {
            Auditor::new(
                config.servers,
                config.connector,
                config.schema.pattern.prefix().clone(),
                config.audit_interval,
                peers,
            )
        });
        let hints = Subscribe(auditor.clone().recipient());
        watcher.send(hints).await.map_err(|_| Error::Died)?;
        Ok(Self {
            watcher,
            registry,
            persister,
            drift,
            auditor,
            etcd_thread,
            audit_thread,
            path,
            guard,
        })
    }

    /// Completes when the file holds the first document, or will not; nothing is written after.
    async fn publish_once(
        self,
        limit: Duration,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), Error> {
        let interrupted = tokio::select! {
            biased;
            _ = self.persister.send(FirstPublish) => false,
            () = shutdown => true,
            () = sleep(limit) => false,
        };
        let failure = self.watcher.send(LastFailure).await.ok().flatten();
        // The document may be on its way to the file in this very moment: nothing is said of
        // the file before that is settled.
        let closed = timeout(LAST_WRITE, self.persister.send(Close)).await;
        let _ = timeout(LAST_WRITE, self.watcher.send(Stop)).await;
        self.etcd_thread.stop();
        self.audit_thread.stop();
        let (path, guard) = (self.path, self.guard);
        match closed {
            Ok(Ok(Ok(true))) => Ok(()),
            Ok(Ok(Err(why))) => Err(unpublished(why, guard, path)),
            Ok(Ok(Ok(false))) if interrupted => Err(Error::Interrupted { path }),
            Ok(Ok(Ok(false))) => {
                let failure = failure.unwrap_or_else(|| "the list came too late".into());
                Err(Error::NoList { limit, path, failure })
            }
            Ok(Err(_)) => Err(Error::Died),
            Err(_) => Err(Error::Slow { path }),
        }
    }

    /// Completes when an actor has ended that should not have.
    async fn died(&self) {
        const PERIOD: Duration = Duration::from_secs(1);
        let alive = || {
            self.watcher.connected()
                && self.registry.connected()
                && self.persister.connected()
                && self.drift.connected()
                && self.auditor.connected()
        };
        while alive() {
            sleep(PERIOD).await;
        }
    }

    /// First nothing more comes in, then what is pending goes out.
    async fn stop(self) -> Result<(), Error> {
        let _ = timeout(WATCHER_TIMEOUT, self.watcher.send(Stop)).await;
        let flushed = timeout(FLUSH_TIMEOUT, self.persister.send(Flush)).await;
        self.etcd_thread.stop();
        self.audit_thread.stop();
        match flushed {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(why))) => return Err(unpublished(why, self.guard, self.path)),
            Ok(Err(_)) => return Err(Error::Died),
            Err(_) => return Err(Error::Slow { path: self.path }),
        }
        info!("stopped");
        Ok(())
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
