//! The edge to etcd: connections, pages and watches, in the core's words.
//!
//! The only module that knows `etcd_client`, and `rustls` below it. It decides nothing: what a
//! response means for the registry is for [`session`](crate::core::session) to say. Keys and
//! values are moved out of the responses, never copied.

mod connection;
mod credentials;
mod error;
mod login;
mod patience;
mod server;
mod tls;

use std::future::Future;
use std::time::Duration;

use etcd_client::proto::PbKeyValue;
use etcd_client::{
    EventType, GetOptions, ResponseHeader, WatchClient, WatchOptions,
    WatchStream as EtcdWatchStream,
};

use crate::core::event::{Change, KeyValue, Lookup, Revision};
use crate::core::key::Prefix;
use crate::core::session::{Header, WatchMessage};

use error::{Failure, Refusal, within};
use login::{Keys, Login};

pub use connection::{Connection, Connector};
pub use credentials::{Credentials, CredentialsError, PasswordSource, Secret, is_server_name};
pub use error::Error;
pub use patience::Patience;
pub use server::{Server, ServerError};
pub use tls::TlsError;

/// Apart from that of the watch itself, which etcd counts from 0.
const PING_WATCH_ID: i64 = 1;

/// For one page: etcd itself gives a linearizable read up after 7 s without a leader; the
/// rest is for the bytes of a large page on a slow line.
const PAGE_TIMEOUT: Duration = Duration::from_secs(30);

/// One page of a list.
#[derive(Debug)]
pub struct Page {
    /// Who answered, and at which revision.
    pub header: Header,
    /// Ascending by key.
    pub entries: Vec<KeyValue>,
    /// Whether there are more after these.
    pub more: bool,
    /// How many keys there are from the first of these on.
    pub count: usize,
}

impl Connection {
    /// Reads keys from `from` to the end of the prefix, at most `limit`; at the newest
    /// revision, or at `pinned`. A linearizable read.
    pub async fn page(
        &self,
        prefix: &Prefix,
        from: Vec<u8>,
        limit: usize,
        pinned: Option<Revision>,
    ) -> Result<Page, Error> {
        let options = GetOptions::new()
            .with_range(prefix.range_end())
            .with_limit(i64::try_from(limit).unwrap_or(i64::MAX))
            .with_revision(pinned.map_or(0, |revision| revision.0));
        let (kv, asked) = (&self.kv, Keys::below(prefix));
        let get = || {
            let (mut kv, from, options) = (kv.clone(), from.clone(), options.clone());
            async move { kv.get(from, Some(options)).await }
        };
        let answer = self.login.ask(PAGE_TIMEOUT, get);
        let response = self.patience.while_alive(self.maintenance.clone(), answer).await;
        let response = response.map_err(|failure| self.login.explain(failure, &asked))?;
        Ok(Page {
            header: header(response.header()),
            more: response.more(),
            count: usize::try_from(response.count()).unwrap_or_default(),
            entries: response.0.kvs.into_iter().map(key_value).collect(),
        })
    }

    /// Reads the value that a key had right before a bad one; `None` if it had none.
    /// Several may be asked for at the same time.
    pub fn value_before(
        &self,
        lookup: &Lookup,
    ) -> impl Future<Output = Result<Option<Vec<u8>>, Error>> + Send + use<> {
        let (kv, login, limit) = (self.kv.clone(), self.login.clone(), self.patience.answer);
        let key = lookup.key.clone();
        let options = GetOptions::new().with_revision(lookup.mod_revision.previous().0);
        async move {
            let get = || {
                let (mut kv, key, options) = (kv.clone(), key.clone(), options.clone());
                async move { kv.get(key, Some(options)).await }
            };
            let response = login.ask(limit, get).await;
            let asked = Keys::only(&key);
            let response = response.map_err(|failure| login.explain(failure, &asked))?;
            Ok(response.0.kvs.into_iter().next().map(|kv| kv.value))
        }
    }

    /// Watches the prefix from `from` on, inclusive. In fragments, revisions of any size come
    /// below the decode limit.
    pub async fn watch(
        &self,
        prefix: &Prefix,
        from: Revision,
        in_fragments: bool,
    ) -> Result<WatchStream, Error> {
        let watch = Watch {
            client: self.watch.clone(),
            login: self.login.clone(),
            prefix: prefix.clone(),
            from,
            in_fragments,
            limit: self.patience.dial,
        };
        let renewals = self.login.renewals();
        let stream = watch.open().await?;
        Ok(WatchStream { watch, stream, opening: Opening::First { renewals } })
    }
}

/// What is asked for.
struct Watch {
    client: WatchClient,
    login: Login,
    prefix: Prefix,
    from: Revision,
    in_fragments: bool,
    /// For what is sent.
    limit: Duration,
}

impl Watch {
    async fn open(&self) -> Result<EtcdWatchStream, Error> {
        let mut options = WatchOptions::new()
            .with_range(self.prefix.range_end())
            .with_start_revision(self.from.0)
            .with_progress_notify();
        if self.in_fragments {
            options = options.with_fragment();
        }
        let watch = || {
            let (mut client, options) = (self.client.clone(), options.clone());
            async move { client.watch(self.prefix.as_str(), Some(options)).await }
        };
        self.login.ask(self.limit, watch).await.map_err(|failure| self.explain(failure))
    }

    fn explain(&self, failure: Failure) -> Error {
        self.login.explain(failure, &Keys::below(&self.prefix))
    }
}

/// The responses of one watch.
pub struct WatchStream {
    watch: Watch,
    stream: EtcdWatchStream,
    opening: Opening,
}

/// A stream has the token that it was opened with. etcd looks at that for each watch that is
/// opened on it, so for one that stands the token may expire.
enum Opening {
    /// No watch stands yet; the token was renewed so often before.
    First { renewals: u64 },
    /// It was refused, and maybe for the token.
    Refused { renewals: u64 },
    /// It was opened once more, with a new token.
    Second,
    /// etcd has agreed.
    Stands,
}

impl WatchStream {
    /// Asks the watch how far it is.
    pub async fn request_progress(&mut self) -> Result<(), Error> {
        let request = within(self.watch.limit, self.stream.request_progress()).await;
        request.map_err(|failure| self.watch.explain(failure))
    }

    /// Asks for a sign of life: opens a second watch on the same stream, which every version
    /// of etcd answers at once, if only with a refusal. End it with the answer.
    pub async fn ping(&mut self, prefix: &Prefix) -> Result<(), Error> {
        let options = WatchOptions::new().with_watch_id(PING_WATCH_ID);
        let watch = self.stream.watch(prefix.as_str(), Some(options));
        within(self.watch.limit, watch).await.map_err(|failure| self.watch.explain(failure))
    }

    /// Ends the second watch.
    pub async fn end_ping(&mut self) -> Result<(), Error> {
        let cancel = within(self.watch.limit, self.stream.cancel(PING_WATCH_ID)).await;
        cancel.map_err(|failure| self.watch.explain(failure))
    }

    /// Waits for the next response, for as long as it takes. Whoever stops waiting loses
    /// nothing.
    pub async fn next(&mut self) -> Result<WatchMessage, Error> {
        loop {
            if let Opening::Refused { renewals } = self.opening {
                let renewed = self.watch.login.renew(renewals).await;
                renewed.map_err(|failure| self.watch.explain(failure))?;
                self.stream = self.watch.open().await?;
                self.opening = Opening::Second;
            }
            let response = self.stream.message().await;
            let response = response.map_err(|error| self.watch.explain(error.into()))?;
            let message = watch_message(response.ok_or(Error::Closed)?)?;
            if !message.created || matches!(self.opening, Opening::Stands) {
                return Ok(message);
            }
            let refusal = Refusal::read(&message.cancel_reason).filter(|_| message.canceled);
            match (refusal, &self.opening) {
                (None, _) => {
                    self.opening = Opening::Stands;
                    return Ok(message);
                }
                (Some(refusal), Opening::First { renewals })
                    if self.watch.login.may_be_for_the_token(refusal) =>
                {
                    self.opening = Opening::Refused { renewals: *renewals };
                }
                (Some(refusal), _) => {
                    return Err(self.watch.explain(Failure::Refused(refusal)));
                }
            }
        }
    }
}

fn watch_message(response: etcd_client::WatchResponse) -> Result<WatchMessage, Error> {
    let header = header(response.header());
    let message = response.0;
    let changes = message.events.into_iter().map(|event| {
        let kv = event.kv.ok_or_else(|| Error::Other("an event without a key".into()))?;
        match EventType::try_from(event.r#type) {
            Ok(EventType::Put) => Ok(Change::Put(key_value(kv))),
            Ok(EventType::Delete) => {
                Ok(Change::Delete { key: kv.key, mod_revision: Revision(kv.mod_revision) })
            }
            Err(_) => Err(Error::Other(format!("an event of unknown type {}", event.r#type))),
        }
    });
    Ok(WatchMessage {
        header,
        watch_id: message.watch_id,
        created: message.created,
        canceled: message.canceled,
        compact_revision: Revision(message.compact_revision),
        cancel_reason: message.cancel_reason,
        fragment: message.fragment,
        changes: changes.collect::<Result<_, _>>()?,
    })
}

fn header(header: Option<&ResponseHeader>) -> Header {
    header.map_or_else(Header::default, |header| Header {
        cluster_id: header.cluster_id(),
        member_id: header.member_id(),
        revision: Revision(header.revision()),
        raft_term: header.raft_term(),
    })
}

fn key_value(kv: PbKeyValue) -> KeyValue {
    KeyValue {
        key: kv.key,
        value: kv.value,
        create_revision: Revision(kv.create_revision),
        mod_revision: Revision(kv.mod_revision),
        version: kv.version,
    }
}
