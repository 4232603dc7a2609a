//! The program: starts the actors, hears the signals, stops in order.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Addr, Arbiter};
use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use crate::actors::drift::DriftWatcher;
use crate::actors::messages::{Close, FirstPublish, Flush, LastFailure, Relist, Stop, Subscribe};
use crate::actors::persister::Persister;
use crate::actors::registry::Registry;
use crate::actors::watcher::EtcdWatcher;
use crate::config::Config;
use crate::etcd::Server;
use crate::file;

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
    /// `--once`: told to end before the file was written.
    #[error("interrupted; {path} is untouched")]
    Interrupted {
        /// The target file.
        path: String,
    },
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
            Self::NoList { .. } => 3,
            _ => 1,
        }
    }
}

/// Runs the daemon until `shutdown`, or, with `once`, until the file holds the document.
///
/// Must be called within an [`actix::System`]. On SIGHUP it lists anew.
///
/// # Errors
///
/// See [`enum@Error`]; with `once` unset only a failed last write, or a part that died, is one.
pub async fn run(config: Config, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
    let once = config.once;
    info!(
        version = env!("CARGO_PKG_VERSION"),
        servers = %config.servers.iter().map(Server::as_str).collect::<Vec<_>>().join(","),
        prefix = %config.prefix,
        target_file = %config.target_file.path().display(),
        "starting"
    );
    let mut hangups = signal(SignalKind::hangup()).map_err(Error::Signals)?;
    let actors = Actors::start(config).await?;
    if let Some(limit) = once {
        return actors.publish_once(limit, shutdown).await;
    }
    tokio::pin!(shutdown);
    let ended = loop {
        tokio::select! {
            () = &mut shutdown => break Ok(()),
            () = actors.died() => break Err(Error::Died),
            _ = hangups.recv() => {
                let _ = actors.watcher.send(Relist).await;
            }
        }
    };
    let stopped = actors.stop().await;
    ended.and(stopped)
}

/// From now on SIGTERM and SIGINT don't end the process but complete the returned future; a
/// second one ends the process at once. Must be called within a runtime.
pub fn terminated() -> impl Future<Output = ()> {
    let signals = signal(SignalKind::terminate()).and_then(|terminate| {
        signal(SignalKind::interrupt()).map(|interrupt| (terminate, interrupt))
    });
    async move {
        let Ok((mut terminate, mut interrupt)) = signals else {
            warn!("cannot listen for signals: SIGTERM and SIGINT end the process at once");
            return std::future::pending().await;
        };
        tokio::select! {
            _ = terminate.recv() => info!("stopping on SIGTERM"),
            _ = interrupt.recv() => info!("stopping on SIGINT"),
        }
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            warn!("second signal, ending at once");
            std::process::exit(1);
        });
    }
}

/// The four actors.
struct Actors {
    watcher: Addr<EtcdWatcher>,
    registry: Addr<Registry>,
    persister: Addr<Persister>,
    drift: Addr<DriftWatcher>,
    /// Decoding a large page takes its time: that happens on a thread of its own.
    etcd_thread: Arbiter,
    path: String,
}

impl Actors {
    async fn start(config: Config) -> Result<Self, Error> {
        let Config { servers, connector, prefix, target_file, debounce, drift_interval, .. } =
            config;
        let path = target_file.path().display().to_string();
        let registry = Registry::new(prefix.clone()).start();
        let persister =
            Persister::new(target_file.clone(), debounce, registry.clone().recipient()).start();
        let hints = Subscribe(persister.clone().recipient());
        registry.send(hints).await.map_err(|_| Error::Died)?;
        let inspect = persister.clone().recipient();
        let drift = DriftWatcher::new(target_file, drift_interval, inspect).start();
        let etcd_thread = Arbiter::new();
        let observed = registry.clone().recipient();
        let watcher = EtcdWatcher::start_in_arbiter(&etcd_thread.handle(), move |_| {
            EtcdWatcher::new(servers, connector, prefix, observed)
        });
        Ok(Self { watcher, registry, persister, drift, etcd_thread, path })
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
        let path = self.path;
        match closed {
            Ok(Ok(Ok(true))) => Ok(()),
            Ok(Ok(Err(error))) => Err(Error::Publish(error)),
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
        match flushed {
            Ok(Ok(published)) => published.map_err(Error::Publish)?,
            Ok(Err(_)) => return Err(Error::Died),
            Err(_) => return Err(Error::Slow { path: self.path }),
        }
        info!("stopped");
        Ok(())
    }
}
