//! Matching keys with a pattern.

use std::borrow::Cow;

use super::{Meaning, Part, Pattern, Placeholder};
use crate::core::key::KeyError;

/// What came of matching a key.
pub(super) enum Matched {
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
    /// Matches these segments with the text, which is all that is left.
    pub(super) fn walk<'p, 'k>(
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
}

impl Placeholder {
    /// `None` if it is not percent-encoded UTF-8 and should be.
    pub(super) fn decode<'k>(&self, text: &'k str) -> Option<Cow<'k, str>> {
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
    let mut parts = segment;
    while let [part, rest @ ..] = parts {
        parts = rest;
        match part {
            Part::Text(text) => match left.strip_prefix(&**text) {
                Some(rest) => left = rest,
                None => return false,
            },
            Part::Placeholder(placeholder) => {
                // It stands for one character at least, and ends where the text behind it stands
                // for the first time: but for a text that ends the segment.
                let end = match parts {
                    [] => Some(left.len()),
                    [Part::Text(last)] => left.strip_suffix(&**last).map(str::len),
                    [Part::Text(next), ..] => left
                        .char_indices()
                        .nth(1)
                        .and_then(|(at, _)| left[at..].find(&**next).map(|found| at + found)),
                    [Part::Placeholder(_), ..] => None,
                };
                let end = end.filter(|&end| end > 0);
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
