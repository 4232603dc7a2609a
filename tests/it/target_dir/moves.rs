//! A target that moves from one service to another is in a file at every instant.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use etcd_client::TxnOp;

use super::following;
use crate::support::backend::{Etcd, on_both};
use crate::support::file::parse;
use crate::support::target_dir::{TargetDir, file_name};
use crate::support::wait::{SOON, ensure, eventually};

const MOVES: usize = 300;
const SERVICES: usize = 4;

/// Reads files again and again, as fast as it can, and wants one target in one of them each time.
struct Reader {
    stop: Arc<AtomicBool>,
    rounds: Arc<AtomicUsize>,
    thread: JoinHandle<Result<(), String>>,
}

impl Reader {
    /// To and fro: a file from which the target moves away while it is looked for is then read
    /// before the one that it moves to, in one of the directions.
    fn start(files: Vec<PathBuf>, target: String) -> Self {
        let (stop, rounds) = <(Arc<AtomicBool>, Arc<AtomicUsize>)>::default();
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&rounds));
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let mut found = false;
                for path in files.iter().chain(files.iter().rev()) {
                    found |= holds(path, &target)?;
                }
                ensure(found, || format!("{target} was absent"))?;
                counted.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        });
        Self { stop, rounds, thread }
    }

    fn rounds(&self) -> usize {
        self.rounds.load(Ordering::Relaxed)
    }

    /// How often it has read all files.
    fn finish(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap().unwrap();
        self.rounds.load(Ordering::Relaxed)
    }
}

/// Whether a file, which is whole if it is there, has a target.
fn holds(path: &Path, target: &str) -> Result<bool, String> {
    let Ok(bytes) = fs::read(path) else { return Ok(false) };
    let groups = parse(&bytes).map_err(|why| format!("{}: {why}", path.display()))?;
    Ok(groups.iter().any(|group| group.targets.iter().any(|found| found == target)))
}

async fn a_target_that_moves_is_never_absent(etcd: Etcd) {
    const TARGET: &str = "10.0.0.1:80";
    let directory = TargetDir::new();
    let services: Vec<_> = (0..SERVICES).map(|number| format!("s{number}")).collect();
    let key = |at: usize| format!("/services/{}/moving", services[at % SERVICES]);
    // Some of them are nothing without it, the others gain and lose something else as well.
    etcd.put(&key(0), TARGET).await;
    etcd.put("/services/s1/1", "10.0.0.2:80").await;
    etcd.put("/services/s3/1", "10.0.0.3:80").await;
    let daemon = following(&etcd, &directory, &[]).await;
    let files = services.iter().map(|service| directory.path().join(file_name(service)));
    let reader = Reader::start(files.collect(), TARGET.to_owned());
    let step = |number: usize| if number.is_multiple_of(3) { 3 } else { 1 };
    let mut at = 0;
    for number in 1..=MOVES {
        let to = at + step(number);
        let port = 1 + number;
        let changes = vec![
            TxnOp::delete(key(at), None),
            TxnOp::put(key(to), TARGET, None),
            TxnOp::put("/services/s1/1", format!("10.0.0.2:{port}"), None),
            TxnOp::put("/services/s3/1", format!("10.0.0.3:{port}"), None),
        ];
        etcd.transaction(changes).await;
        at = to;
        // One move at a time, and the reader sees each.
        directory.follows(&etcd).await;
        let round = reader.rounds();
        eventually(3 * SOON, "the reader has seen it", async || {
            let is_over = reader.thread.is_finished();
            ensure(is_over || reader.rounds() > round + 1, || "not yet".to_owned())
        })
        .await;
    }
    let rounds = reader.finish();
    assert!(rounds > MOVES, "{rounds} rounds");
    assert_eq!(daemon.said("ERROR", &[]), [""; 0]);
}

on_both!(a_target_that_moves_is_never_absent);
