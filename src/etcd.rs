//! The edge to etcd: connections, pages and watches, in the core's words.
//!
//! The only module that knows `etcd_client`. It decides nothing: what a
//! response means for the registry is for [`session`](crate::core::session) to say. Keys and
//! values are moved out of the responses, never copied.

mod connection;
mod credentials;
mod error;
mod lease;
mod login;
mod patience;
mod server;
mod tls;
mod watch;

use std::future::Future;
use std::time::Duration;

use etcd_client::proto::PbKeyValue;
use etcd_client::{GetOptions, GetResponse, ResponseHeader};

use crate::core::event::{KeyValue, Lookup, Revision};
use crate::core::key::Prefix;
use crate::core::paging::is_small;
use crate::core::session::Header;

use login::Keys;

pub use crate::secrets::Secret;
pub use connection::{Connection, Connector};
pub use credentials::{Credentials, CredentialsError, PasswordSource, is_server_name};
pub use error::Error;
pub use patience::Patience;
pub use server::{Server, ServerError};
pub use tls::TlsError;
pub use watch::WatchStream;

/// For a large page: etcd itself gives a linearizable read up after 7 s without a leader; the
/// rest is for the bytes on a slow line.
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
    /// How many keys there are in the range.
    pub count: usize,
}

impl Connection {
    /// Reads the keys of the range, to its second key exclusive, at most `limit`; at the newest
    /// revision, or at `pinned`. The range is below the prefix. A linearizable read. A small page must come as soon as any sign
    /// of life: a member that hangs is told from a slow line by that.
    pub async fn page(
        &self,
        prefix: &Prefix,
        (from, end): (&[u8], &[u8]),
        limit: usize,
        pinned: Option<Revision>,
    ) -> Result<Page, Error> {
        let options = GetOptions::new()
            .with_range(end)
            .with_limit(i64::try_from(limit).unwrap_or(i64::MAX))
            .with_revision(pinned.map_or(0, |revision| revision.0));
        let (kv, asked) = (&self.kv, Keys::below(prefix));
        let get = || {
            let (mut kv, from, options) = (kv.clone(), from.to_vec(), options.clone());
            async move { kv.get(from, Some(options)).await }
        };
        let Patience { idle, answer, .. } = self.patience;
        let patience = if is_small(limit) { idle + answer } else { PAGE_TIMEOUT };
        let response = self.login.ask(patience, get).await;
        let response = response.map_err(|failure| self.login.explain(failure, &asked))?;
        Ok(Page {
            header: header(response.header()),
            more: response.more(),
            count: usize::try_from(response.count()).unwrap_or_default(),
            entries: response.0.kvs.into_iter().map(key_value).collect(),
        })
    }

    /// Whether a put that was seen is in the history of this cluster. Also if that can't be told
    /// any more, because it is compacted. A linearizable read.
    pub async fn has(&self, put: &KeyValue) -> Result<bool, Error> {
        let limit = self.patience.dial + self.patience.answer;
        match self.key_at(put.key.clone(), put.mod_revision, limit).await {
            Ok(found) => Ok(found.as_ref() == Some(put)),
            Err(Error::Compacted) => Ok(true),
            Err(Error::Future) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Reads the value that a key had right before a bad one; `None` if it had none.
    /// Several may be asked for at the same time.
    pub fn value_before(
        &self,
        lookup: &Lookup,
    ) -> impl Future<Output = Result<Option<Vec<u8>>, Error>> + Send + use<> {
        let before = lookup.mod_revision.previous();
        let reading = self.key_at(lookup.key.clone(), before, self.patience.answer);
        async move { Ok(reading.await?.map(|kv| kv.value)) }
    }

    /// Asks how far the cluster is. A linearizable read, of as little as can be.
    pub fn newest(
        &self,
        prefix: &Prefix,
    ) -> impl Future<Output = Result<Header, Error>> + Send + use<> {
        let limit = self.patience.dial + self.patience.answer;
        let options = GetOptions::new().with_count_only();
        let reading = self.key(prefix.as_str().into(), options, limit);
        async move { Ok(header(reading.await?.header())) }
    }

    /// Reads one key as it is now; `None` if it is not there. A linearizable read.
    pub async fn get(&self, key: Vec<u8>) -> Result<Option<KeyValue>, Error> {
        let limit = self.patience.dial + self.patience.answer;
        self.key_at(key, Revision(0), limit).await
    }

    /// Reads one key as it was at a revision; `None` if it was not there.
    fn key_at(
        &self,
        key: Vec<u8>,
        revision: Revision,
        limit: Duration,
    ) -> impl Future<Output = Result<Option<KeyValue>, Error>> + Send + use<> {
        let reading = self.key(key, GetOptions::new().with_revision(revision.0), limit);
        async move { Ok(reading.await?.0.kvs.into_iter().next().map(key_value)) }
    }

    fn key(
        &self,
        key: Vec<u8>,
        options: GetOptions,
        limit: Duration,
    ) -> impl Future<Output = Result<GetResponse, Error>> + Send + use<> {
        let (kv, login) = (self.kv.clone(), self.login.clone());
        async move {
            let get = || {
                let (mut kv, key, options) = (kv.clone(), key.clone(), options.clone());
                async move { kv.get(key, Some(options)).await }
            };
            let response = login.ask(limit, get).await;
            response.map_err(|failure| login.explain(failure, &Keys::only(&key)))
        }
    }
}

fn header(header: Option<&ResponseHeader>) -> Header {
    header.map_or_else(Header::default, |header| Header {
        cluster_id: header.cluster_id(),
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
