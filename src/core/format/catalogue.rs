//! The catalogue of formats: what each is for, with an example of a key and a value.

use super::Format;
use super::rule::JsonRule;

/// What to show of a format.
#[derive(Clone, Copy, Debug)]
pub struct Description {
    /// What [`Format::parse`] takes.
    pub name: &'static str,
    /// Further names for it.
    pub aliases: &'static [&'static str],
    /// One line.
    pub about: &'static str,
    /// Where its keys are, as `--key-pattern` has it.
    pub key_pattern: &'static str,
    /// A key that the pattern matches.
    pub key: &'static str,
    /// A value of that key; of [`Format::Json`] one for the rule `{/host}:{/port}`.
    pub value: &'static str,
    format: fn() -> Format,
}

impl Description {
    /// The format itself.
    #[must_use]
    pub fn format(&self) -> Format {
        (self.format)()
    }
}

const SERVICES: &str = "/services/{service}/{instance}";

pub(super) const ALL: &[Description] = &[
    Description {
        name: "auto",
        aliases: &[],
        about: "recognised by its shape: host:port, targets, and the presets in JSON",
        key_pattern: SERVICES,
        key: "/services/web/1",
        value: "10.0.0.1:8080",
        format: || Format::Auto,
    },
    Description {
        name: "address",
        aliases: &[],
        about: "host:port and nothing else",
        key_pattern: SERVICES,
        key: "/services/web/1",
        value: "10.0.0.1:8080",
        format: || Format::Address,
    },
    Description {
        name: "targets",
        aliases: &[],
        about: "JSON with \"address\" or \"targets\", and \"labels\" if wanted",
        key_pattern: SERVICES,
        key: "/services/web/1",
        value: r#"{"targets":["10.0.0.1:8080"],"labels":{"env":"prod"}}"#,
        format: || Format::Targets,
    },
    Description {
        name: "grpc-naming",
        aliases: &[],
        about: "gRPC naming of etcd's Go client (naming/endpoints)",
        key_pattern: "/grpc/{service}/{instance}",
        key: "/grpc/users/10.0.0.1:8080",
        value: r#"{"Op":0,"Addr":"10.0.0.1:8080","Metadata":null}"#,
        format: || Format::GrpcNaming,
    },
    Description {
        name: "skydns",
        aliases: &["coredns"],
        about: "SkyDNS, and CoreDNS with its etcd plugin; rows without a port need --port",
        key_pattern: "/skydns/local/cluster/{service}/{instance}",
        key: "/skydns/local/cluster/web/x1",
        value: r#"{"host":"10.0.0.1","port":8080,"ttl":60}"#,
        format: || Format::Skydns,
    },
    Description {
        name: "registrator",
        aliases: &[],
        about: "registrator: host:port of a container",
        key_pattern: SERVICES,
        key: "/services/web/node-1:web_1:80",
        value: "10.0.0.1:32785",
        format: || Format::Registrator,
    },
    Description {
        name: "go-zero",
        aliases: &[],
        about: "go-zero: host:port under the key of the service and a lease",
        key_pattern: "{service=user.rpc}/{instance}",
        key: "user.rpc/7587869134316473351",
        value: "10.0.0.1:8080",
        format: || Format::GoZero,
    },
    Description {
        name: "kratos",
        aliases: &[],
        about: "Kratos; --scheme-filter takes the endpoints of one scheme",
        key_pattern: "/microservices/{service}/{instance}",
        key: "/microservices/shop/5f1a2c",
        value: r#"{"id":"5f1a2c","name":"shop","version":"v1.2","metadata":{},"endpoints":["http://10.0.0.1:8000"]}"#,
        format: || Format::Kratos,
    },
    Description {
        name: "go-micro",
        aliases: &[],
        about: "go-micro: a service with its nodes",
        key_pattern: "/micro/registry/{service}/{instance}",
        key: "/micro/registry/shop/shop-1",
        value: r#"{"name":"shop","version":"latest","metadata":null,"endpoints":[],"nodes":[{"id":"shop-1","address":"10.0.0.1:8080","metadata":{}}]}"#,
        format: || Format::GoMicro,
    },
    Description {
        name: "kitex",
        aliases: &["hertz"],
        about: "Kitex and Hertz (hertz/registry-etcd/…); with tags, auto takes it for targets as well",
        key_pattern: "kitex/registry-etcd/{service}/{instance}",
        key: "kitex/registry-etcd/shop/10.0.0.1:8888",
        value: r#"{"network":"tcp","address":"10.0.0.1:8888","weight":10,"tags":null}"#,
        format: || Format::Kitex,
    },
    Description {
        name: "dubbo-go",
        aliases: &[],
        about: "dubbo-go by application; disabled and unhealthy instances are not scraped",
        key_pattern: SERVICES,
        key: "/services/shop/10.0.0.1:20000",
        value: r#"{"ID":"10.0.0.1:20000","ServiceName":"shop","Host":"10.0.0.1","Port":20000,"Enable":true,"Healthy":true,"Metadata":{}}"#,
        format: || Format::DubboGo,
    },
    Description {
        name: "scalingo",
        aliases: &[],
        about: "Scalingo's etcd-discovery; --scheme-filter names the port if there are several",
        key_pattern: SERVICES,
        key: "/services/web/8d1f-10.0.0.1",
        value: r#"{"name":"web.example.com","service_name":"web","ports":{"http":"80"},"private_hostname":"10.0.0.1","private_ports":{"http":"8080"}}"#,
        format: || Format::Scalingo,
    },
    Description {
        name: "traefik",
        aliases: &[],
        about: "Traefik: the URL of a server; its path is left out",
        key_pattern: "traefik/http/services/{service}/loadbalancer/servers/{instance}/url",
        key: "traefik/http/services/web/loadbalancer/servers/0/url",
        value: "http://10.0.0.1:8080",
        format: || Format::Traefik,
    },
    Description {
        name: "apisix",
        aliases: &[],
        about: "APISIX: an upstream with its nodes; those of weight 0 are not scraped",
        key_pattern: "/apisix/{service=upstreams}/{instance}",
        key: "/apisix/upstreams/1",
        value: r#"{"id":"1","type":"roundrobin","nodes":{"10.0.0.1:80":1}}"#,
        format: || Format::Apisix,
    },
    Description {
        name: "pd",
        aliases: &[],
        about: "the microservices of PD; the key ends in a URL, so with slashes",
        key_pattern: "/ms/{cluster}/{service}/registry/{instance...}",
        key: "/ms/7280432105437204/tso/registry/http://10.0.0.1:3379",
        value: r#"{"name":"tso-0","service-addr":"http://10.0.0.1:3379","version":"v8.5.0"}"#,
        format: || Format::Pd,
    },
    Description {
        name: "tidb",
        aliases: &[],
        about: "TiDB at its status port; its entry outlives a server that crashed",
        key_pattern: "/topology/{service=tidb}/{instance}/info",
        key: "/topology/tidb/10.0.0.1:4000/info",
        value: r#"{"version":"v8.5.0","git_hash":"d13e52ed","ip":"10.0.0.1","status_port":10080,"labels":{}}"#,
        format: || Format::Tidb,
    },
    Description {
        name: "milvus",
        aliases: &[],
        about: "Milvus; the address is for RPC, so give --port 9091 for metrics",
        key_pattern: "by-dev/meta/{service=session}/{instance}",
        key: "by-dev/meta/session/querynode-7",
        value: r#"{"ServerID":7,"ServerName":"querynode","Address":"10.0.0.1:21123","Version":"2.5.4"}"#,
        format: || Format::Milvus,
    },
    Description {
        name: "patroni",
        aliases: &[],
        about: "Patroni: the REST API of a member, with its role as label",
        key_pattern: "/service/{service}/members/{instance}",
        key: "/service/pg-main/members/pg-1",
        value: r#"{"conn_url":"postgres://10.0.0.5:5432/postgres","api_url":"http://10.0.0.5:8008/patroni","state":"running","role":"replica"}"#,
        format: || Format::Patroni,
    },
    Description {
        name: "json",
        aliases: &[],
        about: "JSON of any layout: --address '{/host}:{/port}' says where its address is",
        key_pattern: SERVICES,
        key: "/services/web/1",
        value: r#"{"host":"10.0.0.1","port":8080,"build":{"version":"v1.2"}}"#,
        format: || Format::Json(JsonRule::default()),
    },
];
