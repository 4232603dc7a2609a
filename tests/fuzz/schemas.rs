//! The ways to read a registry that are tried: every preset, JSON by rules, many patterns,
//! and what an operator may add.

use std::sync::Arc;

use etcd_sd::core::format::rule::JsonRule;
use etcd_sd::core::format::{Format, Options};
use etcd_sd::core::key::Key;
use etcd_sd::core::pattern::Pattern;
use etcd_sd::core::policy::Policy;
use etcd_sd::core::schema::Schema;

/// A schema with what it is to be fed.
pub(crate) struct Case {
    pub(crate) schema: Arc<Schema>,
    /// A value that it reads.
    pub(crate) value: Vec<u8>,
    /// Parent and name of a key of it.
    parent: String,
    name: String,
}

impl Case {
    /// Without a key of its own: [`Case::key`] is not to be called.
    pub(crate) fn new(schema: Schema, value: &[u8]) -> Self {
        let (parent, name) = (String::new(), String::new());
        Self { schema: Arc::new(schema), value: value.to_vec(), parent, name }
    }

    fn with_key(schema: Schema, key: &str, value: &str) -> Self {
        let Key::Instance { parent, name } = schema.classify(key.as_bytes()) else {
            panic!("{key} by {}", schema.pattern.as_str());
        };
        let (parent, name) = (parent.to_owned(), name.to_owned());
        Self { parent, name, ..Self::new(schema, value.as_bytes()) }
    }

    /// One of several keys that it matches.
    pub(crate) fn key(&self, number: usize) -> Vec<u8> {
        let (Self { parent, name, .. }, more) = (self, "x".repeat(number));
        let keys = [(parent.clone(), more.clone() + name), (parent.clone() + &more, name.clone())];
        let mut keys =
            keys.map(|(parent, name)| self.schema.pattern.key(&parent, &name)).into_iter();
        let is_one =
            |key: &String| matches!(self.schema.classify(key.as_bytes()), Key::Instance { .. });
        keys.find(is_one).expect("a key that matches").into_bytes()
    }
}

pub(crate) fn all() -> Vec<Case> {
    let mut cases: Vec<_> = Format::all()
        .iter()
        .flat_map(|one| {
            let schema = Schema { format: one.format(), ..schema(one.key_pattern) };
            let value = if one.name == "json" { r#""10.0.0.1:80""# } else { one.value };
            let strict = Schema {
                options: Options { port: Some(9100), ..Options::default() },
                meta_labels: true,
                ..schema.clone()
            };
            [schema, strict].map(|schema| Case::with_key(schema, one.key, value))
        })
        .collect();
    cases.extend(rules());
    cases.extend(patterns());
    cases.extend(operators());
    cases
}

fn schema(pattern: &str) -> Schema {
    Schema::of(Pattern::parse(pattern).unwrap())
}

const SERVICES: &str = "/services/{service}/{instance}";
const KEY: &str = "/services/web/1";

fn rules() -> Vec<Case> {
    let template = |text: &str| text.parse().unwrap();
    let label = |name: &str, text| (name.into(), template(text));
    [
        ("{/host}:{/port}", r#"{"host":"10.0.0.1","port":80,"v":"1"}"#),
        ("{/endpoints}", r#"{"endpoints":["http://10.0.0.1:80"]}"#),
        ("{/nodes/0/address}", r#"{"nodes":[{"address":"10.0.0.1:80"}]}"#),
        ("{/hosts}:{/ports}", r#"{"hosts":["a","b"],"ports":[1,2]}"#),
        ("x-{/id}.example.com:{/port}", r#"{"id":7,"port":80}"#),
    ]
    .map(|(address, value)| {
        let labels = vec![label("v", "{/v}"), label("both", "{/name}%{/version}")];
        let rule = JsonRule::new(template(address), labels).unwrap();
        Case::with_key(Schema { format: Format::Json(rule), ..schema(SERVICES) }, KEY, value)
    })
    .into()
}

fn patterns() -> Vec<Case> {
    [
        ("/env/{env}/svc/{service}/{instance}", "/env/prod/svc/web/1"),
        ("/rpcx/{service}/{proto}@{address}", "/rpcx/Arith/tcp@10.0.0.1:8972"),
        ("/d/{service%}/{address%}", "/d/web/10.0.0.1%3A80"),
        ("/e/{service%}/{instance%}", "/e/a%2Fb/c%20d"),
        ("/s/{service}/{instance...}", "/s/web/a/b/c"),
        ("/r/{service...}", "/r/local/web/x1"),
        ("/f/{a}-{b}_{service}/v{c}.{instance}", "/f/1-2_web/v3.4"),
        ("/l/{service=web}/{one}/{two%}/{instance}", "/l/web/1/2/3"),
        ("/{service}/{instance}", "/web/1"),
        ("/goframe/{ns}/{service}/{version}/{address}", "/goframe/d/web/v1/10.0.0.1:80"),
    ]
    .iter()
    .flat_map(|(pattern, key)| {
        let meta = Schema { meta_labels: true, ..schema(pattern) };
        [schema(pattern), meta].map(|schema| Case::with_key(schema, key, "10.0.0.1:80"))
    })
    .collect()
}

/// What operators add and admit.
fn operators() -> Vec<Case> {
    let with = |policy: Policy, utf8_labels| Schema {
        options: Options { utf8_labels, ..Options::default() },
        policy: Policy { utf8_labels, ..policy },
        ..schema(SERVICES)
    };
    let utf8 = with(Policy::default(), true);
    let all = ["job", "__*"].map(Box::from).into();
    let steering = with(Policy { allowed_labels: all, ..Policy::default() }, false);
    let listed = with(
        Policy {
            allowed_hosts: vec!["10.0.0.0/8".parse().unwrap(), "*.example.com".parse().unwrap()],
            allowed_ports: vec!["80".parse().unwrap(), "9000-9999".parse().unwrap()],
            denied_labels: vec!["a*".into()],
            ..Policy::default()
        },
        false,
    );
    let labels = [("env", "prod"), ("dc", "\"é\"")].map(|(name, text)| (name.into(), text.into()));
    let labelled = Schema { labels: labels.into(), meta_labels: true, ..schema(SERVICES) };
    let scheme = Options { scheme: Some("http".into()), ..Options::default() };
    let filtered = Schema { options: scheme, ..schema(SERVICES) };
    let value = r#"{"targets":["10.0.0.1:80"],"labels":{"env":"x"}}"#;
    [utf8, steering, listed, labelled, filtered]
        .map(|schema| Case::with_key(schema, KEY, value))
        .into()
}
