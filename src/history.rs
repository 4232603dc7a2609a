//! The history of targets: what became of which, why, and which publish carried it.
//!
//! ```text
//!  Registry ──changes, rendered──┐
//!                                ├──> Sender ──bounded──> task ──bounded──> journal ──> file
//!  Persister ──published─────────┘    (never waits)        │ attributes       (may hang)
//!                                                          ├──> the last changes, for who asks
//!                                                          └──> subscribers
//! ```
//!
//! The actors tell, and never wait: what there is no room for is left out, counted, and said in
//! the journal. The task and the journal have a thread each, so that neither a disk that hangs
//! nor a million lines hold up anything else. Which publish a change belongs to is decided in
//! [`core::history`](crate::core::history).

mod journal;
mod leases;
mod sender;
mod task;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tracing::warn;

use crate::core::schema::Schema;
use sender::{Shared, Told};
use task::Task;

pub use leases::LeaseSettings;
pub use sender::{RECENT, Sender};

/// Messages that wait for the task. Their changes are counted apart.
const QUEUE: usize = 4096;

/// Where the journal is, and how large it may become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalSettings {
    /// The file that is written.
    pub path: PathBuf,
    /// A file is rotated once it has so many bytes.
    pub max_size: u64,
    /// How many rotated files stay, `PATH.1` the youngest of them.
    pub keep: usize,
}

/// A history that is being taken down.
pub struct History {
    sender: Sender,
    told: mpsc::Sender<Told>,
}

impl History {
    /// Begins to take it down, for sources with these schemas; into a journal if there are
    /// settings for one, and with what becomes of leases if there is somebody to be asked.
    ///
    /// # Errors
    ///
    /// If there can be no thread.
    pub fn start(
        schemas: Vec<Arc<Schema>>,
        journal: Option<JournalSettings>,
        leases: Option<LeaseSettings>,
    ) -> io::Result<Self> {
        let (told, heard) = mpsc::channel(QUEUE);
        let path = journal.as_ref().map(|journal| journal.path.display().to_string());
        let shared = Arc::new(Shared::new(told.clone(), path));
        let journal = match journal {
            Some(settings) => Some(journal::start(settings, Arc::clone(&shared))?),
            None => None,
        };
        let task = Task::new(schemas, journal, Arc::clone(&shared));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let run = move || runtime.block_on(task.run(heard, leases));
        thread::Builder::new().name("history".into()).spawn(run)?;
        Ok(Self { sender: Sender::new(shared), told })
    }

    /// What the actors tell it by.
    #[must_use]
    pub fn sender(&self) -> Sender {
        self.sender.clone()
    }

    /// Has it write down what it was told so far, within `limit`.
    pub async fn stop(self, limit: Duration) {
        let stopping = async {
            let (stopped, heard) = oneshot::channel();
            // Who is gone has nothing left to write.
            if self.told.send(Told::Stop(stopped)).await.is_ok() {
                let _ = heard.await;
            }
        };
        if timeout(limit, stopping).await.is_err() {
            warn!("the journal was not written to its end in time: its last lines are missing");
        }
    }
}
