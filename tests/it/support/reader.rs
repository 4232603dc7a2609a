//! A reader that opens the target file again and again, as fast as it can, and
//! wants each time one whole, valid document.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use super::file::{TargetFile, parse};

pub(crate) struct Reader {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Seen>>,
}

/// What a reader has seen.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) reads: usize,
    /// The documents in the order of their sight; neighbours differ.
    pub(crate) documents: Vec<String>,
    /// Why the first bad read was bad.
    pub(crate) broken: Option<String>,
}

impl Reader {
    pub(crate) fn start(file: &TargetFile) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (path, stopped) = (file.path().to_owned(), Arc::clone(&stop));
        let thread = std::thread::spawn(move || read_until(&path, &stopped));
        Self { stop, thread: Some(thread) }
    }

    /// Stops; panics if a read was not of one whole document.
    pub(crate) fn finish(mut self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        let seen = self.thread.take().unwrap().join().expect("the reader");
        if let Some(broken) = &seen.broken {
            panic!("after {} reads: {broken}", seen.reads);
        }
        seen
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn read_until(path: &PathBuf, stopped: &AtomicBool) -> Seen {
    let mut seen = Seen::default();
    let mut last = Vec::new();
    let mut is_last = false;
    // What was in the file when it was told to stop is seen too.
    while !is_last && seen.broken.is_none() {
        is_last = stopped.load(Ordering::Relaxed);
        match std::fs::read(path) {
            // Nothing is promised before the first publish.
            Err(_) if seen.documents.is_empty() => std::thread::yield_now(),
            Err(error) => seen.broken = Some(format!("{}: {error}", path.display())),
            Ok(bytes) => {
                seen.reads += 1;
                if bytes == last && !bytes.is_empty() {
                    continue;
                }
                match parse(&bytes) {
                    Ok(_) => {
                        let text = String::from_utf8_lossy(&bytes);
                        seen.documents.push(text.into_owned());
                        last = bytes;
                    }
                    Err(why) => {
                        let text = String::from_utf8_lossy(&bytes);
                        seen.broken = Some(format!("{why}, in {} bytes: {text}", bytes.len()));
                    }
                }
            }
        }
    }
    seen
}
