//! Reaching a member.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use etcd_client::{Client, ConnectOptions, KvClient, LeaseClient, WatchClient};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::timeout;
use tracing::warn;

use super::credentials::Ready;
use super::error::{Failure, Refusal, within};
use super::login::{Keys, Login};
use super::{Credentials, Error, Patience, Server, TlsError, header, tls};
use crate::core::key::Prefix;
use crate::core::paging::DECODE_LIMIT;
use crate::core::session::Header;

/// etcd closes connections that are probed on this level more often than every 5 s.
const SHORTEST_KEEP_ALIVE: Duration = Duration::from_secs(6);

/// Makes connections. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Connector {
    patience: Patience,
    credentials: Arc<Credentials>,
    /// Whether watches are to tell of a deleted key what it was.
    with_previous: bool,
    /// That the user is of no use has been said.
    said_not_enabled: Arc<AtomicBool>,
}

/// A connection to one member.
pub struct Connection {
    pub(super) kv: KvClient,
    pub(super) watch: WatchClient,
    pub(super) lease: LeaseClient,
    /// Whether watches are to tell of a deleted key what it was.
    pub(super) with_previous: bool,
    pub(super) login: Login,
    pub(super) patience: Patience,
    /// Which version of etcd the member is; empty if it did not say.
    pub version: String,
    /// Who answered; 0 throughout if it did not say.
    pub header: Header,
    /// How large its database is, in bytes; no answer has more. `None` if it did not say.
    pub database: Option<usize>,
}

impl Connector {
    /// For connections with this patience, made with what the files of `credentials` hold at
    /// the time.
    #[must_use]
    pub fn new(patience: Patience, credentials: Credentials) -> Self {
        let credentials = Arc::new(credentials);
        Self { patience, credentials, with_previous: false, said_not_enabled: Arc::default() }
    }

    /// Has watches tell the lease that a deleted key had: etcd sends its last value as well then.
    #[must_use]
    pub fn with_leases(self) -> Self {
        Self { with_previous: true, ..self }
    }

    /// How long its connections wait.
    #[must_use]
    pub fn patience(&self) -> Patience {
        self.patience
    }

    /// Reads the credentials anew, connects, logs in, and waits for the member's first answer.
    /// Whoever logs in may read `prefix`.
    pub async fn open(&self, server: &Server, prefix: &Prefix) -> Result<Connection, Error> {
        let ready = self.read_credentials(server).await?;
        let tls = ready.tls.as_ref().map(|tls| Arc::clone(&tls.config));
        match self.connect(server, prefix, ready).await {
            Ok(connection) => Ok(connection),
            Err(Opening::Refused(error)) => Err(error),
            Err(Opening::Broken { tls: Some(error), .. }) => {
                Err(TlsError::new(&error, &self.credentials).into())
            }
            Err(Opening::Broken { tls: None, text }) if never_reached(&text) => {
                Err(Error::Other(text))
            }
            Err(Opening::Broken { tls: None, text }) => {
                let (server, credentials) = (server.clone(), Arc::clone(&self.credentials));
                let limit = self.patience.dial;
                let listening =
                    spawn_blocking(move || tls::objection(&server, tls, &credentials, limit));
                let objection = timeout(2 * limit, listening).await.ok().and_then(Result::ok);
                Err(objection.flatten().map_or(Error::Other(text), Error::Tls))
            }
        }
    }

    /// Asks each server for the cluster that it belongs to.
    pub async fn cluster_ids(&self, servers: &[Server], prefix: &Prefix) -> Vec<Option<u64>> {
        let mut asking = JoinSet::new();
        for (place, server) in servers.iter().cloned().enumerate() {
            let (connector, prefix) = (self.clone(), prefix.clone());
            asking.spawn(async move { (place, connector.open(&server, &prefix).await) });
        }
        let mut answers = vec![None; servers.len()];
        while let Some(answer) = asking.join_next().await {
            if let Ok((place, Ok(connection))) = answer {
                answers[place] = Some(connection.header.cluster_id).filter(|&id| id != 0);
            }
        }
        answers
    }

    async fn read_credentials(&self, server: &Server) -> Result<Ready, Error> {
        if !self.credentials.matter_to(server) {
            return Ok(Ready::default());
        }
        let (server, credentials) = (server.clone(), Arc::clone(&self.credentials));
        let reading = spawn_blocking(move || credentials.read(&server));
        match timeout(self.patience.dial, reading).await {
            Ok(Ok(ready)) => Ok(ready?),
            Ok(Err(cut_off)) => Err(Error::Other(cut_off.to_string())),
            Err(_) => Err(Error::Other(format!(
                "the files with certificates or the password could not be read within {:?}",
                self.patience.dial
            ))),
        }
    }

    async fn connect(
        &self,
        server: &Server,
        prefix: &Prefix,
        ready: Ready,
    ) -> Result<Connection, Opening> {
        let patience = self.patience;
        let mut options = ConnectOptions::new()
            .with_require_leader(true)
            .with_connect_timeout(patience.dial)
            .with_keep_alive(patience.idle.max(SHORTEST_KEEP_ALIVE), patience.answer)
            .with_keep_alive_while_idle(true);
        if let Some(tls) = ready.tls {
            options = options.with_tls(tls.options);
        }
        let connecting = Client::connect([server.as_str()], Some(options));
        // Nothing is sent yet: this only puts the options to use.
        let mut client = match timeout(patience.dial, connecting).await {
            Ok(client) => client.map_err(|error| Opening::Refused(error.into()))?,
            Err(_) => return Err(Opening::Refused(Error::Timeout(patience.dial))),
        };
        let login = Login::new(client.clone(), &self.credentials, patience.dial);
        let failed = |failure| Opening::new(failure, &login);
        if let Some((name, password)) = ready.login {
            let user = Some((name, password.reveal().to_owned()));
            match within(patience.dial, client.update_user(user)).await {
                Ok(()) => self.said_not_enabled.store(false, Ordering::Relaxed),
                // As etcdctl does. Whoever switches it on ends the connection by that.
                Err(Failure::Refused(Refusal::NotEnabled)) => self.say_not_enabled(server),
                Err(failure) => return Err(failed(failure)),
            }
        }
        // `connect` succeeds with nobody listening: ask for something that every member can
        // say by itself. Proxies may not know the call, and to some users it may be forbidden:
        // they may read the prefix.
        let status = within(patience.dial, client.maintenance_client().status()).await;
        let (version, header, database) = match status {
            Ok(status) => {
                let database = usize::try_from(status.db_size()).ok().filter(|&bytes| bytes > 0);
                (status.version().to_owned(), header(status.header()), database)
            }
            Err(failure) if is_unanswerable(&failure) => {
                let kv = client.kv_client();
                let read = login.ask(patience.dial, || {
                    let (mut kv, key) = (kv.clone(), prefix.as_str());
                    async move { kv.get(key, None).await }
                });
                let read = read.await.map_err(failed)?;
                (String::new(), header(read.header()), None)
            }
            Err(failure) => return Err(failed(failure)),
        };
        Ok(Connection {
            kv: client.kv_client().max_decoding_message_size(DECODE_LIMIT),
            watch: client.watch_client().max_decoding_message_size(DECODE_LIMIT),
            lease: client.lease_client(),
            with_previous: self.with_previous,
            login,
            patience,
            version,
            header,
            database,
        })
    }

    fn say_not_enabled(&self, server: &Server) {
        if let Some((user, _)) = &self.credentials.user
            && !self.said_not_enabled.swap(true, Ordering::Relaxed)
        {
            warn!(%server, user, "etcd's authentication is not enabled; --user has no effect");
        }
    }
}

/// Why there is no connection.
enum Opening {
    Refused(Error),
    Broken { tls: Option<rustls::Error>, text: String },
}

impl Opening {
    fn new(failure: Failure, login: &Login) -> Self {
        match failure {
            Failure::Broken { tls, text } => Self::Broken { tls, text },
            failure => Self::Refused(login.explain(failure, &Keys::none())),
        }
    }
}

/// Whether a member is there, and does not answer this request to this user.
fn is_unanswerable(failure: &Failure) -> bool {
    /// How the text of that gRPC status begins.
    const UNIMPLEMENTED: &str = "Unimplemented";
    match failure {
        Failure::Refused(refusal) => *refusal == Refusal::Permission,
        Failure::Failed(Error::Other(text)) => text.starts_with(UNIMPLEMENTED),
        Failure::Failed(_) | Failure::Broken { .. } => false,
    }
}

/// Whether there was not even a TCP connection.
fn never_reached(text: &str) -> bool {
    text.contains("tcp connect error") || text.contains("dns error")
}
