//! How many events a second come from the embedded registry, through gRPC and the watcher,
//! into the registry actor; beside it a bare watch that only counts them, to compare with, and a
//! registry whose changes are recorded, as with `--listen` or `--journal`.
//!
//! The events are written before the clock starts, and held back until then. It stops with
//! the registry's last hint to its subscriber.
#![allow(missing_docs, reason = "criterion's macros write none")]

#[path = "../tests/embedded/mod.rs"]
mod embedded;
mod fixtures;

use std::cell::Cell;
use std::error::Error;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{Actor, Addr, Arbiter, Context, Handler, System, SystemRunner};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use etcd_client::{Client, WatchOptions, WatchStream};
use etcd_sd::actors::messages::{Dirty, Render, Subscribe};
use etcd_sd::actors::registry::Registry;
use etcd_sd::actors::watcher::EtcdWatcher;
use etcd_sd::core::event::Revision;
use etcd_sd::core::schema::Schema;
use etcd_sd::etcd::{Connector, Server};
use etcd_sd::history::History;
use etcd_sd::observer::Observer;
use tokio::runtime::{Builder, Runtime};

use embedded::Embedded;
use fixtures::{address, key, prefix};

/// Instances that are registered all the time.
const INSTANCES: usize = 10_000;

/// Events that are measured together.
const EVENTS: usize = 100_000;

/// Without a hint for so long, the registry may have all.
const QUIET: Duration = Duration::from_millis(5);

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn events(criterion: &mut Criterion) {
    if let Err(error) = try_events(criterion) {
        unreachable!("the embedded registry is there and answers: {error}");
    }
}

fn try_events(criterion: &mut Criterion) -> Result<()> {
    let mut group = criterion.benchmark_group("events");
    group.throughput(Throughput::Elements(EVENTS as u64));
    for in_a_revision in [1, 100] {
        let mut source = Source::start(in_a_revision)?;
        let bare = Bare::start(&source.endpoint())?;
        group.bench_function(BenchmarkId::new("bare_watch", in_a_revision), |bencher| {
            bencher.iter_custom(|times| source.measure(times, |revision| bare.wait(revision)));
        });
        drop(bare);
        for name in ["registry_actor", "recorded"] {
            let daemon = Daemon::start(&source.endpoint(), name == "recorded")?;
            group.bench_function(BenchmarkId::new(name, in_a_revision), |bencher| {
                bencher
                    .iter_custom(|times| source.measure(times, |revision| daemon.wait(revision)));
            });
            daemon.stop();
        }
    }
    group.finish();
    Ok(())
}

/// The embedded registry on a thread of its own.
struct Source {
    registry: Embedded,
    _runtime: Runtime,
    in_a_revision: usize,
    round: usize,
}

impl Source {
    fn start(in_a_revision: usize) -> Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let registry = runtime.block_on(Embedded::start());
        registry.store().put_many((0..INSTANCES).map(|i| (key(i), address(i, 0))));
        Ok(Self { registry, _runtime: runtime, in_a_revision, round: 0 })
    }

    fn endpoint(&self) -> String {
        self.registry.endpoint()
    }

    /// How long it takes until `wait` says that the events have come.
    fn measure(&mut self, times: u64, wait: impl Fn(Revision) -> Instant) -> Duration {
        (0..times)
            .map(|_| {
                self.registry.faults().hold_events(true);
                let revision = self.write();
                let begun = Instant::now();
                self.registry.faults().hold_events(false);
                let taken = wait(Revision(revision)) - begun;
                // Else the history of all rounds would be kept. An error says that this one
                // is gone already.
                let _ = self.registry.store().compact(revision);
                taken
            })
            .sum()
    }

    fn write(&mut self) -> i64 {
        let store = self.registry.store();
        let instances = INSTANCES / self.in_a_revision;
        for write in 0..EVENTS / self.in_a_revision {
            if write % instances == 0 {
                self.round += 1;
            }
            let first = write % instances * self.in_a_revision;
            let moved = first..first + self.in_a_revision;
            store.put_many(moved.map(|i| (key(i), address(i, self.round))));
        }
        store.revision()
    }
}

/// A watch of the etcd client, and nothing else.
struct Bare {
    runtime: Runtime,
    stream: std::cell::RefCell<WatchStream>,
}

impl Bare {
    fn start(endpoint: &str) -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let stream = runtime.block_on(async {
            let mut client = Client::connect([endpoint], None).await?;
            let options = WatchOptions::new().with_prefix().with_fragment();
            let mut stream = client.watch(prefix().as_str(), Some(options)).await?;
            // Only from its first response on the watch misses nothing.
            stream.message().await?;
            Ok::<_, etcd_client::Error>(stream)
        })?;
        Ok(Self { runtime, stream: stream.into() })
    }

    fn wait(&self, revision: Revision) -> Instant {
        let mut stream = self.stream.borrow_mut();
        self.runtime.block_on(async {
            let mut events = 0;
            while let Ok(Some(response)) = stream.message().await {
                events += response.events().len();
                let last = response.events().last().and_then(|event| event.kv());
                if last.is_some_and(|kv| kv.mod_revision() >= revision.0) {
                    break;
                }
            }
            assert_eq!(events, EVENTS, "all of them, each once");
            Instant::now()
        })
    }
}

/// The daemon without its half that writes: its watcher and its registry, on two threads.
struct Daemon {
    system: SystemRunner,
    registry: Addr<Registry>,
    last_hint: Rc<Cell<Instant>>,
    etcd_thread: Arbiter,
    _history: Option<History>,
}

impl Daemon {
    fn start(endpoint: &str, is_recorded: bool) -> Result<Self> {
        let server = Server::parse(endpoint)?;
        let schemas = vec![Arc::new(Schema::below(&prefix()))];
        let start = || History::start(schemas.clone(), None, None);
        let history = is_recorded.then(start).transpose()?;
        let observer = Observer::new(history.as_ref().map(History::sender).unwrap_or_default());
        let observer = observer.source(&schemas, &schemas[0], Duration::MAX);
        let system = System::new();
        let daemon = system.block_on(async {
            let registry = Registry::new(Arc::clone(&schemas[0]));
            let registry = registry.observed_by(observer.clone()).start();
            let last_hint = Rc::new(Cell::new(Instant::now()));
            let probe = Probe(Rc::clone(&last_hint)).start();
            registry.send(Subscribe(probe.recipient())).await?;
            let events = registry.clone().recipient();
            let etcd_thread = Arbiter::new();
            EtcdWatcher::start_in_arbiter(&etcd_thread.handle(), |_| {
                EtcdWatcher::new(vec![server], Connector::default(), prefix(), usize::MAX, events)
                    .observed_by(observer)
            });
            Ok::<_, actix::MailboxError>((registry, last_hint, etcd_thread))
        });
        let (registry, last_hint, etcd_thread) = daemon?;
        let daemon = Self { system, registry, last_hint, etcd_thread, _history: history };
        daemon.wait(Revision(0));
        Ok(daemon)
    }

    fn wait(&self, revision: Revision) -> Instant {
        self.last_hint.set(Instant::now());
        self.system.block_on(async {
            loop {
                tokio::time::sleep(QUIET / 2).await;
                // Asking is not for free.
                if self.last_hint.get().elapsed() < QUIET {
                    continue;
                }
                let document = self.registry.send(Render).await.ok().flatten();
                if document.is_some_and(|document| document.revision() >= revision) {
                    return self.last_hint.get();
                }
            }
        })
    }

    fn stop(self) {
        self.etcd_thread.stop();
        // A thread that panicked has said so.
        let _ = self.etcd_thread.join();
    }
}

/// Notes when the registry says that it has changed.
struct Probe(Rc<Cell<Instant>>);

impl Actor for Probe {
    type Context = Context<Self>;
}

impl Handler<Dirty> for Probe {
    type Result = ();

    fn handle(&mut self, _: Dirty, _: &mut Self::Context) {
        self.0.set(Instant::now());
    }
}

criterion_group! { name = benches; config = fixtures::criterion(); targets = events }
criterion_main!(benches);
