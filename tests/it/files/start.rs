//! The file on disk at the start: taken for what it is, and never somebody else's.

use std::fs;
use std::time::{Duration, Instant};

use super::{AT_ONCE, HEALED, following, unchanged};
use crate::support::backend::{Etcd, on_embedded, run};
use crate::support::daemon::Daemon;
use crate::support::directory::Directory;
use crate::support::file::TargetFile;
use crate::support::ports::free_port;
use crate::support::wait::{SOON, always, ensure, eventually};

const QUIET: Duration = Duration::from_secs(2);

/// What is in the way of a typing error.
const FOREIGN: [&str; 6] = [
    "global:\n  scrape_interval: 15s\nscrape_configs:\n  - job_name: node\n",
    "{\"a\": 1}",
    "[{\"targets\": [\"10.0.0.1:80\"]",
    "[1, 2]",
    "\"text\"",
    " \n",
];

async fn what_is_no_document_is_refused_with_2_and_untouched_unless_forced(etcd: Etcd) {
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    for text in FOREIGN {
        let home = tempfile::tempdir().unwrap();
        let file = TargetFile::at(home.path().join("prometheus.yml"));
        file.write(text);
        let stamp = file.stamp();
        for more in [&AT_ONCE[..], &["--once"]] {
            let mut daemon = Daemon::start(&etcd, &file, more);
            assert_eq!(daemon.exit_code(SOON).await, 2, "{text:?} {more:?}");
            let said = daemon.log().raw();
            let path = file.path().to_str().unwrap();
            assert!(said.contains(path) && said.contains("--force"), "{said}");
            assert_eq!(file.stamp(), stamp, "{text:?} {more:?}");
        }
        let names: Vec<_> = fs::read_dir(file.directory()).unwrap().collect();
        assert_eq!(names.len(), 1, "nothing is made beside it: {names:?}");

        let mut daemon = following(&etcd, &file, &["--force"]).await;
        assert_eq!(daemon.stop().await, 0);
    }
}

async fn our_own_file_that_was_damaged_in_between_is_healed(etcd: Etcd) {
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    let file = TargetFile::new();
    let mut daemon = following(&etcd, &file, &[]).await;
    assert_eq!(daemon.stop().await, 0);
    let document = file.read().unwrap();
    for damaged in ["", "global:\n", &document[..document.len() / 2], "\0\0\0\0", "{}"] {
        file.write(damaged);
        let mut daemon = following(&etcd, &file, &[]).await;
        assert_eq!(file.read().as_deref(), Some(document.as_str()), "{damaged:?}");
        assert_eq!(daemon.stop().await, 0);
    }
    fs::remove_file(file.path()).unwrap();
    let mut daemon = following(&etcd, &file, &[]).await;
    assert_eq!(daemon.stop().await, 0);
}

async fn an_empty_file_and_null_are_nobodys(etcd: Etcd) {
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    for text in ["", "null", "null\n", "[]", "[ ]\n"] {
        let file = TargetFile::new();
        file.write(text);
        let mut daemon = following(&etcd, &file, &[]).await;
        assert_eq!(daemon.stop().await, 0);
    }
}

async fn the_same_targets_in_another_form_are_normalised_with_one_write(etcd: Etcd) {
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    etcd.put("/services/web/2", "10.0.0.2:80").await;
    etcd.put("/services/db/1", "10.0.0.3:80").await;
    for form in [
        r#"[{"labels":{"job":"web"},"targets":["10.0.0.2:80","10.0.0.1:80"]},{"targets":["10.0.0.3:80"],"labels":{"job":"db"}}]"#,
        "[\n  {\n    \"targets\": [\"10.0.0.3:80\"],\n    \"labels\": {\"job\": \"db\"}\n  },\n  {\n    \
         \"targets\": [\"10.0.0.1:80\", \"10.0.0.2:80\"],\n    \"labels\": {\"job\": \"web\"}\n  }\n]\n",
    ] {
        let file = TargetFile::new();
        file.write(form);
        fs::create_dir(file.directory().join(super::STAGE)).unwrap();
        let directory = Directory::watch(file.directory());
        let daemon = following(&etcd, &file, &[]).await;
        let one = |events: usize| ensure(events == 1, || format!("{events} events"));
        eventually(SOON, "one write", async || one(directory.events_of("targets.json"))).await;
        always(QUIET / 2, "and no more", async || one(directory.events_of("targets.json"))).await;
        assert_eq!(daemon.logged("published").len(), 1);
        assert_eq!(daemon.said("WARN", &["drift"]), [""; 0]);
    }
}

async fn the_last_known_good_is_kept_while_etcd_is_away(mut etcd: Etcd) {
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    let file = TargetFile::new();
    let mut daemon = following(&etcd, &file, &[]).await;
    assert_eq!(daemon.stop().await, 0);
    etcd.kill().await;

    let daemon = Daemon::start(&etcd, &file, &AT_ONCE);
    daemon.wait_for_log("cannot connect").await;
    always(QUIET, "the file stays", unchanged(&file)).await;
    etcd.restart().await;
    etcd.put("/services/web/2", "10.0.0.2:80").await;
    file.follows(&etcd).await;
}

async fn leftovers_of_the_dead_are_removed_at_the_start_and_other_files_are_not(etcd: Etcd) {
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    let file = TargetFile::new();
    let mut daemon = following(&etcd, &file, &[]).await;
    assert_eq!(daemon.stop().await, 0);
    let stage = file.directory().join(super::STAGE);
    let (dead, other) = (stage.join("targets.json.dEaD42.tmp"), stage.join("notes.txt"));
    fs::write(&dead, "[").unwrap();
    fs::write(&other, "[").unwrap();
    let mut daemon = following(&etcd, &file, &[]).await;
    eventually(SOON, "the leftover is gone", async || {
        ensure(!dead.exists(), || "it is there".to_owned())
    })
    .await;
    assert!(other.exists());
    assert_eq!(daemon.stop().await, 0);
}

on_embedded!(
    what_is_no_document_is_refused_with_2_and_untouched_unless_forced,
    our_own_file_that_was_damaged_in_between_is_healed,
    an_empty_file_and_null_are_nobodys,
    the_same_targets_in_another_form_are_normalised_with_one_write,
    the_last_known_good_is_kept_while_etcd_is_away,
    leftovers_of_the_dead_are_removed_at_the_start_and_other_files_are_not,
);

#[test]
fn a_foreign_file_is_refused_at_once_whether_there_is_an_etcd_or_not() {
    run(async || {
        let file = TargetFile::new();
        file.write(FOREIGN[0]);
        let start = Instant::now();
        let server = format!("http://127.0.0.1:{}", free_port());
        let mut daemon = Daemon::start_at(&server, &file, &[]);
        assert_eq!(daemon.exit_code(SOON).await, 2);
        assert!(start.elapsed() < 5 * HEALED);
    });
}
