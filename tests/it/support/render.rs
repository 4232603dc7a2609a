//! What the target file should hold, worked out a second time, straight from
//! the rules and from the entries as etcd has them now. It shares no code with
//! the daemon.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde_json::Value;

/// The document for these entries, all of which sit under `/services/`. An entry
/// whose value is none that this knows to be valid is left out.
pub(crate) fn document(entries: &[(Vec<u8>, Vec<u8>)]) -> String {
    let mut groups: BTreeMap<(String, Labels), BTreeSet<String>> = BTreeMap::new();
    for (key, value) in entries {
        let Some(service) = service(key) else {
            continue;
        };
        if let Some((targets, labels)) = parse_value(value) {
            let group = groups.entry((service, labels)).or_default();
            group.extend(targets);
        }
    }
    if groups.is_empty() {
        return "[]\n".to_owned();
    }
    let lines: Vec<String> = groups
        .into_iter()
        .map(|((job, labels), targets)| {
            let targets: Vec<String> = targets.iter().map(|target| quoted(target)).collect();
            let others =
                labels.iter().map(|(name, value)| format!(",{}:{}", quoted(name), quoted(value)));
            let (targets, others) = (targets.join(","), others.collect::<String>());
            let job = quoted(&job);
            format!(r#"{{"targets":[{targets}],"labels":{{"job":{job}{others}}}}}"#)
        })
        .collect();
    format!("[\n{}\n]\n", lines.join(",\n"))
}

type Labels = BTreeMap<String, String>;

/// The service of `/services/<service>/<instance>`, and of no other key.
fn service(key: &[u8]) -> Option<String> {
    let parts: Vec<&str> = std::str::from_utf8(key).ok()?.split('/').collect();
    match parts[..] {
        ["", "services", service, instance] if !service.is_empty() && !instance.is_empty() => {
            Some(service.to_owned())
        }
        _ => None,
    }
}

fn parse_value(value: &[u8]) -> Option<(Vec<String>, Labels)> {
    let text = std::str::from_utf8(value).ok()?.trim();
    if !text.starts_with('{') {
        return Some((vec![address(text)?], Labels::new()));
    }
    let json: Value = serde_json::from_str(text).ok()?;
    let targets = match (json.get("targets"), json.get("address")) {
        (Some(Value::Array(targets)), None) if !targets.is_empty() => {
            targets.iter().map(|target| address(target.as_str()?)).collect::<Option<_>>()?
        }
        (None, Some(Value::String(text))) => vec![address(text)?],
        _ => return None,
    };
    let labels = match json.get("labels") {
        None => Labels::new(),
        Some(Value::Object(labels)) => labels
            .iter()
            .map(|(name, value)| {
                let reserved = name == "job" || name.starts_with("__");
                (!reserved).then_some((name.clone(), value.as_str()?.to_owned()))
            })
            .collect::<Option<_>>()?,
        Some(_) => return None,
    };
    Some((targets, labels))
}

/// Enough of the address rules for what the tests write.
fn address(text: &str) -> Option<String> {
    let (host, port) = text.trim().rsplit_once(':')?;
    let plain = !host.is_empty() && !host.contains(['/', ' ']);
    let bracketed = host.starts_with('[') && host.ends_with(']');
    let port: u16 = port.parse().ok()?;
    (plain && port > 0 && (bracketed || !host.contains(':'))).then(|| text.trim().to_owned())
}

/// A JSON string, with the escapes that JSON demands, and those that keep it the
/// same string when it is read as YAML.
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{c}' => quoted.push_str("\\f"),
            ..' '
            | '\u{7f}'..='\u{9f}'
            | '\u{2028}'
            | '\u{2029}'
            | '\u{feff}'
            | '\u{fffe}'
            | '\u{ffff}' => write!(quoted, "\\u{:04x}", u32::from(c)).unwrap(),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[test]
fn the_rendering_is_the_one_that_the_contract_shows() {
    let entries = [
        ("/services/node_exporter/1", "10.0.34.12:32535"),
        ("/services/node_exporter/0", "10.0.33.1:54423"),
        ("/services/node_exporter", "marker"),
        ("/services/node_exporter/0/deeper", "10.0.0.1:1"),
    ];
    let entries: Vec<_> = entries
        .iter()
        .map(|(key, value)| (key.as_bytes().to_vec(), value.as_bytes().to_vec()))
        .collect();
    assert_eq!(
        document(&entries),
        "[\n{\"targets\":[\"10.0.33.1:54423\",\"10.0.34.12:32535\"],\"labels\":{\"job\":\"node_exporter\"}}\n]\n"
    );
    assert_eq!(document(&[]), "[]\n");
}
