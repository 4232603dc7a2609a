//! The sources of one daemon: one from the command line, or several from a file.
//!
//! The file is TOML, with a table `[[source]]` for each. What may stand in one are the flags of
//! the heading "Registry", without their dashes; what stands before the first table is for all
//! of them that don't say it themselves. It is read by the same code as the command line.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Command, FromArgMatches};
use thiserror::Error;
use toml::{Table, Value};

use super::schema::{SchemaArgs, SchemaError};
use crate::core::pattern::Pattern;
use crate::core::schema::Schema;
use crate::core::shard::Shard;
use crate::file::read_small;

/// Where to read registrations, and how.
#[allow(
    clippy::doc_markdown,
    rustdoc::broken_intra_doc_links,
    reason = "the comments are the text of --help"
)]
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Registry")]
pub struct SourcesArgs {
    /// A TOML file with several sources, instead of the flags of this section
    ///
    /// Each is a table [[source]] of these flags without their dashes, such as
    /// key-pattern = "/a/{service}/{instance}" and value-format = "go-zero". What stands before
    /// the first table is for all of them; a source that gives the same flag, be it a list, has
    /// its own alone.
    #[arg(long, value_name = "FILE", env = "ETCD_SD_CONFIG", conflicts_with = "SchemaArgs")]
    pub config: Option<PathBuf>,

    /// What keys and values say, if there is one source.
    #[command(flatten)]
    pub schema: SchemaArgs,

    /// Keep only the targets of one shard of several, counted from 0: 0/3, 1/3 and 2/3 for three
    /// Prometheis
    ///
    /// By the same rule as hashmod on __address__ in Prometheus' relabel_configs, with the COUNT
    /// as modulus: a target is of just one shard, and of the same as there.
    #[arg(long, value_name = "INDEX/COUNT", env = "ETCD_SD_SHARD", value_parser = Shard::parse)]
    pub shard: Option<Shard>,
}

/// What is wrong with the sources.
#[derive(Debug, Error)]
pub enum SourcesError {
    /// Of the command line.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// The file can't be read.
    #[error("--config {path}: cannot read it: {source}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// It is no TOML.
    #[error("--config {path}: line {line}: {reason}")]
    Toml {
        /// The file.
        path: String,
        /// Counted from 1.
        line: usize,
        /// What the parser says.
        reason: String,
    },
    /// It is no file of sources.
    #[error(
        "--config {path}: it has no table [[source]]; write one for each, with a key-pattern, such \
         as key-pattern = \"/services/{{service}}/{{instance}}\""
    )]
    NoSource {
        /// The file.
        path: String,
    },
    /// One of the sources is wrong.
    #[error("--config {path}: source {number}: {reason}")]
    Source {
        /// The file.
        path: String,
        /// Counted from 1.
        number: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// One key would be two registrations.
    #[error(
        "--config {path}: sources {one} ({first}) and {other} ({second}) overlap: one key could be \
         of both; make the patterns differ in their text, or leave one of them out"
    )]
    Overlap {
        /// The file.
        path: String,
        /// Counted from 1.
        one: usize,
        /// Its pattern.
        first: String,
        /// Counted from 1.
        other: usize,
        /// Its pattern.
        second: String,
    },
}

impl SourcesArgs {
    /// The sources; at least one, and no key is of two of them.
    pub(crate) fn sources(self) -> Result<Vec<Arc<Schema>>, SourcesError> {
        let mut sources = match self.config {
            Some(path) => of_file(&path)?,
            None => vec![self.schema.schema()?],
        };
        for source in &mut sources {
            Arc::make_mut(source).shard = self.shard;
        }
        Ok(sources)
    }
}

fn of_file(file: &Path) -> Result<Vec<Arc<Schema>>, SourcesError> {
    let path = file.display().to_string();
    let bytes = match read_small(file) {
        Ok(bytes) => bytes,
        Err(source) => return Err(SourcesError::Read { path, source }),
    };
    let text = match str::from_utf8(&bytes) {
        Ok(text) => text,
        Err(error) => {
            let line = line_of(&bytes, error.valid_up_to());
            return Err(SourcesError::Toml { path, line, reason: "it is not UTF-8".into() });
        }
    };
    let mut table: Table = text.parse().map_err(|error: toml::de::Error| {
        let line = line_of(&bytes, error.span().map_or(0, |span| span.start));
        SourcesError::Toml { path: path.clone(), line, reason: error.message().to_owned() }
    })?;
    let sources = match table.remove("source") {
        Some(Value::Array(sources)) if !sources.is_empty() => sources,
        _ => return Err(SourcesError::NoSource { path }),
    };
    let mut schemas: Vec<Arc<Schema>> = Vec::new();
    for (number, source) in (1..).zip(sources) {
        let schema = of_table(&table, source).map_err(|reason| SourcesError::Source {
            path: path.clone(),
            number,
            reason,
        })?;
        let pattern = |schema: &Schema| schema.pattern.as_str().to_owned();
        let overlaps = |held: &Arc<Schema>| Pattern::overlaps(&held.pattern, &schema.pattern);
        if let Some(at) = schemas.iter().position(overlaps) {
            return Err(SourcesError::Overlap {
                path,
                one: at + 1,
                first: pattern(&schemas[at]),
                other: number,
                second: pattern(&schema),
            });
        }
        schemas.push(schema);
    }
    Ok(schemas)
}

/// Counted from 1.
fn line_of(text: &[u8], at: usize) -> usize {
    text.iter().take(at).filter(|&&byte| byte == b'\n').count() + 1
}

/// The source of this table, with the `defaults` for what it does not say.
fn of_table(defaults: &Table, source: Value) -> Result<Arc<Schema>, String> {
    let Value::Table(own) = source else {
        return Err("it is no table; write [[source]] above its lines".into());
    };
    let command = SchemaArgs::augment_args(Command::new("source").no_binary_name(true))
        .disable_help_flag(true)
        // The environment is for the command line, and a list is written as one here.
        .mut_args(|arg| arg.env(None::<&str>).value_delimiter(None::<char>));
    let mut arguments = Vec::new();
    let inherited = defaults.iter().filter(|(name, _)| !own.contains_key(*name));
    for (name, value) in inherited.chain(&own) {
        if !command.get_arguments().any(|arg| arg.get_long() == Some(name)) {
            let known: Vec<_> = command.get_arguments().filter_map(clap::Arg::get_long).collect();
            return Err(format!("{name} can't stand here; what can is {}", known.join(", ")));
        }
        push(name, value, &mut arguments)?;
    }
    let matches = command.try_get_matches_from(arguments).map_err(|error| {
        let text = error.render().to_string();
        let line = text.lines().next().unwrap_or_default();
        line.trim_start_matches("error: ").to_owned()
    })?;
    let args = SchemaArgs::from_arg_matches(&matches).map_err(|error| error.to_string())?;
    args.schema().map_err(|error| error.to_string())
}

/// Adds the flag `name` as the command line would have it.
fn push(name: &str, value: &Value, arguments: &mut Vec<String>) -> Result<(), String> {
    match value {
        Value::Boolean(true) => arguments.push(format!("--{name}")),
        Value::Boolean(false) => {}
        Value::String(text) => arguments.push(format!("--{name}={text}")),
        Value::Integer(number) => arguments.push(format!("--{name}={number}")),
        Value::Array(values) => {
            for value in values {
                push(name, value, arguments)?;
            }
        }
        Value::Table(pairs) if name == "label" => {
            for (key, value) in pairs {
                let Value::String(text) = value else {
                    return Err(format!("{name}.{key} is no text in quotes"));
                };
                arguments.push(format!("--{name}={key}={text}"));
            }
        }
        Value::Table(_) | Value::Float(_) | Value::Datetime(_) => {
            return Err(format!(
                "{name} is no text in quotes, number, true, false, or list of texts"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
