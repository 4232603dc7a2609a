//! Templates: text with JSON pointers in braces, `{/host}:{/port}`.
//!
//! A pointer is one of RFC 6901: `/nodes/0/address` leads to the address of the first node;
//! `~1` stands for a slash in a name and `~0` for a tilde; `{}` is the whole document. In an
//! address, `*` at the place of a list stands for each of its elements, as in `/nodes/*/host`;
//! RFC 6901 gives it no meaning there. `{{` and `}}` stand for a brace. A field with a closing brace in its name can't be named.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde_json::Value;
use thiserror::Error;

use super::endpoint;
use super::error::{FormatError, Place};
use super::object::scalar;

/// Text with pointers into a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    source: Box<str>,
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(Box<str>),
    Pointer(Box<str>),
}

/// Why a text is no template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TemplateError {
    /// Nothing there.
    #[error("it is empty")]
    Empty,
    /// A brace is never closed.
    #[error("a {{ is never closed; write {{{{ for a brace")]
    Unclosed,
    /// A brace that closes nothing.
    #[error("a }} closes nothing; write }}}} for a brace")]
    Unopened,
    /// In braces stands something else than a pointer.
    #[error("what stands in braces is a JSON pointer and begins with a slash, as in {{/host}}")]
    NotAPointer,
    /// A tilde without 0 or 1.
    #[error("in a JSON pointer ~0 stands for a tilde and ~1 for a slash in a name")]
    Tilde,
    /// Every value would have the same address.
    #[error("it names no field: put a JSON pointer in braces, as in {{/host}}:{{/port}}")]
    NoPointer,
}

/// What a pointer leads to.
enum Found<'v> {
    One(Cow<'v, str>),
    List(Vec<Cow<'v, str>>),
}

impl Template {
    /// Reads a template.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let (mut pieces, mut literal) = (Vec::new(), String::new());
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, brace) = rest.split_at(at);
            literal.push_str(before);
            if let Some(after) = brace.strip_prefix("{{").or_else(|| brace.strip_prefix("}}")) {
                literal.push_str(&brace[..1]);
                rest = after;
                continue;
            }
            let inner = brace.strip_prefix('{').ok_or(TemplateError::Unopened)?;
            let (pointer, after) = inner.split_once('}').ok_or(TemplateError::Unclosed)?;
            check_pointer(pointer)?;
            if !literal.is_empty() {
                pieces.push(Piece::Literal(std::mem::take(&mut literal).into()));
            }
            pieces.push(Piece::Pointer(pointer.into()));
            rest = after;
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal.into()));
        }
        if pieces.is_empty() {
            return Err(TemplateError::Empty);
        }
        Ok(Self { source: text.into(), pieces })
    }

    /// The template of the document itself, a text or a list of texts: `{}`.
    pub(super) fn whole() -> Self {
        Self { source: "{}".into(), pieces: vec![Piece::Pointer("".into())] }
    }

    /// Whether it names any field.
    #[must_use]
    pub fn has_pointers(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Pointer(_)))
    }

    /// The text that it makes; `None` if anything is missing or a list.
    pub(super) fn text(&self, document: &Value) -> Option<String> {
        let mut text = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(literal) => text.push_str(literal),
                Piece::Pointer(pointer) => text.push_str(&scalar(document.pointer(pointer)?)?),
            }
        }
        Some(text)
    }

    /// The addresses that it makes: one, or one for each element of the lists that it leads
    /// to. An IPv6 address gets the brackets that it needs beside a port.
    pub(super) fn addresses(&self, document: &Value) -> Result<Vec<String>, FormatError> {
        let mut list: Option<(&str, usize)> = None;
        let mut parts = Vec::with_capacity(self.pieces.len());
        for piece in &self.pieces {
            let pointer = match piece {
                Piece::Literal(literal) => {
                    parts.push(Found::One(literal.as_ref().into()));
                    continue;
                }
                Piece::Pointer(pointer) => pointer,
            };
            let found = find(document, pointer)?;
            if let Found::List(texts) = &found {
                match list {
                    Some((first, length)) if length != texts.len() => {
                        let (first, second) = (place(first), place(pointer));
                        return Err(FormatError::Lengths { first, second });
                    }
                    _ => list = Some((pointer, texts.len())),
                }
            }
            parts.push(found);
        }
        Ok((0..list.map_or(1, |(_, length)| length)).map(|index| join(&parts, index)).collect())
    }
}

impl FromStr for Template {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, TemplateError> {
        Self::parse(text)
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

fn check_pointer(pointer: &str) -> Result<(), TemplateError> {
    if !pointer.is_empty() && !pointer.starts_with('/') || pointer.contains('{') {
        return Err(TemplateError::NotAPointer);
    }
    if pointer.split('~').skip(1).any(|after| !after.starts_with(['0', '1'])) {
        return Err(TemplateError::Tilde);
    }
    Ok(())
}

fn find<'v>(document: &'v Value, pointer: &str) -> Result<Found<'v>, FormatError> {
    const WANTED: &str = "a text, a number, true or false, or a list of such";
    let other = || FormatError::Kind { at: place(pointer), wanted: WANTED };
    let missing = || FormatError::Missing { at: place(pointer) };
    if let Some((elements, rest)) = each(document, pointer) {
        let text = |element: &'v Value| match element.pointer(rest) {
            None | Some(Value::Null) => Err(missing()),
            Some(value) => scalar(value).ok_or_else(other),
        };
        return elements.iter().map(text).collect::<Result<_, _>>().map(Found::List);
    }
    match document.pointer(pointer) {
        None | Some(Value::Null) => Err(missing()),
        Some(Value::Array(elements)) => {
            let texts = elements.iter().map(scalar).collect::<Option<_>>();
            texts.map(Found::List).ok_or_else(other)
        }
        Some(value) => scalar(value).map(Found::One).ok_or_else(other),
    }
}

/// The list at whose elements the pointer has a star, and what leads on from there.
fn each<'v, 'p>(document: &'v Value, pointer: &'p str) -> Option<(&'v [Value], &'p str)> {
    const STAR: &str = "/*";
    let stars = pointer.match_indices(STAR).map(|(at, _)| (at, at + STAR.len()));
    stars
        .map(|(at, after)| (&pointer[..at], &pointer[after..]))
        .filter(|(_, rest)| rest.is_empty() || rest.starts_with('/'))
        .find_map(|(before, rest)| Some((document.pointer(before)?.as_array()?.as_slice(), rest)))
}

fn place(pointer: &str) -> Place {
    if pointer.is_empty() { Place::Value } else { Place::Field(pointer.into()) }
}

fn join(parts: &[Found<'_>], index: usize) -> String {
    let mut address = String::new();
    for part in parts {
        let text = match part {
            Found::One(text) => text,
            Found::List(texts) => &texts[index],
        };
        if address.ends_with('[') {
            address.push_str(text);
        } else {
            address.push_str(&endpoint::bracketed(text));
        }
    }
    address
}

#[cfg(test)]
mod tests {
    use super::TemplateError::{Empty, NotAPointer, Tilde, Unclosed, Unopened};
    use super::*;

    #[test]
    fn a_template_is_text_with_pointers_in_braces() {
        let document = serde_json::json!({"a": "x", "b/c": {"~d": 1}, "l": [true], "": "e"});
        for (template, text) in [
            ("{/a}", "x"),
            ("v{/a}:{/b~1c/~0d}-{/l/0}", "vx:1-true"),
            ("{{{/a}}}", "{x}"),
            ("{{/a}}", "{/a}"),
            ("{/}", "e"),
            ("plain", "plain"),
        ] {
            let parsed = Template::parse(template).expect(template);
            assert_eq!(parsed.text(&document).as_deref(), Some(text), "{template}");
            assert_eq!(parsed.to_string(), template);
        }
        for template in ["{/gone}", "{/l}", "{/b~1c}", "{}", "{/l/1}", "{/l/00}", "{/l/-}"] {
            assert_eq!(Template::parse(template).expect(template).text(&document), None);
        }
    }

    #[test]
    fn a_star_stands_for_each_element_of_a_list_and_is_a_name_elsewhere() {
        let document = serde_json::json!({
            "nodes": [{"host": "a", "ports": {"*": 1}}, {"host": "::1", "ports": {"*": 2}}],
            "*": "h", "none": [], "texts": ["a", "b"], "deep": [{"l": ["a"]}],
        });
        let addresses = |template| Template::parse(template).expect(template).addresses(&document);
        for (template, expected) in [
            ("{/nodes/*/host}:{/nodes/*/ports/*}", &["a:1", "[::1]:2"][..]),
            ("{/nodes/*/host}:80", &["a:80", "[::1]:80"]),
            ("{/texts/*}:80", &["a:80", "b:80"]),
            ("{/none/*/host}:80", &[]),
            ("{/*}:80", &["h:80"]),
        ] {
            assert_eq!(addresses(template).expect(template), expected, "{template}");
        }
        for template in
            ["{/nodes/*/port}", "{/nodes/*}", "{/deep/*/l/*}", "{/nodes/*x}", "{/gone/*}"]
        {
            addresses(template).expect_err(template);
        }
    }

    #[test]
    fn what_is_no_template_is_refused_with_its_reason() {
        for (text, reason) in [
            ("", Empty),
            ("{/a", Unclosed),
            ("a}", Unopened),
            ("{a}", NotAPointer),
            ("{/a{/b}", NotAPointer),
            ("{/a~2}", Tilde),
            ("{/a~}", Tilde),
        ] {
            assert_eq!(Template::parse(text), Err(reason), "{text}");
        }
        assert_eq!(
            NotAPointer.to_string(),
            "what stands in braces is a JSON pointer and begins with a slash, as in {/host}"
        );
    }
}
