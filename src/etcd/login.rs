//! Asking as a user: tokens, and what etcd says when it takes one no longer.
//!
//! etcd gives out a token for a name and a password, for some minutes. It forgets it earlier
//! when users or roles change, or when it restarts. So a request that is refused for the token
//! is sent once more with a new one.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use etcd_client::Client;
use tokio::sync::Mutex;

use super::error::{Error, Failure, Refusal, within};
use super::{Credentials, PasswordSource};
use crate::core::key::Prefix;

/// On whose behalf one connection asks.
#[derive(Clone)]
pub(super) struct Login {
    client: Arc<Client>,
    user: Option<(String, PasswordSource)>,
    has_certificate: bool,
    renewals: Arc<Renewals>,
    limit: Duration,
}

/// Of the token that all requests on a connection share: many may be refused at the same
/// time, and one renewal is enough for them.
#[derive(Default)]
struct Renewals {
    count: AtomicU64,
    under_way: Mutex<()>,
    /// One is due, whatever is asked next.
    due: AtomicBool,
}

/// What was asked for, as an operator would write it.
pub(super) struct Keys {
    keys: String,
    grant: String,
}

impl Keys {
    pub(super) fn below(prefix: &Prefix) -> Self {
        let end = String::from_utf8_lossy(&prefix.range_end()).into_owned();
        Self { keys: format!("{prefix} up to {end}"), grant: format!("--prefix {prefix}") }
    }

    /// For what is about no keys.
    pub(super) fn none() -> Self {
        Self { keys: String::new(), grant: String::new() }
    }

    pub(super) fn only(key: &[u8]) -> Self {
        let key = String::from_utf8_lossy(key);
        Self { keys: key.to_string(), grant: key.to_string() }
    }
}

impl Login {
    /// Nobody has logged in yet. `limit` is for a renewal.
    pub(super) fn new(client: Client, credentials: &Credentials, limit: Duration) -> Self {
        Self {
            client: Arc::new(client),
            user: credentials.user.clone(),
            has_certificate: credentials.identity.is_some(),
            renewals: Arc::default(),
            limit,
        }
    }

    /// Sends a request, and once more if it is refused and that may be for an old token.
    /// `limit` is for each.
    pub(super) async fn ask<T, F>(
        &self,
        limit: Duration,
        request: impl Fn() -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, etcd_client::Error>>,
    {
        if self.renewals.due.load(Ordering::Relaxed) {
            self.renew(self.renewals()).await?;
        }
        let before = self.renewals();
        // A request's future is large.
        match within(limit, Box::pin(request())).await {
            Err(Failure::Refused(refusal)) if self.may_be_for_the_token(refusal) => {
                self.renew(before).await?;
                within(limit, Box::pin(request())).await
            }
            answer => answer,
        }
    }

    /// Whether a new token may help.
    pub(super) fn may_be_for_the_token(&self, refusal: Refusal) -> bool {
        self.user.is_some() && matches!(refusal, Refusal::Token | Refusal::Permission)
    }

    /// Says that the token is known to be taken no longer, without asking for another yet.
    pub(super) fn token_is_over(&self) {
        self.renewals.due.store(self.user.is_some(), Ordering::Relaxed);
    }

    /// How often the token has been renewed.
    pub(super) fn renewals(&self) -> u64 {
        self.renewals.count.load(Ordering::Acquire)
    }

    /// Gets a new token, unless there is a newer one than after that many renewals.
    pub(super) async fn renew(&self, before: u64) -> Result<(), Failure> {
        let _one_at_a_time = self.renewals.under_way.lock().await;
        if self.renewals() == before {
            within(self.limit, Box::pin(self.client.refresh_token())).await?;
            self.renewals.due.store(false, Ordering::Relaxed);
            self.renewals.count.fetch_add(1, Ordering::Release);
        }
        Ok(())
    }

    /// Says who asked for what.
    pub(super) fn explain(&self, failure: Failure, asked: &Keys) -> Error {
        let refusal = match failure {
            Failure::Refused(refusal) => refusal,
            Failure::Broken { text, .. } => return Error::Other(text),
            Failure::Failed(error) => return error,
        };
        match (refusal, &self.user) {
            (Refusal::Permission, user) => Error::Forbidden {
                who: match user {
                    Some((name, _)) => format!("user {name}"),
                    None if self.has_certificate => {
                        "the user that the client certificate names".to_owned()
                    }
                    None => "whoever has no user".to_owned(),
                },
                keys: asked.keys.clone(),
                grant: asked.grant.clone(),
            },
            (Refusal::Login, Some((user, source))) => {
                Error::Login { user: user.clone(), source_name: source.to_string() }
            }
            (Refusal::NoUser, None) => Error::UserNeeded,
            // Authentication has been switched on or off since the connection was made.
            (Refusal::NoUser | Refusal::NotEnabled, _) => {
                Error::Token("authentication was switched on or off".to_owned())
            }
            (Refusal::Token | Refusal::Login, _) => {
                Error::Token("the token has expired, or users have changed".to_owned())
            }
        }
    }
}
