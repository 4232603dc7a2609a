//! Several sources, one file.

use std::fs;
use std::time::Duration;

use rustix::process::Signal;

use crate::support::backend::{Etcd, on_both};
use crate::support::daemon::Daemon;
use crate::support::file::TargetFile;
use crate::support::gate::Gate;
use crate::support::wait::{SOON, always, ensure};

const TWO: &str = r#"
    label = { dc = "a" }

    [[source]]
    key-pattern = "/services/{service}/{instance}"

    [[source]]
    key-pattern = "/kratos/{service}/{instance}"
    value-format = "kratos"
    scheme-filter = "http"
"#;

/// A directory with the target file, and the arguments that name a file of sources in it.
struct Sources {
    file: TargetFile,
    config: String,
}

impl Sources {
    fn new(text: &str) -> Self {
        let file = TargetFile::new();
        let config = file.directory().join("sources.toml");
        fs::write(&config, text).unwrap();
        Self { file, config: config.to_str().unwrap().to_owned() }
    }

    fn start(&self, etcd: &Etcd, more: &[&str]) -> Daemon {
        let config = ["--debounce", "10ms", "--config", &self.config];
        Daemon::start(etcd, &self.file, &[&config[..], more].concat())
    }

    async fn becomes(&self, lines: &[&str]) {
        self.file.becomes(&format!("[\n{}\n]\n", lines.join(",\n")), SOON).await;
    }
}

fn kratos(address: &str) -> String {
    format!(
        r#"{{"id":"x","name":"x","version":"v1","metadata":{{}},"endpoints":["http://{address}"]}}"#
    )
}

async fn each_source_has_its_own_layout_and_a_service_of_both_is_one(etcd: Etcd) {
    let sources = Sources::new(TWO);
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    etcd.put("/services/api/1", "10.0.0.2:80").await;
    etcd.put("/kratos/api/x", kratos("10.0.1.1:80")).await;
    let mut daemon = sources.start(&etcd, &[]);
    let api = r#"{"targets":["10.0.0.2:80"],"labels":{"job":"api","dc":"a"}}"#;
    let api_x = r#"{"targets":["10.0.1.1:80"],"labels":{"job":"api","dc":"a","version":"v1"}}"#;
    let web = r#"{"targets":["10.0.0.1:80"],"labels":{"job":"web","dc":"a"}}"#;
    sources.becomes(&[api, api_x, web]).await;
    daemon.wait_for_logs("watching", 2).await;

    etcd.delete("/services/api/1").await;
    sources.becomes(&[api_x, web]).await;
    etcd.put("/kratos/db/x", kratos("10.0.1.2:80")).await;
    let db = r#"{"targets":["10.0.1.2:80"],"labels":{"job":"db","dc":"a","version":"v1"}}"#;
    sources.becomes(&[api_x, db, web]).await;

    etcd.put("/kratos/db/x", "10.0.1.2:80").await;
    daemon.wait_for_log("entry quarantined").await;
    let said = daemon.log().raw();
    assert!(said.contains(r#""span":{"prefix":"/kratos/","name":"source"}"#), "{said}");

    daemon.signal(Signal::HUP);
    daemon.wait_for_logs("listed", 4).await;
    etcd.put("/services/web/1", "10.0.0.3:80").await;
    let web = r#"{"targets":["10.0.0.3:80"],"labels":{"job":"web","dc":"a"}}"#;
    sources.becomes(&[api_x, db, web]).await;
    assert_eq!(daemon.stop().await, 0);
}

async fn nothing_is_published_before_every_source_is_listed(etcd: Etcd) {
    let sources = Sources::new(TWO);
    sources.file.write("[ ]");
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    for name in ["a", "b", "c"] {
        etcd.put(&format!("/kratos/{name}/x"), kratos("10.0.1.1:80")).await;
    }
    let few = ["--max-entries", "2"];
    let mut once = sources.start(&etcd, &[&few[..], &["--once", "--timeout", "1s"]].concat());
    assert_eq!(once.exit_code(SOON).await, 3);
    let said = once.said("ERROR", &["no complete list", "/kratos/: "]);
    assert_eq!(said.len(), 1, "{}", once.log().raw());

    let daemon = sources.start(&etcd, &few);
    daemon.wait_for_reason("--max-entries").await;
    daemon.wait_for_log("listed").await;
    always(Duration::from_millis(300), "the file stays", async || {
        ensure(sources.file.read().as_deref() == Some("[ ]"), || "it was written".to_owned())
    })
    .await;
    etcd.delete("/kratos/a/x").await;
    daemon.signal(Signal::HUP);
    let b = r#"{"targets":["10.0.1.1:80"],"labels":{"job":"b","dc":"a","version":"v1"}}"#;
    let c = r#"{"targets":["10.0.1.1:80"],"labels":{"job":"c","dc":"a","version":"v1"}}"#;
    let web = r#"{"targets":["10.0.0.1:80"],"labels":{"job":"web","dc":"a"}}"#;
    sources.becomes(&[b, c, web]).await;
}

async fn a_standby_takes_over_all_sources(etcd: Etcd) {
    let sources = Sources::new(TWO);
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    let mut first = sources.start(&etcd, &[]);
    sources.becomes(&[r#"{"targets":["10.0.0.1:80"],"labels":{"job":"web","dc":"a"}}"#]).await;
    let second = sources.start(&etcd, &[]);
    second.wait_for_log("standing by").await;
    first.kill();
    etcd.put("/services/web/2", "10.0.0.2:80").await;
    etcd.put("/kratos/web/x", kratos("10.0.1.1:80")).await;
    sources
        .becomes(&[
            r#"{"targets":["10.0.0.1:80","10.0.0.2:80"],"labels":{"job":"web","dc":"a"}}"#,
            r#"{"targets":["10.0.1.1:80"],"labels":{"job":"web","dc":"a","version":"v1"}}"#,
        ])
        .await;
}

async fn a_source_that_comes_back_empty_keeps_its_targets_however_few(etcd: Etcd) {
    let sources = Sources::new(TWO);
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    etcd.put("/services/web/2", "10.0.0.2:80").await;
    etcd.put("/kratos/api/x", kratos("10.0.1.1:80")).await;
    let api = r#"{"targets":["10.0.1.1:80"],"labels":{"job":"api","dc":"a","version":"v1"}}"#;
    let gate = Gate::before(&etcd).await;
    let config = ["--debounce", "10ms", "--config", &sources.config];
    let daemon = Daemon::start_at(gate.endpoint(), &sources.file, &config);
    let web = r#"{"targets":["10.0.0.1:80","10.0.0.2:80"],"labels":{"job":"web","dc":"a"}}"#;
    sources.becomes(&[api, web]).await;
    daemon.wait_for_logs("watching", 2).await;

    gate.cut().await;
    etcd.delete_prefix("/kratos/").await;
    let revision = etcd.put("/elsewhere", "x").await;
    etcd.compact(revision).await;
    gate.open();
    let held = daemon
        .wait_for_log("mass removal held, these targets stay in the file; is etcd ill?")
        .await;
    assert_eq!(held.number("held"), 1);
    sources.becomes(&[api, web]).await;
    daemon.signal(Signal::USR1);
    sources.becomes(&[web]).await;
}

#[tokio::test]
async fn sources_that_overlap_are_refused_with_both_named() {
    let sources = Sources::new(
        "[[source]]\nkey-pattern = '/a/{service}/{instance}'\n\
         [[source]]\nkey-pattern = '/a/{env}/{service}'\n",
    );
    let mut daemon = Daemon::run(&["--config", &sources.config]);
    assert_eq!(daemon.exit_code(SOON).await, 2);
    let said = daemon.log().raw();
    for needle in ["sources.toml", "/a/{service}/{instance}", "/a/{env}/{service}", "overlap"] {
        assert!(said.contains(needle), "{needle} is not in {said}");
    }
}

on_both!(
    each_source_has_its_own_layout_and_a_service_of_both_is_one,
    nothing_is_published_before_every_source_is_listed,
    a_standby_takes_over_all_sources,
    a_source_that_comes_back_empty_keeps_its_targets_however_few,
);
