//! A journal's lines for people: a table, whose columns are as wide as their first rows need.

use std::fmt::{self, Write};

use super::line::{OutlinedPublish, OutlinedTarget};
use super::{Line, Millis, Note, Outline};

const COLUMNS: usize = 7;

/// The widest that a column becomes for the sake of one long text.
const WIDEST: usize = 60;

const HEAD: [&str; COLUMNS] =
    ["TIME", "SERVICE", "INSTANCE", "CHANGE", "CAUSE", "PUBLISH", "AFTER"];

/// A row of the table, or a remark that takes the whole of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Row {
    /// A change: the texts of its columns.
    Change(Box<[String; COLUMNS]>),
    /// A note, with its time.
    Remark(String),
}

/// How wide each column is.
#[derive(Clone, Copy, Debug)]
pub struct Widths([usize; COLUMNS]);

impl Row {
    /// The row of a line.
    #[must_use]
    pub fn of(line: &Line) -> Self {
        match line {
            Line::Change(outline) => Self::Change(Box::new(columns(outline))),
            Line::Note { time, note } => {
                Self::Remark(format!("{}  -- {}", plain(time), said(note)))
            }
        }
    }
}

impl Widths {
    /// Wide enough for these.
    #[must_use]
    pub fn of<'r>(rows: impl IntoIterator<Item = &'r Row>) -> Self {
        let mut widths = HEAD.map(str::len);
        for row in rows {
            let Row::Change(columns) = row else { continue };
            for (width, text) in widths.iter_mut().zip(&**columns) {
                *width = (*width).max(text.chars().count().min(WIDEST));
            }
        }
        Self(widths)
    }

    /// What stands above the rows.
    #[must_use]
    pub fn head(self) -> String {
        self.line(HEAD.map(str::to_owned).as_ref())
    }

    /// The text of a row.
    #[must_use]
    pub fn row(self, row: &Row) -> String {
        match row {
            Row::Change(columns) => self.line(&**columns),
            Row::Remark(text) => text.clone(),
        }
    }

    fn line(self, columns: &[String]) -> String {
        let mut line = String::new();
        for (width, text) in self.0.iter().zip(columns) {
            let gap = if line.is_empty() { "" } else { "  " };
            let _ = write!(line, "{gap}{text:<width$}");
        }
        line.truncate(line.trim_end().len());
        line
    }
}

fn columns(outline: &Outline) -> [String; COLUMNS] {
    let Outline { time, service, instance, before, after, cause, publish, .. } = outline;
    let change = format!("{} → {}", target(before.as_ref()), target(after.as_ref()));
    let (number, took) = match publish {
        Some(publish) => (format!("#{}", publish.number), took(time, publish)),
        None => ("-".into(), "-".into()),
    };
    [plain(time), plain(service), plain(instance), change, plain(cause), number, took]
}

fn target(target: Option<&OutlinedTarget>) -> String {
    let Some(OutlinedTarget { targets, labels }) = target else { return "-".into() };
    let mut text = if targets.is_empty() { "no target".into() } else { plain(&targets.join(",")) };
    if !labels.is_empty() {
        let pairs = labels.iter().map(|(name, value)| format!("{}={value:?}", plain(name)));
        let _ = write!(text, "{{{}}}", pairs.collect::<Vec<_>>().join(","));
    }
    text
}

fn took(time: &str, publish: &OutlinedPublish) -> String {
    let times = Millis::parse(&publish.time).zip(Millis::parse(time));
    times.map_or("-".into(), |(published, changed)| {
        format!("{:.3}s", published.since(changed).as_secs_f64())
    })
}

fn said(note: &Note) -> String {
    match note {
        Note::Started { version } => format!("etcd-sd {} has started", plain(version)),
        Note::Listed { prefix, revision, targets } => format!(
            "the first list of {}: {targets} targets at revision {revision}, not shown here",
            plain(prefix)
        ),
        Note::Dropped { changes } => {
            format!(
                "{changes} changes are missing: they came more quickly than they could be written"
            )
        }
        Note::Stopped => "etcd-sd has stopped".into(),
    }
}

/// A text of somebody else, without what a terminal would obey.
fn plain(text: &str) -> String {
    struct Plain<'t>(&'t str);

    impl fmt::Display for Plain<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            for c in self.0.chars() {
                match c {
                    '\\' | '"' | '\'' => f.write_char(c)?,
                    _ => write!(f, "{}", c.escape_debug())?,
                }
            }
            Ok(())
        }
    }

    Plain(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(line: &str) -> Row {
        Row::of(&Line::parse(line.as_bytes()).expect(line))
    }

    #[test]
    fn columns_are_as_wide_as_their_texts_and_foreign_texts_are_harmless() {
        let rows = [
            row(
                r#"{"time":"2026-01-02T03:04:05.000Z","revision":7,"service":"web","instance":"1","key":"/s/web/1",
                "before":null,"after":{"targets":["h:1"],"labels":{"a":"\"\n"}},"cause":"put",
                "publish":{"number":3,"time":"2026-01-02T03:04:05.250Z","revision":8}}"#,
            ),
            row(r#"{"time":"2026-01-02T03:04:06.000Z","note":"dropped","changes":5}"#),
            row(
                r#"{"time":"2026-01-02T03:04:07.000Z","revision":9,"service":"w\u001b[31m","instance":"a:b","key":"/s/w/a",
                "before":{"targets":["h:1"],"labels":{}},"after":null,"cause":"delete","publish":null}"#,
            ),
        ];
        let widths = Widths::of(&rows);
        let text: Vec<_> =
            std::iter::once(widths.head()).chain(rows.iter().map(|row| widths.row(row))).collect();
        assert_eq!(
            text,
            [
                r"TIME                      SERVICE      INSTANCE  CHANGE             CAUSE   PUBLISH  AFTER",
                r#"2026-01-02T03:04:05.000Z  web          1         - → h:1{a="\"\n"}  put     #3       0.250s"#,
                r"2026-01-02T03:04:06.000Z  -- 5 changes are missing: they came more quickly than they could be written",
                r"2026-01-02T03:04:07.000Z  w\u{1b}[31m  a:b       h:1 → -            delete  -        -",
            ]
        );
    }
}
