//! What the arguments about keys, values and labels come to, or what is wrong with them.

use std::sync::Arc;

use thiserror::Error;

use super::SchemaArgs;
use crate::core::format::rule::JsonRule;
use crate::core::format::template::{Template, TemplateError};
use crate::core::format::{Format, Options, UnknownFormat};
use crate::core::key::Prefix;
use crate::core::pattern::{Pattern, PatternError};
use crate::core::policy::{Budgets, Policy, PolicyError};
use crate::core::schema::Schema;
use crate::core::value::Labels;

/// Where services register, unless it is given.
const DEFAULT_PREFIX: &str = "/services";

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
        Ok(Arc::new(Schema { pattern, format, options, policy, labels, meta_labels, shard: None }))
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
                label_value: self.max_label_bytes,
                value: self.max_value_bytes,
                service_targets: self.max_targets_per_service,
                total_bytes: self.max_total_bytes,
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
