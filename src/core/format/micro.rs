//! Go's service frameworks with several endpoints or nodes in one value: Kratos, go-micro.

use serde_json::Value;

use super::error::{FormatError, Place};
use super::labels::Builder;
use super::object::Object;
use super::{Options, Reading, endpoint, field};
use crate::core::address::AddressError;
use crate::core::value::Labels;

/// Kratos:
///
/// ```json
/// {"id":"web-1","name":"shop","version":"v1.2","metadata":{"zone":"a"},
///  "endpoints":["http://10.0.0.1:8000?isSecure=false","grpc://10.0.0.1:9000"]}
/// ```
///
/// Each endpoint is an address; the operator's scheme takes those of one scheme. Labels are
/// `version` and the metadata.
pub(super) fn kratos(object: Object<'_>, options: &Options) -> Result<Reading, FormatError> {
    let mut addresses = Vec::new();
    for (index, endpoint) in object.list("endpoints", "a list of URLs")?.iter().enumerate() {
        let at = || Place::Field(format!("endpoints[{index}]").into());
        let Value::String(text) = endpoint else {
            return Err(FormatError::Kind { at: at(), wanted: "a URL" });
        };
        addresses.extend(field::url(text, at, options)?);
    }
    let labels = Builder::new(options).field(object, "version").all_of(object, "metadata");
    Ok(Reading::new(addresses, labels.build()))
}

/// go-micro:
///
/// ```json
/// {"name":"shop","version":"latest","metadata":null,"endpoints":[],
///  "nodes":[{"id":"shop-1","address":"10.0.0.1:8080","metadata":{"zone":"a"}}]}
/// ```
///
/// Each node is an address; before version 2 its port stood beside it, in `port`. Labels are
/// `version`, the nodes' metadata and the service's; with several nodes, those that are the
/// same on all.
pub(super) fn go_micro(object: Object<'_>, options: &Options) -> Result<Reading, FormatError> {
    let mut addresses = Vec::new();
    let mut labels: Option<Labels> = None;
    for node in object.objects("nodes")? {
        addresses.push(node_address(node, options)?);
        let own = Builder::new(options)
            .field(object, "version")
            .all_of(node, "metadata")
            .all_of(object, "metadata")
            .build();
        match &mut labels {
            None => labels = Some(own),
            Some(shared) => shared.retain(|name, text| own.get(name) == Some(text)),
        }
    }
    Ok(Reading::new(addresses, labels.unwrap_or_default()))
}

fn node_address(node: Object<'_>, options: &Options) -> Result<Box<str>, FormatError> {
    let text = node.required_text("address")?;
    let address = match (endpoint::address(text, options), node.port("port")?) {
        (Err(AddressError::NoPort | AddressError::Unbracketed), Some(port)) => {
            endpoint::host_port(text, Some(&port), options)
        }
        (address, _) => address,
    };
    address.map_err(|reason| FormatError::Address { at: node.place("address"), reason })
}
