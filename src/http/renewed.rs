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
        let held = Held { value, bytes, looked: Instant::now(), failure: None };
        Ok(Arc::new(Self { files, make: Box::new(make), held: Mutex::new(held) }))
    }

    /// What the files hold now, give or take a second.
    pub(super) async fn now(self: &Arc<Self>) -> Arc<T> {
        let is_due = self.with(|held| {
            let is_due = held.looked.elapsed() >= PACE;
            if is_due {
                held.looked = Instant::now();
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
        self.with(|held| match made {
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
