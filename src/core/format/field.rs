//! Addresses in the fields of an object; an error says in which field.

use super::error::{FormatError, Place};
use super::object::Object;
use super::{Options, endpoint};

impl Object<'_> {
    /// The `host:port` in a field.
    pub(super) fn address(&self, name: &str, options: &Options) -> Result<Box<str>, FormatError> {
        endpoint::address(self.required_text(name)?, options)
            .map_err(|reason| FormatError::Address { at: self.place(name), reason })
    }

    /// The address of a host and a port in two fields, of which the port may be missing.
    pub(super) fn host_port(
        &self,
        host: &str,
        port: &str,
        options: &Options,
    ) -> Result<Box<str>, FormatError> {
        let (text, number) = (self.required_text(host)?, self.port(port)?);
        endpoint::host_port(text, number.as_deref(), options)
            .map_err(|reason| FormatError::Address { at: self.place(host), reason })
    }

    /// The address in a field's URL; `None` if the operator wants another scheme.
    pub(super) fn url(
        &self,
        name: &str,
        options: &Options,
    ) -> Result<Option<Box<str>>, FormatError> {
        url(self.required_text(name)?, || self.place(name), options)
    }
}

/// The address in a URL; `None` if the operator wants another scheme.
pub(super) fn url(
    text: &str,
    at: impl Fn() -> Place,
    options: &Options,
) -> Result<Option<Box<str>>, FormatError> {
    let url = endpoint::Url::parse(text)
        .ok_or_else(|| FormatError::Kind { at: at(), wanted: "a URL, scheme://host:port" })?;
    url.address(options).map_err(|reason| FormatError::Address { at: at(), reason })
}
