//! Schema: what keys and values stand for, as the operator says.
//!
//! ```text
//! key ──pattern──> service, labels, maybe the address ──┐
//!                                                       ├─policy──> target
//! value ──format──> addresses, labels ──────────────────┘
//! ```
//!
//! Where several say a label, the operator's own stands, then the key's, then the value's. A label
//! with an empty text is none, as Prometheus has it: so the operator's takes one away.

mod explain;

use thiserror::Error;

use super::address::AddressError;
use super::event::Revision;
use super::format::{Format, FormatError, Options, Place, Reading};
use super::key::{Key, Prefix};
use super::pattern::{Captures, Pattern};
use super::policy::{Policy, PolicyError};
use super::shard::Shard;
use super::value::{Labels, Target};

pub use explain::{Explanation, Step};

/// How to read a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    /// How keys look.
    pub pattern: Pattern,
    /// How values are written.
    pub format: Format,
    /// What the operator adds to the format.
    pub options: Options,
    /// What may reach Prometheus.
    pub policy: Policy,
    /// Labels that every target gets.
    pub labels: Labels,
    /// Whether every target gets labels that say where it comes from: `__meta_etcd_key`,
    /// `__meta_etcd_service`, `__meta_etcd_instance`, `__meta_etcd_revision`. The last of them
    /// changes with every write of the key, and with it the target.
    pub meta_labels: bool,
    /// Of all addresses, only those of this shard are taken. What is admitted, and what is bad,
    /// does not depend on it: each shard says the same of an entry.
    pub shard: Option<Shard>,
}

/// Why a key and its value stand for no target.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReadError {
    /// The value is not of the format.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The key's `{address}` is none.
    #[error("the address in the key: {0}")]
    Key(AddressError),
    /// It wants more than the operator admits.
    #[error(transparent)]
    Policy(#[from] PolicyError),
}

impl Schema {
    /// The schema of `<prefix>/<service>/<instance>` with values recognised by their shape.
    #[must_use]
    pub fn below(prefix: &Prefix) -> Self {
        Self::of(Pattern::below(prefix))
    }

    /// The schema of such keys with values recognised by their shape.
    #[must_use]
    pub fn of(pattern: Pattern) -> Self {
        Self {
            pattern,
            format: Format::Auto,
            options: Options::default(),
            policy: Policy::default(),
            labels: Labels::new(),
            meta_labels: false,
            shard: None,
        }
    }

    /// Says what `key` names.
    #[must_use]
    pub fn classify<'k>(&self, key: &'k [u8]) -> Key<'k> {
        self.pattern.classify(key)
    }

    /// Reads the value at the key of this parent and name, written at this revision.
    pub fn read(
        &self,
        parent: &str,
        name: &str,
        value: &[u8],
        mod_revision: Revision,
    ) -> Result<Target, ReadError> {
        self.policy.admit_value(value.len())?;
        let captures = self.pattern.captures(parent, name);
        self.policy.admit_service(&captures.service)?;
        let Reading { mut addresses, mut labels } = self.reading(&captures, value)?;
        for (label, text) in &captures.labels {
            labels.insert((*label).into(), (**text).into());
        }
        self.policy.admit(&addresses, &labels)?;
        if let Some(shard) = self.shard {
            addresses.retain(|address| shard.has(address));
            if addresses.is_empty() {
                return Ok(Target::new(addresses, Labels::new()));
            }
        }
        labels.extend(self.labels.iter().map(|(name, text)| (name.clone(), text.clone())));
        if self.meta_labels {
            let key = self.pattern.key(parent, name);
            self.policy.admit_text("the key", &key)?;
            // It may be percent-encoded in the key.
            self.policy.admit_text("the instance in the key", &captures.instance)?;
            for (label, text) in [
                ("__meta_etcd_key", key),
                ("__meta_etcd_service", captures.service.into_owned()),
                ("__meta_etcd_instance", captures.instance.into_owned()),
                ("__meta_etcd_revision", mod_revision.0.to_string()),
            ] {
                labels.insert(label.into(), text.into());
            }
        }
        labels.retain(|_, text| !text.is_empty());
        Ok(Target::new(addresses, labels))
    }

    /// What key and value say, before it is admitted. An address in the key is `host:port`, or
    /// several with commas between them, as `GoFrame` has them, or a URL, as dubbo has it.
    fn reading(&self, captures: &Captures<'_>, value: &[u8]) -> Result<Reading, ReadError> {
        let Some(address) = &captures.address else {
            return Ok(self.format.read(value, &self.options)?);
        };
        // The value is its owner's business.
        let read = |format: Format, text: &str| match format.read(text.as_bytes(), &self.options) {
            Err(FormatError::Address { at: Place::Value, reason }) => Err(ReadError::Key(reason)),
            reading => Ok(reading?.addresses),
        };
        let addresses = if address.contains("://") {
            read(Format::Traefik, address)?
        } else {
            let texts = address.split(',').map(|text| read(Format::Address, text));
            texts.collect::<Result<Vec<_>, _>>()?.concat()
        };
        Ok(Reading::new(addresses, Labels::new()))
    }
}

#[cfg(test)]
mod tests;
