//! What real programs have written comes out as the targets that they are.
//!
//! Keys and values are as they were read from an etcd that the programs wrote to, of the
//! versions that are named, but for the addresses of the machine that they ran on.

use crate::support::backend::{Etcd, on_both};
use crate::support::daemon::Daemon;
use crate::support::file::TargetFile;
use crate::support::wait::SOON;

/// `go.etcd.io/etcd/clientv3/naming/endpoints` of etcd 3.4.23, `Manager.AddEndpoint`: without
/// metadata, with a map, with a text.
const GRPC_NAMING: &[(&str, &str)] = &[
    ("grpc/users/10.0.0.1:8080", r#"{"Op":0,"Addr":"10.0.0.1:8080","Metadata":null}"#),
    ("grpc/users/10.0.0.2:8080", r#"{"Op":0,"Addr":"10.0.0.2:8080","Metadata":{"zone":"a"}}"#),
    ("grpc/users/10.0.0.3:8080", r#"{"Op":0,"Addr":"[fd00::5]:8080","Metadata":"v1"}"#),
];

/// Patroni 4.1.5 with `PostgreSQL` 15, all that it keeps of a cluster of one member.
const PATRONI: &[(&str, &str)] = &[
    (
        "/service/pg-main/config",
        r#"{"ttl":30,"loop_wait":2,"retry_timeout":10,"postgresql":{"use_pg_rewind":false,"parameters":{"shared_buffers":"16MB","max_connections":20}}}"#,
    ),
    ("/service/pg-main/initialize", "7711088477075029821"),
    ("/service/pg-main/leader", "pg-1"),
    (
        "/service/pg-main/members/pg-1",
        r#"{"conn_url":"postgres://10.0.0.5:45432/postgres","api_url":"http://10.0.0.5:48008/patroni","state":"running","role":"primary","version":"4.1.5","xlog_location":22098552,"timeline":1}"#,
    ),
    (
        "/service/pg-main/status",
        r#"{"optime":22098552,"slots":{"pg_1":22098552},"retain_slots":["pg_1"]}"#,
    ),
];

/// Milvus 2.3.5, standalone, its sessions.
const MILVUS: &[(&str, &str)] = &[
    (
        "by-dev/meta/session/datacoord",
        r#"{"ServerID":1,"ServerName":"datacoord","Address":"10.0.0.2:13334","Exclusive":true,"TriggerKill":true,"Version":"2.3.5","IndexEngineVersion":{},"LeaseID":1353509829706061155,"HostName":"vm"}"#,
    ),
    (
        "by-dev/meta/session/datanode-1",
        r#"{"ServerID":1,"ServerName":"datanode","Address":"10.0.0.2:21126","TriggerKill":true,"Version":"2.3.5","IndexEngineVersion":{},"LeaseID":1353509829706061196,"HostName":"vm"}"#,
    ),
    ("by-dev/meta/session/id", "2"),
    (
        "by-dev/meta/session/indexnode-1",
        r#"{"ServerID":1,"ServerName":"indexnode","Address":"10.0.0.2:21122","TriggerKill":true,"Version":"2.3.5","IndexEngineVersion":{},"LeaseID":1353509829706061104,"HostName":"vm","EnableDisk":true}"#,
    ),
    (
        "by-dev/meta/session/querynode-1",
        r#"{"ServerID":1,"ServerName":"querynode","Address":"10.0.0.2:21125","TriggerKill":true,"Version":"2.3.5","IndexEngineVersion":{"CurrentIndexVersion":1},"LeaseID":1353509829706061118,"HostName":"vm"}"#,
    ),
];

/// Puts what they have written, and compares the lines of the document. Nothing of it is bad.
async fn check(etcd: &Etcd, entries: &[(&str, &str)], args: &[&str], lines: &[&str]) {
    etcd.put_all(entries).await;
    let file = TargetFile::new();
    let daemon = Daemon::start(etcd, &file, args);
    file.becomes(&format!("[\n{}\n]\n", lines.join(",\n")), SOON).await;
    assert_eq!(daemon.wait_for_log("listed").await.number("quarantined"), 0);
}

async fn endpoints_of_grpc_naming_come_out_as_targets(etcd: Etcd) {
    let pattern = ["--key-pattern", "grpc/{service}/{instance}"];
    let lines = [
        r#"{"targets":["10.0.0.1:8080","[fd00::5]:8080"],"labels":{"job":"users"}}"#,
        r#"{"targets":["10.0.0.2:8080"],"labels":{"job":"users","zone":"a"}}"#,
    ];
    check(&etcd, GRPC_NAMING, &pattern, &lines).await;
    let named = [&pattern[..], &["--value-format", "grpc-naming"]].concat();
    check(&etcd, GRPC_NAMING, &named, &lines).await;
}

async fn the_member_of_patroni_comes_out_at_its_rest_api(etcd: Etcd) {
    let pattern = ["--key-pattern", "/service/{service}/members/{instance}"];
    let lines = [r#"{"targets":["10.0.0.5:48008"],"labels":{"job":"pg-main","role":"primary"}}"#];
    check(&etcd, PATRONI, &pattern, &lines).await;
    let named = [&pattern[..], &["--value-format", "patroni"]].concat();
    check(&etcd, PATRONI, &named, &lines).await;
}

async fn the_sessions_of_milvus_come_out_at_the_port_of_their_metrics(etcd: Etcd) {
    let args = ["--key-pattern", "by-dev/meta/{service=session}/{instance}"];
    let args = [&args[..], &["--value-format", "milvus", "--port", "9091"]].concat();
    let line = |name: &str| {
        format!(
            r#"{{"targets":["10.0.0.2:9091"],"labels":{{"job":"session","ServerName":"{name}","Version":"2.3.5"}}}}"#
        )
    };
    let lines = ["datacoord", "datanode", "indexnode", "querynode"].map(line);
    check(&etcd, MILVUS, &args, &lines.each_ref().map(String::as_str)).await;
}

on_both!(
    endpoints_of_grpc_naming_come_out_as_targets,
    the_member_of_patroni_comes_out_at_its_rest_api,
    the_sessions_of_milvus_come_out_at_the_port_of_their_metrics,
);
