//! The table: a column for each size.

use std::fmt::Write;
use std::time::Duration;

use crate::measure::Figures;

/// One line: what it is, and what stands in the column of a size.
type Line = (&'static str, fn(&Figures) -> String);

const LINES: &[Line] = &[
    ("keys and values, MB", |it| megabytes(it.raw_bytes as u64)),
    ("document, MB", |it| megabytes(it.document_bytes as u64)),
    ("one bare range, s", |it| seconds(it.range)),
    ("etcdctl get --prefix, s", |it| seconds(it.etcdctl)),
    ("list, s", |it| seconds(it.list)),
    ("  over the bare range", |it| ratio(it.list, it.range)),
    ("  over etcdctl", |it| ratio(it.list, it.etcdctl)),
    ("start to file, s", |it| seconds(it.start)),
    ("  CPU, s", |it| seconds(it.list_cpu)),
    ("resident, MB", |it| megabytes(it.resident)),
    ("  bytes an instance, over keys and values", |it| {
        let own = it.resident.saturating_sub(it.idle + it.raw_bytes as u64);
        (own / it.size.max(1) as u64).to_string()
    }),
    ("  at most, MB", |it| megabytes(it.peak)),
    ("put to bare watch, ms", |it| milliseconds(it.watch)),
    ("bare write of the file, ms", |it| milliseconds(it.write)),
    ("put to file, ms", |it| milliseconds(it.publish)),
    ("  over both together", |it| ratio(it.publish, it.watch + it.write)),
    ("burst, changes", |it| it.burst.to_string()),
    ("  load, s", |it| seconds(it.load)),
    ("  last acknowledged to file, ms", |it| milliseconds(it.burst_lag)),
    ("  publishes", |it| it.burst_publishes.to_string()),
    ("  CPU, s", |it| seconds(it.burst_cpu)),
    ("  CPU of a bare watch, s", |it| seconds(it.bare_burst_cpu)),
];

/// The table of these figures, in Markdown.
pub(crate) fn table(figures: &[Figures]) -> String {
    let mut table = String::from("| |");
    for it in figures {
        let _ = write!(table, " {} |", it.size);
    }
    table.push_str("\n|---|");
    table.push_str(&"---|".repeat(figures.len()));
    table.push('\n');
    for (name, cell) in LINES {
        let _ = write!(table, "| {name} |");
        for it in figures {
            let _ = write!(table, " {} |", cell(it));
        }
        table.push('\n');
    }
    table
}

fn seconds(time: Duration) -> String {
    format!("{:.3}", time.as_secs_f64())
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1e3)
}

fn megabytes(bytes: u64) -> String {
    format!("{}.{}", bytes / 1_000_000, bytes / 100_000 % 10)
}

fn ratio(time: Duration, beside: Duration) -> String {
    format!("{:.2} ×", time.as_secs_f64() / beside.as_secs_f64().max(1e-9))
}
