//! Which member of etcd to talk to: a URL, as operators type it.

use std::fmt;

use thiserror::Error;

/// The URL of one member of the cluster, such as `http://127.0.0.1:2379`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    url: String,
    tls: bool,
}

/// Why a text is no [`Server`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ServerError {
    /// Neither a URL nor a host.
    #[error("not a URL such as http://127.0.0.1:2379")]
    Malformed,
    /// Only the two of HTTP are spoken.
    #[error("the scheme must be http or https")]
    Scheme,
    /// Nothing but a host and a port may stand there.
    #[error("a path or query has no place in it; give http://HOST:PORT or https://HOST:PORT alone")]
    Extra,
    /// Nor a user, least of all with a password, which the process list would show.
    #[error("a user or password has no place in it; see --user and --password-file")]
    User,
}

impl Server {
    /// etcd's own port for clients.
    const DEFAULT_PORT: u16 = 2379;

    /// Takes `http://host:port` and `https://host:port`; scheme and port may be left out, as
    /// with etcdctl.
    pub fn parse(text: &str) -> Result<Self, ServerError> {
        // Before anything else, so that no complaint is about a part with a password in it.
        if text.contains('@') {
            return Err(ServerError::User);
        }
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        if !matches!(scheme, "http" | "https") {
            return Err(ServerError::Scheme);
        }
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#']) {
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
        Ok(Self { url: format!("{scheme}://{host}:{port}"), tls: scheme == "https" })
    }

    /// The URL with its scheme and port.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.url
    }

    /// Whether it is `https://`.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// The same host and port with `https://`.
    #[must_use]
    pub fn as_https(&self) -> String {
        format!("https://{}", self.authority())
    }

    /// `host:port`
    pub(super) fn authority(&self) -> &str {
        self.url.split_once("://").map_or(&self.url, |(_, authority)| authority)
    }

    /// The host alone, an IPv6 address without its brackets.
    pub(super) fn host(&self) -> &str {
        let host = self.authority().rsplit_once(':').map_or(self.authority(), |(host, _)| host);
        host.trim_start_matches('[').trim_end_matches(']')
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.url.fmt(f)
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
            assert_eq!(Server::parse(text).map(|server| server.url), Ok(url.to_owned()), "{text}");
        }
    }

    #[test]
    fn with_https_it_is_asked_by_tls() {
        for (text, https, host) in [
            ("https://etcd-1.example", true, "etcd-1.example"),
            ("https://[::1]:1", true, "::1"),
            ("http://10.0.0.1", false, "10.0.0.1"),
            ("etcd:1", false, "etcd"),
        ] {
            let server = Server::parse(text).expect("a server");
            assert_eq!((server.is_tls(), server.host()), (https, host), "{text}");
            assert!(server.as_https().starts_with("https://"), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_its_reason() {
        use ServerError::{Extra, Malformed, Scheme, User};
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
            ("http://user:secret@a:1", User),
            ("user:secret@", User),
            ("http://a:1?x", Extra),
            ("ftp://a:1", Scheme),
            ("https://a:1//", Extra),
        ] {
            assert_eq!(Server::parse(text), Err(reason), "{text}");
        }
    }
}
