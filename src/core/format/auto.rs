//! `auto`: a value's format, recognised by its shape.
//!
//! What is no JSON is an [`address`](super::native). A JSON object is told by the names of
//! its fields: a format fits if the object has all the fields by which it is known and none
//! that it never has.
//!
//! | format | fields by which it is known |
//! |---|---|
//! | `targets` | `address` or `targets` |
//! | `kitex` | `network`, `address`, `weight` and `tags` |
//! | `grpc-naming` | `Op` and `Addr` |
//! | `dubbo-go` | `ServiceName`, `Host`, `Port`, `Enable` and `Healthy` |
//! | `milvus` | `ServerID`, `ServerName` and `Address` |
//! | `kratos` | `id`, `name`, `version` and `endpoints`, without `nodes` |
//! | `go-micro` | `name`, `version` and `nodes` |
//! | `apisix` | `type` and `nodes`, without `version` |
//! | `scalingo` | `name`, `ports` and `private_hostname` |
//! | `skydns` | `host`, and none that DNS has not |
//! | `pd` | `service-addr` |
//! | `tidb` | `ip` and `status_port` |
//! | `patroni` | `conn_url` and `api_url` |
//!
//! An object with `address` or `targets` is etcd-sd's own, whatever else it has: of the
//! others only Kitex writes such a field. Several formats may fit an object. It is read if
//! all of them read the same from it, and refused otherwise: nothing is guessed. A bare URL,
//! a DNS row without a host and JSON by a rule are never recognised.

use std::fmt;
use std::sync::LazyLock;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use super::error::FormatError;
use super::{Format, Options, Reading, native, object};

struct Shape {
    format: Format,
    has: &'static [&'static str],
    lacks: &'static [&'static str],
}

/// What rows of DNS have. A host alone is nothing to know them by: many registries have one, and
/// beside it what should keep them from being scraped, such as `enabled`.
const DNS: &[&str] = &[
    "host",
    "port",
    "priority",
    "weight",
    "text",
    "mail",
    "ttl",
    "targetstrip",
    "group",
    "key",
    "ownedby",
];

/// What etcd-sd's own objects have.
const OWN: &[&str] = &["address", "targets"];

const SHAPES: &[Shape] = &[
    Shape { format: Format::Targets, has: &["address"], lacks: &[] },
    Shape { format: Format::Targets, has: &["targets"], lacks: &["address"] },
    Shape {
        format: Format::Kitex,
        has: &["network", "address", "weight", "tags"],
        lacks: &["targets", "labels"],
    },
    Shape { format: Format::GrpcNaming, has: &["Op", "Addr"], lacks: OWN },
    Shape {
        format: Format::DubboGo,
        has: &["ServiceName", "Host", "Port", "Enable", "Healthy"],
        lacks: OWN,
    },
    Shape { format: Format::Milvus, has: &["ServerID", "ServerName", "Address"], lacks: OWN },
    Shape {
        format: Format::Kratos,
        has: &["id", "name", "version", "endpoints"],
        lacks: &["address", "targets", "nodes"],
    },
    Shape { format: Format::GoMicro, has: &["name", "version", "nodes"], lacks: OWN },
    Shape {
        format: Format::Apisix,
        has: &["type", "nodes"],
        lacks: &["address", "targets", "version"],
    },
    Shape { format: Format::Scalingo, has: &["name", "ports", "private_hostname"], lacks: OWN },
    Shape { format: Format::Skydns, has: &["host"], lacks: &[] },
    Shape { format: Format::Pd, has: &["service-addr"], lacks: OWN },
    Shape { format: Format::Tidb, has: &["ip", "status_port"], lacks: OWN },
    Shape { format: Format::Patroni, has: &["conn_url", "api_url"], lacks: OWN },
];

/// Reads a value of any shape that is recognised.
pub(super) fn read(text: &str, options: &Options) -> Result<Reading, FormatError> {
    let fitting = fitting(text)?;
    let (first, others) = fitting.split_first().ok_or(FormatError::Unrecognised)?;
    let reading = first.read_text(text, options);
    let agrees = |other: &Format| reading.is_ok() && other.read_text(text, options) == reading;
    if !others.iter().all(agrees) {
        let fitting = fitting.iter().map(Format::name).collect();
        return Err(FormatError::Ambiguous { fitting });
    }
    reading
}

/// The formats whose shape the value has; none if it is an object of no shape.
pub(super) fn fitting(text: &str) -> Result<Vec<Format>, FormatError> {
    if !text.starts_with('{') {
        if native::is_other_json(text) {
            return Err(FormatError::NotAnObject);
        }
        if text.contains("://") {
            return Err(FormatError::BareUrl);
        }
        return Ok(vec![Format::Address]);
    }
    let Names(names) = serde_json::from_str(text).map_err(|error| object::not_json(&error))?;
    let fits = |mask: &&Mask| names & mask.has == mask.has && names & mask.lacks == 0;
    Ok(MASKS.iter().filter(fits).map(|mask| mask.format.clone()).collect())
}

/// A shape with a bit for each of its fields, so that looking at a million values stays
/// cheap.
struct Mask {
    format: Format,
    has: u64,
    lacks: u64,
}

static FIELDS: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let mut fields: Vec<_> = SHAPES
        .iter()
        .flat_map(|shape| shape.has.iter().chain(shape.lacks))
        .chain(DNS)
        .copied()
        .collect();
    fields.sort_unstable();
    fields.dedup();
    fields
});

static MASKS: LazyLock<Vec<Mask>> = LazyLock::new(|| {
    let bits = |names: &[&str]| names.iter().fold(0, |bits, name| bits | bit(name));
    let mask = |shape: &Shape| Mask {
        format: shape.format.clone(),
        has: bits(shape.has),
        lacks: if shape.format == Format::Skydns { !bits(DNS) } else { bits(shape.lacks) },
    };
    SHAPES.iter().map(mask).collect()
});

/// The bit of all fields that no shape knows.
const UNKNOWN: u64 = 1 << 63;

/// The bit of a field.
fn bit(name: &str) -> u64 {
    FIELDS.binary_search(&name).map_or(UNKNOWN, |index| 1_u64 << index)
}

/// The names of an object's fields, without what stands in them.
struct Names(u64);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(NamesVisitor)
    }
}

struct NamesVisitor;

impl<'de> Visitor<'de> for NamesVisitor {
    type Value = Names;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Names, A::Error> {
        let mut names = 0;
        while let Some((Name(bit), IgnoredAny)) = map.next_entry()? {
            names |= bit;
        }
        Ok(Names(names))
    }
}

/// The bit of one field.
struct Name(u64);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_identifier(NameVisitor)
    }
}

struct NameVisitor;

impl Visitor<'_> for NameVisitor {
    type Value = Name;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Name, E> {
        Ok(Name(bit(name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_of_a_shape_has_a_bit_of_its_own() {
        assert!(FIELDS.len() < 64);
        let bits: u64 = FIELDS.iter().map(|name| bit(name)).sum();
        assert_eq!(bits.count_ones() as usize, FIELDS.len());
        assert_eq!(bit("something else"), UNKNOWN);
    }

    #[test]
    fn a_host_beside_what_dns_has_not_is_no_row_of_dns() {
        let names = |text: &str| -> Vec<_> {
            fitting(text).expect("an object").iter().map(Format::name).collect()
        };
        assert_eq!(names(r#"{"host":"a","port":1}"#), ["skydns"]);
        assert_eq!(
            names(r#"{"host":"a","port":1,"ttl":60,"targetstrip":1,"text":"x"}"#),
            ["skydns"]
        );
        for other in ["enabled", "healthy", "name", "Enable", "address_family"] {
            let value = format!(r#"{{"host":"a","port":1,"{other}":false}}"#);
            assert_eq!(names(&value), [""; 0], "{other}");
        }
        assert_eq!(names(r#"{"host":"a","ip":"b","status_port":1}"#), ["tidb"]);
    }

    #[test]
    fn no_shape_takes_in_all_that_another_takes() {
        for (shape, other) in SHAPES.iter().flat_map(|a| SHAPES.iter().map(move |b| (a, b))) {
            if shape.format != other.format && shape.format != Format::Targets {
                let implied = shape.has.iter().all(|name| other.has.contains(name))
                    && !other.has.iter().any(|name| shape.lacks.contains(name));
                assert!(!implied, "{:?} is always {:?} as well", other.format, shape.format);
            }
        }
    }
}
