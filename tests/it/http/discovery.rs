//! `/sd`, as Prometheus' HTTP discovery demands it.

use std::io::Read;

use flate2::read::GzDecoder;

use super::{address, ask, serves};
use crate::support::backend::{Etcd, on_both};
use crate::support::daemon::Daemon;
use crate::support::render;
use crate::support::wait::{SOON, ensure, eventually};

async fn the_list_is_refused_before_it_is_complete_and_whole_from_then_on(etcd: Etcd) {
    let put = async |key: &str, value: &str| {
        etcd.put(key, value).await;
    };
    put("/services/web/1", "10.0.0.1:80").await;
    put("/services/web/2", r#"{"address":"10.0.0.2:80","labels":{"env":"ünï"}}"#).await;
    put("/services/a b/1", "10.0.0.3:80").await;
    etcd.freeze();
    let daemon = Daemon::run(&[
        "--server",
        etcd.endpoint(),
        "--no-target-file",
        "--listen",
        "127.0.0.1:0",
        "--log-format",
        "json",
        "--guard-ratio",
        "1",
    ]);
    let address = address(&daemon).await;

    // Prometheus keeps what it has: an empty list would be taken as the truth.
    let early = ask(&address, "GET /sd", &[]).await;
    assert_eq!((early.status, early.header("content-type")), (503, "text/plain; charset=utf-8"));
    let ready = ask(&address, "GET /-/ready", &[]).await;
    assert_eq!(ready.status, 503);
    assert!(ready.text().contains("no complete list"), "{}", ready.text());
    assert_eq!(ask(&address, "GET /-/healthy", &[]).await.status, 200);

    etcd.thaw();
    serves(&address, "/sd", &render::document(&etcd.entries())).await;
    let whole = ask(&address, "GET /sd", &[("Accept", "application/json")]).await;
    assert_eq!(whole.header("content-type"), "application/json");
    assert_eq!(whole.header("content-length"), whole.body.len().to_string());
    assert!(whole.header("x-etcd-sd-revision").parse::<i64>().is_ok_and(|revision| revision > 1));
    let head = ask(&address, "HEAD /sd", &[]).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), whole.header("content-length"));
    for alias in ["/-/ready", "/readyz", "/-/healthy", "/healthz"] {
        eventually(SOON, alias, async || {
            let answer = ask(&address, &format!("GET {alias}"), &[]).await;
            ensure(answer.status == 200, || format!("{answer:?}"))
        })
        .await;
    }

    // Some services, and those that are not there are absent.
    let of_web = ask(&address, "GET /sd?service=nowhere&service=web", &[]).await.text();
    let of_both = ask(&address, "GET /sd?service=web&service=a+b", &[]).await.text();
    assert!(of_web.contains("10.0.0.1:80") && !of_web.contains("10.0.0.3:80"), "{of_web}");
    assert_eq!(of_both, whole.text());
    assert_eq!(ask(&address, "GET /sd?service=nowhere", &[]).await.text(), "[]\n");
    for (query, says) in [
        ("services=web", "service=NAME"),
        ("shard=3&of=3", "the last is 2"),
        ("shard=1", "of how many"),
        ("service=", "no service"),
    ] {
        let refused = ask(&address, &format!("GET /sd?{query}"), &[]).await;
        assert_eq!(refused.status, 400, "{query}");
        assert!(refused.text().contains(says), "{query}: {}", refused.text());
    }

    // A list that is worth packing, to who accepts it; the same bytes, also when it has changed.
    for round in 0..2 {
        let entries: Vec<_> = (0..100)
            .map(|n| (format!("/services/many/{n}"), format!("10.1.{round}.{n}:80")))
            .collect();
        etcd.put_all(&entries).await;
        let document = render::document(&etcd.entries());
        serves(&address, "/sd", &document).await;
        for _ in 0..2 {
            let packed = ask(&address, "GET /sd", &[("Accept-Encoding", "gzip")]).await;
            assert_eq!(packed.header("content-encoding"), "gzip");
            assert!(packed.body.len() < document.len() / 2);
            let mut text = String::new();
            GzDecoder::new(&*packed.body).read_to_string(&mut text).unwrap();
            assert_eq!(text, document);
        }
    }

    // Really empty.
    etcd.delete_prefix("/services/").await;
    serves(&address, "/sd", "[]\n").await;
}

on_both!(the_list_is_refused_before_it_is_complete_and_whole_from_then_on);
