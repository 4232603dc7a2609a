//! What TLS objects to, in an operator's words.

mod handshake;

use std::time::{Duration, UNIX_EPOCH};

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError};
use thiserror::Error;

use super::Credentials;

pub(super) use handshake::objection;

/// What the two ends of a connection don't agree on.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TlsError {
    /// The server's certificate leads to nobody whom we trust.
    #[error(
        "the server's certificate is signed by no authority {trusted}; give the one that signed \
         it with --cacert"
    )]
    UnknownIssuer {
        /// Whom we trust.
        trusted: String,
    },
    /// The server's certificate is that of another name.
    #[error(
        "the server's certificate is not for {expected} but for {presented}; if it is the right \
         server, give a name of its certificate with --server-name"
    )]
    WrongName {
        /// The host in the URL, or `--server-name`.
        expected: String,
        /// The names in the certificate.
        presented: String,
    },
    /// The server's certificate is too old.
    #[error("the server's certificate expired at {0}; renew it, or set this host's clock")]
    Expired(String),
    /// The server's certificate is too young.
    #[error("the server's certificate is not valid before {0}; set this host's clock")]
    NotYetValid(String),
    /// The server wants to know who we are.
    #[error("the server asks for a client certificate; give one with --cert and --key")]
    CertificateWanted,
    /// The server knows who we are, and does not believe it.
    #[error(
        "the server refuses the client certificate of --cert {cert} ({alert}); has it expired, \
         or is it signed by an authority that the server does not trust?"
    )]
    CertificateRefused {
        /// Its file.
        cert: String,
        /// What the server said.
        alert: String,
    },
    /// We speak TLS, the server does not.
    #[error("the server does not speak TLS on this port; is it http:// there?")]
    PlainServer,
    /// The server speaks TLS, we don't.
    #[error("the server speaks TLS on this port; give --server {0}")]
    PlainClient(String),
    /// Anything else.
    #[error("TLS: {0}")]
    Other(String),
}

impl TlsError {
    /// Puts into words what the TLS library found.
    pub(super) fn new(error: &rustls::Error, credentials: &Credentials) -> Self {
        use rustls::Error::{AlertReceived, InvalidCertificate, InvalidMessage};
        match error {
            InvalidCertificate(error) => Self::of_server(error, credentials),
            AlertReceived(alert) => Self::of_client(*alert, credentials),
            InvalidMessage(_) => Self::PlainServer,
            other => Self::Other(other.to_string()),
        }
    }

    fn of_server(error: &CertificateError, credentials: &Credentials) -> Self {
        use CertificateError as E;
        match error {
            E::UnknownIssuer => Self::UnknownIssuer {
                trusted: credentials.cacert.as_ref().map_or_else(
                    || "that this system trusts".to_owned(),
                    |path| format!("in --cacert {}", path.display()),
                ),
            },
            E::NotValidForNameContext { expected, presented } => Self::WrongName {
                expected: expected.to_str().into_owned(),
                presented: names(presented),
            },
            E::ExpiredContext { not_after, .. } => Self::Expired(date(*not_after)),
            E::NotValidYetContext { not_before, .. } => Self::NotYetValid(date(*not_before)),
            other => Self::Other(format!("the server's certificate is not accepted: {other}")),
        }
    }

    fn of_client(alert: AlertDescription, credentials: &Credentials) -> Self {
        use AlertDescription as A;
        let is_about_the_certificate = matches!(
            alert,
            A::BadCertificate
                | A::UnsupportedCertificate
                | A::CertificateRevoked
                | A::CertificateExpired
                | A::CertificateUnknown
                | A::UnknownCA
                | A::AccessDenied
                | A::CertificateRequired
        );
        match &credentials.identity {
            // Servers with TLS 1.2 call one that is missing a bad one.
            None if is_about_the_certificate => Self::CertificateWanted,
            Some((cert, _)) if is_about_the_certificate => Self::CertificateRefused {
                cert: cert.display().to_string(),
                alert: format!("{alert:?}"),
            },
            _ => Self::Other(format!("the server ends the connection: {alert:?}")),
        }
    }
}

/// `DnsName("etcd.example")` and `IpAddress(10.0.0.1)` as one would type them.
fn names(presented: &[String]) -> String {
    let bare = |name: &String| {
        let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
        inner.unwrap_or(name).trim_matches('"').to_owned()
    };
    match presented {
        [] => "no name at all".to_owned(),
        names => names.iter().map(bare).collect::<Vec<_>>().join(", "),
    }
}

fn date(time: UnixTime) -> String {
    let time = UNIX_EPOCH + Duration::from_secs(time.as_secs());
    humantime::format_rfc3339_seconds(time).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_a_certificate_are_shown_as_one_types_them() {
        for (presented, shown) in [
            (&[][..], "no name at all"),
            (&["DnsName(\"etcd.example\")"], "etcd.example"),
            (&["DnsName(\"a\")", "IpAddress(10.0.0.1)"], "a, 10.0.0.1"),
            (&["something else"], "something else"),
        ] {
            let presented: Vec<_> = presented.iter().map(|&name| name.to_owned()).collect();
            assert_eq!(names(&presented), shown);
        }
    }

    #[test]
    fn a_refused_certificate_is_a_missing_one_if_there_is_none() {
        use AlertDescription::{BadCertificate, CertificateRequired, HandshakeFailure};
        let nobody = Credentials::default();
        let identity = Some(("our.pem".into(), "our.key".into()));
        let somebody = Credentials { identity, ..Credentials::default() };
        let said = |alert, credentials| {
            TlsError::new(&rustls::Error::AlertReceived(alert), credentials).to_string()
        };
        for alert in [BadCertificate, CertificateRequired] {
            assert!(said(alert, &nobody).contains("asks for a client certificate"));
            assert!(said(alert, &somebody).contains("--cert our.pem"));
        }
        assert!(said(HandshakeFailure, &somebody).contains("HandshakeFailure"));
    }
}
