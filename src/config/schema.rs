//! How to read the registry: keys, values, labels, and what may reach Prometheus.

use std::sync::Arc;

use clap::builder::{FalseyValueParser, RangedU64ValueParser, TypedValueParser};
use clap::{ArgAction, Args};
use thiserror::Error;

use super::parse;
use crate::core::format::rule::JsonRule;
use crate::core::format::template::{Template, TemplateError};
use crate::core::format::{Format, Options, UnknownFormat};
use crate::core::key::Prefix;
use crate::core::pattern::{Pattern, PatternError};
use crate::core::policy::{AllowedHost, Budgets, Policy, PolicyError, PortRange};
use crate::core::schema::Schema;
use crate::core::value::Labels;

/// Where services register, unless it is given.
pub(super) const DEFAULT_PREFIX: &str = "/services";

/// What keys and values say.
#[allow(clippy::doc_markdown, reason = "the comments are the text of --help")]
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Registry")]
pub struct SchemaArgs {
    /// The key under which services register
    ///
    /// Watched with a trailing slash: with /services, the key /services2/x is not ours.
    ///
    /// [default: /services, or what --key-pattern begins with]
    #[arg(long, value_name = "KEY", env = "ETCD_SD_PREFIX", value_parser = parse::prefix)]
    pub prefix: Option<Prefix>,

    /// How the keys look, such as /env/{env}/svc/{service}/{instance}
    ///
    /// {service} becomes the label job, {instance} tells the entries of a service apart,
    /// {address} is where to scrape, and any other name becomes a label. {name...} takes the rest
    /// of the key, {name%} is percent-encoded, {service=web} says what the key has not got. If
    /// --prefix is given too, the pattern is what follows it.
    ///
    /// [default: {service}/{instance} below --prefix]
    #[arg(long, value_name = "PATTERN", env = "ETCD_SD_KEY_PATTERN")]
    pub key_pattern: Option<String>,

    /// How the values are written
    ///
    /// auto, address (host:port), targets (our own JSON), json (any JSON, with --address), or one
    /// of grpc-naming, skydns, registrator, go-zero, kratos, go-micro, kitex, dubbo-go, scalingo,
    /// traefik, apisix, pd, tidb, milvus, patroni. auto recognises them by their shape, and
    /// quarantines what could be two of them.
    #[arg(long, value_name = "FORMAT", env = "ETCD_SD_VALUE_FORMAT", default_value = "auto")]
    pub value_format: String,

    /// With --value-format json: where the address is, as in '{/host}:{/port}'
    ///
    /// JSON pointers in braces. One that leads to a list makes a target of each element.
    #[arg(long, value_name = "TEMPLATE", env = "ETCD_SD_ADDRESS")]
    pub address: Option<String>,

    /// Take only endpoints of this scheme, such as http
    #[arg(long, value_name = "SCHEME", env = "ETCD_SD_SCHEME_FILTER")]
    pub scheme_filter: Option<String>,

    /// Scrape this port instead of the registered one, such as that of an exporter
    #[arg(long, value_name = "PORT", env = "ETCD_SD_PORT",
          value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,

    /// A label for all targets, such as env=prod; repeat it for more
    ///
    /// With --value-format json also a label from the value: version={/version}.
    #[arg(long = "label", value_name = "NAME=TEXT", env = "ETCD_SD_LABEL",
          action = ArgAction::Append, value_delimiter = ',', value_parser = label)]
    pub labels: Vec<(String, String)>,

    /// Add the labels __meta_etcd_key, __meta_etcd_service, __meta_etcd_instance and
    /// __meta_etcd_revision, for relabelling
    ///
    /// The last of them changes with every write of the key, and the file with it.
    #[arg(long, env = "ETCD_SD_META_LABELS", value_parser = FalseyValueParser::new())]
    pub meta_labels: bool,

    /// Take label names of any text, as Prometheus does from version 3 on
    #[arg(long, env = "ETCD_SD_UTF8_LABELS", value_parser = FalseyValueParser::new())]
    pub utf8_labels: bool,

    /// Let values set a label that steers Prometheus, such as __metrics_path__ or __param_*;
    /// repeat it for more
    #[arg(long = "allow-label", value_name = "NAME", env = "ETCD_SD_ALLOW_LABEL",
          action = ArgAction::Append, value_delimiter = ',', value_parser = allowed_label)]
    pub allowed_labels: Vec<String>,

    /// Quarantine entries that set this label; repeat it for more
    #[arg(long = "deny-label", value_name = "NAME", env = "ETCD_SD_DENY_LABEL",
          action = ArgAction::Append, value_delimiter = ',')]
    pub denied_labels: Vec<String>,

    /// Take only targets in this network, such as 10.0.0.0/8, or of this name; repeat it for more
    ///
    /// Names are not resolved: a name is admitted only if it is given itself, or as
    /// *.example.com.
    #[arg(long = "allow-address", value_name = "CIDR", env = "ETCD_SD_ALLOW_ADDRESS",
          action = ArgAction::Append, value_delimiter = ',')]
    pub allowed_hosts: Vec<AllowedHost>,

    /// Take only targets with these ports, such as 9000-9999; repeat it for more
    #[arg(long = "allow-port", value_name = "RANGE", env = "ETCD_SD_ALLOW_PORT",
          action = ArgAction::Append, value_delimiter = ',')]
    pub allowed_ports: Vec<PortRange>,

    /// The most targets that one key may give
    #[arg(long, value_name = "NUMBER", env = "ETCD_SD_MAX_TARGETS_PER_KEY",
          default_value_t = Budgets::default().targets, value_parser = at_least_one())]
    pub max_targets_per_key: usize,

    /// The most labels that a target may have
    #[arg(long, value_name = "NUMBER", env = "ETCD_SD_MAX_LABELS",
          default_value_t = Budgets::default().labels)]
    pub max_labels: usize,

    /// The longest value that is read, in bytes
    #[arg(long, value_name = "BYTES", env = "ETCD_SD_MAX_VALUE_BYTES",
          default_value_t = Budgets::default().value, value_parser = at_least_one())]
    pub max_value_bytes: usize,

    /// The most targets that one service may have
    ///
    /// Those beyond wait: each is quarantined, keeps the target that it had, and is admitted by
    /// itself when there is room again. What is published is not given up for something new. With
    /// --config, each source has a budget of its own.
    #[arg(long, value_name = "NUMBER", env = "ETCD_SD_MAX_TARGETS_PER_SERVICE",
          default_value_t = Budgets::default().service_targets, value_parser = at_least_one())]
    pub max_targets_per_service: usize,

    /// The most bytes that all targets may have together
    ///
    /// Counted are the addresses, and the names and texts of the labels, of each entry. The file
    /// is a little larger: it has names of services and punctuation too. What is beyond waits, as
    /// with --max-targets-per-service.
    #[arg(long, value_name = "BYTES", env = "ETCD_SD_MAX_TOTAL_BYTES",
          default_value_t = Budgets::default().total_bytes, value_parser = at_least_one())]
    pub max_total_bytes: usize,
}

/// What is wrong with how to read the registry.
#[derive(Debug, Error)]
pub enum SchemaError {
    /// The pattern.
    #[error("--key-pattern {text}: {source}")]
    Pattern {
        /// As it was given.
        text: String,
        /// What is wrong with it.
        source: PatternError,
    },
    /// The format.
    #[error("--value-format: {0}")]
    Format(#[from] UnknownFormat),
    /// The template of the address or of a label.
    #[error("{flag} {text}: {source}")]
    Template {
        /// Which flag.
        flag: &'static str,
        /// As it was given.
        text: String,
        /// What is wrong with it.
        source: TemplateError,
    },
    /// Where should it come from?
    #[error("--value-format json needs --address, such as '{{/host}}:{{/port}}'")]
    NoAddress,
    /// It would do nothing: the key says where to scrape.
    #[error("{0}: --key-pattern takes the address from the key; the value is not read then")]
    UnreadValue(&'static str),
    /// Nor would this.
    #[error("--address is for --value-format json; the format {0} knows where its addresses are")]
    NeedlessAddress(&'static str),
    /// It would be no label.
    #[error(
        "--label {0}: a text with braces is a field of the value, which --value-format json takes; \
         the format {1} knows which labels its values have"
    )]
    NeedlessLabel(String, &'static str),
    /// It would filter nothing.
    #[error("--scheme-filter: the format {0} has no schemes")]
    NoSchemes(&'static str),
    /// A label of the operator's that Prometheus would refuse.
    #[error("--label {name}: {source}")]
    Label {
        /// Its name.
        name: String,
        /// Why.
        source: PolicyError,
    },
}

impl SchemaArgs {
    /// The schema that these arguments give.
    pub(crate) fn schema(self) -> Result<Arc<Schema>, SchemaError> {
        let pattern = self.pattern()?;
        let policy = self.policy();
        let (from_value, fixed): (Vec<_>, Vec<_>) =
            self.labels.iter().partition(|(_, text)| text.contains('{'));
        // Of a value's labels it is the names that count: an illegal one would quarantine all.
        labels(&from_value, &policy)?;
        let labels = labels(&fixed, &policy)?;
        let needless = from_value.first().copied();
        let mut format = Format::parse(&self.value_format)?;
        let of_value = [("--address", self.address.is_some()), ("--label", needless.is_some())];
        if pattern.has_address()
            && matches!(format, Format::Json(_))
            && let Some((flag, _)) = of_value.into_iter().find(|(_, is_given)| *is_given)
        {
            return Err(SchemaError::UnreadValue(flag));
        }
        match (&mut format, &self.address) {
            (Format::Json(rule), Some(text)) => {
                let mut of_value = Vec::new();
                for (name, text) in from_value {
                    of_value.push((name.as_str().into(), template("--label", text)?));
                }
                *rule =
                    JsonRule::new(template("--address", text)?, of_value).map_err(|source| {
                        SchemaError::Template { flag: "--address", text: text.clone(), source }
                    })?;
            }
            (Format::Json(_), None) if !pattern.has_address() => {
                return Err(SchemaError::NoAddress);
            }
            (_, None) => {}
            (format, Some(_)) => return Err(SchemaError::NeedlessAddress(format.name())),
        }
        if let (false, Some((name, _))) = (matches!(format, Format::Json(_)), needless) {
            return Err(SchemaError::NeedlessLabel(name.clone(), format.name()));
        }
        if self.scheme_filter.is_some() && !format.knows_schemes() {
            return Err(SchemaError::NoSchemes(format.name()));
        }
        let options = Options {
            port: self.port,
            scheme: self.scheme_filter.map(Into::into),
            utf8_labels: self.utf8_labels,
        };
        let meta_labels = self.meta_labels;
        Ok(Arc::new(Schema { pattern, format, options, policy, labels, meta_labels }))
    }

    fn pattern(&self) -> Result<Pattern, SchemaError> {
        let default = || Prefix::parse(DEFAULT_PREFIX).unwrap_or_else(|_| unreachable!());
        let Some(given) = &self.key_pattern else {
            return Ok(Pattern::below(&self.prefix.clone().unwrap_or_else(default)));
        };
        let text = match &self.prefix {
            Some(prefix) if !given.starts_with(prefix.as_str()) => {
                format!("{prefix}{}", given.trim_start_matches('/'))
            }
            _ => given.clone(),
        };
        Pattern::parse(&text).map_err(|source| SchemaError::Pattern { text, source })
    }

    fn policy(&self) -> Policy {
        let boxed = |names: &[String]| names.iter().map(|name| name.as_str().into()).collect();
        Policy {
            allowed_labels: boxed(&self.allowed_labels),
            denied_labels: boxed(&self.denied_labels),
            allowed_hosts: self.allowed_hosts.clone(),
            allowed_ports: self.allowed_ports.clone(),
            utf8_labels: self.utf8_labels,
            budgets: Budgets {
                targets: self.max_targets_per_key,
                labels: self.max_labels,
                value: self.max_value_bytes,
                service_targets: self.max_targets_per_service,
                total_bytes: self.max_total_bytes,
                ..Budgets::default()
            },
        }
    }
}

/// The operator may steer Prometheus, but not set what it refuses.
fn labels(given: &[&(String, String)], policy: &Policy) -> Result<Labels, SchemaError> {
    let own = Policy { allowed_labels: vec!["__*".into()], ..policy.clone() };
    let own = Policy { denied_labels: Vec::new(), ..own };
    let mut labels = Labels::new();
    for (name, text) in given {
        labels.insert(name.as_str().into(), text.as_str().into());
        own.admit(&[], &labels)
            .map_err(|source| SchemaError::Label { name: name.clone(), source })?;
    }
    Ok(labels)
}

fn template(flag: &'static str, text: &str) -> Result<Template, SchemaError> {
    Template::parse(text).map_err(|source| SchemaError::Template {
        flag,
        text: text.to_owned(),
        source,
    })
}

/// A budget of nothing would empty the file.
fn at_least_one() -> impl TypedValueParser<Value = usize> {
    RangedU64ValueParser::<usize>::new().range(1..)
}

fn allowed_label(name: &str) -> Result<String, String> {
    match name {
        "job" => Err("job is the service, which the key says; let values set another label, and \
                      relabel that to job in Prometheus"
            .into()),
        _ => Ok(name.to_owned()),
    }
}

fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("give a name and a text, such as env=prod".into()),
    }
}

#[cfg(test)]
mod tests;
