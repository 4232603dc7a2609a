//! Reaching a member.

use std::future::Future;
use std::time::Duration;

use etcd_client::{Client, ConnectOptions, KvClient, MaintenanceClient, WatchClient};
use tokio::time::sleep;

use super::{Error, Server, header, within};
use crate::core::paging::DECODE_LIMIT;
use crate::core::session::Header;

/// etcd closes connections that are probed on this level more often than every 5 s.
const SHORTEST_KEEP_ALIVE: Duration = Duration::from_secs(6);

/// For one answer: etcd itself gives a linearizable read up after 7 s without a leader; the
/// rest is for the bytes of a large page on a slow line.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// How long to wait for a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// To accept a connection, and to give a first answer on it.
    pub dial: Duration,
    /// Silence after which it is asked for a sign of life.
    pub idle: Duration,
    /// For that sign.
    pub answer: Duration,
}

impl Default for Patience {
    /// What the command line has as defaults.
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { dial: seconds(2), idle: seconds(6), answer: seconds(4) }
    }
}

/// A connection to one member.
pub struct Connection {
    pub(super) kv: KvClient,
    pub(super) watch: WatchClient,
    maintenance: MaintenanceClient,
    pub(super) patience: Patience,
    /// Which version of etcd the member is; empty if it did not say.
    pub version: String,
    /// Who answered; 0 throughout if it did not say.
    pub header: Header,
}

impl Connection {
    /// Connects and waits for the member's first answer.
    pub async fn open(server: &Server, patience: Patience) -> Result<Self, Error> {
        let options = ConnectOptions::new()
            .with_require_leader(true)
            .with_connect_timeout(patience.dial)
            .with_keep_alive(patience.idle.max(SHORTEST_KEEP_ALIVE), patience.answer)
            .with_keep_alive_while_idle(true);
        let client =
            within(patience.dial, Client::connect([server.as_str()], Some(options))).await?;
        // `connect` succeeds with nobody listening: ask for something that every member can
        // say by itself. Proxies may not know the call, which is an answer as well.
        let status = within(patience.dial, client.maintenance_client().status()).await;
        let (version, header) = match status {
            Ok(status) => (status.version().to_owned(), header(status.header())),
            Err(Error::Other(text)) if text.starts_with(UNIMPLEMENTED) => Default::default(),
            Err(error) => return Err(error),
        };
        Ok(Self {
            kv: client.kv_client().max_decoding_message_size(DECODE_LIMIT),
            watch: client.watch_client().max_decoding_message_size(DECODE_LIMIT),
            maintenance: client.maintenance_client(),
            patience,
            version,
            header,
        })
    }

    /// Waits for an answer that may take its time, as long as the member shows that it lives:
    /// on a slow line it is given up later than a member that hangs.
    pub(super) async fn answer<T>(
        &self,
        request: impl Future<Output = Result<T, etcd_client::Error>>,
    ) -> Result<T, Error> {
        let mut maintenance = self.maintenance.clone();
        let request = Box::pin(within(ANSWER_LIMIT, request));
        let hangs = Box::pin(async {
            loop {
                sleep(self.patience.idle).await;
                // Whatever it answers, it answers.
                let asked = within(self.patience.answer, maintenance.status()).await;
                if let Err(silence @ Error::Timeout(_)) = asked {
                    return silence;
                }
            }
        });
        tokio::select! {
            answer = request => answer,
            silence = hangs => Err(silence),
        }
    }
}

/// How the text of that gRPC status begins.
const UNIMPLEMENTED: &str = "Unimplemented";
