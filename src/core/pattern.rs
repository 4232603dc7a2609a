//! Key patterns: which keys are registrations, and what do they say?
//!
//! `/env/{env}/svc/{service}/{instance}`: `{service}` becomes the label `job`, `{instance}` tells
//! the entries of a service apart, `{address}` is where to scrape; any other name becomes a label
//! of that name.
//!
//! | placeholder | stands for |
//! |---|---|
//! | `{name}` | some text without a slash, a segment of the key or a part of one |
//! | `{name...}` | the rest of the key, slashes included; at the end only |
//! | `{name%}` | the same as `{name}`, but percent-encoded in the key |
//! | `{name=text}` | `text` itself, which the key has at this place |
//!
//! What stands before the first placeholder, up to a slash, is the prefix that is watched.
//!
//! A key falls into its **parent**, all segments up to the one that has the service or the last
//! but one, and its **name**, what is left. Keys of the same parent are of one service, and
//! stand beside each other in etcd's order.

mod matching;
mod overlap;
mod parse;

use std::borrow::Cow;

use super::key::{Key, KeyError, Prefix};
use matching::Matched;

pub use parse::PatternError;

/// How the keys of registrations look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: Box<str>,
    prefix: Prefix,
    /// What follows the prefix, between slashes.
    segments: Vec<Vec<Part>>,
    /// How many of the segments are the parent.
    parent: usize,
    /// Whether the last segment takes the rest of the key.
    has_rest: bool,
    /// What every key says.
    fixed: Vec<(Meaning, Box<str>)>,
}

/// A piece of a segment. Between two placeholders there is text.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(Box<str>),
    Placeholder(Placeholder),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Placeholder {
    meaning: Meaning,
    is_percent_encoded: bool,
}

/// What becomes of what a placeholder stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Meaning {
    Service,
    Instance,
    Address,
    Label(Box<str>),
}

/// What a key says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Captures<'k> {
    /// Becomes the label `job`; never empty.
    pub service: Cow<'k, str>,
    /// Tells the entries of a service apart; empty if the pattern does not say.
    pub instance: Cow<'k, str>,
    /// Where to scrape, if the pattern says.
    pub address: Option<Cow<'k, str>>,
    /// Labels and their names, ascending by name.
    pub labels: Vec<(&'k str, Cow<'k, str>)>,
}

impl Pattern {
    /// The pattern of `<prefix>/<service>/<instance>`.
    #[must_use]
    pub fn below(prefix: &Prefix) -> Self {
        let segment =
            |meaning| vec![Part::Placeholder(Placeholder { meaning, is_percent_encoded: false })];
        Self {
            text: format!("{prefix}{{service}}/{{instance}}").into(),
            prefix: prefix.clone(),
            segments: vec![segment(Meaning::Service), segment(Meaning::Instance)],
            parent: 1,
            has_rest: false,
            fixed: Vec::new(),
        }
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What is to be watched.
    #[must_use]
    pub fn prefix(&self) -> &Prefix {
        &self.prefix
    }

    /// Whether the keys say where to scrape.
    #[must_use]
    pub fn has_address(&self) -> bool {
        let meanings = self.fixed.iter().map(|(meaning, _)| meaning);
        meanings.chain(self.placeholders()).any(|meaning| *meaning == Meaning::Address)
    }

    /// Says what `key` names.
    #[must_use]
    pub fn classify<'k>(&self, key: &'k [u8]) -> Key<'k> {
        let Some(rest) = key.strip_prefix(self.prefix.as_str().as_bytes()) else {
            return Key::Ignored;
        };
        let Ok(text) = str::from_utf8(rest) else {
            return self.classify_bytes(rest);
        };
        match self.walk(&self.segments, text, &mut |_, _| {}) {
            Matched::Whole => {
                let (parent, name) = self.split(text);
                Key::Instance { parent, name }
            }
            Matched::Short => Key::Service,
            Matched::Foreign => Key::Ignored,
            Matched::Invalid(reason) => Key::Invalid(reason),
        }
    }

    /// What the key of this parent and name says.
    #[must_use]
    pub fn captures<'k>(&'k self, parent: &'k str, name: &'k str) -> Captures<'k> {
        if self.is_simple() {
            let (service, instance) = (Cow::Borrowed(parent), Cow::Borrowed(name));
            return Captures { service, instance, ..Captures::default() };
        }
        let mut captures = Captures::default();
        for (meaning, text) in &self.fixed {
            captures.take(meaning, Cow::Borrowed(text));
        }
        let (parents, names) = self.segments.split_at(self.parent);
        for (segments, text) in [(parents, parent), (names, name)] {
            // It is the key of an entry: it matches.
            let _ = self.walk(segments, text, &mut |placeholder, text| {
                captures.take(&placeholder.meaning, placeholder.decode(text).unwrap_or_default());
            });
        }
        captures.labels.sort_unstable_by_key(|&(name, _)| name);
        captures
    }

    /// The service of the entries of this parent.
    #[must_use]
    pub fn service<'k>(&'k self, parent: &'k str) -> Cow<'k, str> {
        if self.is_plain() { Cow::Borrowed(parent) } else { self.captures(parent, "").service }
    }

    /// Whether the parent of a key is its service.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        matches!(&self.segments[..self.parent], [only] if is_all(only, &Meaning::Service))
    }

    /// Whether moreover the name is the instance, and that is all that keys say.
    fn is_simple(&self) -> bool {
        let names = &self.segments[self.parent..];
        self.is_plain()
            && self.fixed.is_empty()
            && matches!(names, [only] if is_all(only, &Meaning::Instance))
    }

    /// The key of this parent and name; the inverse of [`Pattern::classify`].
    #[must_use]
    pub fn key(&self, parent: &str, name: &str) -> String {
        let is_split = (1..self.segments.len()).contains(&self.parent);
        format!("{}{parent}{}{name}", self.prefix, if is_split { "/" } else { "" })
    }

    /// Parent and name of a key that matches.
    fn split<'k>(&self, rest: &'k str) -> (&'k str, &'k str) {
        if self.parent == self.segments.len() {
            return (rest, "");
        }
        let Some(slashes) = self.parent.checked_sub(1) else {
            return ("", rest);
        };
        let at = rest.match_indices('/').nth(slashes).map(|(at, _)| at);
        at.map_or((rest, ""), |at| (&rest[..at], &rest[at + 1..]))
    }

    /// A key that is no text is no registration; but is it at the place of one?
    fn classify_bytes(&self, rest: &[u8]) -> Key<'static> {
        match rest.split(|&byte| byte == b'/').count() {
            parts if parts < self.segments.len() => Key::Service,
            parts if parts > self.segments.len() && !self.has_rest => Key::Ignored,
            _ => Key::Invalid(KeyError::NotUtf8),
        }
    }

    fn placeholders(&self) -> impl Iterator<Item = &Meaning> {
        self.segments.iter().flatten().filter_map(|part| match part {
            Part::Placeholder(placeholder) => Some(&placeholder.meaning),
            Part::Text(_) => None,
        })
    }
}

/// Whether a segment is that and nothing else, as it stands in the key.
fn is_all(segment: &[Part], meaning: &Meaning) -> bool {
    matches!(segment, [Part::Placeholder(only)] if only.meaning == *meaning && !only.is_percent_encoded)
}

impl<'k> Captures<'k> {
    fn take(&mut self, meaning: &'k Meaning, text: Cow<'k, str>) {
        match meaning {
            Meaning::Service => self.service = text,
            Meaning::Instance => self.instance = text,
            Meaning::Address => self.address = Some(text),
            Meaning::Label(name) => self.labels.push((name, text)),
        }
    }
}

#[cfg(test)]
mod tests;
