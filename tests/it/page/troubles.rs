//! What the page says when something is wrong.

use super::{assert_clean, serving};
use crate::support::backend::Etcd;
use crate::support::file::TargetFile;

pub(super) async fn etcd_that_is_away_and_removals_that_are_held_are_said_with_what_to_do(
    mut etcd: Etcd,
) {
    let entries = |service: &str| {
        let entry = |at| (format!("/services/{service}/{at}"), format!("10.0.0.{at}:80"));
        (1..=60).map(entry).collect::<Vec<_>>()
    };
    etcd.put_all(&entries("web")).await;
    etcd.put_all(&entries("api")).await;
    let file = TargetFile::new();
    let (daemon, browser, url) = serving(&etcd, &file, &["--guard-ratio", "0.3"]).await;
    file.follows(&etcd).await;
    browser.go(&url);
    browser.shows("#verdict", "that all is well", |text| text.contains("Ready")).await;
    assert_eq!(browser.run("return document.getElementById('notes').hidden"), true);

    etcd.delete_prefix("/services/web/").await;
    let held = |text: &str| {
        ["60 removals", "SIGUSR1", "POST /-/release"].iter().all(|word| text.contains(word))
    };
    browser.shows("#notes", "what the guard holds, and what releases it", held).await;
    browser.shows("#chain", "that it holds", |text| text.contains("Holding 60")).await;
    daemon.signal(rustix::process::Signal::USR1);
    browser.shows("#chain", "that it let go", |text| !text.contains("Holding")).await;
    browser.shows("#feed", "what went then", |text| text.contains("guard let go")).await;

    etcd.kill().await;
    let away = |text: &str| text.contains("can't be reached") && text.contains("stale since");
    browser.shows("#notes", "that etcd is away", away).await;
    browser.shows("#verdict", "that it is not ready", |text| text == "Not ready").await;
    assert_eq!(browser.run("return document.title"), "Not ready · etcd-sd");
    etcd.restart().await;
    browser.shows("#verdict", "that all is well again", |text| text.contains("Ready")).await;
    assert_clean(&browser, &url);

    // The daemon itself is gone: what is shown is said to be old.
    drop(daemon);
    browser.shows("#lost", "that nobody answers", |text| text.contains("No answer")).await;
}
