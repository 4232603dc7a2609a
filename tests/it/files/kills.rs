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

/// Of a daemon that writes in place.
const KILLS_IN_PLACE: usize = 50;

/// Some daemons live for up to so long: most of a start.
const START: Duration = Duration::from_millis(20);

/// The others live until they have published, and for up to so long after.
const PUBLISHING: Duration = Duration::from_millis(8);

const PACE: Duration = Duration::from_millis(5);

async fn a_thousand_kills_at_random_instants_tear_nothing_and_leave_nothing(etcd: Etcd) {
    let file = TargetFile::new();
    kills(etcd, &file, Reader::start(&file), KILLS, &AT_ONCE).await;
    assert_eq!(leftovers(&file), [""; 0]);
}

async fn kills_in_the_middle_of_a_write_in_place_leave_no_part_that_can_be_read(etcd: Etcd) {
    let file = TargetFile::new();
    let more = [&AT_ONCE[..], &["--in-place"]].concat();
    kills(etcd, &file, Reader::of_file_in_place(&file), KILLS_IN_PLACE, &more).await;
}

/// Churn, and a daemon that dies of it again and again, until the last one.
async fn kills(etcd: Etcd, file: &TargetFile, reader: Reader, kills: usize, more: &[&str]) {
    let etcd = Arc::new(etcd);
    let mut random = Random::new();
    let mut churn = Churn::drawn(&etcd, PACE, random.fork());
    let start = Instant::now();
    for number in 0..kills {
        let mut daemon = Daemon::start(&etcd, file, more);
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
    let mut daemon = Daemon::start(&etcd, file, more);
    churn.stop().await;
    let document = churn.ledger().document();
    file.becomes(&document, SOON).await;
    assert_eq!(daemon.stop().await, 0);
    let seen = reader.finish();
    let documents = seen.documents.len();
    let states = churn.ledger().states();
    eprintln!(
        "{kills} kills in {took:?}: {} reads of {documents} documents, {states} states",
        seen.reads
    );
    churn.ledger().knows(&seen);
    assert!(documents > kills / 10, "{documents} documents");
}

on_embedded!(
    a_thousand_kills_at_random_instants_tear_nothing_and_leave_nothing,
    kills_in_the_middle_of_a_write_in_place_leave_no_part_that_can_be_read,
);
