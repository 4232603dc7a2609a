//! `json`: JSON of any layout, read by the operator's rule.
//!
//! `--address '{/host}:{/port}'` says where the address is, and
//! `--label version={/version}` what becomes a label. A pointer to a list makes a target of
//! each element, and so does one through a list, `/nodes/*/host`; several lists go side by
//! side. An address may be a URL, of which
//! host and port are taken. What is missing in an address is an error; a label of which
//! anything is missing is left out.

use super::error::{FormatError, Place};
use super::template::{Template, TemplateError};
use super::{Options, Reading, endpoint, field, object};

/// Where addresses and labels are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonRule {
    /// Makes the addresses.
    pub address: Template,
    /// Names of labels, each with what makes its text.
    pub labels: Vec<(Box<str>, Template)>,
}

impl JsonRule {
    /// A rule whose address differs from value to value.
    pub fn new(
        address: Template,
        labels: Vec<(Box<str>, Template)>,
    ) -> Result<Self, TemplateError> {
        if !address.has_pointers() {
            return Err(TemplateError::NoPointer);
        }
        Ok(Self { address, labels })
    }

    pub(super) fn read(&self, text: &str, options: &Options) -> Result<Reading, FormatError> {
        let document = object::parse_any(text)?;
        let mut addresses = Vec::new();
        for text in self.address.addresses(&document)? {
            if text.contains("://") {
                addresses.extend(field::url(&text, || Place::Rule, options)?);
            } else {
                let address = endpoint::address(&text, options);
                let at = Place::Rule;
                addresses.push(address.map_err(|reason| FormatError::Address { at, reason })?);
            }
        }
        let labels = self.labels.iter().filter_map(|(name, template)| {
            let text = template.text(&document).filter(|text| !text.is_empty())?;
            Some((name.clone(), text.into()))
        });
        Ok(Reading::new(addresses, labels.collect()))
    }
}

/// The document itself is the address, or a list of addresses; no labels.
impl Default for JsonRule {
    fn default() -> Self {
        Self { address: Template::whole(), labels: Vec::new() }
    }
}
