//! How long to wait for a member.

use std::time::Duration;

/// How long to wait for a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// To accept a connection, and to give a first answer on it.
    pub dial: Duration,
    /// Silence after which it is asked for a sign of life.
    pub idle: Duration,
    /// For that sign.
    pub answer: Duration,
}

impl Default for Patience {
    /// What the command line has as defaults.
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { dial: seconds(2), idle: seconds(6), answer: seconds(4) }
    }
}
