//! Labels: from the fields and the metadata of a value.
//!
//! Where two sources have a label of the same name, the one that was added first keeps it;
//! within one source a name that is legal as it is goes before one that had to be made so.
//! So the order in which a document has its fields never matters. An empty label is none, as
//! Prometheus has it, and what is no text, number or boolean can't be one.

use std::borrow::Cow;

use serde_json::Value;

use super::Options;
use super::object::{Object, scalar};
use crate::core::value::Labels;

/// Labels under construction.
pub(super) struct Builder<'o> {
    options: &'o Options,
    labels: Labels,
}

impl<'o> Builder<'o> {
    pub(super) fn new(options: &'o Options) -> Self {
        Self { options, labels: Labels::new() }
    }

    /// Adds a field under its own name.
    pub(super) fn field(mut self, object: Object<'_>, name: &str) -> Self {
        if let Some(text) = object.get(name).and_then(text) {
            self.insert(name, &text);
        }
        self
    }

    /// Adds all that is in an object, metadata for example.
    pub(super) fn all_of(mut self, object: Object<'_>, name: &str) -> Self {
        let Some(Value::Object(fields)) = object.get(name) else {
            return self;
        };
        let mut named: Vec<_> = fields
            .iter()
            .filter_map(|(name, value)| Some((self.legal(name), name, text(value)?)))
            .filter(|(legal, ..)| !legal.is_empty())
            .collect();
        named.sort_unstable_by(|a, b| (a.0 != *a.1, a.1).cmp(&(b.0 != *b.1, b.1)));
        for (legal, _, text) in named {
            self.insert(&legal, &text);
        }
        self
    }

    pub(super) fn build(self) -> Labels {
        self.labels
    }

    fn insert(&mut self, name: &str, text: &str) {
        self.labels.entry(name.into()).or_insert_with(|| text.into());
    }

    /// The name as Prometheus before 3.0 takes it, or as it is if the operator wants that.
    fn legal<'n>(&self, name: &'n str) -> Cow<'n, str> {
        let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let digit = name.starts_with(|first: char| first.is_ascii_digit());
        if self.options.utf8_labels || (name.bytes().all(is_legal) && !digit) {
            return name.into();
        }
        let legal = name
            .chars()
            .map(|char| if char.is_ascii_alphanumeric() || char == '_' { char } else { '_' });
        let legal: String = digit.then_some('_').into_iter().chain(legal).collect();
        // A name that steers Prometheus is one that was written so.
        match legal.strip_prefix("__") {
            Some(rest) if !name.starts_with("__") => format!("_{}", rest.trim_start_matches('_')),
            _ => legal,
        }
        .into()
    }
}

fn text(value: &Value) -> Option<Cow<'_, str>> {
    scalar(value).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::format::object;

    fn labels(json: &str, options: &Options) -> Vec<(String, String)> {
        let fields = object::parse(json).expect("an object");
        let object = Object::new(&fields);
        let labels = Builder::new(options).field(object, "version").all_of(object, "meta").build();
        labels.iter().map(|(name, text)| (name.to_string(), text.to_string())).collect()
    }

    #[test]
    fn texts_numbers_and_booleans_become_labels() {
        let json =
            r#"{"version":"v1","meta":{"b":true,"n":1.5,"t":"x","e":"","o":{},"l":[],"z":null}}"#;
        let expected = [("b", "true"), ("n", "1.5"), ("t", "x"), ("version", "v1")]
            .map(|(name, text)| (name.to_owned(), text.to_owned()));
        assert_eq!(labels(json, &Options::default()), expected);
    }

    #[test]
    fn names_are_made_legal_unless_utf8_names_are_wanted() {
        let json = r#"{"meta":{"a.b":"1","2c":"2","ü-x":"3","":"4"}}"#;
        let names = |options: &Options| -> Vec<String> {
            labels(json, options).into_iter().map(|(name, _)| name).collect()
        };
        assert_eq!(names(&Options::default()), ["_2c", "_x", "a_b"]);
        let options = Options { utf8_labels: true, ..Options::default() };
        assert_eq!(names(&options), ["2c", "a.b", "ü-x"]);
    }

    #[test]
    fn of_two_labels_of_one_name_the_same_one_stays_whatever_their_order() {
        for json in [
            r#"{"version":"v1","meta":{"version":"v2","a.b":"1","a_b":"2","a-b":"3","c.d":"4","c-d":"5"}}"#,
            r#"{"meta":{"c-d":"5","c.d":"4","a-b":"3","a_b":"2","a.b":"1","version":"v2"},"version":"v1"}"#,
        ] {
            let expected = [("a_b", "2"), ("c_d", "5"), ("version", "v1")]
                .map(|(name, text)| (name.to_owned(), text.to_owned()));
            assert_eq!(labels(json, &Options::default()), expected);
        }
    }
}
