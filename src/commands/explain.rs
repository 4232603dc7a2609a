//! `etcd-sd explain`: what becomes of one key and its value, step by step, or why nothing does.

use std::ffi::OsString;
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{BAD_ENTRY, Error, print};
use crate::config::{ConfigError, ExplainArgs, RegistryArgs};
use crate::core::event::{KeyValue, Revision};
use crate::core::key::Key;
use crate::core::schema::{Explanation, Schema};
use crate::etcd::{Connector, Server};
use crate::telemetry::{Chain, Foreign};

/// Stands for standard input.
const INPUT: &str = "-";

pub(super) async fn run(args: ExplainArgs) -> Result<i32, Error> {
    let ExplainArgs { key, value, key_base64, registry } = args;
    let RegistryArgs { etcd, security, sources } = registry;
    let sources = sources.sources().map_err(ConfigError::from)?;
    let mut key = key.into_vec();
    if key_base64 {
        key = STANDARD.decode(key).map_err(Error::NoBase64)?;
    }
    let schema = source_of(&key, &sources);
    let entry = if let Some(value) = value {
        KeyValue {
            key,
            value: bytes_of(value)?,
            create_revision: Revision(1),
            mod_revision: Revision(1),
            version: 1,
        }
    } else {
        let (servers, connector) = etcd.connector(security).map_err(ConfigError::from)?;
        read(&servers, &connector, schema, key).await?
    };
    let Explanation { steps, is_good } = schema.explain(&entry);
    print(|out| {
        for step in steps {
            writeln!(out, "{:<9}{}", step.about, Foreign(step.text.as_bytes()))?;
        }
        Ok(())
    })?;
    Ok(if is_good { 0 } else { BAD_ENTRY })
}

/// The source that takes the key, or the one that comes nearest to it.
fn source_of<'s>(key: &[u8], sources: &'s [Arc<Schema>]) -> &'s Schema {
    let nearness = |schema: &&Arc<Schema>| match schema.classify(key) {
        Key::Instance { .. } => 4,
        Key::Invalid(_) => 3,
        Key::Service => 2,
        Key::Ignored => usize::from(key.starts_with(schema.pattern.prefix().as_str().as_bytes())),
    };
    // Of equals the first.
    let nearest = sources.iter().rev().max_by_key(nearness);
    nearest.unwrap_or_else(|| unreachable!("there is at least one source"))
}

fn bytes_of(value: OsString) -> Result<Vec<u8>, Error> {
    if value != INPUT {
        return Ok(value.into_vec());
    }
    let mut bytes = Vec::new();
    io::stdin().lock().read_to_end(&mut bytes).map_err(Error::Input)?;
    Ok(bytes)
}

/// Reads one key from the first member that answers.
async fn read(
    servers: &[Server],
    connector: &Connector,
    schema: &Schema,
    key: Vec<u8>,
) -> Result<KeyValue, Error> {
    let mut failures = Vec::new();
    for server in servers {
        let found = match connector.open(server, schema.pattern.prefix()).await {
            Ok(connection) => connection.get(key.clone()).await,
            Err(error) => Err(error),
        };
        match found {
            Ok(found) => return found.ok_or_else(|| Error::NoKey(Foreign(&key).to_string())),
            Err(error) => failures.push(format!("{}: {}", server.as_str(), Chain(&error))),
        }
    }
    Err(Error::Etcd(failures.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::pattern::Pattern;

    #[test]
    fn of_several_sources_the_one_explains_that_the_key_belongs_to() {
        let sources = ["/services/{service}/{instance}", "/env/{env}/svc/{service}/{instance}"]
            .map(|text| Arc::new(Schema::of(Pattern::parse(text).expect(text))));
        for (key, expected) in [
            (&b"/services/web/1"[..], 0),
            (b"/env/prod/svc/web/1", 1),
            (b"/env/prod/other", 1),
            (b"/env/prod/svc//1", 1),
            (b"/env/prod/svc/\xff/1", 1),
            (b"/elsewhere", 0),
        ] {
            let found = source_of(key, &sources);
            assert_eq!(found, &*sources[expected], "{}", key.escape_ascii());
        }
    }
}
