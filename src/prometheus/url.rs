//! Where a Prometheus is.

use std::fmt;

use hyper::Uri;
use thiserror::Error;

/// The address of a Prometheus: `http://host:9090`, or with a path if it is served below one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    text: Box<str>,
    pub(super) tls: bool,
    pub(super) host: Box<str>,
    pub(super) port: u16,
    /// Without a slash at its end.
    pub(super) path: Box<str>,
}

/// Why a text is no such address. None of them repeats it: it may have a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum UrlError {
    /// It is something else.
    #[error("give an address such as http://127.0.0.1:9090")]
    Malformed,
    /// It would show in the list of processes.
    #[error("give no user or password in it: metrics are read without one")]
    User,
    /// The path of the metrics comes after it.
    #[error("give the address without a query or fragment, such as http://127.0.0.1:9090/prefix")]
    Query,
}

impl Url {
    /// Reads an address.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        if text.contains('@') {
            return Err(UrlError::User);
        }
        if text.contains(['?', '#']) {
            return Err(UrlError::Query);
        }
        let uri: Uri = text.parse().map_err(|_| UrlError::Malformed)?;
        let (tls, port) = match uri.scheme_str() {
            Some("http") => (false, 80),
            Some("https") => (true, 443),
            _ => return Err(UrlError::Malformed),
        };
        let host = uri.host().filter(|host| !host.is_empty()).ok_or(UrlError::Malformed)?;
        Ok(Self {
            text: text.trim_end_matches('/').into(),
            tls,
            host: host.into(),
            port: uri.port_u16().unwrap_or(port),
            path: uri.path().trim_end_matches('/').into(),
        })
    }

    /// As it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_host_and_may_have_a_port_and_a_path() {
        for (text, host, port, path) in [
            ("http://127.0.0.1:9090", "127.0.0.1", 9090, ""),
            ("http://[::1]:9090/", "[::1]", 9090, ""),
            ("https://prometheus.example/a/b/", "prometheus.example", 443, "/a/b"),
        ] {
            let url = Url::parse(text).expect(text);
            assert_eq!((&*url.host, url.port, &*url.path), (host, port, path));
            assert_eq!(url.tls, text.starts_with("https"));
        }
        for (text, error) in [
            ("", UrlError::Malformed),
            ("127.0.0.1:9090", UrlError::Malformed),
            ("ftp://x", UrlError::Malformed),
            ("http://user:secret@host", UrlError::User),
            ("http://host/?q=1", UrlError::Query),
        ] {
            assert_eq!(Url::parse(text), Err(error), "{text}");
        }
    }
}
