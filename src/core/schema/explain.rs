//! Explaining, step by step, what a key and its value become, or why not.

use super::{ReadError, Schema};
use crate::core::event::{KeyValue, Revision};
use crate::core::format::{Format, Options};
use crate::core::key::Key;
use crate::core::pattern::Captures;
use crate::core::render::{Document, Piece};
use crate::core::shard::{Shard, hashmod};
use crate::core::value::{Labels, Target};

/// What becomes of a key and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What was done, and what came of it, in order.
    pub steps: Vec<Step>,
    /// Whether the entry would be published, or says in good order that it shall not be scraped.
    pub is_good: bool,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What it was about, in a word.
    pub about: &'static str,
    /// What came of it, in one line.
    pub text: String,
}

impl Explanation {
    fn step(&mut self, about: &'static str, text: impl Into<String>) {
        self.steps.push(Step { about, text: text.into() });
    }

    fn end(mut self, text: impl Into<String>, is_good: bool) -> Self {
        self.step("result", text);
        Self { is_good, ..self }
    }
}

impl Schema {
    /// Explains what becomes of `kv`. Values are not repeated, but for what becomes of them.
    #[must_use]
    pub fn explain(&self, kv: &KeyValue) -> Explanation {
        let mut told = Explanation { steps: Vec::new(), is_good: false };
        told.step("key", String::from_utf8_lossy(&kv.key).escape_debug().to_string());
        let prefix = self.pattern.prefix().as_str();
        if !kv.key.starts_with(prefix.as_bytes()) {
            return told.end(format!("not below {prefix}, which is watched: never seen"), false);
        }
        let pattern = self.pattern.as_str();
        let (parent, name) = match self.classify(&kv.key) {
            Key::Instance { parent, name } => (parent, name),
            Key::Service => {
                told.step("pattern", format!("{pattern}: the key ends before the pattern does"));
                return told.end("ignored, as what some tools keep for a directory", false);
            }
            Key::Ignored => {
                told.step("pattern", format!("{pattern}: the key is not like that"));
                return told.end("ignored, somebody else's key", false);
            }
            Key::Invalid(reason) => {
                told.step("pattern", pattern);
                return told.end(format!("quarantined: {reason}"), false);
            }
        };
        let captures = self.pattern.captures(parent, name);
        let mut said = vec![format!("service={}", captures.service)];
        if !captures.instance.is_empty() {
            said.push(format!("instance={}", captures.instance));
        }
        said.extend(captures.address.iter().map(|address| format!("address={address}")));
        said.extend(captures.labels.iter().map(|(label, text)| format!("{label}={text}")));
        told.step("pattern", format!("{pattern}: {}", said.join(" ")));
        told.step("value", format!("{} bytes", kv.value.len()));
        if captures.address.is_some() {
            told.step("format", "none: the address is in the key");
        } else {
            told.step("format", self.recognised(&kv.value));
        }
        if let Ok(reading) = self.reading(&captures, &kv.value) {
            let text = format!("{} {}", list(&reading.addresses), braced(&reading.labels));
            told.step("says", text);
            if let (Some(scheme), []) = (&self.options.scheme, &reading.addresses[..]) {
                told.step("filter", self.filtered(scheme, &captures, &kv.value));
            }
        }
        let read = self.read(parent, name, &kv.value, kv.mod_revision);
        if let (Some(shard), Ok(target)) = (self.shard, &read) {
            let whole = Self { shard: None, ..self.clone() };
            let all = whole.read(parent, name, &kv.value, kv.mod_revision);
            let all = all.as_ref().map_or(&[][..], Target::addresses);
            if !all.is_empty() {
                told.step("shard", of_shard(shard, target.addresses(), all));
                if target.addresses().is_empty() {
                    return told.end(format!("published, but not by shard {shard}"), true);
                }
            }
        }
        conclude(told, read, &captures.service)
    }

    /// What the operator's scheme has to do with it that there is no address.
    fn filtered(&self, scheme: &str, captures: &Captures<'_>, value: &[u8]) -> String {
        let options = Options { scheme: None, ..self.options.clone() };
        let unfiltered = Self { options, ..self.clone() };
        match unfiltered.reading(captures, value) {
            Ok(reading) if reading.addresses.is_empty() => {
                "none, whatever their scheme: disabled, unhealthy, or without any".to_owned()
            }
            _ => format!("no endpoint has the scheme {scheme} of --scheme-filter"),
        }
    }

    fn recognised(&self, value: &[u8]) -> String {
        let name = self.format.name();
        if self.format != Format::Auto {
            return name.to_owned();
        }
        let fitting: Vec<_> = self.format.fitting(value).iter().map(Format::name).collect();
        match &fitting[..] {
            [] => format!("{name}: the value has the shape of none"),
            [one] => format!("{name}: {one}"),
            several => format!("{name}: could be any of {}", several.join(", ")),
        }
    }
}

/// How many of its addresses are this shard's, and whose the others are.
fn of_shard(shard: Shard, ours: &[Box<str>], all: &[Box<str>]) -> String {
    let theirs = all.iter().filter(|address| !ours.contains(address));
    let mut theirs: Vec<_> = theirs.map(|address| hashmod(address, shard.of())).collect();
    theirs.sort_unstable();
    theirs.dedup();
    let theirs: Vec<_> = theirs.iter().map(|index| format!("{index}/{}", shard.of())).collect();
    match (ours.len(), &theirs[..]) {
        (_, []) => format!("{shard}, as all of its addresses"),
        (0, theirs) => format!("another one's: {}", theirs.join(", ")),
        (count, theirs) => {
            format!("{shard} has {count} of its {}; others: {}", all.len(), theirs.join(", "))
        }
    }
}

fn conclude(mut told: Explanation, read: Result<Target, ReadError>, service: &str) -> Explanation {
    match read {
        Err(ReadError::Policy(reason)) => {
            told.step("policy", reason.to_string());
            told.end("quarantined: it wants more than is admitted", false)
        }
        Err(reason) => told.end(format!("quarantined: {reason}"), false),
        Ok(target) if target.addresses().is_empty() => {
            told.end("registered, and not to be scraped now", true)
        }
        Ok(target) => {
            told.step("policy", "admitted");
            let mut document = Document::new(Revision(0));
            document.push(&Piece::render(service, std::iter::once(&target)));
            let text = String::from_utf8_lossy(&document.to_vec()).into_owned();
            told.step("group", text.lines().nth(1).unwrap_or_default());
            told.end("published", true)
        }
    }
}

/// The first addresses.
fn list(addresses: &[Box<str>]) -> String {
    const SHOWN: usize = 3;
    let first = addresses.iter().take(SHOWN).map(AsRef::as_ref).collect::<Vec<_>>().join(",");
    match addresses.len() {
        0 => "no address".to_owned(),
        count if count > SHOWN => format!("{first} and {} more", count - SHOWN),
        _ => first,
    }
}

fn braced(labels: &Labels) -> String {
    let labels = labels.iter().map(|(name, text)| format!("{name}={:?}", cut(text)));
    format!("{{{}}}", labels.collect::<Vec<_>>().join(","))
}

fn cut(text: &str) -> String {
    const SHOWN: usize = 60;
    let mut shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::pattern::Pattern;

    fn check(pattern: &str, key: &str, value: &str, is_good: bool, needles: &[&str]) {
        let schema = Schema::of(Pattern::parse(pattern).expect("a pattern"));
        let kv = KeyValue {
            key: key.into(),
            value: value.into(),
            create_revision: Revision(1),
            mod_revision: Revision(1),
            version: 1,
        };
        let told = schema.explain(&kv);
        let lines: Vec<_> =
            told.steps.iter().map(|step| format!("{} {}", step.about, step.text)).collect();
        let text = lines.join("\n");
        assert_eq!(told.is_good, is_good, "{text}");
        assert!(lines.len() < 15 && lines.iter().all(|line| !line.contains('\n')), "{text}");
        for needle in needles {
            assert!(text.contains(needle), "{needle} is not in\n{text}");
        }
    }

    #[test]
    fn what_becomes_of_a_key_is_told_step_by_step() {
        let pattern = "/env/{env}/svc/{service}/{instance}";
        let key = "/env/prod/svc/web/1";
        check(
            pattern,
            key,
            "h:1",
            true,
            &[
                "service=web instance=1 env=prod",
                "auto: address",
                r#"{"targets":["h:1"],"labels":{"job":"web","env":"prod"}}"#,
                "result published",
            ],
        );
        check(pattern, "/services/web/1", "h:1", false, &["not below /env/", "never seen"]);
        check(pattern, "/env/prod/other", "h:1", false, &["not like that", "ignored"]);
        check(pattern, "/env/prod/svc/web", "h:1", false, &["directory"]);
        check(pattern, "/env/prod/svc//1", "h:1", false, &["quarantined", "empty"]);
        check(pattern, key, "http://h:1", false, &["quarantined", "URL"]);
        check(pattern, key, "{}", false, &["shape of none", "quarantined"]);
        let steering = r#"{"address":"h:1","labels":{"__address__":"x"}}"#;
        check(pattern, key, steering, false, &["targets", "--allow-label __address__"]);
    }

    #[test]
    fn the_target_of_another_shard_is_said_to_be_that() {
        let value = br#"{"targets":["h:1","h:2","h:3","h:4"],"labels":{"a":"b"}}"#;
        let kv = KeyValue {
            key: b"/s/web/1".to_vec(),
            value: value.to_vec(),
            create_revision: Revision(1),
            mod_revision: Revision(1),
            version: 1,
        };
        for shard in ["0/3", "1/3", "2/3", "0/1", "0/1000"] {
            let shard = Shard::parse(shard).expect("a shard");
            let mut schema = Schema::of(Pattern::parse("/s/{service}/{instance}").expect("one"));
            schema.shard = Some(shard);
            let ours = ["h:1", "h:2", "h:3", "h:4"].into_iter().filter(|at| shard.has(at)).count();
            let told = schema.explain(&kv);
            let text = format!("{:?}", told.steps);
            let needle = match ours {
                0 => format!("published, but not by shard {shard}"),
                4 => format!("{shard}, as all of its addresses"),
                some => format!("{shard} has {some} of its 4"),
            };
            assert!(told.is_good && text.contains(&needle), "{needle} is not in {text}");
        }
    }

    #[test]
    fn a_scheme_filter_that_leaves_nothing_is_told_from_what_has_nothing() {
        let mut schema = Schema::of(Pattern::parse("/s/{service}/{instance}").expect("a pattern"));
        schema.options.scheme = Some("https".into());
        for (endpoints, needle) in
            [(r#"["http://h:1"]"#, "no endpoint has the scheme https"), ("[]", "none, whatever")]
        {
            let value = format!(r#"{{"id":"1","name":"a","version":"","endpoints":{endpoints}}}"#);
            let (key, value) = (b"/s/web/1".to_vec(), value.into_bytes());
            let (create_revision, mod_revision) = (Revision(1), Revision(1));
            let kv = KeyValue { key, value, create_revision, mod_revision, version: 1 };
            let told = schema.explain(&kv);
            assert!(told.is_good && told.steps.iter().any(|step| step.text.contains(needle)));
        }
    }
}
