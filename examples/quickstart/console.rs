//! The screen: who does what, and when.
//!
//! Colours are for terminals alone, and not where `NO_COLOR` is set: `anstream` takes them
//! out elsewhere.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anstyle::{AnsiColor, Style};
use tokio::sync::watch;

pub(crate) const ADDED: Style = AnsiColor::Green.on_default();
pub(crate) const REMOVED: Style = AnsiColor::Red.on_default();
pub(crate) const STRONG: Style = Style::new().bold();
pub(crate) const FAINT: Style = Style::new().dimmed();

/// Where the text of an entry begins, and where it should end.
const INDENT: usize = 14;
pub(crate) const WIDTH: usize = 88 - INDENT;

/// Who did it.
#[derive(Clone, Copy)]
pub(crate) enum Who {
    /// The registry changed.
    Etcd,
    /// The file changed.
    File,
    /// The daemon warns.
    Daemon,
}

/// Standard output, shared by all who have something to say.
#[derive(Clone)]
pub(crate) struct Console {
    started: Instant,
    out: Arc<Mutex<anstream::AutoStream<std::io::Stdout>>>,
    closed: watch::Sender<bool>,
}

impl Console {
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            out: Arc::new(Mutex::new(anstream::stdout())),
            closed: watch::Sender::new(false),
        }
    }

    /// Ends the show.
    pub(crate) fn close(&self) {
        self.closed.send_replace(true);
    }

    /// Completes when the show is to end, be it because nobody reads any more.
    pub(crate) async fn closed(&self) {
        // An error would mean that this very console is gone.
        let _ = self.closed.subscribe().wait_for(|closed| *closed).await;
    }

    /// Begins a step of the story.
    pub(crate) fn headline(&self, text: &str) {
        self.write(&format!("\n{}  {STRONG}{text}{STRONG:#}\n", self.time()));
    }

    /// Says what somebody did, in one line or more.
    pub(crate) fn entry(&self, who: Who, lines: &[String]) {
        let (style, name) = match who {
            Who::Etcd => (AnsiColor::Cyan.on_default(), "etcd"),
            Who::File => (AnsiColor::Blue.on_default().bold(), "file"),
            Who::Daemon => (AnsiColor::Yellow.on_default(), "warn"),
        };
        let text = lines.join(&format!("\n{:INDENT$}", ""));
        self.write(&format!("{}  {style}{name}{style:#}  {text}\n", self.time()));
    }

    /// Says something beside the story.
    pub(crate) fn note(&self, text: &str) {
        self.write(&format!("{text}\n"));
    }

    fn time(&self) -> String {
        format!("{FAINT}{:5.1}s{FAINT:#}", self.started.elapsed().as_secs_f32())
    }

    fn write(&self, text: &str) {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        if out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err() {
            self.close();
        }
    }
}

/// Says why this ends early.
pub(crate) fn failed(reason: &str) {
    let style = AnsiColor::Red.on_default().bold();
    // With nobody to read it the exit code has to do.
    let _ = writeln!(anstream::stderr(), "{style}error:{style:#} {reason}");
}
