//! An etcd v3 server inside the process: the embedded registry.
//!
//! ```text
//!                 gRPC on loopback                          direct calls
//! etcd-client  ─────────────────────>  services             put, delete, compact,
//! etcdctl       kv · watch · lease     (api)                snapshot, restore
//!                       ^                │ read, change         │
//!                       │ admit, freeze, v                      v
//!               connections            Store  <─────────────────┘
//!                       ^                └─ State: keys with their versions, log, leases
//!                       │
//!                    faults ──settings, orders──> services ──seen──> requests
//! ```
//!
//! It serves three ends: trying the daemon without an etcd, faults that a real
//! etcd can't be told to have, and more events per second than a real one gives.
//! It is a small real multi-version store with compaction and leases, in memory
//! and of one member. The conformance tests in `tests/it` hold it to what etcd does.
//!
//! What it leaves out: other members and their consensus, authentication, TLS,
//! locks, elections, the JSON gateway. Where releases of etcd differ it follows
//! 3.5.30; [`Faults::let_progress_overtake`] brings an old one's bug back. It
//! differs from all of them in two ways that promise less to clients: a watch that
//! keeps up may get several revisions in one response, and a lease ends on time,
//! where etcd looks for ended ones twice a second.
//!
//! ```ignore
//! let registry = Embedded::start().await;
//! registry.store().put("/services/web/1", "10.0.0.1:80");
//! let client = Client::connect([registry.endpoint()], None).await?;
//! ```

// Tests, benches and the quickstart each use a part.
#![allow(dead_code)]
// It is used by tests alone: what can't happen may panic.
#![allow(clippy::expect_used)]

mod api;
mod cluster;
mod connections;
mod errors;
mod faults;
mod history;
mod keys;
mod kv;
mod lease;
mod leases;
mod progress;
mod requests;
mod state;
mod store;
mod txn;
mod watch;
mod watcher;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use etcd_client::proto::{
    PbClusterServer, PbKvServer, PbLeaseServer, PbMaintenanceServer, PbWatchServer,
};
use tokio::net::TcpSocket;
use tokio::task::JoinHandle;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;

use api::Api;
use connections::Connections;

// Each includer names a part.
#[allow(unused_imports)]
pub(crate) use {
    api::Limits,
    errors::Error,
    faults::Faults,
    requests::{RangeRequest, Requests, Seen, WatchRequest},
    store::{Entries, Snapshot, Store, Write},
};

/// How to start a server. The default is an empty store on a free port.
pub(crate) struct Options {
    /// Loopback only; port 0 takes a free one.
    pub(crate) address: SocketAddr,
    pub(crate) store: Arc<Store>,
    pub(crate) cluster_id: u64,
    pub(crate) member_id: u64,
    pub(crate) limits: Limits,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            address: (Ipv4Addr::LOCALHOST, 0).into(),
            store: Store::new(),
            cluster_id: 0xc1,
            member_id: 0x3e,
            limits: Limits::default(),
        }
    }
}

/// Connections that are not accepted yet.
const BACKLOG: u32 = 1024;

/// A running server. It stops when dropped; [`Embedded::stop`] waits until the port is closed.
pub(crate) struct Embedded {
    address: SocketAddr,
    /// Keeps the port while the server is stopped: nobody can connect to a socket that does not
    /// listen, and nobody else is given its port.
    reserved: Option<TcpSocket>,
    api: Arc<Api>,
    connections: Arc<Connections>,
    tasks: Vec<JoinHandle<()>>,
}

/// A socket at this address, which others of this user may have as well.
fn bound(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_reuseaddr(true).expect("an option of it");
    socket.set_reuseport(true).expect("an option of it");
    socket.bind(address).expect("the port is free");
    socket
}

impl Embedded {
    /// Starts a server with an empty store on a free port of 127.0.0.1, on the
    /// present tokio runtime.
    pub(crate) async fn start() -> Self {
        Self::start_with(Options::default()).await
    }

    /// Starts a server as `options` say.
    pub(crate) async fn start_with(options: Options) -> Self {
        let connections = Arc::new(Connections::default());
        let faults = Faults::new(options.cluster_id, connections.clone());
        let mut server = Self {
            address: options.address,
            reserved: None,
            api: Arc::new(Api {
                store: options.store,
                faults: Arc::new(faults),
                requests: Arc::default(),
                limits: options.limits,
                member_id: options.member_id,
            }),
            connections,
            tasks: Vec::new(),
        };
        server.start_again().await;
        server
    }

    /// Serves again after [`Embedded::stop`]: the same port, store and faults.
    #[allow(clippy::unused_async, reason = "only within a runtime, as it says by being awaited")]
    pub(crate) async fn start_again(&mut self) {
        assert!(self.tasks.is_empty(), "the server is running");
        assert!(self.address.ip().is_loopback(), "only for this machine");
        let reserved = self.reserved.get_or_insert_with(|| bound(self.address));
        self.address = reserved.local_addr().expect("it is bound");
        let listener = bound(self.address).listen(BACKLOG).expect("it can listen");
        let connections = self.connections.clone();
        let incoming = TcpListenerStream::new(listener)
            // A connection that breaks at once is the client's matter.
            .filter_map(move |stream| connections.admit(stream.ok()?).ok().flatten())
            .map(Ok::<_, std::convert::Infallible>);
        let serving = Server::builder()
            .add_service(PbKvServer::from_arc(self.api.clone()))
            .add_service(PbWatchServer::from_arc(self.api.clone()))
            .add_service(PbLeaseServer::from_arc(self.api.clone()))
            .add_service(PbMaintenanceServer::from_arc(self.api.clone()))
            .add_service(PbClusterServer::from_arc(self.api.clone()))
            .serve_with_incoming(incoming);
        let lessor = self.api.store.clone().expire_leases();
        self.tasks.push(tokio::spawn(async {
            serving.await.expect("serving ends with the server alone");
        }));
        self.tasks.push(tokio::spawn(lessor));
    }

    /// Closes the port and all connections at once, like a crash. The store stays.
    pub(crate) async fn stop(&mut self) {
        for task in self.tasks.drain(..) {
            task.abort();
            // Only to know that the port is closed: the error says "cancelled".
            let _ = task.await;
        }
        self.connections.kill();
    }

    /// The URL for clients.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens: also where to start another one when this is gone.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The store, for direct calls.
    pub(crate) fn store(&self) -> Arc<Store> {
        self.api.store.clone()
    }

    /// What the server is told to do wrong.
    pub(crate) fn faults(&self) -> &Faults {
        &self.api.faults
    }

    /// What clients asked for.
    pub(crate) fn requests(&self) -> &Requests {
        &self.api.requests
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
        self.connections.kill();
    }
}
