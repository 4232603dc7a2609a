//! A reader that opens the target file again and again, as fast as it can, and
//! wants each time one whole, valid document. Whether that is one that there should
//! have been, and none of an earlier state, is for the [`Ledger`](super::ledger) to say.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::file::{TargetFile, parse};

pub(crate) struct Reader {
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<Seen>>,
    thread: Option<JoinHandle<()>>,
}

/// What a reader has seen.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) reads: usize,
    /// The documents in the order of their sight; neighbours differ.
    pub(crate) documents: Vec<String>,
    /// Why bad reads were bad.
    pub(crate) broken: Vec<String>,
    /// Reads in the middle of a write in place, which nobody can take for a document.
    pub(crate) unfinished: usize,
}

impl Reader {
    pub(crate) fn start(file: &TargetFile) -> Self {
        Self::with_pauses(file, Duration::ZERO)
    }

    /// Of a file that is written in place: it may be read while it is written. Then it must not
    /// be readable, neither as JSON nor as YAML, to which nothing at all is a document: so
    /// whoever reads it keeps what it had.
    pub(crate) fn of_file_in_place(file: &TargetFile) -> Self {
        Self::spawn(file, Duration::ZERO, true)
    }

    /// Leaves the processor to others for that long after each look.
    pub(crate) fn with_pauses(file: &TargetFile, pause: Duration) -> Self {
        Self::spawn(file, pause, false)
    }

    fn spawn(file: &TargetFile, pause: Duration, in_place: bool) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::<Mutex<Seen>>::default();
        let path = file.path().to_owned();
        let look = Look { path, pause, in_place, seen: Arc::clone(&seen) };
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || look.until(&stopped));
        Self { stop, seen, thread: Some(thread) }
    }

    /// What it has seen since this was last asked; it goes on.
    pub(crate) fn take(&self) -> Seen {
        std::mem::take(&mut self.seen.lock().unwrap())
    }

    /// Stops; panics if a read was not of one whole document.
    pub(crate) fn finish(mut self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().expect("the reader");
        let seen = self.take();
        if let Some(broken) = seen.broken.first() {
            panic!("in {} reads: {broken}", seen.reads);
        }
        seen
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

struct Look {
    path: PathBuf,
    pause: Duration,
    in_place: bool,
    seen: Arc<Mutex<Seen>>,
}

impl Look {
    fn until(self, stopped: &AtomicBool) {
        let mut last = None;
        let mut is_last = false;
        // What was in the file when it was told to stop is seen too.
        while !is_last {
            is_last = stopped.load(Ordering::Relaxed);
            let read = std::fs::read(&self.path).map_err(|error| error.to_string());
            // Nothing is promised before the first publish, which in place begins with no bytes.
            let is_begun = read.as_ref().is_ok_and(|bytes| !(self.in_place && bytes.is_empty()));
            if last.is_some() || is_begun {
                let mut seen = self.seen.lock().unwrap();
                seen.reads += 1;
                if self.in_place && read.as_ref().is_ok_and(|bytes| is_unfinished(bytes)) {
                    seen.unfinished += 1;
                } else if last.as_ref() != Some(&read) {
                    seen.note(&read);
                    last = Some(read);
                }
            }
            if self.pause.is_zero() {
                std::thread::yield_now();
            } else {
                std::thread::sleep(self.pause);
            }
        }
    }
}

fn is_unfinished(bytes: &[u8]) -> bool {
    !bytes.is_empty() && serde_json::from_slice::<serde_json::Value>(bytes).is_err()
}

impl Seen {
    fn note(&mut self, read: &Result<Vec<u8>, String>) {
        match read {
            Err(error) => self.broken.push(error.clone()),
            Ok(bytes) => {
                let text = String::from_utf8_lossy(bytes).into_owned();
                match parse(bytes) {
                    Ok(_) => self.documents.push(text),
                    Err(why) => {
                        self.broken.push(format!("{why}, in {} bytes: {text}", bytes.len()));
                    }
                }
            }
        }
    }
}
