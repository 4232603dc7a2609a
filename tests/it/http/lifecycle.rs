//! What can be done over HTTP, and by whom.

use super::{address, ask};
use crate::support::backend::{Etcd, on_embedded};
use crate::support::daemon::Daemon;
use crate::support::file::TargetFile;
use crate::support::wait::{SOON, ensure, eventually};

async fn the_guard_is_released_and_a_list_asked_for_only_if_that_is_allowed_and_not_by_a_foreign_page(
    etcd: Etcd,
) {
    let file = TargetFile::new();
    let entries: Vec<_> =
        (0..30).map(|n| (format!("/services/web/{n}"), format!("10.0.0.{n}:80"))).collect();
    etcd.put_all(&entries).await;
    let listen = ["--listen", "127.0.0.1:0"];
    let other_file = TargetFile::new();
    let forbidding = Daemon::start(&etcd, &other_file, &listen);
    let daemon = Daemon::start(&etcd, &file, &[&listen[..], &["--enable-lifecycle"]].concat());
    file.follows(&etcd).await;

    let other = address(&forbidding).await;
    let forbidden = ask(&other, "POST /-/relist", &[]).await;
    assert_eq!(forbidden.status, 403);
    assert!(forbidden.text().contains("--enable-lifecycle"), "{}", forbidden.text());

    let address = address(&daemon).await;
    etcd.delete_prefix("/services/").await;
    eventually(SOON, "the guard holds", async || {
        let metrics = ask(&address, "GET /metrics", &[]).await.text();
        ensure(metrics.contains("\netcd_sd_guard_active 1"), || metrics)
    })
    .await;
    for foreign in [
        &[("Origin", "http://evil.example")][..],
        &[("Sec-Fetch-Site", "cross-site")],
        &[("Host", "evil.example"), ("Origin", "http://evil.example")],
    ] {
        let refused = ask(&address, "POST /-/release", foreign).await;
        assert!(matches!(refused.status, 403 | 421), "{refused:?}");
    }
    assert_eq!(ask(&address, "GET /-/release", &[]).await.status, 405);
    assert_ne!(file.read().unwrap(), "[]\n");
    let own = format!("http://{address}");
    let released = [("Origin", &*own), ("Sec-Fetch-Site", "same-origin"), ("Content-Length", "0")];
    assert_eq!(ask(&address, "POST /-/release", &released).await.status, 200);
    file.follows(&etcd).await;
    assert_eq!(file.read().unwrap(), "[]\n");

    let lists = daemon.logged("listed").len();
    assert_eq!(ask(&address, "POST /-/relist", &[("Content-Length", "0")]).await.status, 200);
    daemon.wait_for_logs("listed", lists + 1).await;
}

on_embedded!(
    the_guard_is_released_and_a_list_asked_for_only_if_that_is_allowed_and_not_by_a_foreign_page
);
