//! One watch: its stream, its signs of life, and what comes on it in the core's words.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use etcd_client::{
    EventType, WatchClient, WatchOptions, WatchResponse, WatchStream as EtcdWatchStream,
};

use super::error::{Failure, Refusal, within};
use super::login::{Keys, Login};
use super::{Connection, Error, header, key_value};
use crate::core::event::{Change, Revision};
use crate::core::key::Prefix;
use crate::core::session::{PING_WATCH_ID, WATCH_ID, WatchMessage};

impl Connection {
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
            with_previous: self.with_previous,
            limit: self.patience.dial,
        };
        let renewals = self.login.renewals();
        let stream = watch.open().await?;
        Ok(WatchStream {
            watch,
            stream,
            opening: Opening::First { renewals },
            pong: None,
            aside: None,
        })
    }
}

/// What is asked for.
#[derive(Clone)]
struct Watch {
    client: WatchClient,
    login: Login,
    prefix: Prefix,
    from: Revision,
    in_fragments: bool,
    with_previous: bool,
    /// For what is sent.
    limit: Duration,
}

impl Watch {
    async fn open(&self) -> Result<EtcdWatchStream, Error> {
        let mut options = WatchOptions::new()
            .with_range(self.prefix.range_end())
            .with_start_revision(self.from.0)
            .with_watch_id(WATCH_ID)
            .with_progress_notify();
        if self.in_fragments {
            options = options.with_fragment();
        }
        if self.with_previous {
            options = options.with_prev_key();
        }
        let watch = || {
            let (mut client, options) = (self.client.clone(), options.clone());
            async move { client.watch(self.prefix.as_str(), Some(options)).await }
        };
        self.login.ask(self.limit, watch).await.map_err(|failure| self.explain(failure))
    }

    /// Opens a second watch on a stream of its own, and reads its first response.
    async fn first_of_a_ping(&self, prefix: &Prefix) -> Result<WatchMessage, Error> {
        let watch = || {
            let mut client = self.client.clone();
            async move { client.watch(prefix.as_str(), Some(ping_options())).await }
        };
        let stream = self.login.ask(self.limit, watch).await;
        let mut stream = stream.map_err(|failure| self.explain(failure))?;
        let first = stream.message().await.map_err(|error| self.explain(error.into()))?;
        let first = watch_message(first.ok_or(Error::Closed)?)?;
        // A proxy began to count anew, with the number of the watch that stands.
        let watch_id = if first.watch_id == 0 { 1 } else { first.watch_id };
        Ok(WatchMessage { watch_id, ..first })
    }

    fn explain(&self, failure: Failure) -> Error {
        self.login.explain(failure, &Keys::below(&self.prefix))
    }
}

fn ping_options() -> WatchOptions {
    WatchOptions::new().with_watch_id(PING_WATCH_ID)
}

/// The responses of one watch.
pub struct WatchStream {
    watch: Watch,
    stream: EtcdWatchStream,
    opening: Opening,
    /// The watch that the last ping has opened on the same stream: a proxy has a number of its
    /// own for it.
    pong: Option<i64>,
    /// A ping on a stream of its own.
    aside: Option<Aside>,
}

type Aside = Pin<Box<dyn Future<Output = Result<WatchMessage, Error>> + Send>>;

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
    /// It has, and would not again: the token has expired since. That does no harm to the
    /// watch.
    Outdated,
}

impl WatchStream {
    /// Asks the watch how far it is.
    pub async fn request_progress(&mut self) -> Result<(), Error> {
        let request = within(self.watch.limit, self.stream.request_progress()).await;
        request.map_err(|failure| self.watch.explain(failure))
    }

    /// Asks for a sign of life: opens a second watch on the same stream, which every version
    /// of etcd answers at once, if only with a refusal. End it with the answer.
    ///
    /// Once the stream's token has expired, it opens one on another stream of the connection,
    /// with another token: each refusal makes etcd complain in its log.
    pub async fn ping(&mut self, prefix: &Prefix) -> Result<(), Error> {
        if !matches!(self.opening, Opening::Outdated) {
            return self.ping_here(prefix).await;
        }
        let (watch, prefix) = (self.watch.clone(), prefix.clone());
        self.aside = Some(Box::pin(async move { watch.first_of_a_ping(&prefix).await }));
        Ok(())
    }

    async fn ping_here(&mut self, prefix: &Prefix) -> Result<(), Error> {
        let watch = self.stream.watch(prefix.as_str(), Some(ping_options()));
        within(self.watch.limit, watch).await.map_err(|failure| self.watch.explain(failure))
    }

    /// Ends the second watch, if it is on the same stream.
    pub async fn end_ping(&mut self) -> Result<(), Error> {
        let Some(watch_id) = self.pong.take() else {
            return Ok(());
        };
        let cancel = within(self.watch.limit, self.stream.cancel(watch_id)).await;
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
            let message = self.message().await?;
            if !message.created || self.admit(&message)? {
                return Ok(message);
            }
        }
    }

    /// Waits for a response of the stream, or of the ping beside it.
    async fn message(&mut self) -> Result<WatchMessage, Error> {
        let response = match &mut self.aside {
            None => self.stream.message().await,
            Some(aside) => tokio::select! {
                response = self.stream.message() => response,
                pong = aside => {
                    self.aside = None;
                    if !pong.as_ref().is_err_and(Error::is_refusal) {
                        return pong;
                    }
                    // The user may be gone, for example. Then a refusal will do as well.
                    self.ping_here(&self.watch.prefix.clone()).await?;
                    self.stream.message().await
                }
            },
        };
        let response = response.map_err(|error| self.watch.explain(error.into()))?;
        let message = watch_message(response.ok_or(Error::Closed)?)?;
        let stands = matches!(self.opening, Opening::Stands | Opening::Outdated);
        if stands && message.created && !message.canceled {
            self.pong = Some(message.watch_id);
        }
        Ok(message)
    }

    /// Takes note of the first response of a watch. False if there is to be another.
    fn admit(&mut self, message: &WatchMessage) -> Result<bool, Error> {
        let login = &self.watch.login;
        let refusal = Refusal::read(&message.cancel_reason).filter(|_| message.canceled);
        match (&self.opening, refusal) {
            // The answers to pings.
            (Opening::Stands | Opening::Outdated, Some(Refusal::Token)) => {
                self.opening = Opening::Outdated;
                login.token_is_over();
            }
            (Opening::Stands | Opening::Outdated, _) => {}
            (_, None) => self.opening = Opening::Stands,
            (Opening::First { renewals }, Some(refusal)) if login.may_be_for_the_token(refusal) => {
                self.opening = Opening::Refused { renewals: *renewals };
                return Ok(false);
            }
            (_, Some(refusal)) => return Err(self.watch.explain(Failure::Refused(refusal))),
        }
        Ok(true)
    }
}

fn watch_message(response: WatchResponse) -> Result<WatchMessage, Error> {
    let header = header(response.header());
    let message = response.0;
    let changes = message.events.into_iter().map(|event| {
        let kv = event.kv.ok_or_else(|| Error::Other("an event without a key".into()))?;
        match EventType::try_from(event.r#type) {
            Ok(EventType::Put) => Ok(Change::Put(key_value(kv))),
            Ok(EventType::Delete) => {
                let lease = event.prev_kv.map_or(0, |before| before.lease);
                let mod_revision = Revision(kv.mod_revision);
                Ok(Change::Delete { key: kv.key, mod_revision, lease })
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
