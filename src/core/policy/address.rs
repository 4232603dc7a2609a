//! Lists of admitted addresses and ports.

use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use thiserror::Error;

use crate::core::address::is_ipv4_or_name;

/// Addresses, or names, that targets may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowedHost {
    /// All addresses that begin with these bits.
    Network {
        /// The address.
        address: IpAddr,
        /// How many of its bits count.
        bits: u8,
    },
    /// This name.
    Name(Box<str>),
    /// All names that end so, the dot included.
    Suffix(Box<str>),
}

/// Why a text is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("give a network such as 10.0.0.0/8 or fd00::/8, a name, or *.example.com")]
pub struct AllowedHostError;

/// Ports that targets may have, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRange {
    first: u16,
    last: u16,
}

/// Why a text is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("give a port or a range of ports such as 9100 or 9000-9999")]
pub struct PortRangeError;

impl AllowedHost {
    /// Whether `host`, as it stands in an address, is one of them. An IPv4 address that is written
    /// as an IPv6 one is what it stands for.
    pub(super) fn admits(&self, host: &str) -> bool {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        match (self, bare.parse::<IpAddr>()) {
            (Self::Network { address, bits }, Ok(found)) => {
                let (address, found) = (bits_of(*address), bits_of(found.to_canonical()));
                address.1 == found.1 && (address.0 ^ found.0) & mask(*bits, found.1) == 0
            }
            (Self::Name(name), Err(_)) => name.eq_ignore_ascii_case(bare.trim_end_matches('.')),
            (Self::Suffix(suffix), Err(_)) => {
                let bare = bare.trim_end_matches('.').to_ascii_lowercase();
                bare.len() > suffix.len() && bare.ends_with(&**suffix)
            }
            _ => false,
        }
    }
}

impl FromStr for AllowedHost {
    type Err = AllowedHostError;

    fn from_str(text: &str) -> Result<Self, AllowedHostError> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse().map_err(|_| AllowedHostError)?)),
            None => (text, None),
        };
        if let Ok(address) = address.parse::<IpAddr>() {
            return network(address, bits).ok_or(AllowedHostError);
        }
        let (is_suffix, name) = match text.strip_prefix("*.") {
            Some(name) => (true, name),
            None => (false, text),
        };
        // A dot at the end makes it no other name.
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        let is_name = is_ipv4_or_name(&name) && name.parse::<Ipv4Addr>().is_err();
        match (is_name, is_suffix) {
            (false, _) => Err(AllowedHostError),
            (true, true) => Ok(Self::Suffix(format!(".{name}").into())),
            (true, false) => Ok(Self::Name(name.into())),
        }
    }
}

/// The network of an address and how many of its bits count; all of them unless that is said.
fn network(address: IpAddr, bits: Option<u8>) -> Option<AllowedHost> {
    let most = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.unwrap_or(most);
    if bits > most {
        return None;
    }
    // An IPv4 address that is written as an IPv6 one has 96 bits before its own; a network that
    // takes in other addresses too is none of IPv4.
    match address.to_canonical() {
        canonical @ IpAddr::V4(_) if address.is_ipv6() && bits >= 96 => {
            Some(AllowedHost::Network { address: canonical, bits: bits - 96 })
        }
        _ => Some(AllowedHost::Network { address, bits }),
    }
}

impl PortRange {
    pub(super) fn admits(self, port: u16) -> bool {
        (self.first..=self.last).contains(&port)
    }
}

impl FromStr for PortRange {
    type Err = PortRangeError;

    fn from_str(text: &str) -> Result<Self, PortRangeError> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let port = |text: &str| text.trim().parse::<u16>().map_err(|_| PortRangeError);
        let (first, last) = (port(first)?, port(last)?);
        if first == 0 || first > last { Err(PortRangeError) } else { Ok(Self { first, last }) }
    }
}

/// The address as bits, from the highest on, and how many it has.
fn bits_of(address: IpAddr) -> (u128, u8) {
    match address {
        IpAddr::V4(address) => (u128::from(u32::from(address)), 32),
        IpAddr::V6(address) => (u128::from(address), 128),
    }
}

fn mask(bits: u8, of: u8) -> u128 {
    let all = if of == 128 { u128::MAX } else { (1 << of) - 1 };
    let rest = u32::from(of.saturating_sub(bits));
    all & u128::MAX.checked_shl(rest).unwrap_or(0)
}
