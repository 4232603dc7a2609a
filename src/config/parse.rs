//! Single arguments: text to value.

use std::time::Duration;

use crate::core::history::{Millis, Moment};
use crate::core::key::{Prefix, PrefixError};
use crate::etcd::{Server, ServerError};
use crate::file::Mode;
use crate::prometheus::{Url, UrlError};

/// No duration may be longer: whoever wants more means something else.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// The servers in one argument; `None` if there is a user in one of them, and so maybe a
/// password, which an error of the argument itself would repeat.
#[derive(Clone, Debug)]
pub struct Servers(pub(super) Option<Vec<Server>>);

pub(super) fn servers(text: &str) -> Result<Servers, ServerError> {
    // A password may have a comma in it.
    if text.contains('@') {
        return Ok(Servers(None));
    }
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    let servers: Vec<_> = parts.map(Server::parse).collect::<Result<_, _>>()?;
    if servers.is_empty() { Err(ServerError::Malformed) } else { Ok(Servers(Some(servers))) }
}

pub(super) fn prefix(text: &str) -> Result<Prefix, PrefixError> {
    Prefix::parse(text)
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    match humantime::parse_duration(text) {
        Ok(duration) if duration <= LONGEST => Ok(duration),
        Ok(_) => Err("longer than a day; give a duration such as 250ms, 2s or 5m".into()),
        Err(error) => Err(format!("{error}; give a duration such as 250ms, 2s or 5m")),
    }
}

pub(super) fn prometheus_url(text: &str) -> Result<Url, UrlError> {
    Url::parse(text)
}

pub(super) fn ratio(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(ratio) if (0.0..=1.0).contains(&ratio) => Ok(ratio),
        _ => Err("give a number from 0 to 1, such as 0.5; 1 switches the guard off".into()),
    }
}

pub(super) fn guard_min(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| "give a whole number from 0 on, such as 20".into())
}

pub(super) fn max_entries(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("give a whole number from 1 on, such as 5000000".into()),
        Ok(number) => Ok(number),
    }
}

pub(super) fn file_mode(text: &str) -> Result<Mode, String> {
    let bits = u32::from_str_radix(text, 8).ok();
    bits.and_then(Mode::new).ok_or_else(|| {
        "give permissions in octal, for reading and writing, that let the owner read: 0644, 0640".into()
    })
}

pub(super) fn moment(text: &str) -> Result<Moment, String> {
    if let Some(time) = Millis::parse(text) {
        return Ok(Moment::At(time));
    }
    let ago = humantime::parse_duration(text).map(Moment::Ago);
    ago.map_err(|_| {
        "give how long ago, such as 90s, 1h or 7days, or a time such as 2026-01-02T03:04:05Z".into()
    })
}

/// A journal that is rotated more often than that is of no use to anybody.
const SMALLEST_SIZE: u64 = 64 << 10;

pub(super) fn size(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u64); 7] = [
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("kB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("", 1),
    ];
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = text[digits.len()..].trim_start();
    let factor = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor);
    let size = digits.parse::<u64>().ok().zip(factor);
    match size.and_then(|(number, factor)| number.checked_mul(factor)) {
        Some(size) if size >= SMALLEST_SIZE => Ok(size),
        Some(_) => Err("give at least 64KiB".into()),
        None => Err("give a size such as 64MiB, 500kB or 1GiB".into()),
    }
}

pub(super) fn keep(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(keep) if keep <= 1000 => Ok(keep),
        _ => Err("give a whole number from 0 to 1000, such as 4".into()),
    }
}
