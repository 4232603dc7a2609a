//! Which files there are and what they are called; what a change writes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use super::{AT_ONCE, following, register};
use crate::support::backend::{Etcd, on_both};
use crate::support::daemon::Daemon;
use crate::support::directory::Directory;
use crate::support::target_dir::{TargetDir, decode, expected, file_name};
use crate::support::wait::{SOON, always, ensure, eventually};

const QUIET: Duration = Duration::from_secs(1);

const FLEET: usize = 5_000;

async fn of_five_thousand_services_one_instance_that_changes_writes_one_file(etcd: Etcd) {
    let service = |number: usize| {
        let key = format!("/services/service-{number:04}/1");
        (key, format!("10.0.{}.{}:9100", number / 250, number % 250))
    };
    etcd.put_all(&(0..FLEET).map(service).collect::<Vec<_>>()).await;
    let directory = TargetDir::new();
    let daemon = directory.start(&etcd, &AT_ONCE);
    directory.becomes(&expected(&etcd), 3 * SOON).await;
    assert_eq!(directory.files().len(), FLEET);
    daemon.wait_for_log("watching").await;
    let before = directory.stamps();

    let events = Directory::watch(directory.path());
    etcd.put("/services/service-2345/1", "10.9.9.9:9100").await;
    directory.follows(&etcd).await;
    let one_event = || {
        let (counts, one) = (events.events(), [("service-2345.json".into(), 1)].into());
        ensure(counts == one, || format!("{counts:?}"))
    };
    eventually(SOON, "one event", async || one_event()).await;
    always(QUIET, "and no more", async || one_event()).await;
    let after = directory.stamps();
    let written: Vec<_> = after.iter().filter(|(name, stamp)| before[*name] != **stamp).collect();
    assert_eq!(written.len(), 1, "{written:?}");
    let published = daemon.logged("published");
    assert_eq!(published.last().unwrap().number("files"), 1);
}

async fn services_of_any_name_have_a_file_that_is_decoded_back_and_nothing_else_is_touched(
    etcd: Etcd,
) {
    let long = "x".repeat(300);
    let services = [
        "..",
        ".",
        ".hidden",
        ".etcd-sd",
        "-rf",
        "a b",
        "ünïcode",
        "CON",
        "con",
        "nul.x",
        "api",
        "API",
        "Api",
        "%41",
        "~",
        "*",
        "[a]",
        "a\\b",
        "tab\t",
        "\u{1}",
        "\u{7f}",
        "q\"'$",
        "x.json",
        &long,
    ];
    register(&etcd, &services).await;
    let directory = TargetDir::new();
    fs::write(directory.home().join("outside"), "mine").unwrap();
    let _daemon = following(&etcd, &directory, &[]).await;
    let files = directory.files();
    assert_eq!(files.len(), services.len());
    for service in services {
        let name = file_name(service);
        if service.len() < 300 {
            assert_eq!(decode(&name), service);
        }
        assert_eq!(job(&files[&name]), service);
        assert!(name.len() <= 200 && !name.starts_with('.'), "{name}");
    }
    let folded: BTreeSet<_> = files.keys().map(|name| name.to_lowercase()).collect();
    assert_eq!(folded.len(), services.len(), "names that differ in case alone");
    let manifest = fs::read_to_string(directory.manifest()).unwrap();
    assert!(manifest.contains(&long), "what the file name does not say, the manifest does");

    for service in services {
        etcd.delete(&format!("/services/{service}/1")).await;
    }
    directory.follows(&etcd).await;
    assert_eq!(directory.files(), BTreeMap::new());
    let outside: Vec<_> = fs::read_dir(directory.home()).unwrap().collect();
    assert_eq!(outside.len(), 2, "{outside:?}");
    assert_eq!(fs::read(directory.home().join("outside")).unwrap(), b"mine");
}

/// The label of the only group.
fn job(document: &str) -> String {
    let json: serde_json::Value = serde_json::from_str(document).unwrap();
    json[0]["labels"]["job"].as_str().unwrap().to_owned()
}

async fn services_come_grow_shrink_and_go_with_their_files(etcd: Etcd) {
    let directory = TargetDir::new();
    let _daemon = following(&etcd, &directory, &[]).await;
    assert_eq!(directory.files(), BTreeMap::new());
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    directory.follows(&etcd).await;
    etcd.put("/services/web/2", r#"{"address":"10.0.0.2:80","labels":{"env":"x"}}"#).await;
    etcd.put("/services/db/1", "10.0.0.3:80").await;
    directory.follows(&etcd).await;
    etcd.delete("/services/web/1").await;
    directory.follows(&etcd).await;
    etcd.delete_prefix("/services/").await;
    directory.follows(&etcd).await;
    assert_eq!(directory.files(), BTreeMap::new());
    // The manifest is written after the files are gone.
    eventually(SOON, "nothing else is left", async || {
        let staged = directory.staged();
        ensure(staged == ["manifest.json", "manifest.lock"], || format!("{staged:?}"))
    })
    .await;
}

async fn file_and_directory_show_the_same_revisions(etcd: Etcd) {
    let directory = TargetDir::new();
    let (single, path) = (directory.home().join("single.json"), directory.path().to_str().unwrap());
    let args = ["--server", etcd.endpoint(), "--target-file", single.to_str().unwrap()];
    let more = ["--target-dir", path, "--log-format", "json"];
    let daemon = Daemon::run(&[&args[..], &more, &AT_ONCE].concat());
    daemon.wait_for_log("watching").await;
    for number in 1..200 {
        let service = number % 7;
        etcd.put(&format!("/services/s{service}/1"), format!("10.0.0.1:{number}")).await;
        if number % 10 == 0 {
            directory.follows(&etcd).await;
        }
    }
    directory.follows(&etcd).await;
    let document = etcd.document();
    eventually(SOON, "the single file is right", async || {
        let found = fs::read_to_string(&single).unwrap_or_default();
        ensure(found == document, || found)
    })
    .await;
    let published = daemon.logged("published");
    let revisions = |path: &str| {
        let of_path = published.iter().filter(|line| line.text("path") == path);
        of_path.map(|line| line.number("revision")).collect::<Vec<_>>()
    };
    let (files, single) = (revisions(path), revisions(single.to_str().unwrap()));
    assert!(files.len() >= 20, "{files:?}");
    // The first may be the empty document, which makes no file in the directory.
    assert!(single.ends_with(&files), "{single:?}, {files:?}");
}

on_both!(
    of_five_thousand_services_one_instance_that_changes_writes_one_file,
    services_of_any_name_have_a_file_that_is_decoded_back_and_nothing_else_is_touched,
    services_come_grow_shrink_and_go_with_their_files,
    file_and_directory_show_the_same_revisions,
);
