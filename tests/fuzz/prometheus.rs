//! The document, read by a reader of its own: nothing of the program is used here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::Ipv6Addr;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;

/// The targets by their labels, `job` among them.
pub(crate) type Targets = BTreeMap<BTreeMap<String, String>, BTreeSet<String>>;

/// Reads a document; panics at whatever Prometheus refuses, or takes for something else.
pub(crate) fn read(bytes: &[u8]) -> Targets {
    let text = str::from_utf8(bytes).expect("UTF-8");
    assert!(text.ends_with('\n') && text.starts_with('['), "{text}");
    let unreadable =
        |c: char| (c.is_control() && c != '\n') || "\u{2028}\u{2029}\u{feff}".contains(c);
    assert!(!text.contains(unreadable), "{text:?}");
    // vmagent expands it wherever in the file it stands.
    assert!(!text.contains("%{"), "{text}");
    let document: Value = serde_json::from_str(text).expect("JSON");
    let strict: Vec<Group> = serde_json::from_str(text).expect("groups, no field twice");
    let mut targets = Targets::new();
    for (group, strict) in document.as_array().expect("a list").iter().zip(strict) {
        let labels = group["labels"].as_object().expect("labels");
        let owned = |value: &Value| value.as_str().expect("a text").to_owned();
        let labels: BTreeMap<_, _> =
            labels.iter().map(|(name, value)| (name.clone(), owned(value))).collect();
        assert!(labels.keys().eq(&strict.labels.0), "labels twice: {group} {:?}", strict.labels.0);
        let addresses = group["targets"].as_array().expect("a list");
        let addresses: BTreeSet<_> = addresses.iter().map(owned).collect();
        assert_eq!(addresses.len(), strict.targets.len(), "targets twice: {group}");
        assert!(!addresses.is_empty(), "{group}");
        for address in &addresses {
            check_address(address);
        }
        let twice = targets.insert(labels, addresses);
        assert!(twice.is_none(), "two groups of the same labels: {group}");
    }
    targets
}

/// A group as Prometheus takes it. Of a value, the last of two fields of one name would stay.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    targets: Vec<String>,
    labels: Names,
}

/// The names of an object's fields, ascending, as often as they are there.
struct Names(Vec<String>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;

        impl<'de> Visitor<'de> for Pairs {
            type Value = Names;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("labels")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Names, A::Error> {
                let mut names = Vec::new();
                while let Some((name, _)) = map.next_entry::<String, String>()? {
                    names.push(name);
                }
                names.sort();
                Ok(Names(names))
            }
        }

        deserializer.deserialize_map(Pairs)
    }
}

/// What Prometheus can scrape, and takes from version 2 to 3 for the same.
fn check_address(address: &str) {
    let (host, port) = address.rsplit_once(':').expect(address);
    assert!(port.bytes().all(|byte| byte.is_ascii_digit()), "{address}");
    assert!(port.parse::<u16>().expect(address) > 0, "{address}");
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_host = match inner {
        Some(inner) => inner.parse::<Ipv6Addr>().is_ok(),
        None => {
            !host.is_empty()
                && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        }
    };
    assert!(is_host, "{address}");
}

/// Prometheus before 3.0 refuses the whole file for one other name.
pub(crate) fn is_legacy_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
