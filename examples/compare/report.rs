//! The table: a column for each size, and where a limit is set, whether it is met.

use std::fmt::Write;
use std::time::Duration;

use crate::limits::{self, Judged};
use crate::measure::{Burst, Figures};

/// One line: what it is, and what stands in the column of a size.
type Line = (String, Box<dyn Fn(&Figures) -> String>);

fn lines(bursts: &[Burst]) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let mut line = |name: &str, cell: fn(&Figures) -> String| {
        lines.push((name.to_owned(), Box::new(cell)));
    };
    line("keys and values, MB", |it| megabytes(it.raw_bytes));
    line("document, MB", |it| megabytes(it.document_bytes));
    line("one bare range, s", |it| seconds(it.lists.range));
    line("etcdctl get --prefix, s", |it| seconds(it.lists.etcdctl));
    line("list, s", |it| seconds(it.lists.list));
    line("  over the bare range", |it| ratio(limits::list_over_range(it)));
    line("  over etcdctl", |it| ratio(limits::list_over_etcdctl(it)));
    line("list again, s", |it| seconds(it.lists.relist));
    line("start to file, s", |it| seconds(it.lists.start));
    line("  CPU, s", |it| seconds(it.lists.cpu));
    line("idle daemon, resident, MB", |it| megabytes(it.idle));
    line("resident after the list, MB", |it| megabytes(it.lists.resident));
    line("  bytes an instance, over keys and values", |it| {
        limits::bytes_an_instance(it).cell(|bytes| format!("{bytes:.0}"))
    });
    line("  at most, MB", |it| mega(limits::peak(it)));
    line("  at most, with a list again, MB", |it| mega(limits::relist_peak(it)));
    line("resident after 90 % are gone, MB", |it| mega(limits::after_shrink(it)));
    line("  beside a new daemon, MB", |it| megabytes(it.shrink.fresh));
    line("put to bare watch, ms", |it| milliseconds(it.changes.watch));
    line("bare write of the file, ms", |it| milliseconds(it.changes.write));
    line("put to target file, ms", |it| milliseconds(it.changes.publish));
    line("  over both together", |it| ratio(limits::publish(it)));
    line("  CPU of a publish, ms", |it| milliseconds(it.changes.cpu));
    line("put to file of --target-dir, ms", |it| milliseconds(it.changes.small_publish));
    line("  over that of the first size", |it| ratio(limits::small_publish(it)));
    for (at, burst) in bursts.iter().enumerate() {
        lines.extend(burst_lines(at, burst.changes));
    }
    lines
}

fn burst_lines(at: usize, changes: usize) -> Vec<Line> {
    let line = |name: &str, cell: fn(&Figures, &Burst) -> String| -> Line {
        let cell = move |it: &Figures| it.bursts.get(at).map_or_else(String::new, |b| cell(it, b));
        (name.to_owned(), Box::new(cell))
    };
    vec![
        line(&format!("burst of {changes} changes, s"), |_, burst| seconds(burst.load)),
        line("  last acknowledged to file, ms", |it, burst| {
            limits::burst_lag(it, burst).cell(|ms| format!("{ms:.0}"))
        }),
        line("  last acknowledged to bare watch, ms", |_, burst| milliseconds(burst.bare.lag)),
        line("  publishes", |_, burst| burst.publishes.to_string()),
        line("  events a message", |_, burst| {
            (burst.changes / burst.bare.messages.max(1)).to_string()
        }),
        line("  CPU of a bare watch, s", |_, burst| seconds(burst.bare.cpu)),
        line("  CPU, s", |it, burst| {
            limits::burst_cpu(it, burst).cell(|seconds| format!("{seconds:.3}"))
        }),
    ]
}

/// The table of these figures, in Markdown.
pub(crate) fn table(figures: &[Figures]) -> String {
    let mut table = String::from("| |");
    for it in figures {
        let _ = write!(table, " {} |", it.size);
    }
    table.push_str("\n|---|");
    table.push_str(&"---|".repeat(figures.len()));
    table.push('\n');
    for (name, cell) in lines(figures.first().map_or(&[], |it| &it.bursts)) {
        let _ = write!(table, "| {name} |");
        for it in figures {
            let _ = write!(table, " {} |", cell(it));
        }
        table.push('\n');
    }
    let (met, all) = limits::count(figures);
    let _ = writeln!(table, "\n{met} of {all} limits are met.");
    table
}

impl Judged {
    fn cell(self, show: impl Fn(f64) -> String) -> String {
        match self.limit {
            None => show(self.value),
            Some(limit) if self.is_met() => {
                format!("{} (≤ {}: met)", show(self.value), show(limit))
            }
            Some(limit) => format!("{} (≤ {}: **not met**)", show(self.value), show(limit)),
        }
    }
}

fn ratio(judged: Judged) -> String {
    judged.cell(|ratio| format!("{ratio:.2}"))
}

fn mega(judged: Judged) -> String {
    judged.cell(|bytes| format!("{:.1}", bytes / 1e6))
}

fn seconds(time: Duration) -> String {
    format!("{:.3}", time.as_secs_f64())
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1e3)
}

#[allow(clippy::cast_precision_loss, reason = "shown to one digit")]
fn megabytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / 1e6)
}
