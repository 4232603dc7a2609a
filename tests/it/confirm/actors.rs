//! The watcher and the registry, without the half of the daemon that writes.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use actix::dev::Request;
use actix::{Actor, Addr, Arbiter, Context, Handler, ResponseFuture, System};
use etcd_sd::actors::messages::{Confirm, Observed, Render, Taken};
use etcd_sd::actors::registry::Registry;
use etcd_sd::actors::watcher::EtcdWatcher;
use etcd_sd::core::event::Event;
use etcd_sd::core::key::Prefix;
use etcd_sd::core::schema::Schema;
use etcd_sd::etcd::{Connector, Server};
use tokio::time::timeout;

/// The watcher and the registry, on threads of their own.
pub(super) struct Actors {
    pub(super) watcher: Addr<EtcdWatcher>,
    registry: Addr<Registry>,
    lists: Arc<AtomicUsize>,
    system: System,
    thread: Option<JoinHandle<()>>,
}

impl Actors {
    pub(super) fn start(endpoint: &str) -> Self {
        let server = Server::parse(endpoint).unwrap();
        let lists = Arc::<AtomicUsize>::default();
        let counted = Arc::clone(&lists);
        let (sender, receiver) = mpsc::channel();
        let thread = thread::spawn(move || {
            let system = System::new();
            let started = system.block_on(async move {
                let prefix = Prefix::parse("/services").unwrap();
                let registry = Registry::new(Schema::below(&prefix).into()).start();
                let tap = Tap { lists: counted, registry: registry.clone() }.start();
                let (servers, connector) = (vec![server], Connector::default());
                let watcher = EtcdWatcher::start_in_arbiter(&Arbiter::new().handle(), move |_| {
                    EtcdWatcher::new(servers, connector, prefix, usize::MAX, tap.recipient())
                });
                (watcher, registry, System::current())
            });
            sender.send(started).unwrap();
            system.run().unwrap();
        });
        let (watcher, registry, system) = receiver.recv().unwrap();
        Self { watcher, registry, lists, system, thread: Some(thread) }
    }

    /// Asks at once; to be waited for.
    pub(super) fn asks(&self) -> Pin<Box<Request<EtcdWatcher, Confirm>>> {
        Box::pin(self.watcher.send(Confirm))
    }

    /// Asks, and waits for the answer.
    pub(super) async fn confirmed(&self, within: Duration) {
        let answer = timeout(within, self.asks()).await;
        assert_eq!(answer.expect("no answer in time").unwrap(), Ok(()));
    }

    pub(super) async fn document(&self) -> String {
        let document = self.registry.send(Render).await.unwrap();
        String::from_utf8(document.expect("a document").to_vec()).unwrap()
    }

    /// The registry holds this target now.
    pub(super) async fn holds(&self, target: &str) {
        let document = self.document().await;
        assert!(document.contains(&format!("{target:?}")), "no {target} in {document}");
    }

    /// Of the target `10.0.0.1`.
    pub(super) async fn port(&self) -> u16 {
        let document = self.document().await;
        let port = document.split_once("10.0.0.1:").and_then(|(_, rest)| rest.split_once('"'));
        port.map(|(port, _)| port.parse().unwrap()).unwrap_or_default()
    }

    /// How many lists were complete so far.
    pub(super) fn lists(&self) -> usize {
        self.lists.load(Ordering::Relaxed)
    }
}

impl Drop for Actors {
    fn drop(&mut self) {
        self.system.stop();
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Between the watcher and the registry: counts lists.
struct Tap {
    lists: Arc<AtomicUsize>,
    registry: Addr<Registry>,
}

impl Actor for Tap {
    type Context = Context<Self>;
}

impl Handler<Observed> for Tap {
    type Result = ResponseFuture<Taken>;

    fn handle(
        &mut self,
        Observed { event, arrived }: Observed,
        _: &mut Self::Context,
    ) -> Self::Result {
        if matches!(event, Event::ListEnded { .. }) {
            self.lists.fetch_add(1, Ordering::Relaxed);
        }
        let taking = self.registry.send(Observed { event, arrived });
        Box::pin(async { taking.await.unwrap() })
    }
}
