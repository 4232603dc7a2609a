//! The actors of the program: how they are started, wired and stopped.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Addr, Arbiter};
use tokio::time::{sleep, timeout};
use tracing::info;

use super::{Error, health, unpublished};
use crate::actors::auditor::{Auditor, Peers};
use crate::actors::drift::{DriftWatcher, Watched};
use crate::actors::merger::{self, Merger};
use crate::actors::messages::{
    Close, FirstPublish, Flush, LastFailure, Release, Relist, Stop, Subscribe,
};
use crate::actors::persister::Persister;
use crate::actors::registry::Registry;
use crate::actors::watcher::EtcdWatcher;
use crate::board::Board;
use crate::config::Config;
use crate::core::guard::GuardSettings;
use crate::core::schema::Schema;
use crate::core::session::RelistReason;
use crate::file::{TargetDir, TargetFile};
use crate::http;
use crate::observer::Observer;
use crate::telemetry::source_span;

/// A stop takes no longer than both of these: for the watchers to pass on what they have
/// received, and for the last write, be the disk as slow as it may.
const WATCHER_TIMEOUT: Duration = Duration::from_millis(1500);
const FLUSH_TIMEOUT: Duration = Duration::from_millis(7500);

/// And `--once` waits no longer than this, after its time is over, for a write under way.
const LAST_WRITE: Duration = Duration::from_millis(500);

/// All actors.
pub(super) struct Actors {
    sources: Vec<Source>,
    /// There is one if there are several sources.
    merger: Option<Addr<Merger>>,
    persister: Addr<Persister>,
    drift: Addr<DriftWatcher>,
    threads: Threads,
    path: String,
    guard: GuardSettings,
}

/// The actors of one source.
struct Source {
    schema: Arc<Schema>,
    watcher: Addr<EtcdWatcher>,
    registry: Addr<Registry>,
    auditor: Addr<Auditor>,
}

/// Decoding a large page takes its time: that happens on a thread of its own, and an audit
/// on another, so that it does not hold up the watch.
struct Threads {
    etcd: Arbiter,
    audit: Arbiter,
}

impl Actors {
    pub(super) async fn start(config: Config, observer: &Observer) -> Result<Self, Error> {
        let threads = Threads { etcd: Arbiter::new(), audit: Arbiter::new() };
        let mut sources = Vec::with_capacity(config.sources.len());
        for schema in &config.sources {
            sources.push(Source::start(&config, schema, &threads, observer).await?);
        }
        let merger = (sources.len() > 1).then(|| merger(&sources).start());
        let persister = persister(&config, &sources, merger.as_ref(), observer).start();
        for source in &sources {
            let hints = Subscribe(persister.clone().recipient());
            source.registry.send(hints).await.map_err(|_| Error::Died)?;
        }
        let file = config.target_file.as_ref().map(TargetFile::path);
        let directory = config.target_dir.as_ref().map(TargetDir::path);
        let paths = file.into_iter().chain(directory);
        let path = paths.map(|path| path.display().to_string()).collect::<Vec<_>>().join(" and ");
        let watched = config.target_file.clone().map(Watched::File).into_iter();
        let watched = watched.chain(directory.map(|path| Watched::Directory(path.to_owned())));
        let inspect = persister.clone().recipient();
        let drift = DriftWatcher::new(watched.collect(), config.drift_interval, inspect).start();
        let actors = Self { sources, merger, persister, drift, threads, path, guard: config.guard };
        actors.watch(&observer.board);
        Ok(actors)
    }

    /// What requests may look into.
    pub(super) fn inspected(&self) -> Vec<http::Source> {
        let inspected = self.sources.iter().map(|source| http::Source {
            schema: Arc::clone(&source.schema),
            instances: source.registry.clone().recipient(),
            quarantined: source.registry.clone().recipient(),
        });
        inspected.collect()
    }

    /// From now on the board says whether they answer.
    fn watch(&self, board: &Arc<Board>) {
        for Source { watcher, registry, auditor, .. } in &self.sources {
            health::watch(watcher, board);
            health::watch(registry, board);
            health::watch(auditor, board);
        }
        if let Some(merger) = &self.merger {
            health::watch(merger, board);
        }
        health::watch(&self.persister, board);
        health::watch(&self.drift, board);
    }

    /// Has everything listed anew.
    pub(super) async fn relist(&self) {
        for source in &self.sources {
            let _ = source.watcher.send(Relist(RelistReason::Requested)).await;
        }
    }

    /// Lets the removals through that the guard holds.
    pub(super) async fn release(&self) {
        let _ = self.persister.send(Release).await;
    }

    /// Completes when the file holds the first document, or will not; nothing is written after.
    pub(super) async fn publish_once(
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
        let failure = self.last_failures().await;
        // The document may be on its way to the file in this very moment: nothing is said of
        // the file before that is settled.
        let closed = timeout(LAST_WRITE, self.persister.send(Close)).await;
        self.stop_watching(LAST_WRITE).await;
        self.threads.stop();
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
    pub(super) async fn died(&self) {
        const PERIOD: Duration = Duration::from_secs(1);
        let alive = || {
            self.sources.iter().all(Source::is_alive)
                && self.merger.as_ref().is_none_or(Addr::connected)
                && self.persister.connected()
                && self.drift.connected()
        };
        while alive() {
            sleep(PERIOD).await;
        }
    }

    /// First nothing more comes in, then what is pending goes out.
    pub(super) async fn stop(self) -> Result<(), Error> {
        self.stop_watching(WATCHER_TIMEOUT).await;
        let flushed = timeout(FLUSH_TIMEOUT, self.persister.send(Flush)).await;
        self.threads.stop();
        match flushed {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(why))) => return Err(unpublished(why, self.guard, self.path)),
            Ok(Err(_)) => return Err(Error::Died),
            Err(_) => return Err(Error::Slow { path: self.path }),
        }
        info!("stopped");
        Ok(())
    }

    /// All watchers at once, within `limit`.
    async fn stop_watching(&self, limit: Duration) {
        let stopping: Vec<_> =
            self.sources.iter().map(|source| source.watcher.send(Stop)).collect();
        let all = async {
            for stopped in stopping {
                let _ = stopped.await;
            }
        };
        let _ = timeout(limit, all).await;
    }

    /// Why there is no connection, where there is none.
    async fn last_failures(&self) -> Option<String> {
        let mut failures = Vec::new();
        for source in &self.sources {
            let failure = source.watcher.send(LastFailure).await.ok().flatten();
            failures.extend(failure.map(|failure| match &self.sources[..] {
                [_] => failure,
                _ => format!("{}: {failure}", source.schema.pattern.prefix()),
            }));
        }
        (!failures.is_empty()).then(|| failures.join("; "))
    }
}

impl Threads {
    fn stop(&self) {
        self.etcd.stop();
        self.audit.stop();
    }
}

impl Source {
    async fn start(
        config: &Config,
        schema: &Arc<Schema>,
        threads: &Threads,
        observer: &Observer,
    ) -> Result<Self, Error> {
        let prefix = schema.pattern.prefix().clone();
        let patience = config.connector.patience();
        let observer = observer.source(&config.sources, schema, patience.idle + patience.answer);
        let span = source_span(&config.sources, schema);
        let registry = Registry::new(Arc::clone(schema)).within(span.clone());
        let registry = registry.observed_by(observer.clone()).start();
        let (to_registry, settings) = (registry.clone().recipient(), config.clone());
        let (to_watch, of_watcher, seen) = (prefix.clone(), span.clone(), observer.clone());
        let watcher = EtcdWatcher::start_in_arbiter(&threads.etcd.handle(), move |_| {
            let Config { servers, connector, max_entries, .. } = settings;
            EtcdWatcher::new(servers, connector, to_watch, max_entries, to_registry)
                .within(of_watcher)
                .observed_by(seen)
        });
        let peers = Peers {
            registry: registry.clone().recipient(),
            position: watcher.clone().recipient(),
            relist: watcher.clone().recipient(),
        };
        let (settings, to_audit) = (config.clone(), prefix.clone());
        let auditor = Auditor::start_in_arbiter(&threads.audit.handle(), move |_| {
            let Config { servers, connector, audit_interval, .. } = settings;
            Auditor::new(servers, connector, to_audit, audit_interval, peers)
                .within(span)
                .observed_by(observer)
        });
        let hints = Subscribe(auditor.clone().recipient());
        watcher.send(hints).await.map_err(|_| Error::Died)?;
        Ok(Self { schema: Arc::clone(schema), watcher, registry, auditor })
    }

    fn is_alive(&self) -> bool {
        self.watcher.connected() && self.registry.connected() && self.auditor.connected()
    }
}

fn merger(sources: &[Source]) -> Merger {
    let sources = sources.iter().map(|source| merger::Source {
        registry: source.registry.clone().recipient(),
        watcher: source.watcher.clone().recipient(),
    });
    Merger::new(sources.collect())
}

/// The persister of what these sources have, merged if they are several.
fn persister(
    config: &Config,
    sources: &[Source],
    merger: Option<&Addr<Merger>>,
    observer: &Observer,
) -> Persister {
    let (rendering, confirming) = match (merger, sources) {
        (None, [source, ..]) => {
            (source.registry.clone().recipient(), source.watcher.clone().recipient())
        }
        (Some(merger), _) => (merger.clone().recipient(), merger.clone().recipient()),
        (None, []) => unreachable!("there is one source at least"),
    };
    let mut persister = Persister::new(config.debounce, rendering)
        .observed_by(observer, config.listen.is_some())
        .guarded(config.guard, config.once.is_some())
        .confirming(confirming);
    if let Some(file) = config.target_file.clone() {
        persister = persister.to_file(file);
    }
    if let Some(directory) = config.target_dir.clone() {
        persister = persister.to_directory(directory);
    }
    persister
}
