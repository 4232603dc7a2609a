//! Why a value can't be read: names of fields and formats, never what stands in them.

use std::fmt;

use thiserror::Error;

use super::Format;
use crate::core::address::AddressError;

/// Where in a value something is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The value itself.
    Value,
    /// A field, as `nodes[1].address` or, where a rule names it, `/nodes/1/address`.
    Field(Box<str>),
    /// What the rule of `--address` made.
    Rule,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value => f.write_str("the value"),
            Self::Field(name) => write!(f, "\"{name}\""),
            Self::Rule => f.write_str("what --address makes"),
        }
    }
}

/// Why a value stands for no target.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FormatError {
    /// Everything in the document is UTF-8.
    #[error("the value is not UTF-8")]
    NotUtf8,
    /// It is no JSON at all.
    #[error("the value is no valid JSON (line {line}, column {column})")]
    Json {
        /// Where it went wrong, from 1.
        line: usize,
        /// Where it went wrong, from 1; 0 right after a line's end.
        column: usize,
    },
    /// A list of everything, perhaps.
    #[error("JSON other than an object; one object for each instance is wanted")]
    NotAnObject,
    /// [`Format::Address`] was named.
    #[error("the value is JSON; the format address wants host:port alone")]
    JsonForAddress,
    /// What stands where an address is wanted is none.
    #[error("{}{reason}", prefix(at))]
    Address {
        /// Where it stands.
        at: Place,
        /// What is wrong with it.
        reason: AddressError,
    },
    /// A field that the format can't do without.
    #[error("the JSON has no {at}")]
    Missing {
        /// What is missing.
        at: Place,
    },
    /// A field of another kind than the format has it.
    #[error("{at} is not {wanted}")]
    Kind {
        /// The field.
        at: Place,
        /// What it should be.
        wanted: &'static str,
    },
    /// Neither of the two shapes of [`Format::Targets`].
    #[error(
        "the JSON is not {{\"address\": \"host:port\"}} or {{\"targets\": [\"host:port\"]}} \
         with \"labels\" of text (line {line}, column {column})"
    )]
    Targets {
        /// Where it went wrong, from 1.
        line: usize,
        /// Where it went wrong, from 1; 0 right after a line's end.
        column: usize,
    },
    /// Neither of the two fields of [`Format::Targets`].
    #[error("the JSON object has neither \"address\" nor \"targets\"")]
    NoTargets,
    /// Which of them would count?
    #[error("the JSON object has both \"address\" and \"targets\"")]
    AddressAndTargets,
    /// A group without targets is no registration.
    #[error("\"targets\" is empty")]
    EmptyTargets,
    /// A row of `SkyDNS` that is no SRV row.
    #[error(
        "the DNS row has no \"port\", as it is with rows of addresses, aliases and name \
         servers: give --port if its host is to be scraped"
    )]
    DnsPort,
    /// A row of `SkyDNS` with a text and no host.
    #[error("a TXT row of DNS: it has \"text\" and no \"host\"")]
    DnsText,
    /// A row of `SkyDNS` for mail.
    #[error("an MX row of DNS (\"mail\"): its host takes mail")]
    DnsMail,
    /// Nothing that could be scraped over the network.
    #[error("the instance listens on a unix socket (\"network\"), which can't be scraped")]
    UnixSocket,
    /// Which of them would it be?
    #[error("{at} has several ports: name the one that is meant with --scheme-filter")]
    SeveralPorts {
        /// The field.
        at: Place,
    },
    /// Two lists in one rule of `--address`.
    #[error("the lists at {first} and {second}, which --address joins, differ in length")]
    Lengths {
        /// The one.
        first: Place,
        /// The other.
        second: Place,
    },
    /// [`Format::Auto`] reads no URLs: it could not say which port is to be scraped.
    #[error(
        "a URL stands where host:port is wanted; --value-format traefik takes host and port \
         out of it"
    )]
    BareUrl,
    /// [`Format::Auto`] knows no format with such fields.
    #[error(
        "the JSON object has neither \"address\" nor \"targets\", nor the fields of another \
         format that is recognised: name its format with --value-format, or say with \
         --value-format json and --address where its address is"
    )]
    Unrecognised,
    /// [`Format::Auto`] knows several, and they read it differently.
    #[error(
        "the value fits the formats {}, which read it differently: say with --value-format \
         which one it is",
        listed(fitting)
    )]
    Ambiguous {
        /// Their names.
        fitting: Vec<&'static str>,
    },
}

/// No format has that name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("no value format is called {name:?}; there are {}", listed(&names()))]
pub struct UnknownFormat {
    /// What was asked for.
    pub name: Box<str>,
}

fn names() -> Vec<&'static str> {
    Format::all().iter().map(|known| known.name).collect()
}

fn listed(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

/// A reason is about the value if nothing else is named.
fn prefix(at: &Place) -> String {
    match at {
        Place::Value => String::new(),
        _ => format!("{at}: "),
    }
}
