//! The cluster, the writer, the daemon and a reader of its file, and each fault
//! carried out on them.

use std::process::Stdio;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use crate::support::cluster::{Cluster, SIZE, Snapshot};
use crate::support::daemon::Daemon;
use crate::support::file::TargetFile;
use crate::support::process::command;
use crate::support::reader::Reader;
use crate::support::render;
use crate::support::wait::{SOON, ensure, eventually};

use super::chronicle::{Chronicle, Place};
use super::plan::{Fault, Kind, Victim};
use super::writer::Writer;

const QUICK: [&str; 4] = ["--debounce", "20ms", "--debounce-max", "100ms"];

/// How much slower a delayed connection is, each way.
const DELAY: Duration = Duration::from_millis(300);

/// Longer than that the file is not waited for.
const GIVE_UP: Duration = Duration::from_secs(30);

pub(super) struct Arena {
    pub(super) cluster: Cluster,
    pub(super) writer: Writer,
    pub(super) seen: Judged,
    chronicle: Chronicle,
    reader: Reader,
    daemon: Daemon,
    /// So much of the daemon's log is of earlier rounds.
    logged: usize,
    file: TargetFile,
}

/// What the reader has seen, and what that was worth.
#[derive(Default)]
pub(super) struct Judged {
    pub(super) reads: usize,
    pub(super) documents: usize,
    /// What was no document.
    pub(super) torn: Vec<String>,
    /// Documents that are not states in their order.
    pub(super) wrong: Vec<(Place, String)>,
}

impl Arena {
    pub(super) async fn start(seed: u64) -> Self {
        let cluster = Cluster::start().await;
        let writer = Writer::start(&cluster, seed).await;
        let chronicle = Chronicle::begin(cluster.read().await.unwrap());
        let file = TargetFile::new();
        // No document is replaced before the quiet time is over.
        let reader = Reader::with_pauses(&file, Duration::from_millis(1));
        let daemon = start_daemon(&cluster, &file);
        Self {
            cluster,
            writer,
            chronicle,
            reader,
            daemon,
            logged: 0,
            file,
            seen: Judged::default(),
        }
    }

    /// Carries out a fault. `Err` says why it was not possible.
    pub(super) async fn inject(
        &mut self,
        fault: &Fault,
        snapshot: Option<&Snapshot>,
    ) -> Result<(), String> {
        for index in self.concerned(fault).await? {
            let gate = self.cluster.member(index).gate();
            match fault.kind {
                Kind::Cut => gate.cut().await,
                Kind::HalfOpen => gate.silence().await,
                Kind::Delay => gate.delay(DELAY),
                Kind::Blackhole => gate.blackhole(),
                Kind::Kill => self.cluster.kill(index),
                Kind::Stop => self.cluster.freeze(index),
                Kind::Partition => self.cluster.partition(index).await,
                Kind::Wipe => self.cluster.wipe(index).await,
                Kind::Defragment => self.cluster.defragment(index).await?,
                _ => self.inject_in_all(fault.kind, snapshot).await?,
            }
        }
        Ok(())
    }

    /// Carries out one that concerns the cluster as a whole, or the daemon.
    async fn inject_in_all(
        &mut self,
        kind: Kind,
        snapshot: Option<&Snapshot>,
    ) -> Result<(), String> {
        match kind {
            Kind::MoveLeader => self.cluster.move_leader().await?,
            Kind::Compact => {
                // What is compacted can't be read any more.
                self.chronicle.catch_up(&self.cluster).await?;
                self.cluster.compact(self.chronicle.revision()).await?;
            }
            Kind::Restore | Kind::Overtake => {
                let before = self.restore(snapshot.ok_or("no snapshot")?).await?;
                if kind == Kind::Overtake {
                    self.writer.resume();
                    eventually(3 * SOON, "the old revision is overtaken", async || {
                        let revision = self.cluster.read().await?.revision;
                        ensure(revision > before, || format!("{revision}, not yet {before}"))
                    })
                    .await;
                }
            }
            Kind::RestartDaemon => self.restart_daemon(),
            _ => unreachable!("{kind:?} concerns a member"),
        }
        Ok(())
    }

    /// Restores the cluster, with the daemon cut off and the writer at rest; returns the
    /// revision that it had before.
    async fn restore(&mut self, snapshot: &Snapshot) -> Result<i64, String> {
        self.writer.pause().await;
        for member in self.cluster.members() {
            member.gate().cut().await;
        }
        // What the daemon may have seen ends here.
        self.judge().await?;
        let before = self.chronicle.revision();
        self.cluster.restore(snapshot);
        self.cluster.settle().await;
        self.chronicle.begin_epoch(self.cluster.read_at(snapshot.revision).await?);
        Ok(before)
    }

    async fn concerned(&self, fault: &Fault) -> Result<Vec<usize>, String> {
        let first = match fault.first {
            Victim::Number(number) => number,
            Victim::Serving => self.cluster.serving().unwrap_or(0),
            Victim::Leader => self.cluster.leader().await?,
        };
        Ok((0..fault.count).map(|more| (first + more) % SIZE).collect())
    }

    /// Waits until the file holds what a quorum agrees on; `Err` says how it differs in the
    /// end.
    pub(super) async fn file_follows(&self) -> Result<(), String> {
        let start = Instant::now();
        loop {
            let difference = match self.cluster.read().await {
                Ok(truth) => self.file.differs_from(&render::document(&truth.entries)),
                Err(why) => Some(format!("the cluster can't be read: {why}")),
            };
            match difference {
                None => return Ok(()),
                Some(why) if start.elapsed() > GIVE_UP => return Err(why),
                Some(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    }

    /// Compares what the reader has seen up to now with what etcd had up to now.
    pub(super) async fn judge(&mut self) -> Result<(), String> {
        let seen = self.reader.take();
        self.chronicle.catch_up(&self.cluster).await?;
        self.seen.reads += seen.reads;
        self.seen.documents += seen.documents.len();
        self.seen.torn.extend(seen.broken);
        for document in seen.documents {
            match self.chronicle.place(&document) {
                Place::InOrder => {}
                place => self.seen.wrong.push((place, document)),
            }
        }
        Ok(())
    }

    /// What the daemon says from now on is of another round.
    pub(super) fn mark_log(&mut self) {
        self.logged = self.daemon.log().length();
    }

    /// What it has said since then.
    pub(super) fn marked_log(&self) -> String {
        self.daemon.log().raw_after(self.logged)
    }

    pub(super) fn daemon_ended(&mut self) -> bool {
        self.daemon.ended().is_some()
    }

    /// After a failure: begins anew with another daemon.
    pub(super) async fn replace_daemon(&mut self) {
        self.restart_daemon();
        self.file_follows().await.unwrap_or_else(|why| panic!("a new daemon fails too: {why}"));
    }

    /// SIGKILL, and another one.
    fn restart_daemon(&mut self) {
        self.daemon.kill();
        self.daemon = start_daemon(&self.cluster, &self.file);
        self.logged = 0;
    }
}

fn start_daemon(cluster: &Cluster, file: &TargetFile) -> Daemon {
    let mut more = QUICK.to_vec();
    more.extend(guard_off());
    Daemon::start_at(&cluster.gates(), file, &more)
}

/// What the writer does to its services is beyond what the guard lets pass.
fn guard_off() -> &'static [&'static str] {
    static KNOWN: LazyLock<bool> = LazyLock::new(|| {
        let mut daemon = command(env!("CARGO_BIN_EXE_etcd-sd"));
        let help = daemon.arg("--help").stderr(Stdio::null()).output().expect("run the daemon");
        String::from_utf8_lossy(&help.stdout).contains("--guard-ratio")
    });
    if *KNOWN { &["--guard-ratio", "1"] } else { &[] }
}
