//! The file that a daemon finds when it starts is what its guard compares with.

use std::time::Duration;

use rustix::process::Signal;

use super::{HELD, QUICK, RELEASED, holds, joined, register, watching};
use crate::support::backend::{Etcd, on_both, run};
use crate::support::daemon::Daemon;
use crate::support::file::TargetFile;
use crate::support::ports::free_port;
use crate::support::wait::{SOON, always, ensure, eventually};

async fn a_restart_on_an_emptied_etcd_leaves_the_file_as_it_is(etcd: Etcd) {
    let (file, mut daemon, fleet) = watching(&etcd, 100, &QUICK).await;
    assert_eq!(daemon.stop().await, 0);
    etcd.delete_prefix("/services/").await;

    let stamp = file.stamp();
    let mut daemon = Daemon::start(&etcd, &file, &QUICK);
    holds(&daemon, 100).await;
    always(Duration::from_secs(1), "nothing is written", async || {
        ensure(file.stamp() == stamp, || "it was".to_owned())
    })
    .await;
    etcd.put("/services/api/1", "10.0.9.8:80").await;
    let document = joined(&etcd, &fleet);
    file.becomes(&document, SOON).await;

    // A stop in the middle of it changes nothing, and the next one holds again.
    assert_eq!(daemon.stop().await, 0);
    assert_eq!(file.differs_from(&document), None);
    let daemon = Daemon::start(&etcd, &file, &QUICK);
    holds(&daemon, 100).await;
    daemon.signal(Signal::USR1);
    file.follows(&etcd).await;
    daemon.wait_for_log(RELEASED).await;
}

async fn whoever_wrote_the_file_its_targets_are_guarded(etcd: Etcd) {
    let file = TargetFile::new();
    let targets: Vec<String> = (1..=50).map(|port| format!("\"10.9.9.9:{port}\"")).collect();
    let (some, others) = (targets[..25].join(", "), targets[25..].join(", "));
    // Neither our order nor our white space, and without a job.
    file.write(&format!(
        "[ {{ \"labels\": {{\"job\": \"web\"}}, \"targets\": [{some}] }},\n  \
         {{ \"targets\": [{others}] }} ]"
    ));
    let daemon = Daemon::start(&etcd, &file, &QUICK);
    holds(&daemon, 50).await;
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    eventually(SOON, "the new target is there", async || {
        let text = file.read().unwrap();
        ensure(text.contains("10.0.0.1:80"), || text)
    })
    .await;
    let sizes: Vec<_> = file.groups().iter().map(|group| group.targets.len()).collect();
    assert_eq!(sizes, [25, 26]);
}

async fn a_file_that_is_no_list_of_targets_is_no_baseline_and_that_is_said(etcd: Etcd) {
    register(&etcd, "web", 0..1).await;
    for (text, said) in [("- targets: ['a:1']\n", 1), ("{}", 1), ("", 0), ("[]", 0)] {
        let file = TargetFile::new();
        file.write(text);
        let daemon = Daemon::start(&etcd, &file, &[&QUICK[..], &["--force"]].concat());
        file.follows(&etcd).await;
        let lines = daemon.logged("what the target file holds is not guarded against removal");
        assert_eq!(lines.len(), said, "{text}");
        assert_eq!(daemon.logged(HELD).len(), 0);
    }
}

on_both!(
    a_restart_on_an_emptied_etcd_leaves_the_file_as_it_is,
    whoever_wrote_the_file_its_targets_are_guarded,
    a_file_that_is_no_list_of_targets_is_no_baseline_and_that_is_said,
);

#[test]
fn signals_for_a_running_daemon_do_not_end_one_that_starts() {
    run(async || {
        let file = TargetFile::new();
        let server = format!("http://127.0.0.1:{}", free_port());
        let mut daemon = Daemon::start_at(&server, &file, &[]);
        // As early as it can be told that the program itself runs.
        eventually(SOON, "it says something", async || {
            ensure(!daemon.log().raw().is_empty(), || "silence".to_owned())
        })
        .await;
        for _ in 0..20 {
            daemon.signal(Signal::USR1);
            daemon.signal(Signal::HUP);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        daemon.wait_for_log("cannot connect").await;
        daemon.still_runs();
    });
}
