//! Why a request failed.
//!
//! etcd says in one line of text why it refuses a request, in the status of an answer or in
//! the last response of a watch. What that means depends on who asked for what, so it is a
//! [`Refusal`] first, and an [`Error`] once that is added.

use std::error::Error as _;
use std::future::Future;
use std::time::Duration;

use thiserror::Error;
use tokio::time::timeout;

use super::credentials::CredentialsError;
use super::tls::TlsError;
use crate::core::paging::DECODE_LIMIT;
use crate::telemetry::Chain;

/// Why a request failed. All of it is tried again: whatever is wrong may be put right.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Error {
    /// No answer in time.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The revision asked for is compacted.
    #[error("the revision has been compacted")]
    Compacted,
    /// The revision asked for is still to come.
    #[error("the cluster has not come to the revision yet")]
    Future,
    /// One message would be beyond the limit.
    #[error("one message is larger than {DECODE_LIMIT} bytes")]
    TooLarge,
    /// The stream ended without a word.
    #[error("the server closed the stream")]
    Closed,
    /// A file with a certificate, a key or the password has gone bad since the start.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// The two ends don't agree on TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// There is no such user, or it has another password.
    #[error(
        "etcd refuses user {user} with the password from {source_name}: no such user, or \
         another password; a change of it is taken up by itself"
    )]
    Login {
        /// `--user`
        user: String,
        /// Where the password is from.
        source_name: String,
    },
    /// The user must not read what it has to.
    #[error("{who} may not read {keys}; grant it: etcdctl role grant-permission ROLE read {grant}")]
    Forbidden {
        /// On whose behalf it was asked.
        who: String,
        /// The range of keys.
        keys: String,
        /// The range as etcdctl takes it.
        grant: String,
    },
    /// Nobody is logged in, and somebody has to be.
    #[error(
        "etcd asks for a user: give --user with --password-file, or --cert and --key of a \
         client certificate whose common name is a user"
    )]
    UserNeeded,
    /// A token that etcd gave out a moment ago, or none where there was none to be given out.
    #[error("etcd does not take the login ({0})")]
    Token(String),
    /// Whatever else the server or the transport said.
    #[error("{0}")]
    Other(String),
}

impl Error {
    /// Whether the server is there and says no: not an outage but something to be put right.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::Credentials(_)
                | Self::Tls(_)
                | Self::Login { .. }
                | Self::Forbidden { .. }
                | Self::UserNeeded
                | Self::Token(_)
        )
    }
}

/// What etcd's authentication objects to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The token has expired, or users or roles have changed since it was given out.
    Token,
    /// The user must not do that. Servers before 3.4.22 and 3.5.6 say the same of a token that
    /// has expired.
    Permission,
    /// There is no token, and there has to be one.
    NoUser,
    /// The user or the password is wrong.
    Login,
    /// There is nothing to log in to.
    NotEnabled,
}

impl Refusal {
    /// Reads etcd's words; `None` if they are about something else.
    pub(super) fn read(text: &str) -> Option<Self> {
        const WORDS: [(&str, Refusal); 6] = [
            ("etcdserver: invalid auth token", Refusal::Token),
            ("etcdserver: revision of auth store is old", Refusal::Token),
            ("etcdserver: permission denied", Refusal::Permission),
            ("etcdserver: user name is empty", Refusal::NoUser),
            ("etcdserver: authentication failed", Refusal::Login),
            ("etcdserver: authentication is not enabled", Refusal::NotEnabled),
        ];
        WORDS.iter().find(|(words, _)| text.contains(words)).map(|&(_, refusal)| refusal)
    }
}

/// What a request came to, before it is said who asked for what.
#[derive(Debug)]
pub(super) enum Failure {
    /// etcd's authentication objects.
    Refused(Refusal),
    /// The connection failed, or there was none.
    Broken {
        /// What TLS says about it, if it is about TLS.
        tls: Option<rustls::Error>,
        /// All that was said.
        text: String,
    },
    /// Anything that needs no further words.
    Failed(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<etcd_client::Error> for Error {
    /// For what has nothing to do with an answer.
    fn from(error: etcd_client::Error) -> Self {
        match error {
            etcd_client::Error::TransportError(error) => Self::Other(Chain(&error).to_string()),
            error => Self::Other(error.to_string()),
        }
    }
}

impl From<etcd_client::Error> for Failure {
    fn from(error: etcd_client::Error) -> Self {
        let etcd_client::Error::GRpcStatus(status) = &error else {
            return Error::from(error).into();
        };
        let message = status.message();
        if let Some(refusal) = Refusal::read(message) {
            return Self::Refused(refusal);
        }
        if message.contains("required revision has been compacted") {
            return Error::Compacted.into();
        }
        if message.contains("required revision is a future revision") {
            return Error::Future.into();
        }
        // The client's words, then those of etcd, whose own limit is 2 GiB.
        if message.contains("decoded message length too large")
            || message.contains("trying to send message larger than max")
        {
            return Error::TooLarge.into();
        }
        // Refused connections and the like stand at the end of the chain of causes; what a
        // server says has none.
        let mut text = format!("{:?}: {message}", status.code());
        let (mut source, mut tls) = (status.source(), None);
        let is_broken = source.is_some();
        while let Some(cause) = source {
            let cause_text = cause.to_string();
            if !text.contains(&cause_text) {
                text = format!("{text}: {cause_text}");
            }
            tls = tls.or_else(|| tls_error(cause));
            source = cause.source();
        }
        if is_broken { Self::Broken { tls, text } } else { Error::Other(text).into() }
    }
}

/// What TLS says, from inside the error of I/O that carries it.
pub(super) fn tls_error(cause: &(dyn std::error::Error + 'static)) -> Option<rustls::Error> {
    let cause = cause.downcast_ref::<std::io::Error>()?.get_ref()?;
    cause.downcast_ref::<rustls::Error>().cloned()
}

/// Waits for an answer, but no longer than `limit`.
pub(super) async fn within<T>(
    limit: Duration,
    request: impl Future<Output = Result<T, etcd_client::Error>>,
) -> Result<T, Failure> {
    match timeout(limit, request).await {
        Ok(answer) => answer.map_err(Failure::from),
        Err(_) => Err(Error::Timeout(limit).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn etcds_refusals_are_told_apart_in_a_status_and_in_a_canceled_watch() {
        for (text, refusal) in [
            ("etcdserver: invalid auth token", Some(Refusal::Token)),
            (
                "rpc error: code = InvalidArgument desc = etcdserver: revision of auth store is old",
                Some(Refusal::Token),
            ),
            (
                "rpc error: code = PermissionDenied desc = etcdserver: permission denied",
                Some(Refusal::Permission),
            ),
            ("etcdserver: user name is empty", Some(Refusal::NoUser)),
            (
                "etcdserver: authentication failed, invalid user ID or password",
                Some(Refusal::Login),
            ),
            ("etcdserver: authentication is not enabled", Some(Refusal::NotEnabled)),
            ("etcdserver: no leader", None),
            ("", None),
        ] {
            assert_eq!(Refusal::read(text), refusal, "{text}");
        }
    }
}
