//! `--once` holds nothing: it refuses.

use super::{QUICK, register};
use crate::support::backend::{Etcd, on_both};
use crate::support::daemon::Daemon;
use crate::support::file::TargetFile;
use crate::support::wait::SOON;

async fn once_refuses_a_mass_removal_with_4_and_leaves_the_file_alone(etcd: Etcd) {
    let file = TargetFile::new();
    register(&etcd, "web", 0..100).await;
    let mut daemon = Daemon::start(&etcd, &file, &["--once"]);
    assert_eq!(daemon.exit_code(SOON).await, 0);
    for n in 0..60 {
        etcd.delete(&format!("/services/web/{n}")).await;
    }
    let stamp = file.stamp();
    let mut daemon = Daemon::start(&etcd, &file, &["--once"]);
    assert_eq!(daemon.exit_code(SOON).await, 4);
    assert_eq!(file.stamp(), stamp);
    let said = daemon.log().raw();
    for word in ["40", "60", "100", "--guard-ratio 1", "--guard-min 20", "untouched"] {
        assert!(said.contains(word), "{word:?} is not in: {said}");
    }
    assert!(said.contains(file.path().to_str().unwrap()), "{said}");

    let mut daemon = Daemon::start(&etcd, &file, &["--once", "--guard-ratio", "1"]);
    assert_eq!(daemon.exit_code(SOON).await, 0);
    assert_eq!(file.differs_from(&etcd.document()), None);
}

async fn once_refuses_to_empty_a_file_however_small(etcd: Etcd) {
    let file = TargetFile::new();
    file.write("[{\"targets\": [\"10.9.9.9:80\"], \"labels\": {\"job\": \"old\"}}]");
    let stamp = file.stamp();
    let mut daemon = Daemon::start(&etcd, &file, &["--once"]);
    assert_eq!(daemon.exit_code(SOON).await, 4);
    assert_eq!(file.stamp(), stamp);
    let said = daemon.log().raw();
    for word in ["--prefix", "--guard-ratio 1", "untouched"] {
        assert!(said.contains(word), "{word:?} is not in: {said}");
    }
    let variable = [("ETCD_SD_GUARD_RATIO", "1")];
    let path = file.path().to_str().unwrap();
    let args = ["--server", etcd.endpoint(), "--target-file", path, "--once"];
    let mut daemon = Daemon::run_with(&args, &variable);
    assert_eq!(daemon.exit_code(SOON).await, 0);
    assert_eq!(file.read().as_deref(), Some("[]\n"));
}

async fn once_publishes_what_removes_little(etcd: Etcd) {
    let file = TargetFile::new();
    register(&etcd, "web", 0..100).await;
    let mut daemon = Daemon::start(&etcd, &file, &[&QUICK[..], &["--once"]].concat());
    assert_eq!(daemon.exit_code(SOON).await, 0);
    for n in 0..50 {
        etcd.delete(&format!("/services/web/{n}")).await;
    }
    let mut daemon = Daemon::start(&etcd, &file, &["--once"]);
    assert_eq!(daemon.exit_code(SOON).await, 0);
    assert_eq!(file.differs_from(&etcd.document()), None);
}

on_both!(
    once_refuses_a_mass_removal_with_4_and_leaves_the_file_alone,
    once_refuses_to_empty_a_file_however_small,
    once_publishes_what_removes_little,
);
