//! `--once`: list, publish, exit, and never hang.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio::net::TcpListener;

use crate::support::backend::{Etcd, on_both, run};
use crate::support::daemon::Daemon;
use crate::support::file::TargetFile;
use crate::support::ports::free_port;
use crate::support::wait::SOON;

const OLD: &str = "[\n{\"targets\":[\"10.9.9.9:80\"],\"labels\":{\"job\":\"old\"}}\n]\n";

async fn once_publishes_what_is_there_and_exits_with_0(etcd: Etcd) {
    let file = TargetFile::new();
    file.write(OLD);
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    etcd.put("/services/web/2", "oops").await;
    let mut daemon = Daemon::start(&etcd, &file, &["--once"]);
    assert_eq!(daemon.exit_code(SOON).await, 0);
    assert_eq!(file.read(), Some(etcd.document()));
    assert_eq!(daemon.logged("published").len(), 1);

    let stamp = file.stamp();
    let mut again =
        Daemon::start(&etcd, &file, &["--once", "--debounce", "1h", "--debounce-max", "1h"]);
    assert_eq!(again.exit_code(SOON).await, 0);
    assert_eq!(file.stamp(), stamp, "equal bytes are not written again");
}

async fn once_on_an_empty_registry_writes_an_empty_array(etcd: Etcd) {
    let file = TargetFile::new();
    let mut daemon = Daemon::start(&etcd, &file, &["--once"]);
    assert_eq!(daemon.exit_code(SOON).await, 0);
    assert_eq!(file.read().as_deref(), Some("[]\n"));
}

async fn once_with_a_file_that_cannot_be_written_exits_with_1(etcd: Etcd) {
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    // Nobody can make a file there, root neither.
    let args = ["--server", etcd.endpoint(), "--target-file", "/proc/targets.json"];
    let mut daemon = Daemon::run(&[&args[..], &["--once", "--timeout", "2s"]].concat());
    assert_eq!(daemon.exit_code(SOON).await, 1);
    let said = daemon.log().raw();
    assert!(said.contains("/proc"), "{said}");
}

async fn whatever_the_timeout_once_says_what_it_did(etcd: Etcd) {
    for instance in 0..200 {
        etcd.put(&format!("/services/web/{instance}"), format!("10.0.0.1:{}", instance + 1)).await;
    }
    let document = etcd.document();
    let mut untouched = 0;
    for millis in (1..60).step_by(2) {
        let file = TargetFile::new();
        file.write(OLD);
        let timeout = format!("{millis}ms");
        let mut daemon = Daemon::start(&etcd, &file, &["--once", "--timeout", &timeout]);
        let expected = match daemon.exit_code(SOON).await {
            0 => &document,
            3 => OLD,
            code => panic!("exit code {code}"),
        };
        assert_eq!(file.read().as_deref(), Some(expected), "with --timeout {timeout}");
        untouched += usize::from(expected == OLD);
    }
    assert!(untouched > 0, "some of the timeouts are too short");
}

async fn once_that_is_interrupted_exits_with_1_and_leaves_the_file_alone(mut etcd: Etcd) {
    let file = TargetFile::new();
    file.write(OLD);
    etcd.kill().await;
    let mut daemon = Daemon::start(&etcd, &file, &["--once"]);
    daemon.wait_for_log("cannot connect").await;
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.exit_code(SOON).await, 1);
    assert_eq!(file.read().as_deref(), Some(OLD));
    assert!(daemon.log().raw().contains("untouched"));
}

on_both!(
    whatever_the_timeout_once_says_what_it_did,
    once_that_is_interrupted_exits_with_1_and_leaves_the_file_alone,
    once_publishes_what_is_there_and_exits_with_0,
    once_on_an_empty_registry_writes_an_empty_array,
    once_with_a_file_that_cannot_be_written_exits_with_1,
);

#[test]
fn once_without_an_etcd_exits_with_3_in_time_and_leaves_the_file_alone() {
    run(async || {
        let server = format!("http://127.0.0.1:{}", free_port());
        fails_with_3(&server).await;
    });
}

#[test]
fn once_on_a_server_that_never_answers_exits_with_3_in_time() {
    run(async || {
        // The kernel takes connections for it; nobody reads from them.
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = format!("http://{}", listener.local_addr().unwrap());
        fails_with_3(&server).await;
    });
}

#[test]
fn once_on_a_host_that_does_not_exist_exits_with_3_in_time() {
    run(async || fails_with_3("http://no-such-host.invalid:2379").await);
}

async fn fails_with_3(server: &str) {
    let file = TargetFile::new();
    file.write(OLD);
    let stamp = file.stamp();
    let start = Instant::now();
    let mut daemon = Daemon::start_at(server, &file, &["--once", "--timeout", "2s"]);
    assert_eq!(daemon.exit_code(SOON).await, 3);
    let took = start.elapsed();
    assert!(took < Duration::from_secs(3), "{took:?} with --timeout 2s");
    assert_eq!(file.stamp(), stamp);
    let said = daemon.log().raw();
    assert!(said.contains(server), "the message names the server: {said}");
}
