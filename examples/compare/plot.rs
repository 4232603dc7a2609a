//! Cost against size, both in powers of ten: a picture in SVG.

use std::fmt::Write;
use std::time::Duration;

use crate::measure::Figures;

/// What is drawn: its name, its colour, and its value.
type Series = (&'static str, &'static str, fn(&Figures) -> Duration);

const SERIES: [Series; 6] = [
    ("list", "#d62728", |it| it.lists.list),
    ("one bare range", "#f4a3a3", |it| it.lists.range),
    ("put to target file", "#1f77b4", |it| it.changes.publish),
    ("bare watch + bare write of the file", "#9cc6e8", |it| it.changes.watch + it.changes.write),
    ("put to file of --target-dir", "#2ca02c", |it| it.changes.small_publish),
    ("bare watch + bare write of one service", "#a3d9a3", |it| {
        it.changes.watch + it.changes.small_write
    }),
];

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 480.0;

/// Where the axes are; the legend stands on the right.
const LEFT: f64 = 70.0;
const RIGHT: f64 = 540.0;
const TOP: f64 = 50.0;
const BOTTOM: f64 = 420.0;

/// Between two lines of the legend.
const LINE: f64 = 24.0;

/// An axis: the powers of ten at its ends, and where they are drawn.
struct Axis {
    powers: (i32, i32),
    ends: (f64, f64),
}

impl Axis {
    /// That has all of these values.
    fn of(values: impl Iterator<Item = f64>, ends: (f64, f64)) -> Self {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.filter(|&value| value > 0.0) {
            (low, high) = (low.min(value.log10()), high.max(value.log10()));
        }
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        #[allow(clippy::cast_possible_truncation, reason = "powers of ten of a f64")]
        let (low, high) = (low.floor() as i32, high.ceil() as i32);
        Self { powers: (low, high.max(low + 1)), ends }
    }

    fn place(&self, value: f64) -> f64 {
        let (low, high) = (f64::from(self.powers.0), f64::from(self.powers.1));
        let share = (value.log10() - low) / (high - low);
        self.ends.0 + share * (self.ends.1 - self.ends.0)
    }

    /// The values that are written beside it.
    fn marks(&self) -> impl Iterator<Item = f64> {
        (self.powers.0..=self.powers.1).map(|power| 10_f64.powi(power))
    }
}

/// The picture of these figures.
pub(crate) fn draw(figures: &[Figures]) -> String {
    let x = Axis::of(figures.iter().map(size), (LEFT, RIGHT));
    let costs =
        SERIES.iter().flat_map(|(.., cost)| figures.iter().map(|it| milliseconds(cost(it))));
    let y = Axis::of(costs, (BOTTOM, TOP));
    let mut svg = String::new();
    let _ = writeln!(
        svg,
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="13">
<title>Cost against the number of instances</title>
<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>
<text x="{LEFT}" y="28" font-size="16">Cost against the number of instances, medians of one run</text>
<text x="{}" y="{}" text-anchor="middle">instances</text>"##,
        f64::midpoint(LEFT, RIGHT),
        BOTTOM + 42.0,
    );
    for mark in x.marks() {
        line(&mut svg, (x.place(mark), TOP), (x.place(mark), BOTTOM));
        text(&mut svg, (x.place(mark), BOTTOM + 20.0), "middle", &short(mark, ""));
    }
    for mark in y.marks() {
        line(&mut svg, (LEFT, y.place(mark)), (RIGHT, y.place(mark)));
        text(&mut svg, (LEFT - 8.0, y.place(mark) + 4.0), "end", &duration(mark));
    }
    let mut legend = TOP + 14.0;
    for (name, colour, cost) in SERIES {
        let mut points = String::new();
        for it in figures {
            let (x, y) = (x.place(size(it)), y.place(milliseconds(cost(it))));
            let _ = write!(points, "{x:.1},{y:.1} ");
            let _ = writeln!(svg, r#"<circle cx="{x:.1}" cy="{y:.1}" r="3.5" fill="{colour}"/>"#);
        }
        let _ = writeln!(
            svg,
            r#"<polyline points="{}" fill="none" stroke="{colour}" stroke-width="2"/>"#,
            points.trim_end(),
        );
        let at = RIGHT + 20.0;
        let _ = writeln!(
            svg,
            r#"<rect x="{at}" y="{}" width="16" height="4" fill="{colour}"/>"#,
            legend - 6.0,
        );
        text(&mut svg, (at + 24.0, legend), "start", name);
        legend += LINE;
    }
    svg.push_str("</svg>\n");
    svg
}

fn line(svg: &mut String, from: (f64, f64), to: (f64, f64)) {
    let ((x1, y1), (x2, y2)) = (from, to);
    let _ = writeln!(
        svg,
        r##"<line x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}" stroke="#ddd"/>"##,
    );
}

fn text(svg: &mut String, (x, y): (f64, f64), anchor: &str, text: &str) {
    let _ = writeln!(svg, r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}">{text}</text>"#);
}

fn duration(milliseconds: f64) -> String {
    match milliseconds {
        1000.0.. => short(milliseconds / 1000.0, " s"),
        1.0.. => short(milliseconds, " ms"),
        _ => short(milliseconds * 1000.0, " µs"),
    }
}

fn short(value: f64, unit: &str) -> String {
    match value {
        1e6.. => format!("{:.0}M{unit}", value / 1e6),
        1e3.. => format!("{:.0}k{unit}", value / 1e3),
        _ => format!("{value:.0}{unit}"),
    }
}

#[allow(clippy::cast_precision_loss, reason = "a million or so")]
fn size(it: &Figures) -> f64 {
    it.size as f64
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
