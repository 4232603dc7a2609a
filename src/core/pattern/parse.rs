//! Reading patterns.

use thiserror::Error;

use super::{Meaning, Part, Pattern, Placeholder};
use crate::core::key::{Prefix, PrefixError};

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PatternError {
    /// A brace has no counterpart.
    #[error("a brace is not closed or not opened; placeholders look like {{service}}")]
    Brace,
    /// No placeholder can be called so.
    #[error(
        "{{{0}}} is no placeholder: {{service}}, {{instance}}, {{address}}, or the name of a label, \
         [a-zA-Z_][a-zA-Z0-9_]* without \"__\" before it and other than job; with ... behind it \
         for the rest of the key, % for percent-encoded text, =TEXT for a fixed text"
    )]
    Name(String),
    /// What would count?
    #[error("{{{0}}} stands there twice")]
    Twice(String),
    /// Where does the one end and the other begin?
    #[error("two placeholders stand side by side; put text or a slash between them")]
    Adjacent,
    /// A rest is all that is left.
    #[error("{{{0}...}} stands for the rest of the key: it can only be the last segment, alone")]
    Rest(String),
    /// A fixed text is text of the key.
    #[error("{{{0}=}} needs a text without a slash behind the =")]
    Fixed(String),
    /// The label `job` must come from somewhere.
    #[error(
        "it has no {{service}}, which becomes the label job; where the key does not say it, fix it \
         at the place that stands for it, as in /topology/{{service=tidb}}/{{instance}}/info"
    )]
    NoService,
    /// Nothing but the service, or nothing at all, tells keys apart.
    #[error(
        "it begins with a placeholder: then all keys of etcd would have to be watched; fix the \
         beginning, as in {{service=user.rpc}}/{{instance}}"
    )]
    NoPrefix,
    /// It is a key, and no pattern of keys.
    #[error(
        "all of it is fixed, so it is one key; put a placeholder at the place where its keys differ, \
         such as {{instance}}"
    )]
    OneKey,
    /// It can't be watched.
    #[error("what stands before the first placeholder can be no prefix: {0}")]
    Prefix(#[from] PrefixError),
    /// Every key has a name.
    #[error("an empty segment: two slashes stand side by side, or one at the end")]
    EmptySegment,
}

/// What stands in braces.
struct Braced {
    placeholder: Placeholder,
    fixed: Option<Box<str>>,
    is_rest: bool,
}

impl Pattern {
    /// Reads a pattern.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let mut reading = Reading::default();
        for segment in split(text)? {
            reading.segment(segment)?;
        }
        reading.finish(text)
    }
}

/// A pattern that has been read in part.
#[derive(Default)]
struct Reading {
    prefix: String,
    segments: Vec<Vec<Part>>,
    fixed: Vec<(Meaning, Box<str>)>,
    seen: Vec<String>,
    /// The segment that has the service.
    service: Option<usize>,
    has_rest: bool,
}

impl Reading {
    fn segment(&mut self, text: &str) -> Result<(), PatternError> {
        if self.has_rest {
            return Err(PatternError::Rest(self.seen.last().cloned().unwrap_or_default()));
        }
        let mut parts: Vec<Part> = Vec::new();
        let mut left = text;
        while !left.is_empty() {
            let (literal, braced) = match left.split_once('{') {
                Some((literal, rest)) => {
                    let (inner, rest) = rest.split_once('}').ok_or(PatternError::Brace)?;
                    left = rest;
                    (literal, Some(inner))
                }
                None => (std::mem::take(&mut left), None),
            };
            if literal.contains('}') {
                return Err(PatternError::Brace);
            }
            push_text(&mut parts, literal);
            if let Some(inner) = braced {
                self.braced(inner, text, &mut parts)?;
            }
        }
        // What is text only belongs to the prefix as long as nothing else came before.
        match (&parts[..], self.segments.is_empty()) {
            ([], true) => self.prefix.push('/'),
            ([Part::Text(text)], true) => {
                self.prefix.push_str(text);
                self.prefix.push('/');
            }
            _ => self.segments.push(parts),
        }
        Ok(())
    }

    fn braced(
        &mut self,
        inner: &str,
        segment: &str,
        parts: &mut Vec<Part>,
    ) -> Result<(), PatternError> {
        let Braced { placeholder, fixed, is_rest } = read(inner)?;
        let name = name(inner).to_owned();
        if self.seen.contains(&name) {
            return Err(PatternError::Twice(name));
        }
        if let Some(text) = fixed {
            push_text(parts, &text);
            self.fixed.push((placeholder.meaning, text));
        } else {
            if matches!(parts.last(), Some(Part::Placeholder(_))) {
                return Err(PatternError::Adjacent);
            }
            if is_rest && segment.len() != inner.len() + 2 {
                return Err(PatternError::Rest(name));
            }
            if placeholder.meaning == Meaning::Service {
                self.service = Some(self.segments.len());
            }
            parts.push(Part::Placeholder(placeholder));
        }
        self.has_rest = is_rest;
        self.seen.push(name);
        Ok(())
    }

    fn finish(self, text: &str) -> Result<Pattern, PatternError> {
        let Self { prefix, segments, fixed, seen, service, has_rest } = self;
        if !seen.iter().any(|name| name == "service") {
            return Err(PatternError::NoService);
        }
        if prefix.is_empty() {
            return Err(PatternError::NoPrefix);
        }
        if segments.is_empty() {
            return Err(PatternError::OneKey);
        }
        let prefix = Prefix::parse(&prefix)?;
        let parent = (segments.len() - 1).max(service.map_or(0, |segment| segment + 1));
        Ok(Pattern { text: text.into(), prefix, segments, parent, has_rest, fixed })
    }
}

/// The segments: slashes in braces are no slashes of the key.
fn split(text: &str) -> Result<Vec<&str>, PatternError> {
    let segments: Vec<_> = text.split('/').collect();
    let is_empty = |(at, segment): (usize, &&str)| segment.is_empty() && at > 0;
    if segments.iter().enumerate().any(is_empty) {
        return Err(PatternError::EmptySegment);
    }
    Ok(segments)
}

fn push_text(parts: &mut Vec<Part>, text: &str) {
    match parts.last_mut() {
        _ if text.is_empty() => {}
        Some(Part::Text(before)) => *before = format!("{before}{text}").into(),
        _ => parts.push(Part::Text(text.into())),
    }
}

/// The name in braces, without what stands behind it.
fn name(inner: &str) -> &str {
    let name = inner.split_once('=').map_or(inner, |(name, _)| name);
    name.trim_end_matches("...").trim_end_matches('%')
}

fn read(inner: &str) -> Result<Braced, PatternError> {
    let wrong = || PatternError::Name(inner.to_owned());
    let (plain, fixed) = match inner.split_once('=') {
        Some((name, "")) => return Err(PatternError::Fixed(name.to_owned())),
        Some((name, text)) => (name, Some(text.into())),
        None => (inner, None),
    };
    let (plain, is_rest) = match plain.strip_suffix("...") {
        Some(plain) if fixed.is_none() => (plain, true),
        _ => (plain, false),
    };
    let (plain, is_percent_encoded) = match plain.strip_suffix('%') {
        Some(plain) if fixed.is_none() => (plain, true),
        _ => (plain, false),
    };
    let is_label = plain.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && plain.bytes().next().is_some_and(|first| !first.is_ascii_digit())
        && !plain.starts_with("__")
        && plain != "job";
    let meaning = match plain {
        "service" => Meaning::Service,
        "instance" => Meaning::Instance,
        "address" => Meaning::Address,
        name if is_label => Meaning::Label(name.into()),
        _ => return Err(wrong()),
    };
    Ok(Braced { placeholder: Placeholder { meaning, is_percent_encoded }, fixed, is_rest })
}
