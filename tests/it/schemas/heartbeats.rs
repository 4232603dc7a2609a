//! Meaning, not bytes: who writes his entry anew, with nothing new for Prometheus in it,
//! causes no publish.

use etcd_sd::core::format::Format;

use crate::support::backend::{Etcd, on_both};
use crate::support::daemon::Daemon;
use crate::support::file::TargetFile;
use crate::support::wait::{SOON, ensure, eventually};

/// How one program writes its entry, again and again.
struct Program {
    name: &'static str,
    /// If it is not that of the preset called so.
    pattern: Option<&'static str>,
    key: &'static str,
    beats: &'static [&'static str],
    /// Another instance, which is something new.
    other: &'static str,
}

const PROGRAMS: &[Program] = &[
    // rpcx writes how busy it is, at every interval.
    Program {
        name: "rpcx",
        pattern: Some("/rpcx/{service}/{proto}@{address}"),
        key: "/rpcx/Arith/tcp@10.0.0.1:8972",
        beats: &["group=a", "calls=0.12&connections=1&group=a", "calls=9.00&group=a", ""],
        other: "/rpcx/Arith/tcp@10.0.0.2:8972",
    },
    // Patroni writes how far its log is, at every turn of its loop.
    Program {
        name: "patroni",
        pattern: None,
        key: "/service/pg-main/members/pg-1",
        beats: &[
            r#"{"conn_url":"postgres://10.0.0.1:5432/postgres","api_url":"http://10.0.0.1:8008/patroni","state":"starting","role":"replica","version":"4.1.5"}"#,
            r#"{"conn_url":"postgres://10.0.0.1:5432/postgres","api_url":"http://10.0.0.1:8008/patroni","state":"running","role":"replica","version":"4.1.5","xlog_location":22098552,"timeline":1}"#,
            r#"{"conn_url":"postgres://10.0.0.1:5432/postgres","api_url":"http://10.0.0.1:8008/patroni","state":"running","role":"replica","version":"4.1.5","xlog_location":22098999,"replication_state":"streaming","timeline":2}"#,
        ],
        other: "/service/pg-main/members/pg-2",
    },
    // Milvus writes under a new lease when it has lost the old one.
    Program {
        name: "milvus",
        pattern: None,
        key: "by-dev/meta/session/querynode-1",
        beats: &[
            r#"{"ServerID":1,"ServerName":"querynode","Address":"10.0.0.1:21125","TriggerKill":true,"Version":"2.3.5","LeaseID":1353509829706061118,"HostName":"vm"}"#,
            r#"{"ServerID":1,"ServerName":"querynode","Address":"10.0.0.1:21125","TriggerKill":true,"Version":"2.3.5","LeaseID":1353509829706061999,"HostName":"vm","EnableDisk":true}"#,
        ],
        other: "by-dev/meta/session/querynode-2",
    },
    // go-micro registers at every interval, and Go's maps have no order.
    Program {
        name: "go-micro",
        pattern: None,
        key: "/micro/registry/shop/shop-1",
        beats: &[
            r#"{"name":"shop","version":"latest","metadata":null,"endpoints":[],"nodes":[{"id":"shop-1","address":"10.0.0.1:8080","metadata":{"protocol":"grpc","server":"grpc"}}]}"#,
            r#"{"name":"shop","version":"latest","metadata":null,"endpoints":[{"name":"Shop.Buy"}],"nodes":[{"id":"shop-1","address":"10.0.0.1:8080","metadata":{"server":"grpc","protocol":"grpc"}}]}"#,
        ],
        other: "/micro/registry/shop/shop-2",
    },
    // TiDB and PD when they start again; Kratos, Kitex and gRPC naming under a new lease.
    Program {
        name: "tidb",
        pattern: None,
        key: "/topology/tidb/10.0.0.1:4000/info",
        beats: &[
            r#"{"version":"v8.5.0","git_hash":"d13e52ed","ip":"10.0.0.1","status_port":10080,"start_timestamp":1700000000,"labels":{}}"#,
            r#"{"version":"v8.5.0","git_hash":"d13e52ed","ip":"10.0.0.1","status_port":10080,"start_timestamp":1700009999,"labels":null}"#,
        ],
        other: "/topology/tidb/10.0.0.2:4000/info",
    },
    Program {
        name: "pd",
        pattern: None,
        key: "/ms/7280432105437204/tso/registry/http://10.0.0.1:3379",
        beats: &[
            r#"{"name":"tso-0","service-addr":"http://10.0.0.1:3379","version":"v8.5.0","start-timestamp":1700000000}"#,
            r#"{"service-addr":"http://10.0.0.1:3379","version":"v8.5.0","name":"tso-0","start-timestamp":1700009999}"#,
        ],
        other: "/ms/7280432105437204/tso/registry/http://10.0.0.2:3379",
    },
    Program {
        name: "kratos",
        pattern: None,
        key: "/microservices/shop/5f1a2c",
        beats: &[
            r#"{"id":"5f1a2c","name":"shop","version":"v1","metadata":{"a":"1","b":"2"},"endpoints":["http://10.0.0.1:8000?isSecure=false","grpc://10.0.0.1:9000"]}"#,
            r#"{"id":"5f1a2c","name":"shop","version":"v1","metadata":{"b":"2","a":"1"},"endpoints":["grpc://10.0.0.1:9000","http://10.0.0.1:8000"]}"#,
        ],
        other: "/microservices/shop/7b2c4e",
    },
    Program {
        name: "kitex",
        pattern: None,
        key: "kitex/registry-etcd/shop/10.0.0.1:8888",
        beats: &[
            r#"{"network":"tcp","address":"10.0.0.1:8888","weight":10,"tags":null}"#,
            r#"{"network":"tcp","address":"10.0.0.1:8888","weight":20,"tags":{}}"#,
        ],
        other: "kitex/registry-etcd/shop/10.0.0.2:8888",
    },
    Program {
        name: "grpc-naming",
        pattern: None,
        key: "/grpc/users/10.0.0.1:8080",
        beats: &[
            r#"{"Op":0,"Addr":"10.0.0.1:8080","Metadata":null}"#,
            r#"{"Op":0,"Addr":"10.0.0.1:8080","Metadata":{}}"#,
        ],
        other: "/grpc/users/10.0.0.2:8080",
    },
    Program {
        name: "dubbo-go",
        pattern: None,
        key: "/services/shop/10.0.0.1:20000",
        beats: &[
            r#"{"ID":"1","ServiceName":"shop","Host":"10.0.0.1","Port":20000,"Enable":true,"Healthy":true,"Weight":1,"Metadata":{}}"#,
            r#"{"ID":"1","ServiceName":"shop","Host":"10.0.0.1","Port":20000,"Enable":true,"Healthy":true,"Weight":2,"Metadata":{}}"#,
        ],
        other: "/services/shop/10.0.0.2:20000",
    },
];

async fn a_heartbeat_that_says_nothing_new_causes_no_publish(etcd: Etcd) {
    for program in PROGRAMS {
        let pattern = program.pattern.unwrap_or_else(|| {
            let known = Format::all().iter().find(|known| known.name == program.name);
            known.unwrap().key_pattern
        });
        let mut args = vec!["--key-pattern", pattern, "--debounce", "0"];
        if program.pattern.is_none() {
            args.extend(["--value-format", program.name]);
        }
        etcd.put(program.key, program.beats[0]).await;
        let file = TargetFile::new();
        let daemon = Daemon::start(&etcd, &file, &args);
        daemon.wait_for_log("watching").await;
        daemon.wait_for_log("published").await;
        let stamp = file.stamp();
        let first = file.read().unwrap();
        assert!(first.contains("10.0.0.1:"), "{}: {first}", program.name);

        for beat in program.beats.iter().cycle().skip(1).take(6) {
            etcd.put(program.key, *beat).await;
        }
        assert_eq!(file.stamp(), stamp, "{}", program.name);
        // What is new comes after them all, so they are seen when it is.
        etcd.put(program.other, program.beats[0].replace("10.0.0.1", "10.0.0.2")).await;
        eventually(SOON, &format!("the new one of {}", program.name), async || {
            let text = file.read().unwrap();
            ensure(text.contains("10.0.0.2:"), || text.clone())
        })
        .await;
        let published = daemon.wait_for_logs("published", 2).await;
        assert_eq!(published.len(), 2, "{}: {published:?}", program.name);
    }
}

on_both!(a_heartbeat_that_says_nothing_new_causes_no_publish);
