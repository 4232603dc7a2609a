//! Cost: what a target takes up of the budgets that entries share.

use super::value::Target;

/// What targets take up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Addresses.
    pub targets: usize,
    /// Bytes of the addresses, and of the names and texts of the labels.
    pub bytes: usize,
}

/// What it takes to have one target in place of another; less than nothing where that makes
/// room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Need {
    /// Addresses.
    pub targets: isize,
    /// Bytes.
    pub bytes: isize,
}

impl Cost {
    /// What this target takes up. One without an address is not in the document and costs
    /// nothing.
    #[must_use]
    pub fn of(target: Option<&Target>) -> Self {
        let Some(target) = target.filter(|target| !target.addresses().is_empty()) else {
            return Self::default();
        };
        let addresses = target.addresses();
        let labels = target.labels().into_iter().flatten();
        Self {
            targets: addresses.len(),
            bytes: addresses.iter().map(|address| address.len()).sum::<usize>()
                + labels.map(|(name, text)| name.len() + text.len()).sum::<usize>(),
        }
    }

    /// What it takes to go from `before` to this.
    #[must_use]
    pub fn beyond(self, before: Self) -> Need {
        Need {
            targets: self.targets.wrapping_sub(before.targets).cast_signed(),
            bytes: self.bytes.wrapping_sub(before.bytes).cast_signed(),
        }
    }
}

impl Need {
    /// Whether there is that much room.
    #[must_use]
    pub fn fits(self, room: Self) -> bool {
        self.targets <= room.targets && self.bytes <= room.bytes
    }

    /// Whether it takes any room.
    #[must_use]
    pub fn needs(self) -> bool {
        self.targets > 0 || self.bytes > 0
    }

    /// Whether it makes room for others.
    #[must_use]
    pub fn frees(self) -> bool {
        self.targets < 0 || self.bytes < 0
    }
}

/// What is left of a limit; nothing if it is passed.
#[must_use]
pub fn room(limit: usize, taken: usize) -> isize {
    isize::try_from(limit.saturating_sub(taken)).unwrap_or(isize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::value::parse;

    #[test]
    fn a_target_costs_its_addresses_and_the_bytes_of_its_texts() {
        for (value, targets, bytes) in [
            ("h:1", 1, 3),
            (r#"{"targets":["h:1","host:22"]}"#, 2, 10),
            (r#"{"targets":["h:1","host:22"],"labels":{"env":"prod"}}"#, 2, 17),
        ] {
            let target = parse(value.as_bytes()).expect("a target");
            assert_eq!(Cost::of(Some(&target)), Cost { targets, bytes }, "{value}");
        }
        let unhealthy = Target::new(Vec::new(), [("env".into(), "prod".into())].into());
        assert_eq!(Cost::of(Some(&unhealthy)), Cost::default());
        assert_eq!(Cost::of(None), Cost::default());
    }

    #[test]
    fn a_limit_that_is_passed_or_beyond_all_counting_leaves_a_room() {
        assert_eq!([room(5, 3), room(3, 5), room(usize::MAX, 0)], [2, 0, isize::MAX]);
    }
}
