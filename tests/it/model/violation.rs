//! What a property says when it does not hold.

use std::fmt;

/// A property that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Violation {
    pub(super) property: &'static str,
    pub(super) text: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { property, text } = self;
        write!(f, "{property}: {text}")
    }
}

/// Returns a [`Violation`] of the named property unless the condition holds.
macro_rules! holds {
    ($property:literal, $condition:expr, $($text:tt)+) => {
        if !$condition {
            return Err($crate::model::violation::Violation {
                property: $property,
                text: format!($($text)+),
            });
        }
    };
}

pub(super) use holds;
