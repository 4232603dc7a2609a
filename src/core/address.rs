//! Addresses: `host:port`, as Prometheus can scrape them.
//!
//! Prometheus itself takes nearly any text and fails at the scrape, so what it would not
//! reach is sorted out here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use thiserror::Error;

/// Why a text is no address. The text itself is not repeated: it may hold a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AddressError {
    /// Nothing there.
    #[error("the address is empty")]
    Empty,
    /// Prometheus wants the address alone; scheme and path are the scrape configuration's.
    #[error("a URL stands where host:port is wanted")]
    Url,
    /// Prometheus refuses a target with a slash.
    #[error("the address contains a slash")]
    Slash,
    /// Without a port Prometheus 2 and 3 scrape different ones.
    #[error("the address has no port")]
    NoPort,
    /// Not a number from 1 to 65535.
    #[error("the port is not a number from 1 to 65535")]
    Port,
    /// An IPv6 address beside a port needs brackets.
    #[error("an IPv6 address needs brackets, as in [::1]:9100")]
    Unbracketed,
    /// `0.0.0.0` or `[::]`: where a server listens, not where it is.
    #[error("the host stands for any address of its machine: Prometheus would scrape its own")]
    Unspecified,
    /// Not an IPv4 address, a bracketed IPv6 address or a DNS name.
    #[error("the host is neither an IPv4 address, nor a bracketed IPv6 address, nor a DNS name")]
    Host,
}

/// Returns the address in `text` without the white space around it.
pub fn parse(text: &str) -> Result<&str, AddressError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(AddressError::Empty);
    }
    if text.contains("://") {
        return Err(AddressError::Url);
    }
    if text.contains('/') {
        return Err(AddressError::Slash);
    }
    let (host, port) = split(text)?;
    check_port(port)?;
    check_host(host)?;
    Ok(text)
}

#[derive(Clone, Copy)]
enum Host<'t> {
    V6(&'t str),
    Other(&'t str),
}

fn split(text: &str) -> Result<(Host<'_>, &str), AddressError> {
    if let Some(bracketed) = text.strip_prefix('[') {
        let (host, rest) = bracketed.split_once(']').ok_or(AddressError::Host)?;
        let port = rest.strip_prefix(':').ok_or(AddressError::NoPort)?;
        return Ok((Host::V6(host), port));
    }
    let (host, port) = text.rsplit_once(':').ok_or(AddressError::NoPort)?;
    if host.contains(':') {
        return Err(AddressError::Unbracketed);
    }
    Ok((Host::Other(host), port))
}

fn check_port(port: &str) -> Result<(), AddressError> {
    if port.is_empty() {
        return Err(AddressError::NoPort);
    }
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    match port.parse::<u16>() {
        Ok(1..) if digits => Ok(()),
        _ => Err(AddressError::Port),
    }
}

fn check_host(host: Host<'_>) -> Result<(), AddressError> {
    let (good, address) = match host {
        Host::V6(host) => {
            let address = host.parse::<Ipv6Addr>().ok();
            (address.is_some(), address.map(|address| address.to_canonical()))
        }
        Host::Other(host) => (is_ipv4_or_name(host), host.parse::<Ipv4Addr>().ok().map(IpAddr::V4)),
    };
    match address {
        _ if !good => Err(AddressError::Host),
        Some(address) if address.is_unspecified() => Err(AddressError::Unspecified),
        _ => Ok(()),
    }
}

/// Whether a host can be called so, without brackets.
///
/// A host whose last label is all digits is an IPv4 address or nothing: no top-level
/// domain is a number (RFC 3696, section 2). Underscores are no letters of host names, but
/// container networks use them and resolvers take them.
pub(crate) fn is_ipv4_or_name(host: &str) -> bool {
    const LONGEST_NAME: usize = 253;
    const LONGEST_LABEL: usize = 63;
    let name = host.strip_suffix('.').unwrap_or(host);
    let last = name.rsplit('.').next().unwrap_or_default();
    if last.bytes().all(|byte| byte.is_ascii_digit()) {
        return host.parse::<Ipv4Addr>().is_ok();
    }
    name.len() <= LONGEST_NAME
        && name.split('.').all(|label| {
            (1..=LONGEST_LABEL).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        })
}

#[cfg(test)]
mod tests {
    use super::AddressError::{Empty, Host, NoPort, Port, Slash, Unbracketed, Unspecified, Url};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_address_is_a_host_and_a_port() {
        for text in [
            "10.0.33.1:54423",
            "web-1:80",
            "a_b.example.com.:1",
            "[::1]:9100",
            "[2001:db8::1]:65535",
            "3com.example:80",
        ] {
            assert_eq!(parse(text), Ok(text));
        }
        assert_eq!(parse(" 10.0.0.1:80\n"), Ok("10.0.0.1:80"));
    }

    #[test]
    fn whatever_prometheus_could_not_scrape_is_refused_with_its_reason() {
        for (text, reason) in [
            ("", Empty),
            (" \n", Empty),
            ("http://10.0.0.1:80", Url),
            ("10.0.0.1:80/metrics", Slash),
            ("10.0.0.1", NoPort),
            ("10.0.0.1:", NoPort),
            ("[::1]", NoPort),
            ("[::1]80", NoPort),
            ("10.0.0.1:0", Port),
            ("10.0.0.1:65536", Port),
            ("10.0.0.1:+80", Port),
            ("10.0.0.1:http", Port),
            ("::1:80", Unbracketed),
            ("a:b:80", Unbracketed),
            (":80", Host),
            ("256.0.0.1:80", Host),
            ("10.0.0:80", Host),
            ("[10.0.0.1]:80", Host),
            ("[::1%eth0]:80", Host),
            ("a b:80", Host),
            ("a..b:80", Host),
            ("-a:80", Host),
            ("{\"a\":80", Host),
            ("0.0.0.0:80", Unspecified),
            ("[::]:80", Unspecified),
            ("[::ffff:0.0.0.0]:80", Unspecified),
        ] {
            assert_eq!(parse(text), Err(reason), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_and_what_passes_has_no_slash_and_a_port(text in ".{0,40}") {
            if let Ok(address) = parse(&text) {
                let (_, port) = address.rsplit_once(':').expect("a port");
                prop_assert!(port.parse::<u16>().expect("a number") > 0);
                prop_assert!(!address.contains(['/', ' ', '"', '\n']));
            }
        }

        #[test]
        fn every_socket_address_passes(address: std::net::SocketAddr) {
            prop_assume!(address.port() > 0 && !address.ip().to_canonical().is_unspecified());
            let text = match address {
                std::net::SocketAddr::V4(v4) => v4.to_string(),
                std::net::SocketAddr::V6(v6) => format!("[{}]:{}", v6.ip(), v6.port()),
            };
            prop_assert_eq!(parse(&text), Ok(text.as_str()));
        }
    }
}
