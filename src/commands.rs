//! The commands beside the daemon: they read and print, and write nothing.

use std::io::{self, ErrorKind, Write};
use std::sync::Arc;

use thiserror::Error;

use crate::config::{Command, ConfigError, ExplainArgs};
use crate::core::event::{KeyValue, Revision};
use crate::core::format::Format;
use crate::core::key::Key;
use crate::core::schema::{Explanation, Schema};
use crate::etcd::{Connector, Server};
use crate::telemetry::{Chain, Foreign};

/// What an entry that would not be published makes the process exit with.
const BAD_ENTRY: i32 = 6;

/// Why a command came to nothing.
#[derive(Debug, Error)]
pub enum Error {
    /// About the command line.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// No member answered.
    #[error("no server could be asked: {0}")]
    Etcd(String),
    /// It is not there.
    #[error("etcd has no key {0}; give a value behind it to have that explained")]
    NoKey(String),
    /// Whoever reads the output has gone.
    #[error("cannot print")]
    Print(#[from] io::Error),
}

impl Error {
    /// What the process exits with.
    #[must_use]
    pub fn exit_code(&self) -> i32 {
        match self {
            Self::Config(_) => 2,
            Self::Etcd(_) => 3,
            Self::NoKey(_) | Self::Print(_) => 1,
        }
    }
}

/// Runs a command. Returns what the process exits with.
pub async fn run(command: Command) -> Result<i32, Error> {
    let ran = match command {
        Command::Presets => presets(&mut io::stdout().lock()).map(|()| 0),
        Command::Explain(args) => explain(*args).await,
    };
    match ran {
        // Whoever reads has seen enough.
        Err(Error::Print(error)) if error.kind() == ErrorKind::BrokenPipe => Ok(0),
        ran => ran,
    }
}

async fn explain(args: ExplainArgs) -> Result<i32, Error> {
    let ExplainArgs { key, value, etcd, security, sources } = args;
    let sources = sources.sources().map_err(ConfigError::from)?;
    let schema = source_of(&sources, key.as_bytes());
    let entry = if let Some(value) = value {
        KeyValue {
            key: key.into_bytes(),
            value: value.into_bytes(),
            create_revision: Revision(1),
            mod_revision: Revision(1),
            version: 1,
        }
    } else {
        let (servers, connector) = etcd.connector(security).map_err(ConfigError::from)?;
        read(&servers, &connector, schema, key).await?
    };
    let Explanation { steps, is_good } = schema.explain(&entry);
    let mut out = io::stdout().lock();
    for step in steps {
        writeln!(out, "{:<9}{}", step.about, Foreign(step.text.as_bytes()))?;
    }
    Ok(if is_good { 0 } else { BAD_ENTRY })
}

/// The source that takes the key, or the one that comes closest.
fn source_of<'s>(sources: &'s [Arc<Schema>], key: &[u8]) -> &'s Schema {
    let closeness = |source: &&Arc<Schema>| match source.classify(key) {
        Key::Instance { .. } => 4,
        Key::Invalid(_) => 3,
        Key::Service => 2,
        Key::Ignored => usize::from(key.starts_with(source.pattern.prefix().as_str().as_bytes())),
    };
    // Of equals the last, which is as good as the first.
    sources.iter().max_by_key(closeness).unwrap_or_else(|| unreachable!("there is one at least"))
}

/// Reads one key from the first member that answers.
async fn read(
    servers: &[Server],
    connector: &Connector,
    schema: &Schema,
    key: String,
) -> Result<KeyValue, Error> {
    let mut failures = Vec::new();
    for server in servers {
        let found = match connector.open(server, schema.pattern.prefix()).await {
            Ok(connection) => connection.get(key.clone().into_bytes()).await,
            Err(error) => Err(error),
        };
        match found {
            Ok(found) => return found.ok_or(Error::NoKey(key)),
            Err(error) => failures.push(format!("{}: {}", server.as_str(), Chain(&error))),
        }
    }
    Err(Error::Etcd(failures.join("; ")))
}

fn presets(out: &mut impl Write) -> Result<(), Error> {
    for one in Format::all() {
        let also = match one.aliases {
            [] => String::new(),
            aliases => format!(" (also {})", aliases.join(", ")),
        };
        writeln!(out, "{}{also}: {}", one.name, one.about)?;
        writeln!(out, "    --key-pattern '{}' --value-format {}", one.key_pattern, one.name)?;
        writeln!(out, "    {} = {}\n", one.key, one.value)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::pattern::Pattern;

    #[test]
    fn the_example_of_each_preset_is_a_registration_by_its_own_pattern() {
        for one in Format::all() {
            let pattern = Pattern::parse(one.key_pattern).expect(one.key_pattern);
            let key = pattern.classify(one.key.as_bytes());
            assert!(matches!(key, Key::Instance { .. }), "{}: {key:?}", one.name);
            if one.name == "json" {
                continue;
            }
            let schema = Schema { format: one.format(), ..Schema::of(pattern) };
            let (key, value) = (one.key.into(), one.value.into());
            let (create_revision, mod_revision) = (Revision(1), Revision(1));
            let told =
                schema.explain(&KeyValue { key, value, create_revision, mod_revision, version: 1 });
            assert!(told.is_good, "{}: {told:?}", one.name);
        }
        let mut printed = Vec::new();
        presets(&mut printed).expect("printed");
        assert!(String::from_utf8(printed).expect("UTF-8").contains("\nkratos: "));
    }
}
