//! One JSON object of a value, whose fields are asked for by name; an error names them.
//!
//! A field that is `null` counts as missing: Go writes that for what was never set.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::error::{FormatError, Place};

/// The fields of an object, with the place of the object for errors.
#[derive(Clone, Copy)]
pub(super) struct Object<'v> {
    fields: &'v Map<String, Value>,
    /// The list of which it is an element, and which one it is, from 0.
    element_of: Option<(&'static str, usize)>,
}

/// Reads any JSON.
pub(super) fn parse_any(text: &str) -> Result<Value, FormatError> {
    serde_json::from_str(text).map_err(|error| not_json(&error))
}

/// Reads one object.
pub(super) fn parse(text: &str) -> Result<Map<String, Value>, FormatError> {
    match parse_any(text)? {
        Value::Object(fields) => Ok(fields),
        _ => Err(FormatError::NotAnObject),
    }
}

/// The place alone: serde's own words repeat the text.
pub(super) fn not_json(error: &serde_json::Error) -> FormatError {
    FormatError::Json { line: error.line(), column: error.column() }
}

/// A text, number or boolean as text.
pub(super) fn scalar(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(text.into()),
        Value::Number(number) => Some(number.to_string().into()),
        Value::Bool(flag) => Some(flag.to_string().into()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

impl<'v> Object<'v> {
    pub(super) fn new(fields: &'v Map<String, Value>) -> Self {
        Self { fields, element_of: None }
    }

    /// Where the field is.
    pub(super) fn place(&self, name: &str) -> Place {
        Place::Field(match self.element_of {
            None => name.into(),
            Some((list, index)) => format!("{list}[{index}].{name}").into(),
        })
    }

    /// The field, unless it is missing.
    pub(super) fn get(&self, name: &str) -> Option<&'v Value> {
        self.fields.get(name).filter(|value| !value.is_null())
    }

    /// A text, unless it is missing or empty.
    pub(super) fn text(&self, name: &str) -> Result<Option<&'v str>, FormatError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.trim()).filter(|text| !text.is_empty())),
            Some(_) => Err(self.other(name, "text")),
        }
    }

    /// A text that the format can't do without, nor with an empty one.
    pub(super) fn required_text(&self, name: &str) -> Result<&'v str, FormatError> {
        self.text(name)?.ok_or_else(|| FormatError::Missing { at: self.place(name) })
    }

    /// A port as number or text, unless it is missing or, as Go writes that, 0.
    pub(super) fn port(&self, name: &str) -> Result<Option<Cow<'v, str>>, FormatError> {
        let port = match self.get(name) {
            None => return Ok(None),
            Some(Value::Number(number)) => number.to_string().into(),
            Some(Value::String(text)) => Cow::from(text.trim()),
            Some(_) => return Err(self.other(name, "a port")),
        };
        Ok(Some(port).filter(|port| !port.is_empty() && port != "0"))
    }

    /// Whether the field says no in so many words.
    pub(super) fn denies(&self, name: &str) -> Result<bool, FormatError> {
        match self.get(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(!flag),
            Some(_) => Err(self.other(name, "true or false")),
        }
    }

    /// The elements of a list; `null` is an empty one, as Go writes a list never filled.
    pub(super) fn list(
        &self,
        name: &str,
        wanted: &'static str,
    ) -> Result<&'v [Value], FormatError> {
        match self.fields.get(name) {
            None => Err(FormatError::Missing { at: self.place(name) }),
            Some(Value::Null) => Ok(&[]),
            Some(Value::Array(elements)) => Ok(elements),
            Some(_) => Err(self.other(name, wanted)),
        }
    }

    /// The objects of a list.
    pub(super) fn objects(&self, name: &'static str) -> Result<Vec<Self>, FormatError> {
        let object = |(index, element): (usize, &'v Value)| match element {
            Value::Object(fields) => Ok(Self { fields, element_of: Some((name, index)) }),
            _ => Err(self.other(&format!("{name}[{index}]"), "an object")),
        };
        self.list(name, "a list of objects")?.iter().enumerate().map(object).collect()
    }

    /// What to say of a field of another kind.
    pub(super) fn other(&self, name: &str, wanted: &'static str) -> FormatError {
        FormatError::Kind { at: self.place(name), wanted }
    }
}
