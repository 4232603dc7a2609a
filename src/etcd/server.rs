//! Which member of etcd to talk to: a URL, as operators type it.

use std::fmt;

use thiserror::Error;

/// The URL of one member of the cluster, such as `http://127.0.0.1:2379`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server(String);

/// Why a text is no [`Server`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ServerError {
    /// Neither a URL nor a host.
    #[error("not a URL such as http://127.0.0.1:2379")]
    Malformed,
    /// Only the two of HTTP are spoken.
    #[error("the scheme must be http")]
    Scheme,
    /// TLS needs certificates to be told.
    #[error("https is not supported by this version; use http")]
    Https,
    /// Nothing but a host and a port may stand there.
    #[error("a user, path or query has no place in it; give http://HOST:PORT alone")]
    Extra,
}

impl Server {
    /// etcd's own port for clients.
    const DEFAULT_PORT: u16 = 2379;

    /// Takes `http://host:port`; scheme and port may be left out, as with etcdctl.
    pub fn parse(text: &str) -> Result<Self, ServerError> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        match scheme {
            "http" => {}
            "https" => return Err(ServerError::Https),
            _ => return Err(ServerError::Scheme),
        }
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#', '@']) {
            return Err(ServerError::Extra);
        }
        let authority: http::uri::Authority =
            authority.parse().map_err(|_| ServerError::Malformed)?;
        let host = authority.host();
        let port = match authority.port() {
            Some(port) => port.as_str().parse().map_err(|_| ServerError::Malformed)?,
            None if authority.as_str() == host => Self::DEFAULT_PORT,
            None => return Err(ServerError::Malformed),
        };
        if host.is_empty() || port == 0 {
            return Err(ServerError::Malformed);
        }
        Ok(Self(format!("http://{host}:{port}")))
    }

    /// The URL with its scheme and port.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_a_host_with_or_without_scheme_and_port() {
        for (text, url) in [
            ("http://127.0.0.1:2379", "http://127.0.0.1:2379"),
            ("http://etcd-1.example/", "http://etcd-1.example:2379"),
            ("127.0.0.1:4001", "http://127.0.0.1:4001"),
            ("etcd", "http://etcd:2379"),
            ("[::1]:2379", "http://[::1]:2379"),
        ] {
            assert_eq!(Server::parse(text).map(|server| server.0), Ok(url.to_owned()), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_its_reason() {
        use ServerError::{Extra, Https, Malformed, Scheme};
        for (text, reason) in [
            ("", Malformed),
            ("http://", Malformed),
            ("http://a b:1", Malformed),
            ("http://a:port", Malformed),
            ("http://a:99999", Malformed),
            ("http://a:0", Malformed),
            ("http://a:", Malformed),
            ("::1:2379", Malformed),
            ("http//a", Extra),
            ("http://a:1/v3", Extra),
            ("http://user:secret@a:1", Extra),
            ("http://a:1?x", Extra),
            ("ftp://a:1", Scheme),
            ("https://a:1", Https),
        ] {
            assert_eq!(Server::parse(text), Err(reason), "{text}");
        }
    }
}
