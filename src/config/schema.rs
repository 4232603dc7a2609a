//! How to read the registry: keys, values, labels, and what may reach Prometheus.

mod check;

use clap::builder::{FalseyValueParser, RangedU64ValueParser, TypedValueParser};
use clap::{ArgAction, Args};

use super::parse;
use crate::core::key::Prefix;
use crate::core::policy::{AllowedHost, Budgets, PortRange};

pub use check::SchemaError;

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
    /// JSON pointers in braces. One that leads to a list makes a target of each element,
    /// and so does {/nodes/*/host}:{/nodes/*/port} of each element of the list nodes.
    #[arg(long, value_name = "TEMPLATE", env = "ETCD_SD_ADDRESS")]
    pub address: Option<String>,

    /// Take only endpoints of this scheme, such as http
    #[arg(long, value_name = "SCHEME", env = "ETCD_SD_SCHEME_FILTER", value_parser = scheme)]
    pub scheme_filter: Option<String>,

    /// Scrape this port instead of the registered one, such as that of an exporter
    #[arg(long, value_name = "PORT", env = "ETCD_SD_PORT",
          value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,

    /// A label for all targets, such as env=prod; repeat it for more
    ///
    /// A comma begins the next one; in a --config, texts may have commas. With --value-format json
    /// also a label from the value: version={/version}.
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

    /// The longest text that a label may have, in bytes
    #[arg(long, value_name = "BYTES", env = "ETCD_SD_MAX_LABEL_BYTES",
          default_value_t = Budgets::default().label_value, value_parser = at_least_one())]
    pub max_label_bytes: usize,

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

/// One that no endpoint can have would leave nothing to scrape. Some registries name their ports by
/// other words than schemes.
fn scheme(text: &str) -> Result<String, String> {
    if text.is_empty() || text.contains([':', '/', ' ']) {
        return Err("give the scheme alone, such as http".into());
    }
    Ok(text.to_owned())
}

fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("give a name and a text, such as env=prod".into()),
    }
}

#[cfg(test)]
mod tests;
