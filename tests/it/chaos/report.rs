//! What a run comes to.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::time::Duration;

use super::plan::Kind;

/// Longer no recovery may take.
pub(super) const LIMIT: Duration = Duration::from_secs(15);

/// What must not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Violation {
    /// The file did not become what etcd has.
    Diverged,
    /// A reader saw no whole document.
    Torn,
    /// A reader saw what never was a state of etcd: published before it was complete, or mixed
    /// from two histories.
    Premature,
    /// A reader saw an older state after a newer one.
    Backwards,
    /// The recovery took too long.
    Late,
    /// The daemon ended.
    Died,
}

impl Violation {
    const ALL: [(Self, &str); 6] = [
        (Self::Diverged, "divergences"),
        (Self::Torn, "torn documents"),
        (Self::Premature, "premature documents"),
        (Self::Backwards, "older documents"),
        (Self::Late, "late recoveries"),
        (Self::Died, "daemon ended"),
    ];

    /// Whether the daemon can't go on.
    pub(super) fn is_fatal(self) -> bool {
        matches!(self, Self::Diverged | Self::Died)
    }
}

#[derive(Default)]
pub(super) struct Report {
    pub(super) faults: BTreeMap<Kind, usize>,
    pub(super) violations: BTreeMap<Violation, usize>,
    /// Of each round that had one.
    pub(super) recoveries: Vec<(Duration, u64)>,
    pub(super) rounds: u64,
    pub(super) writes: usize,
    pub(super) publishes: usize,
    pub(super) reads: usize,
}

impl Report {
    pub(super) fn injected(&mut self, kind: Kind) {
        *self.faults.entry(kind).or_default() += 1;
    }

    pub(super) fn violated(&mut self, violation: Violation) {
        *self.violations.entry(violation).or_default() += 1;
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut row = |name: &str, value: &dyn fmt::Display| writeln!(f, "{name:<22}{value:>8}");
        row("rounds", &self.rounds)?;
        for kind in Kind::ALL {
            row(&format!("  {}", kind.name()), &self.faults.get(&kind).unwrap_or(&0))?;
        }
        row("faults", &self.faults.values().sum::<usize>())?;
        for (violation, name) in Violation::ALL {
            row(name, &self.violations.get(&violation).unwrap_or(&0))?;
        }
        let mut recoveries = self.recoveries.clone();
        recoveries.sort_unstable();
        let median = recoveries.get(recoveries.len() / 2);
        let seconds = |(took, _): &(Duration, u64)| format!("{:.2} s", took.as_secs_f64());
        let mut worst = recoveries.last().map(seconds).unwrap_or_default();
        if let Some((_, round)) = recoveries.last() {
            write!(worst, " (round {round})")?;
        }
        row("worst recovery", &worst)?;
        row("median recovery", &median.map(seconds).unwrap_or_default())?;
        row("writes", &self.writes)?;
        row("publishes seen", &self.publishes)?;
        row("reads of the file", &self.reads)
    }
}
