//! What is made of files that may change while the daemon runs: certificates, the token.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tracing::{info, warn};

use crate::secrets::{self, BadFile};

/// No more often than this are the files read, however many ask.
const PACE: Duration = Duration::from_secs(1);

/// A disk that hangs holds nobody up for longer: what was read last is taken.
const PATIENCE: Duration = Duration::from_secs(1);

type Make<T> = dyn Fn(&[Vec<u8>]) -> Result<T, BadFile> + Send + Sync;

/// Something made of files, and made anew when they have changed. A change that makes nothing
/// good of it is told, and what was good before stays.
pub(super) struct Renewed<T> {
    files: Vec<(&'static str, PathBuf)>,
    make: Box<Make<T>>,
    held: Mutex<Held<T>>,
}

struct Held<T> {
    value: Arc<T>,
    bytes: Vec<Vec<u8>>,
    looked: Instant,
    /// A disk that hangs is looked at by one thread: there are few.
    is_looking: bool,
    failure: Option<BadFile>,
}

impl<T: Send + Sync + 'static> Renewed<T> {
    /// Reads the files, each with its flag, for the first time. Blocks.
    pub(super) fn read(
        files: Vec<(&'static str, PathBuf)>,
        make: impl Fn(&[Vec<u8>]) -> Result<T, BadFile> + Send + Sync + 'static,
    ) -> Result<Arc<Self>, BadFile> {
        let bytes = read(&files)?;
        let value = Arc::new(make(&bytes)?);
        let held = Held { value, bytes, looked: Instant::now(), is_looking: false, failure: None };
        Ok(Arc::new(Self { files, make: Box::new(make), held: Mutex::new(held) }))
    }

    /// What the files hold now, give or take a second.
    pub(super) async fn now(self: &Arc<Self>) -> Arc<T> {
        let is_due = self.with(|held| {
            let is_due = !held.is_looking && held.looked.elapsed() >= PACE;
            if is_due {
                (held.looked, held.is_looking) = (Instant::now(), true);
            }
            is_due
        });
        if is_due {
            let this = Arc::clone(self);
            // If it takes too long, it is there for whoever comes later.
            let _ = timeout(PATIENCE, spawn_blocking(move || this.look())).await;
        }
        self.with(|held| Arc::clone(&held.value))
    }

    /// Reads the files again. Blocks.
    fn look(&self) {
        let made = read(&self.files).and_then(|bytes| {
            let is_same = self.with(|held| held.bytes == bytes);
            let value = if is_same { None } else { Some(Arc::new((self.make)(&bytes)?)) };
            Ok((bytes, value))
        });
        self.with(|held| {
            held.is_looking = false;
            match made {
                Ok((bytes, value)) => {
                    held.failure = None;
                    if let Some(value) = value {
                        let flags: Vec<_> = self.files.iter().map(|(flag, _)| *flag).collect();
                        info!(of = flags.join(" and "), "changed files are in use from now on");
                        (held.value, held.bytes) = (value, bytes);
                    }
                }
                Err(error) => {
                    if held.failure.as_ref() != Some(&error) {
                        warn!(%error, "a file has become unusable; what was read before stays in use");
                        held.failure = Some(error);
                    }
                }
            }
        });
    }

    fn with<R>(&self, act: impl FnOnce(&mut Held<T>) -> R) -> R {
        act(&mut self.held.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<T> fmt::Debug for Renewed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Renewed").field("files", &self.files).finish_non_exhaustive()
    }
}

fn read(files: &[(&'static str, PathBuf)]) -> Result<Vec<Vec<u8>>, BadFile> {
    files.iter().map(|(flag, path)| secrets::read(flag, path)).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn files_that_take_for_ever_hold_no_more_than_one_thread() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(2)
            .build()
            .expect("a runtime");
        let file = tempfile::NamedTempFile::new().expect("a file");
        let (end, hanging) = mpsc::channel::<()>();
        let hanging = Mutex::new(hanging);
        let make = move |bytes: &[Vec<u8>]| {
            if bytes != [b"good"] {
                let _ = hanging.lock().expect("one thread").recv();
            }
            Ok(bytes.to_vec())
        };
        std::fs::write(file.path(), "good").expect("written");
        let renewed = Renewed::read(vec![("--x", file.path().into())], make).expect("readable");
        std::fs::write(file.path(), "hangs").expect("written");
        runtime.block_on(async {
            for _ in 0..3 {
                renewed.with(|held| held.looked = held.looked.checked_sub(PACE).expect("uptime"));
                assert_eq!(*renewed.now().await, [b"good"]);
            }
            let other = timeout(Duration::from_secs(5), spawn_blocking(|| ())).await;
            assert!(other.is_ok(), "there is no thread for other work");
        });
        drop(end);
    }
}
