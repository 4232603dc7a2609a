//! A single file that is mounted over another, as containers do it: it can't be replaced, and
//! is written in place only where that is asked for.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use super::{AT_ONCE, HEALED, STAGE, following, idles, is_said_rarely, unchanged};
use crate::support::backend::{Etcd, on_embedded};
use crate::support::churn::Churn;
use crate::support::daemon::Daemon;
use crate::support::file::TargetFile;
use crate::support::reader::Reader;
use crate::support::rights::{may_mount, needs};
use crate::support::volume::BoundFile;
use crate::support::wait::{SOON, always, ensure};

const IN_PLACE: [&str; 1] = ["--in-place"];
const QUIET: Duration = Duration::from_secs(3);
const OLD: &str = "[\n{\"targets\":[\"10.9.9.9:80\"],\"labels\":{\"job\":\"old\"}}\n]\n";

/// The file as the daemon sees it in its container, and as others see it outside.
struct Container {
    inside: TargetFile,
    outside: TargetFile,
    _bound: BoundFile,
    _home: TempDir,
}

impl Container {
    fn new(content: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let outside = TargetFile::at(home.path().join("outside.json"));
        outside.write(content);
        let inside = TargetFile::new();
        inside.write("");
        let bound = BoundFile::mount(outside.path(), inside.path());
        Self { inside, outside, _bound: bound, _home: home }
    }
}

async fn a_mounted_file_is_left_alone_with_an_error_that_names_the_way_out(etcd: Etcd) {
    needs!(may_mount(), "needs root to mount");
    let container = Container::new(OLD);
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    let mut daemon = Daemon::start(&etcd, &container.inside, &AT_ONCE);
    let path = container.inside.path().to_str().unwrap();
    daemon.says("ERROR", &[path, "--in-place"]).await;
    idles(&mut daemon, QUIET, "the file stays", unchanged(&container.outside)).await;
    is_said_rarely(&daemon, &["--in-place"]);
    // SIGTERM says that what is pending was not written.
    assert_eq!(daemon.stop().await, 1);

    let mut once = Daemon::start(&etcd, &container.inside, &["--once", "--timeout", "1s"]);
    assert_eq!(once.exit_code(SOON).await, 1);
    assert!(once.log().raw().contains("--in-place"), "{}", once.log().raw());
    let mut once =
        Daemon::start(&etcd, &container.inside, &["--once", "--in-place", "--guard-ratio=1"]);
    assert_eq!(once.exit_code(SOON).await, 0);
    assert_eq!(container.outside.read(), Some(etcd.document()));
}

async fn in_place_a_mounted_file_is_never_readable_as_a_part_of_a_document(etcd: Etcd) {
    needs!(may_mount(), "needs root to mount");
    let container = Container::new(OLD);
    never_readable_as_a_part(etcd, &container.inside, &container.outside).await;
}

async fn in_place_a_file_like_any_other_is_not_either(etcd: Etcd) {
    let file = TargetFile::new();
    never_readable_as_a_part(etcd, &file, &file).await;
    assert!(!file.directory().join(STAGE).exists(), "nothing is needed beside it");
}

/// Churn, with a reader outside that takes whatever is a document.
async fn never_readable_as_a_part(etcd: Etcd, inside: &TargetFile, outside: &TargetFile) {
    const CHURN: Duration = Duration::from_secs(3);
    let etcd = Arc::new(etcd);
    let mut daemon = following(&etcd, inside, &IN_PLACE).await;
    let mode = outside.mode();
    let mut churn = Churn::start(&etcd, Duration::from_millis(20));
    let reader = Reader::of_file_in_place(outside);
    tokio::time::sleep(CHURN).await;
    churn.stop().await;
    let document = churn.ledger().document();
    outside.becomes(&document, SOON).await;
    let seen = reader.finish();
    eprintln!("{} documents, {} unfinished", seen.documents.len(), seen.unfinished);
    assert!(seen.documents.len() > 10, "{} documents", seen.documents.len());
    churn.ledger().knows(&seen);
    assert_eq!(outside.mode(), mode);
    assert_eq!(daemon.stop().await, 0);
}

async fn in_place_drift_is_healed_and_equal_bytes_are_not_written(etcd: Etcd) {
    let file = TargetFile::new();
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    let mut daemon = following(&etcd, &file, &IN_PLACE).await;
    let document = etcd.document();
    always(HEALED, "our own write is no drift", unchanged(&file)).await;
    for hand in ["", "mine", &document[..7], &format!("{document} "), "\0"] {
        file.write(hand);
        file.becomes(&document, HEALED).await;
    }
    fs::remove_file(file.path()).unwrap();
    file.becomes(&document, HEALED).await;
    assert_eq!(daemon.stop().await, 0);

    let stamp = file.stamp();
    let mut daemon = following(&etcd, &file, &IN_PLACE).await;
    always(HEALED, "it is right already", async || {
        ensure(file.stamp() == stamp, || "written".to_owned())
    })
    .await;
    assert_eq!(daemon.stop().await, 0);
}

async fn in_place_what_a_killed_daemon_left_half_written_is_healed(etcd: Etcd) {
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    let document = etcd.document();
    for left in ["\0", &format!("\0{}", &document[1..]), &format!("\0{}", &document[1..20])] {
        let file = TargetFile::new();
        file.write(left);
        let mut daemon = following(&etcd, &file, &IN_PLACE).await;
        assert_eq!(file.read().as_deref(), Some(document.as_str()));
        assert_eq!(daemon.stop().await, 0);
    }
}

async fn in_place_a_second_daemon_stands_by(etcd: Etcd) {
    let file = TargetFile::new();
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    let mut first = following(&etcd, &file, &IN_PLACE).await;
    let second = Daemon::start(&etcd, &file, &[&AT_ONCE[..], &IN_PLACE].concat());
    second.says("INFO", &["standing by"]).await;
    first.kill();
    etcd.put("/services/web/2", "10.0.0.2:80").await;
    file.becomes(&etcd.document(), super::RECOVERED).await;
}

on_embedded!(
    a_mounted_file_is_left_alone_with_an_error_that_names_the_way_out,
    in_place_a_mounted_file_is_never_readable_as_a_part_of_a_document,
    in_place_a_file_like_any_other_is_not_either,
    in_place_drift_is_healed_and_equal_bytes_are_not_written,
    in_place_what_a_killed_daemon_left_half_written_is_healed,
    in_place_a_second_daemon_stands_by,
);
