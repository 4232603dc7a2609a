//! Keys: which service and instance does one name?
//!
//! `<prefix>/<service>/<instance>`, where neither part is empty and the instance has no
//! slash. Everything else below the prefix is somebody else's, and left alone.

use std::fmt;

use thiserror::Error;

/// The part of etcd's key space that is ours: a key prefix that ends in exactly one slash,
/// so that `/services` never takes in `/services2/x`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix(String);

/// Why a text is no prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PrefixError {
    /// Watching all of etcd is never what was meant.
    #[error("it is empty; name the key under which services register, such as /services")]
    Empty,
    /// A slip of the hand, which would watch nothing.
    #[error("it begins or ends with white space, or has control characters")]
    Space,
}

impl Prefix {
    /// Takes `text` with or without trailing slashes; `/` stands for all keys that begin
    /// with a slash.
    pub fn parse(text: &str) -> Result<Self, PrefixError> {
        if text.trim().is_empty() {
            return Err(PrefixError::Empty);
        }
        if text.trim() != text || text.contains(char::is_control) {
            return Err(PrefixError::Space);
        }
        Ok(Self(format!("{}/", text.trim_end_matches('/'))))
    }

    /// The prefix with its slash: the first key of its range.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first key after the range: the prefix with its slash counted up by one.
    #[must_use]
    pub fn range_end(&self) -> Vec<u8> {
        let mut end = self.0.clone().into_bytes();
        end.pop();
        end.push(b'/' + 1);
        end
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a key names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key<'k> {
    /// One instance of a service.
    Instance {
        /// The part of the key that tells the service; see [`Pattern`](super::pattern::Pattern).
        parent: &'k str,
        /// What is left of the key.
        name: &'k str,
    },
    /// The prefix or a service itself, as some tools keep one for a directory. Says nothing.
    Service,
    /// Deeper than an instance, or outside the prefix: not ours.
    Ignored,
    /// At an instance's place, yet no instance.
    Invalid(KeyError),
}

/// Why a key at an instance's place is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum KeyError {
    /// Label values are UTF-8.
    #[error("the key is not UTF-8")]
    NotUtf8,
    /// `job=""` would be no label at all.
    #[error("the key's service name is empty")]
    EmptyService,
    /// A placeholder stands for some text.
    #[error("a part of the key is empty that --key-pattern has a placeholder for")]
    EmptySegment,
    /// The pattern says that it should be.
    #[error("a part of the key is not percent-encoded, as --key-pattern has it")]
    Percent,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::pattern::Pattern;

    fn check(prefix: &str, key: &[u8], expected: Key<'_>) {
        let pattern = Pattern::below(&Prefix::parse(prefix).expect("a prefix"));
        assert_eq!(pattern.classify(key), expected, "{}", key.escape_ascii());
    }

    #[test]
    fn a_key_two_levels_below_the_prefix_names_an_instance() {
        for (key, service, instance) in [
            ("/services/web/1", "web", "1"),
            ("/services/web/a:b:80", "web", "a:b:80"),
            ("/services/web/ ", "web", " "),
            ("/services/ünï/☃", "ünï", "☃"),
            ("/services/../..", "..", ".."),
        ] {
            check("/services", key.as_bytes(), Key::Instance { parent: service, name: instance });
        }
    }

    #[test]
    fn a_key_that_names_only_a_service_says_nothing() {
        for key in ["/services/", "/services/web", "/services/web/"] {
            check("/services", key.as_bytes(), Key::Service);
        }
    }

    #[test]
    fn deeper_and_foreign_keys_are_ignored() {
        for key in ["/services/web/1/x", "/services/web//", "/services2/web/1", "/services", "x"] {
            check("/services", key.as_bytes(), Key::Ignored);
        }
    }

    #[test]
    fn a_key_that_can_be_no_job_is_invalid() {
        check("/services", b"/services//1", Key::Invalid(KeyError::EmptyService));
        check("/services", b"/services/\xff/1", Key::Invalid(KeyError::NotUtf8));
        check("/services", b"/services/web/\xff", Key::Invalid(KeyError::NotUtf8));
    }

    #[test]
    fn a_prefix_ends_in_one_slash_and_its_range_ends_right_after_it() {
        for (text, prefix, end) in [
            ("/services", "/services/", "/services0"),
            ("/services//", "/services/", "/services0"),
            ("kitex/registry-etcd", "kitex/registry-etcd/", "kitex/registry-etcd0"),
            ("/", "/", "0"),
        ] {
            let parsed = Prefix::parse(text).expect("a prefix");
            assert_eq!((parsed.as_str(), parsed.range_end()), (prefix, end.as_bytes().to_vec()));
        }
        assert_eq!(Prefix::parse(" "), Err(PrefixError::Empty));
        assert_eq!(Prefix::parse(" /services"), Err(PrefixError::Space));
        assert_eq!(Prefix::parse("/serv\nices"), Err(PrefixError::Space));
    }
}
