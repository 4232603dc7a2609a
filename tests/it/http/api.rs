//! The API: what it says, how much at a time, and what it does not say.

use serde_json::Value;

use super::{address, ask};
use crate::support::backend::{Etcd, on_embedded, on_real};
use crate::support::daemon::Daemon;
use crate::support::file::TargetFile;
use crate::support::wait::{SOON, ensure, eventually};

/// What is answered below `/api/v1`.
async fn api(address: &str, path: &str) -> (u16, Value) {
    let answer = ask(address, &format!("GET /api/v1/{path}"), &[]).await;
    let json = serde_json::from_str(&answer.text());
    (answer.status, json.unwrap_or_else(|error| panic!("{path}: {error}: {}", answer.text())))
}

async fn right(address: &str, path: &str) -> Value {
    let (status, json) = api(address, path).await;
    assert_eq!(status, 200, "{path}: {json}");
    json
}

/// All rows of a list, page by page, and how many pages there were.
async fn all(address: &str, path: &str, rows: &str) -> (Vec<Value>, usize) {
    let (mut all, mut pages, mut after) = (Vec::new(), 0, String::new());
    loop {
        let page = right(address, &format!("{path}{after}")).await;
        all.extend(page[rows].as_array().unwrap().iter().cloned());
        pages += 1;
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return (all, pages),
        }
    }
}

async fn all_that_is_held_can_be_asked_for_page_by_page(etcd: Etcd) {
    for at in 0..7 {
        etcd.put(&format!("/services/web/{at}"), format!("10.0.0.{at}:80")).await;
        etcd.put(&format!("/services/bad/{at}"), "secret-nonsense").await;
        etcd.put(&format!("/services/service-{at}/1"), "10.0.0.1:80").await;
    }
    etcd.put_all(&[(&b"/services/\xff/1"[..], "10.0.0.1:80")]).await;
    let file = TargetFile::new();
    let daemon = Daemon::start(&etcd, &file, &["--listen", "127.0.0.1:0", "--debounce", "10ms"]);
    let address = address(&daemon).await;
    eventually(SOON, "it is published", async || {
        let (status, json) = api(&address, "services").await;
        ensure(status == 200, || json.to_string())
    })
    .await;

    let (services, pages) = all(&address, "services?limit=3", "services").await;
    assert_eq!((services.len(), pages), (8, 3));
    let found = right(&address, "services?search=SERVICE-3").await;
    assert_eq!((found["total"].as_u64(), &found["next"]), (Some(1), &Value::Null));

    let (instances, _) = all(&address, "services/web?limit=2", "instances").await;
    let keys: Vec<_> = instances.iter().map(|one| one["key"].as_str().unwrap()).collect();
    assert_eq!(keys, (0..7).map(|at| format!("/services/web/{at}")).collect::<Vec<_>>());
    let found = right(&address, "service?name=web&search=10.0.0.5").await;
    assert_eq!(found["instances"][0]["target"]["targets"][0], "10.0.0.5:80");
    assert_eq!(api(&address, "services/none").await.0, 404);

    let (held_out, _) = all(&address, "quarantine?limit=3", "entries").await;
    assert_eq!(held_out.len(), 8);
    assert_eq!(
        (&*held_out[0]["key"].to_string(), &held_out[0]["service"]),
        (r#""/services/%FF/1""#, &Value::Null)
    );
    assert_eq!(held_out[1]["reason"], "the address has no port");
    assert_eq!(right(&address, "quarantine").await["total"], 8);

    etcd.delete("/services/web/0").await;
    let change = eventually(SOON, "the change is told", async || {
        let changes = right(&address, "changes?service=web").await;
        let change = changes.pointer("/changes/0").cloned().unwrap_or_default();
        ensure(change["cause"] == "delete", || change.to_string())?;
        Ok(change)
    })
    .await;
    assert_eq!(
        (&change["before"]["targets"][0], &change["after"]),
        (&"10.0.0.0:80".into(), &Value::Null)
    );

    // Not for everybody, nor without bounds.
    let (status, refused) = api(&address, "value?key=/services/bad/1").await;
    assert_eq!(status, 403);
    assert!(refused["error"].as_str().unwrap().contains("--expose-values"), "{refused}");
    let long = "x".repeat(201);
    for path in [
        "services?limit=0",
        "services?limit=1001",
        "services?after=x",
        "service",
        "quarantine?after=!",
    ]
    .map(str::to_owned)
    .into_iter()
    .chain([format!("services?search={long}")])
    {
        let (status, refused) = api(&address, &path).await;
        assert!(status == 400 && refused["error"].is_string(), "{path}: {status} {refused}");
    }
    // Whoever refuses, with a reason that a program can read.
    for (what, status) in [
        ("GET /api/v1/nothing", 404),
        ("GET /api/v2/status", 404),
        ("GET /api/v1/services/%FF", 400),
        ("POST /api/v1/status", 405),
    ] {
        let refused = ask(&address, what, &[]).await;
        let json: Value = serde_json::from_str(&refused.text()).unwrap_or_default();
        assert!(refused.status == status && json["error"].is_string(), "{what}: {refused:?}");
    }
    for path in ["status", "service?name=bad", "quarantine", "changes"] {
        let said = right(&address, path).await.to_string();
        assert!(!said.contains("secret-nonsense"), "{path} tells a value: {said}");
    }
}

async fn a_value_is_read_when_it_is_exposed_and_is_that_of_a_registration(etcd: Etcd) {
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    etcd.put("/other/secret", "hunter2").await;
    etcd.put("/services/web/1/deeper", "hunter2").await;
    let file = TargetFile::new();
    let more = ["--listen", "127.0.0.1:0", "--expose-values"];
    let daemon = Daemon::start(&etcd, &file, &more);
    file.follows(&etcd).await;
    let address = address(&daemon).await;
    for _ in 0..2 {
        let value = right(&address, "value?key=/services/web/1").await;
        assert_eq!(value["value"], "10.0.0.1:80");
    }
    for key in ["/other/secret", "/services/web/1/deeper", "/services/web", "/services/web/2"] {
        let (status, refused) = api(&address, &format!("value?key={key}")).await;
        assert!(status == 404 && !refused.to_string().contains("hunter2"), "{key}: {refused}");
    }
}

async fn before_the_first_list_it_is_said_that_there_was_none(mut etcd: Etcd) {
    etcd.kill().await;
    let file = TargetFile::new();
    let daemon = Daemon::start(&etcd, &file, &["--listen", "127.0.0.1:0"]);
    let address = address(&daemon).await;
    for path in ["services", "services/web", "quarantine"] {
        let (status, refused) = api(&address, path).await;
        let error = refused["error"].as_str().unwrap();
        assert!(status == 503 && error.contains("no complete list"), "{path}: {refused}");
    }
    assert_eq!(right(&address, "status").await["published"], Value::Null);
    assert_eq!(right(&address, "changes").await["changes"], Value::Array(Vec::new()));
}

async fn a_registry_that_is_quiet_is_not_behind_while_others_write(etcd: Etcd) {
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    let file = TargetFile::new();
    let flags = ["--listen", "127.0.0.1:0", "--keepalive-time", "200ms"];
    let daemon = Daemon::start(&etcd, &file, &flags);
    let address = address(&daemon).await;
    file.follows(&etcd).await;
    for at in 0..5 {
        etcd.put("/elsewhere/1", at.to_string()).await;
    }
    eventually(SOON, "the registry is where etcd is", async || {
        let status = right(&address, "status").await;
        let of = |name: &str| status["sources"][0][name].as_u64().unwrap();
        let (observed, applied) = (of("observed_revision"), of("applied_revision"));
        ensure(observed >= 7 && applied == observed, || format!("{applied} of {observed}"))
    })
    .await;
}

on_real!(a_registry_that_is_quiet_is_not_behind_while_others_write);

on_embedded!(
    a_registry_that_is_quiet_is_not_behind_while_others_write,
    all_that_is_held_can_be_asked_for_page_by_page,
    a_value_is_read_when_it_is_exposed_and_is_that_of_a_registration,
    before_the_first_list_it_is_said_that_there_was_none,
);
