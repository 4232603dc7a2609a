//! What others do to etcd meanwhile.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::embedded::Snapshot;
use crate::support::backend::Etcd;
use crate::support::wait::{SOON, ensure, eventually};

/// Changes of keys that are not ours, all the time.
pub(super) struct Churn {
    stop: Arc<AtomicBool>,
    changes: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Churn {
    pub(super) fn start(etcd: &Etcd) -> Self {
        let (stop, changes) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let (mut client, stopped) = (etcd.client(), Arc::clone(&stop));
        let counted = Arc::clone(&changes);
        let task = tokio::spawn(async move {
            while !stopped.load(Ordering::Relaxed) {
                client.put("/services2/web/1", "x", None).await.unwrap();
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self { stop, changes, task }
    }

    pub(super) async fn goes_on(&self) {
        let before = self.changes.load(Ordering::Relaxed);
        eventually(SOON, "other keys change", async || {
            let changes = self.changes.load(Ordering::Relaxed);
            ensure(changes > before + 2, || format!("{changes} changes"))
        })
        .await;
    }

    pub(super) async fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.unwrap();
    }
}

/// A backup, to be put in the place of what etcd holds while it does not run.
pub(super) enum Restore {
    Embedded(Snapshot),
    Real(PathBuf),
}

impl Restore {
    pub(super) fn prepare(etcd: &Etcd) -> Self {
        if etcd.is_embedded() {
            Self::Embedded(etcd.faulty().store().snapshot())
        } else {
            Self::Real(etcd.files().save_snapshot())
        }
    }

    pub(super) fn run(self, etcd: &Etcd) {
        match self {
            Self::Embedded(snapshot) => etcd.faulty().store().restore(&snapshot),
            Self::Real(snapshot) => etcd.files().restore_snapshot(&snapshot),
        }
    }
}
