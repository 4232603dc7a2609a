//! How requests look into the registries, and into etcd: few at a time, and never for long.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use actix::{Message, Recipient};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio::time::{sleep, timeout};

use super::refusal::Refusal;
use crate::actors::messages::{Instances, Quarantined};
use crate::core::event::KeyValue;
use crate::core::key::Key;
use crate::core::query::{InstancesPage, InstancesQuery, QuarantinePage, QuarantineQuery};
use crate::core::schema::Schema;
use crate::etcd::{Connection, Connector, Server};

/// So long may a request ask for page after page; then it answers with what there is.
const PATIENCE: Duration = Duration::from_secs(2);

/// And so many bytes may an answer have, or a little more.
const BYTES: usize = 4 << 20;

/// So long may it take until etcd has given a value.
const VALUE_PATIENCE: Duration = Duration::from_secs(5);

/// So many may listen to events at the same time.
const LISTENERS: usize = 64;

/// What may be looked into.
pub struct Inspected {
    sources: OnceLock<Vec<Source>>,
    servers: Vec<Server>,
    connector: Connector,
    /// One request at a time asks the registries.
    turn: Semaphore,
    /// Who listens to events as they come.
    listeners: Arc<Semaphore>,
    /// The connection that the last value came by: values are read one at a time.
    connection: Mutex<Option<Connection>>,
}

/// One of the sources.
pub struct Source {
    /// What its keys and values are.
    pub schema: Arc<Schema>,
    /// Its registry.
    pub instances: Recipient<Instances>,
    /// Its registry.
    pub quarantined: Recipient<Quarantined>,
}

/// The turn to ask the registries.
pub(super) struct Turn<'i> {
    sources: &'i [Source],
    _permit: SemaphorePermit<'i>,
    begun: Instant,
    bytes: usize,
}

impl Inspected {
    /// Reads values, if they are asked for, from these members.
    #[must_use]
    pub fn new(servers: Vec<Server>, connector: Connector) -> Self {
        Self {
            sources: OnceLock::new(),
            servers,
            connector,
            turn: Semaphore::new(1),
            listeners: Arc::new(Semaphore::new(LISTENERS)),
            connection: Mutex::default(),
        }
    }

    /// From now on these may be looked into. A second call changes nothing.
    pub fn open(&self, sources: Vec<Source>) {
        let _ = self.sources.set(sources);
    }

    /// A place among those who listen to events.
    pub(super) fn listener(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        Arc::clone(&self.listeners).try_acquire_owned().map_err(|_| {
            Refusal::unavailable(format!(
                "{LISTENERS} listen to events already; ask /api/v1/status and changes instead"
            ))
        })
    }

    /// Waits for the turn to ask.
    pub(super) async fn turn(&self) -> Result<Turn<'_>, Refusal> {
        let sources = self.sources.get().ok_or_else(Refusal::no_list)?;
        match self.turn.acquire().await {
            Ok(permit) => Ok(Turn { sources, _permit: permit, begun: Instant::now(), bytes: 0 }),
            Err(_) => Err(Refusal::unavailable("the daemon is stopping")),
        }
    }

    /// Reads what etcd holds at a key, if it is the key of a registration; else it is nobody's
    /// business here.
    pub(super) async fn value(&self, key: Vec<u8>) -> Result<Option<KeyValue>, Refusal> {
        let sources = self.sources.get().ok_or_else(Refusal::no_list)?;
        let is_ours = |source: &&Source| {
            matches!(source.schema.classify(&key), Key::Instance { .. } | Key::Invalid(_))
        };
        let Some(source) = sources.iter().find(is_ours) else {
            let error = "the key is at no place where a service registers";
            return Err(Refusal::not_found(error));
        };
        let reading = async {
            let mut held = self.connection.lock().await;
            if let Some(connection) = held.take()
                && let Ok(found) = connection.get(key.clone()).await
            {
                *held = Some(connection);
                return Ok(found);
            }
            let mut failure = "no member is named".to_owned();
            for server in &self.servers {
                let opened = self.connector.open(server, source.schema.pattern.prefix()).await;
                let read = match opened {
                    Ok(connection) => connection.get(key.clone()).await.map(|kv| (connection, kv)),
                    Err(error) => Err(error),
                };
                match read {
                    Ok((connection, found)) => {
                        *held = Some(connection);
                        return Ok(found);
                    }
                    Err(error) => failure = format!("{server}: {error}"),
                }
            }
            Err(failure)
        };
        let failure = match timeout(VALUE_PATIENCE, reading).await {
            Ok(Ok(found)) => return Ok(found),
            Ok(Err(failure)) => failure,
            Err(_) => format!("no answer within {VALUE_PATIENCE:?}"),
        };
        Err(Refusal::unavailable(format!("etcd does not give the value: {failure}; try again")))
    }
}

impl<'i> Turn<'i> {
    pub(super) fn sources(&self) -> &'i [Source] {
        self.sources
    }

    pub(super) async fn instances(
        &mut self,
        source: &Source,
        query: InstancesQuery,
    ) -> Result<InstancesPage, Refusal> {
        let page = ask(&source.instances, Instances(query)).await?;
        self.bytes += page.bytes;
        Ok(page)
    }

    pub(super) async fn quarantine(
        &mut self,
        source: &Source,
        query: QuarantineQuery,
    ) -> Result<QuarantinePage, Refusal> {
        let page = ask(&source.quarantined, Quarantined(query)).await?;
        self.bytes += page.bytes;
        Ok(page)
    }

    /// Whether the answer has to do with what there is.
    pub(super) fn is_over(&self) -> bool {
        self.begun.elapsed() > PATIENCE || self.bytes > BYTES
    }
}

/// Asks a registry for a page. However many ask, it has half of its time for what etcd says.
async fn ask<M, P>(registry: &Recipient<M>, query: M) -> Result<P, Refusal>
where
    M: Message<Result = Option<P>> + Send,
    P: Send,
{
    let asked = Instant::now();
    let page = registry.send(query).await.ok().flatten();
    sleep(asked.elapsed().min(Duration::from_millis(20))).await;
    page.ok_or_else(Refusal::no_list)
}
