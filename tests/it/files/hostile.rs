//! A program that will not leave the file alone.

use std::fs;
use std::time::{Duration, Instant};

use super::following;
use crate::support::backend::{Etcd, on_embedded};
use crate::support::file::TargetFile;

/// For so long, and so often.
const HOSTILE: Duration = Duration::from_secs(30);
const PERIOD: Duration = Duration::from_millis(100);

/// So many publishes are fewer than.
const FEW: usize = 40;

/// After the other program has stopped.
const PEACE: Duration = Duration::from_secs(5);

async fn a_program_that_keeps_changing_the_file_is_answered_ever_more_slowly(etcd: Etcd) {
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    let overwrites = |file: &TargetFile| file.write("mine");
    let replaces = |file: &TargetFile| {
        let other = file.directory().join("other");
        fs::write(&other, "[]").unwrap();
        fs::rename(&other, file.path()).unwrap();
    };
    tokio::join!(fights(&etcd, overwrites), fights(&etcd, replaces));
}

async fn fights(etcd: &Etcd, hand: impl Fn(&TargetFile)) {
    let file = TargetFile::new();
    let mut daemon = following(etcd, &file, &[]).await;
    let (before, processor) = (daemon.logged("published").len(), daemon.cpu_time());
    let mut beat = tokio::time::interval(PERIOD);
    let start = Instant::now();
    while start.elapsed() < HOSTILE {
        beat.tick().await;
        hand(&file);
    }
    file.becomes(&etcd.document(), PEACE).await;
    let publishes = daemon.logged("published").len() - before;
    assert!(publishes < FEW, "{publishes} publishes");
    let took = daemon.cpu_time().saturating_sub(processor);
    assert!(took < HOSTILE / 20, "{took:?} of processor time");
    let said = daemon.said("ERROR", &[file.path().to_str().unwrap(), "another program"]);
    assert!((1..=3).contains(&said.len()), "{said:?}");
    daemon.still_runs();
}

on_embedded!(a_program_that_keeps_changing_the_file_is_answered_ever_more_slowly);
