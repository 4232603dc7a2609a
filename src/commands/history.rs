//! `etcd-sd history`: what became of which target, read from the journal.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::iter::Peekable;
use std::mem;

use super::{Error, count, print};
use crate::clock::now;
use crate::config::HistoryArgs;
use crate::core::history::{Line, Millis, Note, Row, Widths};
use crate::file::{self, journal_files, read_lines};

/// The columns are as wide as so many rows need.
const MEASURED: usize = 1000;

pub(super) fn run(args: &HistoryArgs) -> Result<i32, Error> {
    let files = journal_files(&args.journal)?;
    if files.is_empty() {
        return Err(Error::NoJournal(args.journal.clone()));
    }
    // All are open before the first is read: one that is rotated meanwhile is not missed.
    let files = files.into_iter().map(read_lines).collect::<Result<Vec<_>, _>>()?;
    let mut selection = Selection::of(args);
    let mut failed = None;
    let mut found = files.into_iter().flatten().map_while(|line| match line {
        Ok(line) => Some(line),
        Err(error) => {
            failed = Some(error);
            None
        }
    });
    let mut found = std::iter::from_fn(|| found.find_map(|line| selection.take(line)));
    match args.limit {
        Some(limit) => {
            let mut last = VecDeque::new();
            for one in found.by_ref() {
                last.push_back(one);
                if last.len() > limit {
                    last.pop_front();
                }
            }
            print(|out| write(out, &mut last.into_iter().peekable(), args.json))?;
        }
        None => print(|out| write(out, &mut found.by_ref().peekable(), args.json))?,
    }
    report(&selection, failed)
}

/// What is to be shown, and what was found.
struct Selection<'a> {
    args: &'a HistoryArgs,
    since: Option<Millis>,
    until: Option<Millis>,
    changes: usize,
    broken: usize,
}

/// A line that is to be shown.
struct Found {
    text: Vec<u8>,
    line: Line,
}

impl<'a> Selection<'a> {
    fn of(args: &'a HistoryArgs) -> Self {
        let now = now();
        let since = args.since.map(|moment| moment.at(now));
        let until = args.until.map(|moment| moment.at(now));
        Self { args, since, until, changes: 0, broken: 0 }
    }

    fn take(&mut self, text: Vec<u8>) -> Option<Found> {
        if text.is_empty() {
            return None;
        }
        let Some(line) = Line::parse(&text) else {
            self.broken += 1;
            return None;
        };
        let is_wanted = |wanted: Option<&String>, is: &String| wanted.is_none_or(|it| it == is);
        let HistoryArgs { service, instance, .. } = self.args;
        let (time, published, is_chosen) = match &line {
            Line::Change(change) => {
                let is_service = is_wanted(service.as_ref(), &change.service);
                let is_chosen = is_service && is_wanted(instance.as_ref(), &change.instance);
                (&change.time, change.publish.as_ref().map(|publish| &publish.time), is_chosen)
            }
            // What is missing may have been of any service.
            Line::Note { time, note: Note::Dropped { .. } } => (time, None, true),
            Line::Note { time, .. } => (time, None, service.is_none() && instance.is_none()),
        };
        // What the guard held for hours came long before Prometheus saw it.
        if !is_chosen || !(self.is_within(time) || published.is_some_and(|at| self.is_within(at))) {
            return None;
        }
        self.changes += usize::from(matches!(line, Line::Change(_)));
        Some(Found { text, line })
    }

    /// Whether this time is asked for.
    fn is_within(&self, time: &str) -> bool {
        let Self { since, until, .. } = *self;
        if since.is_none() && until.is_none() {
            return true;
        }
        Millis::parse(time).is_some_and(|time| {
            since.is_none_or(|since| time >= since) && until.is_none_or(|until| time <= until)
        })
    }
}

fn write(
    out: &mut dyn Write,
    found: &mut Peekable<impl Iterator<Item = Found>>,
    json: bool,
) -> io::Result<()> {
    if json {
        for Found { mut text, .. } in found {
            text.push(b'\n');
            out.write_all(&text)?;
        }
        return Ok(());
    }
    if found.peek().is_none() {
        return Ok(());
    }
    let mut rows = found.map(|Found { line, .. }| Row::of(&line));
    let mut first: Vec<_> = rows.by_ref().take(MEASURED).collect();
    let widths = Widths::of(&first);
    writeln!(out, "{}", widths.head())?;
    for row in mem::take(&mut first).into_iter().chain(rows) {
        writeln!(out, "{}", widths.row(&row))?;
    }
    Ok(())
}

/// What is to be said beside the lines.
fn report(selection: &Selection<'_>, failed: Option<file::Error>) -> Result<i32, Error> {
    let mut stderr = io::stderr().lock();
    // Whoever does not hear it can't be told.
    if selection.broken > 0 {
        let lines = count(selection.broken, "line");
        let _ = writeln!(
            stderr,
            "{lines} of the journal can't be read: cut by a crash, or of another version"
        );
    }
    if selection.changes == 0 && failed.is_none() {
        let _ = writeln!(stderr, "no change of a target was found in the journal");
    }
    failed.map_or(Ok(0), |error| Err(error.into()))
}
