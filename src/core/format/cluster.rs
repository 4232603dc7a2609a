//! Databases that keep their own members in etcd: PD, `TiDB`, Milvus, Patroni.

use super::error::FormatError;
use super::labels::Builder;
use super::object::{self, Object};
use super::{Options, Reading};

/// The microservices of PD, which serve metrics where they serve everything:
///
/// ```json
/// {"name":"tso-0","service-addr":"http://10.0.0.1:3379","version":"v8.5.0",
///  "git-hash":"…","deploy-path":"/bin","start-timestamp":1700000000}
/// ```
///
/// The label is `version`.
pub(super) fn pd(object: Object<'_>, options: &Options) -> Result<Reading, FormatError> {
    let address = object.url("service-addr", options)?;
    let labels = Builder::new(options).field(object, "version").build();
    Ok(Reading::new(address.into_iter().collect(), labels))
}

/// `TiDB`, one server; metrics are at its status port:
///
/// ```json
/// {"version":"v8.5.0","git_hash":"…","ip":"10.0.0.1","status_port":10080,
///  "deploy_path":"/bin","start_timestamp":1700000000,"labels":{"zone":"a"}}
/// ```
///
/// `/topology/tidb/<ip:port>/info` and `/tidb/server/info/<id>` hold it. The first has no
/// lease: it outlives a server that crashed. Labels are `version` and the server's.
pub(super) fn tidb(object: Object<'_>, options: &Options) -> Result<Reading, FormatError> {
    let address = object.host_port("ip", "status_port", options)?;
    let labels = Builder::new(options).field(object, "version").all_of(object, "labels");
    Ok(Reading::one(address, labels.build()))
}

/// Milvus, one session:
///
/// ```json
/// {"ServerID":7,"ServerName":"querynode","Address":"10.0.0.1:21123","TriggerKill":true,
///  "Version":"2.5.4","LeaseID":7587,"HostName":"node-1","ServerLabels":{"zone":"a"}}
/// ```
///
/// The address is for RPC: metrics want the operator's port, 9091 as Milvus is set up.
/// Labels are `ServerName`, `Version` and those of `ServerLabels`. A number alone is the counter
/// of these ids, `session/id`, which stands beside the sessions and is none.
pub(super) fn milvus(text: &str, options: &Options) -> Result<Reading, FormatError> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(Reading::none());
    }
    let fields = object::parse(text)?;
    let object = Object::new(&fields);
    let address = object.address("Address", options)?;
    let labels = Builder::new(options)
        .field(object, "ServerName")
        .field(object, "Version")
        .all_of(object, "ServerLabels");
    Ok(Reading::one(address, labels.build()))
}

/// Patroni, one member, whose REST API has the metrics:
///
/// ```json
/// {"conn_url":"postgres://10.0.0.5:5432/postgres","api_url":"http://10.0.0.5:8008/patroni",
///  "state":"running","role":"replica","version":"4.0.4","xlog_location":67108960}
/// ```
///
/// A member in any state has metrics. The label is `role`; all else changes at every turn of
/// Patroni's loop, or is in its metrics.
pub(super) fn patroni(object: Object<'_>, options: &Options) -> Result<Reading, FormatError> {
    let address = object.url("api_url", options)?;
    let labels = Builder::new(options).field(object, "role").build();
    Ok(Reading::new(address.into_iter().collect(), labels))
}
