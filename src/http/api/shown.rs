//! Keys and targets, as all answers show them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use crate::core::value;

/// Addresses that share labels.
#[derive(Serialize)]
pub(super) struct Target<'t> {
    targets: &'t [Box<str>],
    labels: Cow<'t, BTreeMap<Box<str>, Box<str>>>,
}

impl<'t> From<&'t value::Target> for Target<'t> {
    fn from(target: &'t value::Target) -> Self {
        let labels = target.labels().map_or_else(Cow::default, Cow::Borrowed);
        Self { targets: target.addresses(), labels }
    }
}

/// A key. One that is no text is percent-encoded, and its bytes stand beside it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Key {
    key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_base64: Option<String>,
}

impl From<Vec<u8>> for Key {
    fn from(key: Vec<u8>) -> Self {
        match String::from_utf8(key) {
            Ok(key) => Self { key, key_base64: None },
            Err(error) => {
                let bytes = error.into_bytes();
                let key = percent_encoded(&bytes);
                Self { key, key_base64: Some(STANDARD.encode(bytes)) }
            }
        }
    }
}

fn percent_encoded(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, &byte| {
        if byte.is_ascii_graphic() && byte != b'%' {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_no_text_can_still_be_told() {
        let plain = Key::from(b"/services/100%/\xc3\xbc".to_vec());
        assert_eq!(plain, Key { key: "/services/100%/ü".into(), key_base64: None });
        let bytes = Key::from(b"/services/50%/\xff 1".to_vec());
        assert_eq!(bytes.key, "/services/50%25/%FF%201");
        assert_eq!(bytes.key_base64.as_deref(), Some("L3NlcnZpY2VzLzUwJS//IDE="));
    }
}
