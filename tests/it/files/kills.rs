//! SIGKILL at any instant, again and again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{AT_ONCE, leftovers};
use crate::support::backend::{Etcd, on_embedded};
use crate::support::churn::Churn;
use crate::support::daemon::Daemon;
use crate::support::file::TargetFile;
use crate::support::random::Random;
use crate::support::reader::Reader;
use crate::support::wait::SOON;

const KILLS: usize = 1_000;

/// Some daemons live for up to so long: most of a start.
const START: Duration = Duration::from_millis(30);

/// The others live until they have published, and for up to so long after.
const PUBLISHING: Duration = Duration::from_millis(15);

const PACE: Duration = Duration::from_millis(5);

async fn a_thousand_kills_at_random_instants_tear_nothing_and_leave_nothing(etcd: Etcd) {
    let etcd = Arc::new(etcd);
    let file = TargetFile::new();
    let mut random = Random::new();
    let mut churn = Churn::drawn(&etcd, PACE, random.fork());
    let reader = Reader::start(&file);
    let start = Instant::now();
    for number in 0..KILLS {
        let mut daemon = Daemon::start(&etcd, &file, &AT_ONCE);
        let mut longest = START;
        if number % 2 == 1 {
            daemon.wait_for_log("published").await;
            longest = PUBLISHING;
        }
        let life = random.below(u64::try_from(longest.as_micros()).unwrap());
        tokio::time::sleep(Duration::from_micros(life)).await;
        daemon.kill();
    }
    let took = start.elapsed();

    // The next one clears up.
    let mut daemon = Daemon::start(&etcd, &file, &AT_ONCE);
    churn.stop().await;
    let document = churn.ledger().document();
    file.becomes(&document, SOON).await;
    assert_eq!(daemon.stop().await, 0);
    let seen = reader.finish();
    let documents = seen.documents.len();
    let states = churn.ledger().states();
    eprintln!(
        "{KILLS} kills in {took:?}: {} reads of {documents} documents, {states} states",
        seen.reads
    );
    churn.ledger().knows(&seen);
    assert_eq!(leftovers(&file), [""; 0]);
    assert!(documents >= KILLS / 2, "{documents} documents");
}

on_embedded!(a_thousand_kills_at_random_instants_tear_nothing_and_leave_nothing);
