//! The target file as a table, and what differs between two of them.

use std::collections::{BTreeMap, BTreeSet};

use anstyle::Style;
use serde::Deserialize;

use crate::console::{ADDED, REMOVED, STRONG, WIDTH};

/// The labels of the widest rows are not lined up with.
const WIDEST_LABELS: usize = 24;

/// Targets by their labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Table(BTreeMap<String, BTreeSet<String>>);

#[derive(Deserialize)]
struct Group {
    targets: Vec<String>,
    labels: BTreeMap<String, String>,
}

impl Table {
    /// Reads a target file, as Prometheus would.
    pub(crate) fn parse(bytes: &[u8]) -> serde_json::Result<Self> {
        let groups: Vec<Group> = serde_json::from_slice(bytes)?;
        let mut table = Self::default();
        for Group { targets, mut labels } in groups {
            let job = labels.remove("job").unwrap_or_default();
            let others = labels.iter().map(|(name, value)| format!(" {name}={value}"));
            let row = table.0.entry(job + &others.collect::<String>()).or_default();
            row.extend(targets);
        }
        Ok(table)
    }

    /// How many targets there are, and how many came and went since `before`.
    pub(crate) fn summary(&self, before: &Self) -> String {
        let (is, was) = (self.targets(), before.targets());
        let (new, gone) = (is.difference(&was).count(), was.difference(&is).count());
        let noun = if is.len() == 1 { "target" } else { "targets" };
        let new = if new == 0 { String::new() } else { format!(" {ADDED}+{new}{ADDED:#}") };
        let gone = if gone == 0 { String::new() } else { format!(" {REMOVED}-{gone}{REMOVED:#}") };
        format!("{} {noun}{new}{gone}", is.len())
    }

    fn targets(&self) -> BTreeSet<(&str, &str)> {
        let rows = self.0.iter();
        rows.flat_map(|(labels, row)| row.iter().map(|target| (&**labels, &**target))).collect()
    }

    /// Every row of the two tables in lines, where `+` and `-` mark what is new and what is
    /// gone since `before`.
    pub(crate) fn rows(&self, before: &Self) -> Vec<String> {
        let labels: BTreeSet<_> = self.0.keys().chain(before.0.keys()).collect();
        let widest = labels.iter().map(|labels| labels.len()).max().unwrap_or(0);
        let width = widest.min(WIDEST_LABELS);
        let targets = self.targets().into_iter().chain(before.targets());
        let cell = targets.map(|(_, target)| target.len()).max().unwrap_or(0);
        labels.into_iter().flat_map(|labels| self.row(before, labels, width, cell)).collect()
    }

    fn row(&self, before: &Self, labels: &str, width: usize, cell: usize) -> Vec<String> {
        let none = BTreeSet::new();
        let was = before.0.get(labels).unwrap_or(&none);
        let is = self.0.get(labels).unwrap_or(&none);
        let cells: Vec<_> = was
            .union(is)
            .map(|target| match (was.contains(target), is.contains(target)) {
                (false, _) => mark(ADDED, '+', target, cell),
                (_, false) => mark(REMOVED, '-', target, cell),
                _ => mark(Style::new(), ' ', target, cell),
            })
            .collect();
        let in_a_line = (WIDTH.saturating_sub(width) / (cell + 3)).max(1);
        let mut lines: Vec<_> = cells
            .chunks(in_a_line)
            .map(|cells| format!("{:width$}  {}", "", cells.join("  ")).trim_end().to_owned())
            .collect();
        if let Some(first) = lines.first_mut() {
            first.replace_range(..width, &format!("{STRONG}{labels:width$}{STRONG:#}"));
        }
        lines
    }
}

fn mark(style: Style, mark: char, target: &str, width: usize) -> String {
    format!("{style}{mark}{target}{style:#}{:1$}", "", width - target.len())
}
