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

mod parse;

use std::borrow::Cow;

use super::key::{Key, KeyError, Prefix};

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

/// What came of matching a key.
enum Matched {
    /// All of it.
    Whole,
    /// The key ends before the pattern does.
    Short,
    /// It is not such a key.
    Foreign,
    /// It is one, and says what can't be.
    Invalid(KeyError),
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
        match self.walk(text, &mut |_, _| {}) {
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
        let mut captures = Captures::default();
        for (meaning, text) in &self.fixed {
            captures.take(meaning, Cow::Borrowed(text));
        }
        let (parents, names) = self.segments.split_at(self.parent);
        for (segments, text) in [(parents, parent), (names, name)] {
            // It is the key of an entry: it matches.
            let _ = self.walk_segments(segments, text, &mut |placeholder, text| {
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
        let whole = |placeholder: &Placeholder| {
            placeholder.meaning == Meaning::Service && !placeholder.is_percent_encoded
        };
        let parents = &self.segments[..self.parent];
        matches!(parents, [one] if matches!(&**one, [Part::Placeholder(only)] if whole(only)))
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

    fn walk<'p, 'k>(
        &'p self,
        rest: &'k str,
        take: &mut impl FnMut(&'p Placeholder, &'k str),
    ) -> Matched {
        self.walk_segments(&self.segments, rest, take)
    }

    /// Matches these segments with the text, which is all that is left.
    fn walk_segments<'p, 'k>(
        &'p self,
        segments: &'p [Vec<Part>],
        text: &'k str,
        take: &mut impl FnMut(&'p Placeholder, &'k str),
    ) -> Matched {
        let mut left = Some(text);
        let mut invalid = None;
        for (at, segment) in segments.iter().enumerate() {
            let Some(text) = left else { return Matched::Short };
            let is_last = at + 1 == segments.len();
            let part;
            (part, left) = match text.split_once('/') {
                Some((part, rest)) if !(is_last && self.has_rest) => (part, Some(rest)),
                _ => (text, None),
            };
            if part.is_empty() {
                if left.is_none() {
                    return Matched::Short;
                }
                invalid.get_or_insert(empty(segment));
            } else if !matches(segment, part, &mut |placeholder, text| {
                if placeholder.decode(text).is_none() {
                    invalid.get_or_insert(KeyError::Percent);
                }
                take(placeholder, text);
            }) {
                return Matched::Foreign;
            }
        }
        match (left, invalid) {
            (Some(_), _) if !segments.is_empty() => Matched::Foreign,
            (_, Some(reason)) => Matched::Invalid(reason),
            _ => Matched::Whole,
        }
    }

    fn placeholders(&self) -> impl Iterator<Item = &Meaning> {
        self.segments.iter().flatten().filter_map(|part| match part {
            Part::Placeholder(placeholder) => Some(&placeholder.meaning),
            Part::Text(_) => None,
        })
    }
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

impl Placeholder {
    /// `None` if it is not percent-encoded UTF-8 and should be.
    fn decode<'k>(&self, text: &'k str) -> Option<Cow<'k, str>> {
        if !self.is_percent_encoded || !text.contains('%') {
            return Some(Cow::Borrowed(text));
        }
        let mut bytes = Vec::with_capacity(text.len());
        let mut rest = text.as_bytes();
        while let Some((&first, after)) = rest.split_first() {
            rest = after;
            if first != b'%' {
                bytes.push(first);
                continue;
            }
            let digits = str::from_utf8(rest.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with('+'))?);
            rest = &rest[2..];
        }
        String::from_utf8(bytes).ok().filter(|text| !text.is_empty()).map(Cow::Owned)
    }
}

/// Matches one segment, and hands over what its placeholders stand for.
fn matches<'p, 'k>(
    segment: &'p [Part],
    text: &'k str,
    take: &mut impl FnMut(&'p Placeholder, &'k str),
) -> bool {
    let mut left = text;
    let mut parts = segment.iter().peekable();
    while let Some(part) = parts.next() {
        match part {
            Part::Text(text) => match left.strip_prefix(&**text) {
                Some(rest) => left = rest,
                None => return false,
            },
            Part::Placeholder(placeholder) => {
                let end = match parts.peek() {
                    // A placeholder stands for one character at least.
                    Some(Part::Text(next)) => left
                        .char_indices()
                        .nth(1)
                        .and_then(|(at, _)| left[at..].find(&**next).map(|found| at + found)),
                    _ => Some(left.len()).filter(|&end| end > 0),
                };
                let Some(end) = end else { return false };
                take(placeholder, &left[..end]);
                left = &left[end..];
            }
        }
    }
    left.is_empty()
}

/// What is wrong with a key whose segment is empty, and not the last one.
fn empty(segment: &[Part]) -> KeyError {
    let is_service = segment.iter().any(
        |part| matches!(part, Part::Placeholder(placeholder) if placeholder.meaning == Meaning::Service),
    );
    if is_service { KeyError::EmptyService } else { KeyError::EmptySegment }
}

#[cfg(test)]
mod tests;
