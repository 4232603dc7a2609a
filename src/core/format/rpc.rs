//! RPC frameworks whose instances are one flat object: gRPC naming, Kitex, dubbo-go.

use std::net::Ipv6Addr;

use serde_json::Value;

use super::error::FormatError;
use super::labels::Builder;
use super::object::Object;
use super::{Options, Reading, endpoint};
use crate::core::address::AddressError;

/// etcd's `naming/endpoints`:
///
/// ```json
/// {"Op":0,"Addr":"10.0.0.1:8080","Metadata":{"zone":"a"}}
/// ```
///
/// `Op` 1 takes the endpoint away. `Metadata` is any JSON; if it is an object, its texts,
/// numbers and booleans are labels.
pub(super) fn grpc_naming(object: Object<'_>, options: &Options) -> Result<Reading, FormatError> {
    match object.get("Op").map(Value::as_u64) {
        None | Some(Some(0)) => {}
        Some(Some(1)) => return Ok(Reading::none()),
        Some(_) => return Err(object.other("Op", "0 or 1")),
    }
    let address = object.address("Addr", options)?;
    Ok(Reading::one(address, Builder::new(options).all_of(object, "Metadata").build()))
}

/// Kitex and Hertz:
///
/// ```json
/// {"network":"tcp","address":"10.0.0.1:8888","weight":10,"tags":{"zone":"a"}}
/// ```
///
/// The tags are labels. The weight is for clients that share load: a weight of 0 is Kitex'
/// way to say that it has its usual one. It joins an IPv6 address and a port with nothing but a
/// colon: `fd00::5:8888`.
pub(super) fn kitex(object: Object<'_>, options: &Options) -> Result<Reading, FormatError> {
    if object.text("network")?.is_some_and(|network| network.starts_with("unix")) {
        return Err(FormatError::UnixSocket);
    }
    let address = match object.address("address", options) {
        Err(FormatError::Address { at, reason: AddressError::Unbracketed }) => {
            let text = object.required_text("address")?;
            let (host, port) = text.rsplit_once(':').unwrap_or((text, ""));
            let bare = host.parse::<Ipv6Addr>().map_err(|_| AddressError::Unbracketed);
            let joined = bare.and_then(|_| endpoint::host_port(host, Some(port), options));
            joined.map_err(|reason| FormatError::Address { at, reason })?
        }
        address => address?,
    };
    Ok(Reading::one(address, Builder::new(options).all_of(object, "tags").build()))
}

/// dubbo-go, where an instance is registered for its whole application:
///
/// ```json
/// {"ID":"10.0.0.1:20000","ServiceName":"shop","Host":"10.0.0.1","Port":20000,
///  "Enable":true,"Healthy":true,"Metadata":{"dubbo.tag":"gray"},"Address":"10.0.0.1:20000"}
/// ```
///
/// Not scraped if `Enable` or `Healthy` is false. `Host` and `Port` go before `Address`. The
/// metadata are labels.
pub(super) fn dubbo_go(object: Object<'_>, options: &Options) -> Result<Reading, FormatError> {
    if object.denies("Enable")? || object.denies("Healthy")? {
        return Ok(Reading::none());
    }
    let address = match object.text("Host")? {
        Some(_) => object.host_port("Host", "Port", options)?,
        None => object.address("Address", options)?,
    };
    Ok(Reading::one(address, Builder::new(options).all_of(object, "Metadata").build()))
}
