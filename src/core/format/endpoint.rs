//! Endpoints: from the ways in which hosts, ports and URLs are written to a checked
//! `host:port`.

use std::net::Ipv6Addr;

use super::Options;
use crate::core::address::{self, AddressError};

/// The address in `text`, `host:port`; with the operator's port, which a bare host may wait
/// for.
pub(super) fn address(text: &str, options: &Options) -> Result<Box<str>, AddressError> {
    address_or(text, None, options)
}

/// As [`address`], where a host without a port has the `usual` one.
pub(super) fn address_or(
    text: &str,
    usual: Option<u16>,
    options: &Options,
) -> Result<Box<str>, AddressError> {
    match (address::parse(text), options.port, usual) {
        (Ok(address), None, _) => Ok(address.into()),
        (Ok(address), Some(port), _) => {
            let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
            Ok(format!("{host}:{port}").into())
        }
        (Err(AddressError::NoPort), Some(port), _)
        | (Err(AddressError::NoPort), None, Some(port)) => {
            let host = text.trim();
            joined(host.strip_suffix(':').unwrap_or(host), port)
        }
        (Err(reason), _, _) => Err(reason),
    }
}

/// The address of a host and a port that are written apart; IPv6 needs no brackets here.
pub(super) fn host_port(
    host: &str,
    port: Option<&str>,
    options: &Options,
) -> Result<Box<str>, AddressError> {
    let host = bracketed(host.trim());
    match (options.port, port) {
        (Some(port), _) => joined(&host, port),
        (None, Some(port)) => checked(&format!("{host}:{port}")),
        (None, None) if host.is_empty() => Err(AddressError::Empty),
        (None, None) => Err(AddressError::NoPort),
    }
}

/// With brackets around it if it is an IPv6 address.
pub(super) fn bracketed(host: &str) -> String {
    if host.parse::<Ipv6Addr>().is_ok() { format!("[{host}]") } else { host.to_owned() }
}

fn joined(host: &str, port: u16) -> Result<Box<str>, AddressError> {
    if host.is_empty() {
        return Err(AddressError::Empty);
    }
    checked(&format!("{host}:{port}"))
}

fn checked(text: &str) -> Result<Box<str>, AddressError> {
    address::parse(text).map(Into::into)
}

/// A URL, of which only scheme, host and port are of use.
#[derive(Clone, Copy)]
pub(super) struct Url<'t> {
    scheme: &'t str,
    /// Without user and password, path, query and fragment.
    host_port: &'t str,
}

impl<'t> Url<'t> {
    /// `None` if the text is no `scheme://…`.
    pub(super) fn parse(text: &'t str) -> Option<Self> {
        let (scheme, rest) = text.trim().split_once("://")?;
        let legal = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let host_port = authority.rsplit_once('@').map_or(authority, |(_, host_port)| host_port);
        legal.then_some(Self { scheme, host_port })
    }

    /// Its address; `None` if the operator wants another scheme.
    pub(super) fn address(&self, options: &Options) -> Result<Option<Box<str>>, AddressError> {
        if !is_wanted(self.scheme, options) {
            return Ok(None);
        }
        address_or(self.host_port, usual_port(self.scheme), options).map(Some)
    }
}

/// Schemes have no case.
pub(super) fn is_wanted(scheme: &str, options: &Options) -> bool {
    options.scheme.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(scheme))
}

/// What a URL without a port means.
fn usual_port(scheme: &str) -> Option<u16> {
    match scheme.to_ascii_lowercase().as_str() {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::AddressError::{Empty, Host, NoPort, Port, Unbracketed};
    use super::*;

    fn port(port: u16) -> Options {
        Options { port: Some(port), ..Options::default() }
    }

    #[test]
    fn the_operators_port_replaces_the_addresses_and_stands_in_for_a_missing_one() {
        for (text, expected) in [
            ("10.0.0.1:80", Ok("10.0.0.1:9100")),
            ("10.0.0.1", Ok("10.0.0.1:9100")),
            ("10.0.0.1:", Ok("10.0.0.1:9100")),
            (" web-1 ", Ok("web-1:9100")),
            ("[::1]:80", Ok("[::1]:9100")),
            ("[::1]", Ok("[::1]:9100")),
            ("::1:80", Err(Unbracketed)),
            ("web-1:http", Err(Port)),
            ("a b", Err(Host)),
            (":", Err(Empty)),
            ("", Err(Empty)),
        ] {
            let expected = expected.map(Box::from);
            assert_eq!(address(text, &port(9100)), expected, "{text:?}");
        }
        assert_eq!(address("10.0.0.1", &Options::default()), Err(NoPort));
    }

    #[test]
    fn a_host_and_a_port_are_joined_with_brackets_where_needed() {
        let none = Options::default();
        for (host, port, expected) in [
            ("10.0.0.1", Some("80"), Ok("10.0.0.1:80")),
            ("web-1", Some("80"), Ok("web-1:80")),
            ("::1", Some("80"), Ok("[::1]:80")),
            ("[::1]", Some("80"), Ok("[::1]:80")),
            ("10.0.0.1", None, Err(NoPort)),
            ("10.0.0.1", Some("0"), Err(Port)),
            ("10.0.0.1", Some("http"), Err(Port)),
            ("", None, Err(Empty)),
            ("", Some("80"), Err(Host)),
        ] {
            assert_eq!(host_port(host, port, &none), expected.map(Box::from), "{host:?} {port:?}");
        }
        assert_eq!(host_port("::1", None, &port(9100)), Ok("[::1]:9100".into()));
        assert_eq!(host_port("a", Some("0"), &port(9100)), Ok("a:9100".into()));
        assert_eq!(host_port("", None, &port(9100)), Err(Empty));
    }

    #[test]
    fn a_url_gives_host_and_port_alone() {
        let read = |text: &str| Url::parse(text).map(|url| url.address(&Options::default()));
        for (text, expected) in [
            ("http://10.0.0.1:8080", Some(Ok("10.0.0.1:8080"))),
            ("grpc://10.0.0.1:9000?isSecure=false", Some(Ok("10.0.0.1:9000"))),
            ("http://user:p@ss@web-1:80/metrics?a=b#c", Some(Ok("web-1:80"))),
            ("http://[::1]:8008/patroni", Some(Ok("[::1]:8008"))),
            ("http://web-1/x:1", Some(Ok("web-1:80"))),
            ("HTTPS://web-1", Some(Ok("web-1:443"))),
            ("grpc://web-1", Some(Err(NoPort))),
            ("http://", Some(Err(Empty))),
            ("http:///x", Some(Err(Empty))),
            ("10.0.0.1:8080", None),
            ("://a:1", None),
            ("a b://a:1", None),
        ] {
            let expected = expected.map(|address| address.map(|text| Some(Box::from(text))));
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn only_urls_of_the_wanted_scheme_are_taken() {
        let options = Options { scheme: Some("HTTP".into()), ..port(9100) };
        let read = |text| Url::parse(text).map(|url| url.address(&options));
        assert_eq!(read("http://a:1"), Some(Ok(Some("a:9100".into()))));
        assert_eq!(read("https://a:1"), Some(Ok(None)));
        assert_eq!(read("grpc://no host"), Some(Ok(None)));
    }
}
