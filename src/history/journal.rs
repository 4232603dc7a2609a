//! The journal's thread: turns what was recorded into lines, and writes them.
//!
//! A disk that fails is tried again every second; meanwhile some lines are kept, and what does
//! not fit is counted, and said in the journal once it can be written.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tracing::{error, info};

use super::JournalSettings;
use super::sender::Shared;
use crate::clock::now;
use crate::core::history::{Millis, Note, Recorded, is_line};
use crate::file::{Error, JournalFile};
use crate::telemetry::{Chain, seconds};

/// Batches that wait for a disk that is slow.
const QUEUE: usize = 16;

/// It is written when it has so many bytes, or is told to.
const BUFFER: usize = 64 * 1024;

/// So much is kept while nothing can be written.
const KEPT: usize = 1 << 20;

const RETRY: Duration = Duration::from_secs(1);

/// What the thread is told.
pub(super) enum Written {
    Changes(Vec<Arc<Recorded>>),
    Note { time: Millis, note: Note },
    Flush,
    Stop(oneshot::Sender<()>),
}

/// Starts the thread.
pub(super) fn start(
    settings: JournalSettings,
    shared: Arc<Shared>,
) -> io::Result<mpsc::Sender<Written>> {
    let (sender, heard) = mpsc::channel(QUEUE);
    let journal = Journal::new(settings, shared);
    thread::Builder::new().name("journal".into()).spawn(move || journal.run(heard))?;
    Ok(sender)
}

struct Journal {
    settings: JournalSettings,
    shared: Arc<Shared>,
    file: Option<JournalFile>,
    /// What is to be written; begins in the middle of a line if a part of that is written.
    buffer: Vec<u8>,
    /// Changes in the buffer.
    lines: u64,
    /// Since when nothing can be written, and when to try again.
    failing: Option<(Instant, Instant)>,
    /// How many of the changes that were left out the journal has told of.
    told: u64,
    /// Whether the last rotation failed.
    is_full: bool,
}

impl Journal {
    fn new(settings: JournalSettings, shared: Arc<Shared>) -> Self {
        let mut journal = Self {
            settings,
            shared,
            file: None,
            buffer: Vec::with_capacity(BUFFER),
            lines: 0,
            failing: None,
            told: 0,
            is_full: false,
        };
        journal.note(now(), &Note::Started { version: env!("CARGO_PKG_VERSION").into() });
        journal
    }

    fn run(mut self, mut heard: mpsc::Receiver<Written>) {
        self.flush();
        while let Some(written) = heard.blocking_recv() {
            match written {
                Written::Changes(changes) => {
                    for change in &changes {
                        self.change(change);
                    }
                }
                Written::Note { time, note } => self.note(time, &note),
                Written::Flush => self.flush(),
                Written::Stop(stopped) => {
                    self.note(now(), &Note::Stopped);
                    self.failing = self.failing.map(|(since, _)| (since, since));
                    self.flush();
                    self.file.as_ref().map(JournalFile::sync);
                    let _ = stopped.send(());
                    return;
                }
            }
        }
    }

    fn change(&mut self, change: &Recorded) {
        if self.buffer.len() >= BUFFER {
            self.flush();
        }
        if self.buffer.len() >= KEPT {
            self.shared.drop_changes(1);
            return;
        }
        self.tell_of_drops();
        change.write_line(&mut self.buffer);
        self.lines += 1;
    }

    fn note(&mut self, time: Millis, note: &Note) {
        if self.buffer.len() < KEPT {
            note.write_line(time, &mut self.buffer);
        }
    }

    /// What comes next does not follow what came last.
    fn tell_of_drops(&mut self) {
        let dropped = self.shared.dropped.load(Ordering::Relaxed);
        if dropped > self.told {
            let changes = dropped - self.told;
            self.told = dropped;
            self.note(now(), &Note::Dropped { changes });
        }
    }

    /// Writes what there is, unless it is too early to try again.
    fn flush(&mut self) {
        if self.failing.is_some_and(|(_, again)| Instant::now() < again) {
            return;
        }
        if self.buffer.len() < KEPT {
            self.tell_of_drops();
        }
        match self.try_flush() {
            Ok(()) => self.succeeded(),
            Err(error) => self.failed(&error),
        }
    }

    fn try_flush(&mut self) -> Result<(), Error> {
        let path = &self.settings.path;
        if let Some(gone) = self.file.take_if(|file| !file.is_there())
            && gone.is_mid_line()
        {
            // The rest of a line is none.
            let end = self.buffer.iter().position(|&byte| byte == b'\n');
            self.buffer.drain(..end.map_or(0, |end| end + 1));
        }
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(JournalFile::open(path, is_line)?),
        };
        if file.size() >= self.settings.max_size && !file.is_mid_line() {
            let rotated = file.rotate(self.settings.keep, is_line);
            if let (Err(error), false) = (&rotated, self.is_full) {
                let error = Chain(error);
                error!(%error, "the journal grows beyond --journal-max-size: it can't be rotated");
            }
            self.is_full = rotated.is_err();
        }
        file.append(&mut self.buffer)
    }

    fn succeeded(&mut self) {
        self.shared.lines.fetch_add(std::mem::take(&mut self.lines), Ordering::Relaxed);
        if let Some((since, _)) = self.failing.take() {
            self.shared.failing.store(false, Ordering::Relaxed);
            let path = self.settings.path.display();
            let after_seconds = seconds(since.elapsed());
            info!(%path, after_seconds, "the journal is written again");
        }
    }

    fn failed(&mut self, error: &Error) {
        let now = Instant::now();
        let since = self.failing.map_or(now, |(since, _)| since);
        if self.failing.is_none() {
            self.shared.failing.store(true, Ordering::Relaxed);
            error!(
                error = %Chain(error),
                "the journal can't be written; changes are published all the same, and it is \
                 tried again every second"
            );
        }
        self.failing = Some((since, now + RETRY));
        // A disk that is there again has the file anew.
        self.file.take_if(|file| !file.is_mid_line());
    }
}
