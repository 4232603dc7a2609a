//! The trust boundary: whoever writes the registry must not steer Prometheus further than the
//! operator allows.
//!
//! A registry is often written by many; Prometheus' targets decide whom it talks to, how, and
//! under which name. So what a key and a value say is admitted or refused here, as a whole: an
//! entry that wants too much is quarantined, and keeps its last good target.
//!
//! - Labels can't be `job`, which is the service, and can't begin with `__`, unless the operator
//!   names them.
//! - Addresses and ports may be limited to lists. Names are not resolved: with a list of
//!   addresses, a name must be on it itself.
//! - `%{…}` is refused everywhere: vmagent, which reads the same files, expands it from its
//!   environment.
//! - Budgets bound what one entry may add, and what those of a service, and all, may add up to.

mod address;

use std::fmt;

use thiserror::Error;

use super::value::Labels;

pub use address::{AllowedHost, AllowedHostError, PortRange, PortRangeError};

/// What the operator admits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Labels that may be set though they steer Prometheus; a trailing `*` stands for any end.
    /// `job` never is.
    pub allowed_labels: Vec<Box<str>>,
    /// Labels that may not be set; a trailing `*` stands for any end. Goes before the others.
    pub denied_labels: Vec<Box<str>>,
    /// Where targets may be; empty for anywhere.
    pub allowed_hosts: Vec<AllowedHost>,
    /// Which ports they may have; empty for any.
    pub allowed_ports: Vec<PortRange>,
    /// Whether label names may be any text, as from Prometheus 3 on.
    pub utf8_labels: bool,
    /// How much may be added.
    pub budgets: Budgets,
}

/// How much one entry may add, and how much entries may add up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budgets {
    /// Targets of one entry.
    pub targets: usize,
    /// Labels of a target, `job` not counted.
    pub labels: usize,
    /// Bytes of the value.
    pub value: usize,
    /// Bytes of one label's value.
    pub label_value: usize,
    /// Targets of one service, last good ones included.
    pub service_targets: usize,
    /// Bytes of all targets, last good ones included: their addresses, and the names and texts
    /// of their labels, as often as they are registered.
    pub total_bytes: usize,
}

/// Why an entry is not admitted. Only label names are repeated: values may hold secrets.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PolicyError {
    /// `job` is the service that the key names: of two, readers would take the one or the other.
    #[error("the label \"job\" is taken: it is the service's name, which the key says")]
    JobLabel,
    /// It would steer Prometheus.
    #[error("the label {name:?} steers Prometheus; --allow-label {name} admits it", name = Shown(.0))]
    SteeringLabel(Box<str>),
    /// The operator does not want it.
    #[error("the label {0:?} is refused by --deny-label")]
    DeniedLabel(Box<str>),
    /// Prometheus before 3.0 would refuse the whole file.
    #[error("the label name {0:?} is not [a-zA-Z_][a-zA-Z0-9_]*; --utf8-labels admits it")]
    LabelName(Box<str>),
    /// No version of Prometheus takes it.
    #[error("a label has no name")]
    Nameless,
    /// vmagent would expand it.
    #[error("{0} has %{{…}} in it, which vmagent would expand from its environment")]
    Expansion(Box<str>),
    /// Longer than any label needs to be.
    #[error("{what} has {found} bytes, more than --max-label-bytes {limit}")]
    Long {
        /// What is too long.
        what: Box<str>,
        /// How long it is.
        found: usize,
        /// How long it may be.
        limit: usize,
    },
    /// Not on the operator's list.
    #[error("an address is not among those of --allow-address (names are not resolved)")]
    Address,
    /// Not on the operator's list.
    #[error("the port {0} is not among those of --allow-port")]
    Port(u16),
    /// More than the operator admits.
    #[error("{what}: {found}, and {limit} are admitted")]
    Budget {
        /// What there is too much of.
        what: &'static str,
        /// How much there is.
        found: usize,
        /// How much is admitted.
        limit: usize,
    },
}

impl Default for Budgets {
    /// Far beyond what anybody registers for one instance, and little for one entry to harm. A
    /// value may be as long as etcd takes one by default, and some more. What all may add up to
    /// is beyond what one Prometheus can scrape.
    fn default() -> Self {
        Self {
            targets: 1_000,
            labels: 50,
            value: 2 << 20,
            label_value: 4 << 10,
            service_targets: 1_000_000,
            total_bytes: 1 << 30,
        }
    }
}

impl Policy {
    /// Whether a value of this length is looked into at all.
    pub fn admit_value(&self, bytes: usize) -> Result<(), PolicyError> {
        within("bytes in the value (--max-value-bytes)", bytes, self.budgets.value)
    }

    /// Admits addresses, each `host:port`, with the labels that keys and values give them.
    pub fn admit(&self, addresses: &[Box<str>], labels: &Labels) -> Result<(), PolicyError> {
        within(
            "targets in the value (--max-targets-per-key)",
            addresses.len(),
            self.budgets.targets,
        )?;
        within("labels (--max-labels)", labels.len(), self.budgets.labels)?;
        for (name, value) in labels {
            self.admit_label(name)?;
            self.admit_text("the name of a label", name)?;
            self.admit_text(Label(name), value)?;
        }
        addresses.iter().try_for_each(|address| self.admit_address(address))
    }

    /// Whether a service may be called so.
    pub fn admit_service(&self, service: &str) -> Result<(), PolicyError> {
        self.admit_text("the name of the service", service)
    }

    /// Whether a text that comes from the registry may become the value of a label.
    pub fn admit_text(&self, what: impl fmt::Display, text: &str) -> Result<(), PolicyError> {
        let (found, limit) = (text.len(), self.budgets.label_value);
        let what = || what.to_string().into();
        if text.contains("%{") {
            return Err(PolicyError::Expansion(what()));
        }
        if found > limit { Err(PolicyError::Long { what: what(), found, limit }) } else { Ok(()) }
    }

    fn admit_label(&self, name: &str) -> Result<(), PolicyError> {
        let shown = || shown(name).into();
        if self.denied_labels.iter().any(|pattern| is_like(name, pattern)) {
            return Err(PolicyError::DeniedLabel(shown()));
        }
        if name.is_empty() {
            return Err(PolicyError::Nameless);
        }
        if !self.utf8_labels && !is_legacy(name) {
            return Err(PolicyError::LabelName(shown()));
        }
        if name == "job" {
            return Err(PolicyError::JobLabel);
        }
        let steers = name.starts_with("__");
        if steers && !self.allowed_labels.iter().any(|pattern| is_like(name, pattern)) {
            return Err(PolicyError::SteeringLabel(shown()));
        }
        Ok(())
    }

    fn admit_address(&self, address: &str) -> Result<(), PolicyError> {
        let Some((host, port)) = address.rsplit_once(':') else { return Ok(()) };
        let port: u16 = port.parse().unwrap_or_default();
        let hosts = &self.allowed_hosts;
        if !hosts.is_empty() && !hosts.iter().any(|allowed| allowed.admits(host)) {
            return Err(PolicyError::Address);
        }
        let ports = &self.allowed_ports;
        if !ports.is_empty() && !ports.iter().any(|allowed| allowed.admits(port)) {
            return Err(PolicyError::Port(port));
        }
        Ok(())
    }
}

/// Text of the registry, in quotes or without them, that can't steer the terminal.
struct Shown<'t>(&'t str);

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.0, f)
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.escape_debug().fmt(f)
    }
}

/// A label, as errors name it.
struct Label<'n>(&'n str);

impl fmt::Display for Label<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the label {:?}", shown(self.0))
    }
}

/// As much of a label's name as an error repeats.
fn shown(name: &str) -> String {
    const SHOWN: usize = 64;
    let cut = name.char_indices().nth(SHOWN).map(|(at, _)| at);
    cut.map_or_else(|| name.to_owned(), |at| format!("{}…", &name[..at]))
}

fn within(what: &'static str, found: usize, limit: usize) -> Result<(), PolicyError> {
    if found > limit { Err(PolicyError::Budget { what, found, limit }) } else { Ok(()) }
}

/// A name, or the beginning of names before a `*`.
fn is_like(name: &str, pattern: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == pattern,
    }
}

/// The rule of Prometheus before 3.0, where one illegal name makes it refuse the whole file.
fn is_legacy(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && name.bytes().next().is_some_and(|first| !first.is_ascii_digit())
}

#[cfg(test)]
mod tests;
