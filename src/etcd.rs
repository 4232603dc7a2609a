//! The edge to etcd: connections, pages and watches, in the core's words.
//!
//! The only module that knows `etcd_client`. It decides nothing: what a response means for
//! the registry is for [`session`](crate::core::session) to say. Keys and values are moved
//! out of the responses, never copied.

mod connection;
mod server;

use std::error::Error as _;
use std::future::Future;
use std::time::Duration;

use etcd_client::proto::PbKeyValue;
use etcd_client::{
    EventType, GetOptions, ResponseHeader, WatchOptions, WatchStream as EtcdWatchStream,
};
use thiserror::Error;
use tokio::time::timeout;

use crate::core::event::{Change, KeyValue, Lookup, Revision};
use crate::core::key::Prefix;
use crate::core::paging::DECODE_LIMIT;
use crate::core::session::{Header, WatchMessage};

pub use connection::{Connection, Patience};
pub use server::{Server, ServerError};

/// Apart from that of the watch itself, which etcd counts from 0.
const PING_WATCH_ID: i64 = 1;

/// Why a request failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Error {
    /// No answer in time.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The revision asked for is compacted.
    #[error("the revision has been compacted")]
    Compacted,
    /// One message would be beyond the limit.
    #[error("one message is larger than {DECODE_LIMIT} bytes")]
    TooLarge,
    /// The stream ended without a word.
    #[error("the server closed the stream")]
    Closed,
    /// Whatever else the server or the transport said.
    #[error("{0}")]
    Other(String),
}

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
        let mut kv = self.kv.clone();
        let response = self.answer(kv.get(from, Some(options))).await?;
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
        let (mut kv, limit) = (self.kv.clone(), self.patience.answer);
        let key = lookup.key.clone();
        let options = GetOptions::new().with_revision(lookup.mod_revision.previous().0);
        async move {
            let response = within(limit, kv.get(key, Some(options))).await?;
            Ok(response.0.kvs.into_iter().next().map(|kv| kv.value))
        }
    }

    /// Watches the prefix from `from` on, inclusive. In fragments, revisions of any size come
    /// below the decode limit.
    pub async fn watch(
        &mut self,
        prefix: &Prefix,
        from: Revision,
        in_fragments: bool,
    ) -> Result<WatchStream, Error> {
        let mut options = WatchOptions::new()
            .with_range(prefix.range_end())
            .with_start_revision(from.0)
            .with_progress_notify();
        if in_fragments {
            options = options.with_fragment();
        }
        let watch = self.watch.watch(prefix.as_str(), Some(options));
        let limit = self.patience.dial;
        Ok(WatchStream { stream: within(limit, watch).await?, limit })
    }
}

/// The responses of one watch.
pub struct WatchStream {
    stream: EtcdWatchStream,
    /// For what is sent.
    limit: Duration,
}

impl WatchStream {
    /// Asks the watch how far it is.
    pub async fn request_progress(&mut self) -> Result<(), Error> {
        within(self.limit, self.stream.request_progress()).await
    }

    /// Asks for a sign of life: opens a second watch on the same stream, which every version
    /// of etcd answers at once. End it with the answer.
    pub async fn ping(&mut self, prefix: &Prefix) -> Result<(), Error> {
        let options = WatchOptions::new().with_watch_id(PING_WATCH_ID);
        within(self.limit, self.stream.watch(prefix.as_str(), Some(options))).await
    }

    /// Ends the second watch.
    pub async fn end_ping(&mut self) -> Result<(), Error> {
        within(self.limit, self.stream.cancel(PING_WATCH_ID)).await
    }

    /// Waits for the next response, for as long as it takes.
    pub async fn next(&mut self) -> Result<WatchMessage, Error> {
        let response = self.stream.message().await.map_err(Error::from)?.ok_or(Error::Closed)?;
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
}

impl From<etcd_client::Error> for Error {
    fn from(error: etcd_client::Error) -> Self {
        let etcd_client::Error::GRpcStatus(status) = &error else {
            return Self::Other(error.to_string());
        };
        let message = status.message();
        if message.contains("required revision has been compacted") {
            return Self::Compacted;
        }
        // The client's words, then those of etcd, whose own limit is 2 GiB.
        if message.contains("decoded message length too large")
            || message.contains("trying to send message larger than max")
        {
            return Self::TooLarge;
        }
        // Refused connections and the like stand at the end of the chain of causes.
        let mut text = format!("{:?}: {message}", status.code());
        let mut source = status.source();
        while let Some(cause) = source {
            let cause_text = cause.to_string();
            if !text.contains(&cause_text) {
                text = format!("{text}: {cause_text}");
            }
            source = cause.source();
        }
        Self::Other(text)
    }
}

async fn within<T>(
    limit: Duration,
    request: impl Future<Output = Result<T, etcd_client::Error>>,
) -> Result<T, Error> {
    match timeout(limit, request).await {
        Ok(answer) => answer.map_err(Error::from),
        Err(_) => Err(Error::Timeout(limit)),
    }
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
