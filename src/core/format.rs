//! Formats: how a value is written, and which addresses and labels it gives.
//!
//! Every registry that people keep in etcd has a layout of its own. A [`Format`] reads one
//! of them; what each looks like is said where it is read, and `Format::all` has an example
//! of each.
//!
//! | module | reads |
//! |---|---|
//! | [`native`](Format::Targets) | `host:port` alone; `{"address"\|"targets", "labels"}` |
//! | `auto` | whatever it recognises by its shape |
//! | `rpc` | gRPC naming, Kitex and Hertz, dubbo-go |
//! | `micro` | Kratos, go-micro |
//! | `hosts` | `SkyDNS` and `CoreDNS`, Scalingo |
//! | `gateway` | Traefik, APISIX |
//! | `cluster` | PD, `TiDB`, Milvus, Patroni |
//! | [`rule`] | JSON by a rule that names its fields |
//!
//! A reading is what the value says and no more: whether its labels and addresses may reach
//! Prometheus is decided elsewhere. Only names of fields are repeated in an error, never
//! what stands in them: values may hold secrets.

mod auto;
mod catalogue;
mod cluster;
mod endpoint;
mod error;
mod field;
mod gateway;
mod hosts;
mod labels;
mod micro;
mod native;
mod object;
mod rpc;
pub mod rule;
pub mod template;

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod tests;

use std::str::FromStr;

pub use catalogue::Description;
pub use error::{FormatError, Place, UnknownFormat};

use super::value::Labels;
use object::Object;
use rule::JsonRule;

/// How values are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// One of the others, recognised by its shape.
    Auto,
    /// `host:port` and nothing else.
    Address,
    /// `{"address": "host:port"}` or `{"targets": ["host:port", …]}`, with `"labels"` if
    /// wanted.
    Targets,
    /// The endpoints of etcd's gRPC naming.
    GrpcNaming,
    /// Records of `SkyDNS` and of the etcd plugin of `CoreDNS`.
    Skydns,
    /// The etcd backend of registrator.
    Registrator,
    /// go-zero.
    GoZero,
    /// Kratos.
    Kratos,
    /// go-micro.
    GoMicro,
    /// Kitex and Hertz.
    Kitex,
    /// dubbo-go, registered by application.
    DubboGo,
    /// Scalingo's etcd-discovery.
    Scalingo,
    /// The server URLs of Traefik.
    Traefik,
    /// The upstreams of APISIX.
    Apisix,
    /// The microservices of PD.
    Pd,
    /// The topology of `TiDB`.
    Tidb,
    /// The sessions of Milvus.
    Milvus,
    /// The members of Patroni.
    Patroni,
    /// JSON of any layout, with a rule that says where its address is.
    Json(JsonRule),
}

/// What the operator adds to a format.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Stands in place of every address' port, and where a value gives none.
    pub port: Option<u16>,
    /// Only endpoints of this scheme are taken; see [`Format::knows_schemes`].
    pub scheme: Option<Box<str>>,
    /// Leaves label names as they are written, as Prometheus 3 takes them. Otherwise what is
    /// not `[a-zA-Z0-9_]` becomes an underscore, but for the labels of [`Format::Targets`],
    /// which were written for Prometheus.
    pub utf8_labels: bool,
}

/// What a value says. Equal meanings make equal readings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Each a `host:port` as [`address`](super::address) has it, ascending, each once. None
    /// at all means: registered, and not to be scraped now, because the value says so or
    /// because no endpoint has the wanted scheme.
    pub addresses: Vec<Box<str>>,
    /// Unchecked: whether Prometheus is to see them is not decided here.
    pub labels: Labels,
}

impl Reading {
    /// Registered, and not to be scraped.
    fn none() -> Self {
        Self::default()
    }

    pub(super) fn new(mut addresses: Vec<Box<str>>, labels: Labels) -> Self {
        if addresses.is_empty() {
            return Self::none();
        }
        addresses.sort_unstable();
        addresses.dedup();
        Self { addresses, labels }
    }

    fn one(address: Box<str>, labels: Labels) -> Self {
        Self { addresses: vec![address], labels }
    }
}

impl Format {
    /// All formats in the order in which to show them, with an example of each.
    #[must_use]
    pub fn all() -> &'static [Description] {
        catalogue::ALL
    }

    /// The format of that name. `json` comes with [`JsonRule::default`], to be replaced by
    /// the operator's rule.
    pub fn parse(name: &str) -> Result<Self, UnknownFormat> {
        Self::all()
            .iter()
            .find(|known| known.name == name || known.aliases.contains(&name))
            .map(Description::format)
            .ok_or_else(|| UnknownFormat { name: name.into() })
    }

    /// The name that [`Format::parse`] takes.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Address => "address",
            Self::Targets => "targets",
            Self::GrpcNaming => "grpc-naming",
            Self::Skydns => "skydns",
            Self::Registrator => "registrator",
            Self::GoZero => "go-zero",
            Self::Kratos => "kratos",
            Self::GoMicro => "go-micro",
            Self::Kitex => "kitex",
            Self::DubboGo => "dubbo-go",
            Self::Scalingo => "scalingo",
            Self::Traefik => "traefik",
            Self::Apisix => "apisix",
            Self::Pd => "pd",
            Self::Tidb => "tidb",
            Self::Milvus => "milvus",
            Self::Patroni => "patroni",
            Self::Json(_) => "json",
        }
    }

    /// Whether [`Options::scheme`] means anything to it.
    #[must_use]
    pub fn knows_schemes(&self) -> bool {
        matches!(
            self,
            Self::Auto
                | Self::Kratos
                | Self::Scalingo
                | Self::Traefik
                | Self::Apisix
                | Self::Pd
                | Self::Patroni
                | Self::Json(_)
        )
    }

    /// Reads a value.
    pub fn read(&self, value: &[u8], options: &Options) -> Result<Reading, FormatError> {
        let text = str::from_utf8(value).map_err(|_| FormatError::NotUtf8)?;
        self.read_text(text.trim(), options)
    }

    /// The formats in which the value is written, as far as its shape tells: of
    /// [`Format::Auto`] those that it chooses from, none if it recognises none.
    #[must_use]
    pub fn fitting(&self, value: &[u8]) -> Vec<Self> {
        match (self, str::from_utf8(value)) {
            (Self::Auto, Ok(text)) => auto::fitting(text.trim()).unwrap_or_default(),
            (Self::Auto, Err(_)) => Vec::new(),
            (named, _) => vec![named.clone()],
        }
    }

    fn read_text(&self, text: &str, options: &Options) -> Result<Reading, FormatError> {
        match self {
            Self::Auto => auto::read(text, options),
            Self::Address | Self::Registrator | Self::GoZero => native::address(text, options),
            Self::Targets => native::targets(text, options),
            Self::GrpcNaming => object(text, options, rpc::grpc_naming),
            Self::Kitex => object(text, options, rpc::kitex),
            Self::DubboGo => object(text, options, rpc::dubbo_go),
            Self::Kratos => object(text, options, micro::kratos),
            Self::GoMicro => object(text, options, micro::go_micro),
            Self::Skydns => object(text, options, hosts::skydns),
            Self::Scalingo => object(text, options, hosts::scalingo),
            Self::Traefik => gateway::traefik(text, options),
            Self::Apisix => object(text, options, gateway::apisix),
            Self::Pd => object(text, options, cluster::pd),
            Self::Tidb => object(text, options, cluster::tidb),
            Self::Milvus => cluster::milvus(text, options),
            Self::Patroni => object(text, options, cluster::patroni),
            Self::Json(rule) => rule.read(text, options),
        }
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        Self::parse(name)
    }
}

/// How a preset reads the one object that its values are.
type Preset = fn(Object<'_>, &Options) -> Result<Reading, FormatError>;

fn object(text: &str, options: &Options, preset: Preset) -> Result<Reading, FormatError> {
    preset(Object::new(&object::parse(text)?), options)
}
