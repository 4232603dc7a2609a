//! Keys and values of other programs become targets.

use std::fs;

use crate::support::backend::{Etcd, on_both};
use crate::support::daemon::Daemon;
use crate::support::file::{Group, TargetFile};
use crate::support::wait::{SOON, ensure, eventually};

/// The lines of the document: targets and labels.
async fn becomes(file: &TargetFile, lines: &[&str]) {
    let document = match lines {
        [] => "[]\n".to_owned(),
        lines => format!("[\n{}\n]\n", lines.join(",\n")),
    };
    file.becomes(&document, SOON).await;
}

async fn labels_come_from_the_key(etcd: Etcd) {
    let file = TargetFile::new();
    etcd.put("/env/prod/svc/web/1", "10.0.0.1:80").await;
    etcd.put("/env/prod/svc/web/2", "10.0.0.2:80").await;
    etcd.put("/env/test/svc/web/1", "10.0.0.3:80").await;
    etcd.put("/env/test/other/web/1", "10.0.0.4:80").await;
    let pattern = ["--key-pattern", "/env/{env}/svc/{service}/{instance}"];
    let daemon = Daemon::start(&etcd, &file, &[&pattern[..], &["--label", "dc=a"]].concat());
    becomes(&file, &[
        r#"{"targets":["10.0.0.1:80","10.0.0.2:80"],"labels":{"job":"web","dc":"a","env":"prod"}}"#,
        r#"{"targets":["10.0.0.3:80"],"labels":{"job":"web","dc":"a","env":"test"}}"#,
    ])
    .await;
    daemon.wait_for_log("watching").await;
    etcd.delete("/env/prod/svc/web/1").await;
    etcd.put("/env/test/svc/db/1", "10.0.0.5:80").await;
    becomes(
        &file,
        &[
            r#"{"targets":["10.0.0.5:80"],"labels":{"job":"db","dc":"a","env":"test"}}"#,
            r#"{"targets":["10.0.0.2:80"],"labels":{"job":"web","dc":"a","env":"prod"}}"#,
            r#"{"targets":["10.0.0.3:80"],"labels":{"job":"web","dc":"a","env":"test"}}"#,
        ],
    )
    .await;
}

async fn the_address_may_stand_in_the_key(etcd: Etcd) {
    let file = TargetFile::new();
    etcd.put("/rpcx/Arith/tcp@10.0.0.1:8972", "tps=1").await;
    let pattern = ["--key-pattern", "/rpcx/{service}/{proto}@{address}", "--port", "9100"];
    let _daemon = Daemon::start(&etcd, &file, &pattern);
    let line = r#"{"targets":["10.0.0.1:9100"],"labels":{"job":"Arith","proto":"tcp"}}"#;
    becomes(&file, &[line]).await;
    // A heartbeat that says nothing new writes nothing.
    let stamp = file.stamp();
    etcd.put("/rpcx/Arith/tcp@10.0.0.1:8972", "tps=2").await;
    etcd.put("/rpcx/Other/udp@10.0.0.2:1", "").await;
    eventually(SOON, "the other one is there", async || {
        ensure(file.stamp() != stamp, || "not yet".to_owned())
    })
    .await;
    assert_eq!(file.groups().len(), 2);
}

async fn values_of_every_layout_are_recognised(etcd: Etcd) {
    for (key, value, target) in [
        ("/services/a/1", r#"{"Op":0,"Addr":"10.0.0.1:8080","Metadata":null}"#, "10.0.0.1:8080"),
        (
            "/services/b/1",
            r#"{"id":"1","name":"b","version":"v1","metadata":{},"endpoints":["http://10.0.0.2:80"]}"#,
            "10.0.0.2:80",
        ),
        ("/services/c/1", r#"{"type":"roundrobin","nodes":{"10.0.0.3:80":1}}"#, "10.0.0.3:80"),
        ("/services/d/1", "10.0.0.4:80", "10.0.0.4:80"),
    ] {
        let file = TargetFile::new();
        etcd.put(key, value).await;
        let _daemon = Daemon::start(&etcd, &file, &[]);
        eventually(SOON, target, async || {
            let groups: Vec<Group> = if file.read().is_some() { file.groups() } else { Vec::new() };
            let found = groups.iter().any(|group| group.targets == [target]);
            ensure(found, || format!("{groups:?}"))
        })
        .await;
    }
}

async fn a_rule_reads_any_json(etcd: Etcd) {
    let file = TargetFile::new();
    etcd.put("/services/web/1", r#"{"net":{"ip":"10.0.0.1"},"p":80,"v":"1.2"}"#).await;
    let rule = ["--value-format", "json", "--address", "{/net/ip}:{/p}", "--label", "version={/v}"];
    let _daemon = Daemon::start(&etcd, &file, &rule);
    let line = r#"{"targets":["10.0.0.1:80"],"labels":{"job":"web","version":"1.2"}}"#;
    becomes(&file, &[line]).await;
}

async fn meta_labels_are_added_on_request(etcd: Etcd) {
    let file = TargetFile::new();
    let revision = etcd.put("/services/web/1", "10.0.0.1:80").await;
    let _daemon = Daemon::start(&etcd, &file, &["--meta-labels"]);
    let line = format!(
        r#"{{"targets":["10.0.0.1:80"],"labels":{{"job":"web","__meta_etcd_instance":"1","__meta_etcd_key":"/services/web/1","__meta_etcd_revision":"{revision}","__meta_etcd_service":"web"}}}}"#
    );
    becomes(&file, &[&line]).await;
    assert!(fs::metadata(file.path()).is_ok());
}

on_both!(
    labels_come_from_the_key,
    the_address_may_stand_in_the_key,
    values_of_every_layout_are_recognised,
    a_rule_reads_any_json,
    meta_labels_are_added_on_request,
);
