//! Hosts with their ports beside them: `SkyDNS` and `CoreDNS`, Scalingo.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::error::FormatError;
use super::object::{Object, scalar};
use super::{Options, Reading, endpoint};
use crate::core::address::AddressError;
use crate::core::value::Labels;

/// `SkyDNS` and `CoreDNS`, one row of DNS:
///
/// ```json
/// {"host":"10.0.0.1","port":8080,"priority":10,"weight":20,"text":"","ttl":60,"group":"g1"}
/// ```
///
/// A row without a port is an address, an alias, or one of a zone's own rows, and a target
/// only with the operator's port. Rows for mail and rows with a text alone name nothing that
/// could be scraped. No labels: all that a row has beside its host is about DNS.
pub(super) fn skydns(object: Object<'_>, options: &Options) -> Result<Reading, FormatError> {
    if object.get("mail") == Some(&Value::Bool(true)) {
        return Err(FormatError::DnsMail);
    }
    if object.text("host")?.is_none() && object.get("text").is_some() {
        return Err(FormatError::DnsText);
    }
    match object.host_port("host", "port", options) {
        Ok(address) => Ok(Reading::one(address, Labels::new())),
        Err(FormatError::Address { reason: AddressError::NoPort, .. }) => Err(FormatError::DnsPort),
        Err(reason) => Err(reason),
    }
}

/// Scalingo's etcd-discovery:
///
/// ```json
/// {"name":"web.example.com","service_name":"web","ports":{"http":"80","https":"443"},
///  "user":"…","password":"…","public":true,"private_hostname":"10.0.0.1",
///  "private_ports":{"http":"8080"},"critical":false,"uuid":"…-10.0.0.1"}
/// ```
///
/// The private host with its ports goes before the public one, as it does for Scalingo's own
/// clients. The operator's scheme names the port; one port alone needs no name. No labels:
/// beside the addresses there are secrets.
pub(super) fn scalingo(object: Object<'_>, options: &Options) -> Result<Reading, FormatError> {
    let host = match object.text("private_hostname")? {
        Some(_) => "private_hostname",
        None => "name",
    };
    let private = ports(object, "private_ports")?;
    let (name, ports) = if host == "name" || private.is_empty() {
        ("ports", ports(object, "ports")?)
    } else {
        ("private_ports", private)
    };
    let wanted = |(scheme, _): &(&String, &Value)| endpoint::is_wanted(scheme, options);
    let ports: BTreeSet<_> = ports.iter().filter(wanted).map(|(_, port)| scalar(port)).collect();
    if ports.is_empty() && options.scheme.is_some() {
        return Ok(Reading::none());
    }
    if ports.len() > 1 && options.port.is_none() {
        return Err(FormatError::SeveralPorts { at: object.place(name) });
    }
    let port = ports.into_iter().next().flatten();
    let address = endpoint::host_port(object.required_text(host)?, port.as_deref(), options)
        .map_err(|reason| FormatError::Address { at: object.place(host), reason })?;
    Ok(Reading::one(address, Labels::new()))
}

/// Ports by scheme.
fn ports<'v>(object: Object<'v>, name: &str) -> Result<Cow<'v, Map<String, Value>>, FormatError> {
    match object.get(name) {
        None => Ok(Cow::Owned(Map::new())),
        Some(Value::Object(ports)) => Ok(Cow::Borrowed(ports)),
        Some(_) => Err(object.other(name, "an object of ports")),
    }
}
