//! The registry under the daemon: embedded or a real etcd. A test is written
//! once, as `async fn name(etcd: Etcd)`, and listed with a macro below, which makes
//! of it `embedded::name` and `real::name`.

use std::future::Future;

use etcd_client::Client;
use tokio::runtime;

use super::etcd::{RealEtcd, Sync};
use super::render;
use crate::embedded::Embedded;

/// A registry that runs, and ends with the test.
pub(crate) struct Etcd {
    endpoint: String,
    client: Client,
    server: Server,
}

enum Server {
    Embedded(Embedded),
    Real(Box<RealEtcd>),
}

impl Etcd {
    pub(crate) async fn embedded() -> Self {
        let embedded = Embedded::start().await;
        let endpoint = embedded.endpoint();
        let client = connect(&endpoint).await;
        Self { endpoint, client, server: Server::Embedded(embedded) }
    }

    pub(crate) async fn real(sync: Sync) -> Self {
        Self::of(RealEtcd::start(sync).await).await
    }

    pub(crate) async fn of(etcd: RealEtcd) -> Self {
        let client = etcd.connect().await;
        Self { endpoint: etcd.endpoint().to_owned(), client, server: Server::Real(Box::new(etcd)) }
    }

    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// A client, which reconnects by itself.
    pub(crate) fn client(&self) -> Client {
        self.client.clone()
    }

    pub(crate) fn is_embedded(&self) -> bool {
        matches!(self.server, Server::Embedded(_))
    }

    /// The embedded server, for the tests that are about its faults.
    pub(crate) fn faulty(&self) -> &Embedded {
        match &self.server {
            Server::Embedded(embedded) => embedded,
            Server::Real(_) => panic!("a real etcd can't be told to fail"),
        }
    }

    /// The real etcd, for the tests that need its files.
    pub(crate) fn files(&self) -> &RealEtcd {
        match &self.server {
            Server::Embedded(_) => panic!("the embedded registry has no files"),
            Server::Real(etcd) => etcd,
        }
    }

    /// The real server, for the tests that are about its settings.
    pub(crate) fn settings(&mut self) -> &mut RealEtcd {
        match &mut self.server {
            Server::Embedded(_) => panic!("the embedded server has no settings"),
            Server::Real(etcd) => etcd,
        }
    }

    /// Ends it at once: nobody listens on its port any more.
    pub(crate) async fn kill(&mut self) {
        match &mut self.server {
            Server::Embedded(embedded) => embedded.stop().await,
            Server::Real(etcd) => etcd.kill(),
        }
    }

    /// Starts it again where it was, with what it had, and waits until it serves.
    pub(crate) async fn restart(&mut self) {
        match &mut self.server {
            Server::Embedded(embedded) => embedded.start_again().await,
            Server::Real(etcd) => etcd.restart().await,
        }
        // The old client may sit out a backoff before it connects again.
        self.connect_again().await;
    }

    /// With what it takes now.
    pub(crate) async fn connect_again(&mut self) {
        self.client = match &self.server {
            Server::Embedded(_) => connect(&self.endpoint).await,
            Server::Real(etcd) => etcd.connect().await,
        };
    }

    /// Lets it stand still: connections stay open, and nothing is answered.
    pub(crate) fn freeze(&self) {
        match &self.server {
            Server::Embedded(embedded) => embedded.faults().freeze_connections(true),
            Server::Real(etcd) => etcd.freeze(),
        }
    }

    /// Lets it go on.
    pub(crate) fn thaw(&self) {
        match &self.server {
            Server::Embedded(embedded) => embedded.faults().freeze_connections(false),
            Server::Real(etcd) => etcd.thaw(),
        }
    }

    /// All entries below `/services/` now, as etcdctl or the embedded store has them.
    pub(crate) fn entries(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        const PREFIX: &str = "/services/";
        match &self.server {
            Server::Embedded(embedded) => embedded.store().list(PREFIX).1,
            Server::Real(etcd) => etcd.range(PREFIX),
        }
    }

    /// What the target file should hold now.
    pub(crate) fn document(&self) -> String {
        render::document(&self.entries())
    }
}

async fn connect(endpoint: &str) -> Client {
    Client::connect([endpoint], None).await.unwrap()
}

/// Runs a test on a runtime whose tasks go on while the test's own thread is busy.
pub(crate) fn run<F: Future<Output = ()>>(test: impl FnOnce() -> F) {
    let mut runtime = runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(test());
}

pub(crate) fn run_embedded<F: Future<Output = ()>>(test: impl FnOnce(Etcd) -> F) {
    run(async || test(Etcd::embedded().await).await);
}

pub(crate) fn run_real<F: Future<Output = ()>>(sync: Sync, test: impl FnOnce(Etcd) -> F) {
    run(async || test(Etcd::real(sync).await).await);
}

/// Lists tests that run on both registries.
macro_rules! on_both {
    ($($test:ident),+ $(,)?) => {
        $crate::support::backend::on_embedded!($($test),+);
        $crate::support::backend::on_real!($($test),+);
    };
    // For tests that kill etcd, which must still have what it acknowledged.
    (Sync::Always: $($test:ident),+ $(,)?) => {
        $crate::support::backend::on_embedded!($($test),+);
        $crate::support::backend::on_real!(Sync::Always: $($test),+);
    };
}

/// Lists tests that run on the embedded registry.
macro_rules! on_embedded {
    ($($test:ident),+ $(,)?) => {
        mod embedded {
            $(
                #[test]
                fn $test() {
                    $crate::support::backend::run_embedded(super::$test);
                }
            )+
        }
    };
}

/// Lists tests that run on a real etcd.
macro_rules! on_real {
    ($($test:ident),+ $(,)?) => {
        $crate::support::backend::on_real!(Sync::Never: $($test),+);
    };
    (Sync::$sync:ident: $($test:ident),+ $(,)?) => {
        mod real {
            use $crate::support::{backend, etcd};
            $(
                #[test]
                #[ignore = "needs etcd: tests/run"]
                fn $test() {
                    backend::run_real(etcd::Sync::$sync, super::$test);
                }
            )+
        }
    };
}

/// Lists tests that start a real etcd of their own making.
macro_rules! with_own_etcd {
    ($($test:ident),+ $(,)?) => {
        mod real {
            $(
                #[test]
                #[ignore = "needs etcd: tests/run"]
                fn $test() {
                    $crate::support::backend::run(super::$test);
                }
            )+
        }
    };
}

pub(crate) use {on_both, on_embedded, on_real, with_own_etcd};
