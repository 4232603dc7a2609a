//! Gateways, which know the instances behind them: Traefik, APISIX.

use serde_json::Value;

use super::error::{FormatError, Place};
use super::labels::Builder;
use super::object::Object;
use super::{Options, Reading, endpoint, field};
use crate::core::value::Labels;

/// Traefik: the URL of one server, as in `http://10.0.0.1:8080`. Without a port it means the
/// scheme's. Where metrics are is not said: the path is the scrape configuration's.
pub(super) fn traefik(text: &str, options: &Options) -> Result<Reading, FormatError> {
    let address = field::url(text, || Place::Value, options)?;
    Ok(Reading::new(address.into_iter().collect(), Labels::new()))
}

/// APISIX, one upstream:
///
/// ```json
/// {"id":"1","type":"roundrobin","scheme":"http","nodes":{"10.0.0.1:80":1,"10.0.0.2:80":0},
///  "labels":{"team":"shop"}}
/// {"id":"2","type":"roundrobin","nodes":[{"host":"10.0.0.1","port":80,"weight":1}]}
/// ```
///
/// A node of weight 0 gets no requests and is not scraped. A node without a port has that of
/// the upstream's scheme, which is `http` unless it is said; `tcp` and the like have none. The
/// upstream's labels are labels. An upstream that finds its nodes elsewhere (`discovery_type`) has none here.
pub(super) fn apisix(object: Object<'_>, options: &Options) -> Result<Reading, FormatError> {
    let scheme = object.text("scheme")?.unwrap_or("http");
    if !endpoint::is_wanted(scheme, options) {
        return Ok(Reading::none());
    }
    let usual = match scheme {
        "http" | "grpc" => Some(80),
        "https" | "grpcs" => Some(443),
        _ => None,
    };
    let addresses = match object.get("nodes") {
        Some(Value::Object(nodes)) => {
            let weighed = nodes.iter().filter(|(_, weight)| !is_zero(weight));
            let address = |text: &String| {
                endpoint::address_or(text, usual, options)
                    .map_err(|reason| FormatError::Address { at: object.place("nodes"), reason })
            };
            weighed.map(|(text, _)| address(text)).collect::<Result<_, _>>()?
        }
        _ => object
            .objects("nodes")?
            .into_iter()
            .filter(|node| !node.get("weight").is_some_and(is_zero))
            .map(|node| node_address(node, usual, options))
            .collect::<Result<_, _>>()?,
    };
    Ok(Reading::new(addresses, Builder::new(options).all_of(object, "labels").build()))
}

fn is_zero(weight: &Value) -> bool {
    weight.as_f64() == Some(0.0)
}

fn node_address(
    node: Object<'_>,
    usual: Option<u16>,
    options: &Options,
) -> Result<Box<str>, FormatError> {
    let port = node.port("port")?.or_else(|| usual.map(|port| port.to_string().into()));
    endpoint::host_port(node.required_text("host")?, port.as_deref(), options)
        .map_err(|reason| FormatError::Address { at: node.place("host"), reason })
}
