//! The two shapes that are etcd-sd's own.
//!
//! - `address`: `host:port` and nothing else. registrator and go-zero write the same.
//! - `targets`: `{"address": "host:port"}` or `{"targets": ["host:port", …]}`, and
//!   `"labels": {"name": "text"}` if wanted. Other fields are their owner's business and
//!   ignored. Label names stay as they are written: they were written for Prometheus.

use serde::Deserialize;
use serde_json::error::Category;

use super::error::{FormatError, Place};
use super::{Options, Reading, endpoint, object};
use crate::core::value::Labels;

/// Reads `host:port`.
pub(super) fn address(text: &str, options: &Options) -> Result<Reading, FormatError> {
    if text.starts_with('{') || is_other_json(text) {
        return Err(FormatError::JsonForAddress);
    }
    let address = endpoint::address(text, options)
        .map_err(|reason| FormatError::Address { at: Place::Value, reason })?;
    Ok(Reading::one(address, Labels::new()))
}

/// An array or a text; `[::1]:9100` is neither.
pub(super) fn is_other_json(text: &str) -> bool {
    let array = text.strip_prefix('[').map(str::trim_start);
    text.starts_with('"') || array.is_some_and(|rest| rest.starts_with(['{', '"', ']']))
}

#[derive(Deserialize)]
struct Registration {
    address: Option<String>,
    targets: Option<Vec<String>>,
    labels: Option<Labels>,
}

/// Reads one object with addresses and labels.
pub(super) fn targets(text: &str, options: &Options) -> Result<Reading, FormatError> {
    if is_other_json(text) {
        return Err(FormatError::NotAnObject);
    }
    let registration: Registration = serde_json::from_str(text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        match error.classify() {
            Category::Data => FormatError::Targets { line, column },
            _ => object::not_json(&error),
        }
    })?;
    let addresses = match (&registration.address, &registration.targets) {
        (Some(_), Some(_)) => return Err(FormatError::AddressAndTargets),
        (None, None) => return Err(FormatError::NoTargets),
        (None, Some(texts)) if texts.is_empty() => return Err(FormatError::EmptyTargets),
        (Some(text), None) => vec![field(text, || "address".into(), options)?],
        (None, Some(texts)) => texts
            .iter()
            .enumerate()
            .map(|(index, text)| field(text, || format!("targets[{index}]"), options))
            .collect::<Result<_, _>>()?,
    };
    Ok(Reading::new(addresses, registration.labels.unwrap_or_default()))
}

fn field(
    text: &str,
    name: impl Fn() -> String,
    options: &Options,
) -> Result<Box<str>, FormatError> {
    endpoint::address(text, options)
        .map_err(|reason| FormatError::Address { at: Place::Field(name().into()), reason })
}
