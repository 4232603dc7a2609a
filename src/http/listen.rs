//! Where and how to listen, as the command line says.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::PathBuf;

use thiserror::Error;

use crate::core::shard::Shard;
use crate::secrets::BadFile;

/// Where and how to listen, and what may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// `--listen`
    pub address: Address,
    /// `--listen-cert` and `--listen-key`; without them nothing is encrypted.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// `--listen-token-file`; without it everybody may ask.
    pub token: Option<PathBuf>,
    /// `--expose-values`: whether the values of keys may be shown.
    pub expose_values: bool,
    /// `--shard`: of all targets, only those of this shard are known.
    pub shard: Option<Shard>,
    /// `--enable-lifecycle`: whether anything may be done, rather than only looked at.
    pub enable_lifecycle: bool,
}

/// A host, or an IP address, with a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    host: String,
    port: u16,
}

/// Why there is nothing to listen on.
#[derive(Debug, Error)]
pub enum Error {
    /// The port is somebody else's.
    #[error(
        "--listen {address}: another program listens there already; stop it, or give another port \
         (ss -ltnp shows whose it is)"
    )]
    InUse {
        /// Where.
        address: String,
    },
    /// The address is none of this host's.
    #[error(
        "--listen {address}: this host does not have that address; give one of its own, \
         127.0.0.1 or [::1] for programs on this host alone, 0.0.0.0 or [::] for everybody"
    )]
    NotOurs {
        /// Where.
        address: String,
    },
    /// The port is for others.
    #[error("--listen {address}: ports below 1024 need a privilege; give a higher one")]
    Privileged {
        /// Where.
        address: String,
    },
    /// Whatever else the system says.
    #[error("--listen {address}: {source}")]
    Bind {
        /// Where.
        address: String,
        /// What it says.
        source: io::Error,
    },
    /// A certificate, a key or a token.
    #[error(transparent)]
    File(#[from] BadFile),
    /// There is no room for a thread, or for what it needs.
    #[error("cannot start the thread that answers --listen")]
    Thread(#[source] io::Error),
}

impl Address {
    /// Reads `10.0.0.1:9099`, `[::1]:9099` or `localhost:9099`.
    pub fn parse(text: &str) -> Result<Self, String> {
        const EXAMPLE: &str =
            "127.0.0.1:9099 for programs on this host, 0.0.0.0:9099 or [::]:9099 for everybody";
        let (host, port) =
            text.rsplit_once(':').ok_or_else(|| format!("no port; give {EXAMPLE}"))?;
        let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse::<u16>().ok().filter(|_| digits);
        let port =
            port.ok_or_else(|| format!("the port is no number up to 65535; give {EXAMPLE}"))?;
        if host.is_empty() {
            return Err(format!("no address; give {EXAMPLE}"));
        }
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let is_address = bracketed.is_some_and(|host| host.parse::<std::net::Ipv6Addr>().is_ok());
        if !is_address && !crate::core::address::is_ipv4_or_name(host) {
            return Err(format!("neither an IP address nor the name of a host; give {EXAMPLE}"));
        }
        Ok(Self { host: bracketed.unwrap_or(host).to_owned(), port })
    }

    /// The host or address, an IPv6 address without brackets.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Listens there, and nowhere else. Blocks if it is a name that has to be looked up.
    pub(super) fn bind(&self) -> Result<(TcpListener, SocketAddr), Error> {
        let listener = TcpListener::bind((&*self.host, self.port)).and_then(|listener| {
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            Ok((listener, address))
        });
        listener.map_err(|source| {
            let address = self.to_string();
            match source.kind() {
                io::ErrorKind::AddrInUse => Error::InUse { address },
                io::ErrorKind::AddrNotAvailable => Error::NotOurs { address },
                io::ErrorKind::PermissionDenied if self.port < 1024 => {
                    Error::Privileged { address }
                }
                _ => Error::Bind { address, source },
            }
        })
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { host, port } = self;
        if host.parse::<IpAddr>().is_ok_and(|address| address.is_ipv6()) {
            write!(f, "[{host}]:{port}")
        } else {
            write!(f, "{host}:{port}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_port_and_never_more_hosts_than_were_named() {
        for text in ["127.0.0.1:9099", "[::1]:0", "0.0.0.0:1", "[::]:65535", "localhost:80"] {
            assert_eq!(Address::parse(text).expect(text).to_string(), text);
        }
        for (text, needle) in [
            (":9099", "no address"),
            ("9099", "no port"),
            ("127.0.0.1", "no port"),
            ("127.0.0.1:", "the port"),
            ("127.0.0.1:+9", "the port"),
            ("127.0.0.1:65536", "the port"),
            ("::1:9099", "neither"),
            ("*:9099", "neither"),
            ("http://127.0.0.1:9099", "neither"),
            ("[::1", "neither"),
        ] {
            let error = Address::parse(text).expect_err(text);
            assert!(error.contains(needle) && error.contains("0.0.0.0:9099"), "{text}: {error}");
        }
    }

    #[test]
    fn a_port_that_is_taken_is_said_to_be() {
        let (_held, address) = Address::parse("127.0.0.1:0").expect("valid").bind().expect("bound");
        let again = Address::parse(&address.to_string()).expect("valid");
        let error = again.bind().expect_err("taken").to_string();
        assert!(error.contains(&address.to_string()) && error.contains("another port"), "{error}");
    }
}
