//! Targets: what one entry adds to the target groups.

use std::collections::BTreeMap;

/// Labels of a target group, ascending by name.
pub type Labels = BTreeMap<Box<str>, Box<str>>;

/// What one entry adds to the target groups. Two values of the same meaning make equal
/// targets, so that a heartbeat that rewrites a value changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// One address without labels: the common case, kept small.
    Address(Box<str>),
    /// Anything else.
    Group(Box<Group>),
}

/// Addresses that share labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Ascending, each once; none for an entry that is not to be scraped now.
    pub addresses: Vec<Box<str>>,
    /// Without `job`, which the service gives.
    pub labels: Labels,
}

impl Target {
    /// The addresses; none for an entry that is not to be scraped now.
    #[must_use]
    pub fn addresses(&self) -> &[Box<str>] {
        match self {
            Self::Address(address) => std::slice::from_ref(address),
            Self::Group(group) => &group.addresses,
        }
    }

    /// The labels, if there are any.
    #[must_use]
    pub fn labels(&self) -> Option<&Labels> {
        match self {
            Self::Address(_) => None,
            Self::Group(group) => Some(&group.labels).filter(|labels| !labels.is_empty()),
        }
    }

    /// The target of these addresses, in whatever order; of none, if there are none.
    #[must_use]
    pub fn new(mut addresses: Vec<Box<str>>, labels: Labels) -> Self {
        addresses.sort_unstable();
        addresses.dedup();
        match (addresses.pop(), addresses.is_empty() && labels.is_empty()) {
            (Some(only), true) => Self::Address(only),
            (last, _) => {
                addresses.extend(last);
                Self::Group(Box::new(Group { addresses, labels }))
            }
        }
    }
}

/// Reads a value as it is read by default.
#[cfg(test)]
pub(crate) fn parse(value: &[u8]) -> Result<Target, super::schema::ReadError> {
    use super::key::Prefix;
    use super::schema::Schema;

    let prefix = Prefix::parse("/services").unwrap_or_else(|_| unreachable!());
    Schema::below(&prefix).read("web", "1", value, super::event::Revision(1))
}
