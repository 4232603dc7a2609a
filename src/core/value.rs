//! Values: which target does one stand for?
//!
//! Either an address (see [`address`]), or a JSON object with
//! `"address": "host:port"` or `"targets": ["host:port", …]` and, if wanted, `"labels"`.
//! Other fields of such an object are its owner's business and ignored.

use std::collections::BTreeMap;

use serde::Deserialize;
use thiserror::Error;

use super::address::{self, AddressError};

/// Labels of a target group, ascending by name.
pub type Labels = BTreeMap<Box<str>, Box<str>>;

/// What one entry adds to the target groups. Two values of the same meaning make equal
/// targets, so that a heartbeat that rewrites a value changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// One address without labels: the common case, kept small.
    Address(Box<str>),
    /// Anything else.
    Group(Box<Group>),
}

/// Addresses that share labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// At least one, ascending, each once.
    pub addresses: Vec<Box<str>>,
    /// Without `job`, which the service gives.
    pub labels: Labels,
}

impl Target {
    /// The addresses: at least one.
    #[must_use]
    pub fn addresses(&self) -> &[Box<str>] {
        match self {
            Self::Address(address) => std::slice::from_ref(address),
            Self::Group(group) => &group.addresses,
        }
    }

    /// The labels, if there are any.
    #[must_use]
    pub fn labels(&self) -> Option<&Labels> {
        match self {
            Self::Address(_) => None,
            Self::Group(group) => Some(&group.labels).filter(|labels| !labels.is_empty()),
        }
    }

    fn new(addresses: &[&str], labels: Labels) -> Self {
        if let ([address], true) = (addresses, labels.is_empty()) {
            return Self::Address((*address).into());
        }
        let mut addresses: Vec<Box<str>> = addresses.iter().map(|&text| text.into()).collect();
        addresses.sort_unstable();
        addresses.dedup();
        Self::Group(Box::new(Group { addresses, labels }))
    }
}

/// Why a value stands for no target. Only label names are repeated: values may hold secrets.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ValueError {
    /// Everything in the document is UTF-8.
    #[error("the value is not UTF-8")]
    NotUtf8,
    /// The value, or the `address` in it, is none.
    #[error("{0}")]
    Address(#[from] AddressError),
    /// An element of `targets`, counted from 0, is no address.
    #[error("targets[{index}]: {reason}")]
    Target {
        /// Its place in the list.
        index: usize,
        /// What is wrong with it.
        reason: AddressError,
    },
    /// It begins with a brace, but is no JSON object of the two shapes.
    #[error(
        "the JSON is not {{\"address\": \"host:port\"}} or {{\"targets\": [\"host:port\"]}} \
         with \"labels\" of text (line {line}, column {column})"
    )]
    Json {
        /// Where it went wrong, from 1.
        line: usize,
        /// Where it went wrong, from 1; 0 right after a line's end.
        column: usize,
    },
    /// JSON, but no object: a whole list of target groups, perhaps.
    #[error("JSON other than an object; give one object for each instance, or its address alone")]
    NotAnObject,
    /// Neither of the two fields.
    #[error("the JSON object has neither \"address\" nor \"targets\"")]
    NoTargets,
    /// Which of them would count?
    #[error("the JSON object has both \"address\" and \"targets\"")]
    Ambiguous,
    /// A group without targets is no registration.
    #[error("\"targets\" is empty")]
    EmptyTargets,
    /// `job` is the service that the key names.
    #[error("the label \"job\" is taken: it is the service's name")]
    JobLabel,
    /// Prometheus would refuse the whole file, or be steered by the registry.
    #[error("the label name {0:?} is not [a-zA-Z_][a-zA-Z0-9_]* or begins with \"__\"")]
    LabelName(Box<str>),
}

/// Reads a value.
pub fn parse(value: &[u8]) -> Result<Target, ValueError> {
    let text = str::from_utf8(value).map_err(|_| ValueError::NotUtf8)?.trim();
    if text.starts_with('{') {
        return parse_json(text);
    }
    if is_other_json(text) {
        return Err(ValueError::NotAnObject);
    }
    Ok(Target::new(&[address::parse(text)?], Labels::new()))
}

/// Of a label name in a message, in characters.
const SHOWN_NAME: usize = 64;

/// An array or a text; `[::1]:9100` is neither.
fn is_other_json(text: &str) -> bool {
    let array = text.strip_prefix('[').map(str::trim_start);
    text.starts_with('"') || array.is_some_and(|rest| rest.starts_with(['{', '"', ']']))
}

#[derive(Deserialize)]
struct Registration {
    address: Option<String>,
    targets: Option<Vec<String>>,
    labels: Option<Labels>,
}

fn parse_json(text: &str) -> Result<Target, ValueError> {
    let registration: Registration = serde_json::from_str(text)
        .map_err(|error| ValueError::Json { line: error.line(), column: error.column() })?;
    let labels = registration.labels.unwrap_or_default();
    for name in labels.keys() {
        check_label(name)?;
    }
    match (&registration.address, &registration.targets) {
        (Some(_), Some(_)) => Err(ValueError::Ambiguous),
        (None, None) => Err(ValueError::NoTargets),
        (Some(text), None) => Ok(Target::new(&[address::parse(text)?], labels)),
        (None, Some(texts)) if texts.is_empty() => Err(ValueError::EmptyTargets),
        (None, Some(texts)) => {
            let addresses = texts
                .iter()
                .enumerate()
                .map(|(index, text)| {
                    address::parse(text).map_err(|reason| ValueError::Target { index, reason })
                })
                .collect::<Result<Vec<_>, _>>()?;
            Ok(Target::new(&addresses, labels))
        }
    }
}

/// The rule of Prometheus before 3.0, where one illegal name makes it refuse the whole file.
fn check_label(name: &str) -> Result<(), ValueError> {
    if name == "job" {
        return Err(ValueError::JobLabel);
    }
    let legal = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && name.bytes().next().is_some_and(|first| !first.is_ascii_digit())
        && !name.starts_with("__");
    if legal {
        return Ok(());
    }
    Err(ValueError::LabelName(name.chars().take(SHOWN_NAME).collect::<String>().into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn group(addresses: &[&str], labels: &[(&str, &str)]) -> Target {
        let labels = labels.iter().map(|&(name, value)| (name.into(), value.into())).collect();
        Target::new(addresses, labels)
    }

    #[test]
    fn a_value_is_an_address_or_an_object_with_addresses_and_labels() {
        for (value, expected) in [
            ("10.0.0.1:80", group(&["10.0.0.1:80"], &[])),
            (" [::1]:80\n", group(&["[::1]:80"], &[])),
            (r#"{"address":"a:1"}"#, group(&["a:1"], &[])),
            (r#"{"targets":["a:1"],"labels":{}}"#, group(&["a:1"], &[])),
            (r#"{"targets":["b:1","a:1","b:1"]}"#, group(&["a:1", "b:1"], &[])),
            (r#"{"address":" a:1 ","labels":{"env":"x"}}"#, group(&["a:1"], &[("env", "x")])),
            (r#"{"address":"a:1","labels":null,"weight":[1,{}]}"#, group(&["a:1"], &[])),
            (
                r#"{"address":"a:1","labels":{"_x1":"\u00fc\n"}}"#,
                group(&["a:1"], &[("_x1", "ü\n")]),
            ),
        ] {
            assert_eq!(parse(value.as_bytes()).as_ref(), Ok(&expected), "{value}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_its_reason() {
        let label = |name: &str| ValueError::LabelName(name.into());
        for (value, reason) in [
            (r"{}", ValueError::NoTargets),
            (r#"{"labels":{"a":"b"}}"#, ValueError::NoTargets),
            (r#"{"address":"a:1","targets":["a:1"]}"#, ValueError::Ambiguous),
            (r#"{"targets":[]}"#, ValueError::EmptyTargets),
            (
                r#"{"targets":["a:1","b"]}"#,
                ValueError::Target { index: 1, reason: AddressError::NoPort },
            ),
            (r#"{"address":"http://a:1"}"#, AddressError::Url.into()),
            (r#"{"address":"a:1","labels":{"job":"x"}}"#, ValueError::JobLabel),
            (r#"{"address":"a:1","labels":{"__scheme__":"x"}}"#, label("__scheme__")),
            (r#"{"address":"a:1","labels":{"a.b":"x"}}"#, label("a.b")),
            (r#"{"address":"a:1","labels":{"1a":"x"}}"#, label("1a")),
            (r#"{"address":"a:1","labels":{"":"x"}}"#, label("")),
            ("https://a:1/metrics", AddressError::Url.into()),
            ("", AddressError::Empty.into()),
            (r#"[{"targets":["a:1"]}]"#, ValueError::NotAnObject),
            (r#"[ "a:1" ]"#, ValueError::NotAnObject),
            (r#""a:1""#, ValueError::NotAnObject),
        ] {
            assert_eq!(parse(value.as_bytes()), Err(reason), "{value}");
        }
        assert_eq!(parse(b"a\xff:80"), Err(ValueError::NotUtf8));
    }

    #[test]
    fn malformed_json_is_refused_with_the_place_and_without_its_text() {
        for value in [
            r#"{"address":"a:1""#,
            r#"{"address":1}"#,
            r#"{"targets":"a:1"}"#,
            r#"{"address":"a:1","labels":{"n":1}}"#,
            r#"{"address":"a:1","address":"secret:1"}"#,
            r#"{"address":"a:1"} x"#,
        ] {
            let error = parse(value.as_bytes()).expect_err(value);
            assert!(matches!(error, ValueError::Json { .. }), "{value}: {error:?}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        let deep = format!("{{\"x\":{}", "[".repeat(100_000));
        assert!(matches!(parse(deep.as_bytes()), Err(ValueError::Json { .. })));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(value in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = parse(&value);
        }
    }
}
