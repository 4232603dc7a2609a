//! What must hold of any keys and values.

use std::collections::{BTreeMap, BTreeSet};

use etcd_sd::core::entries::Entries;
use etcd_sd::core::event::{KeyValue, Revision};
use etcd_sd::core::key::Key;
use etcd_sd::core::policy::Budgets;
use etcd_sd::core::quarantine::Reason;
use etcd_sd::core::schema::{ReadError, Schema};
use etcd_sd::core::value::Target;

use crate::prometheus::{self, Targets, is_legacy_name};
use crate::schemas::Case;

type Entry = (Vec<u8>, Vec<u8>);

impl Case {
    /// Reads a registry of these entries, of which some may have the same key, and compares
    /// the document with what each of them says.
    pub(crate) fn holds(&self, entries: &[Entry]) {
        // The last one of a key counts.
        let entries: BTreeMap<_, _> = entries.iter().cloned().collect();
        let mut registry = Entries::new(self.schema.clone());
        let mut expected = Targets::new();
        for (key, value) in &entries {
            self.take(&mut registry, &mut expected, key, value);
        }
        let document = registry.render(Revision(1)).to_vec();
        let found = prometheus::read(&document);
        assert_eq!(found, expected, "{}", shown(&document));
        for (labels, addresses) in &found {
            self.admits(labels, addresses);
        }

        let mut other_order = Entries::new(self.schema.clone());
        for (key, value) in entries.iter().rev() {
            other_order.put(entry(key, value, 1));
        }
        let again = other_order.render(Revision(1)).to_vec();
        assert_eq!(again, document, "{} or {}", shown(&again), shown(&document));
    }

    /// Puts an entry, and adds what it says to `expected`.
    fn take(&self, registry: &mut Entries, expected: &mut Targets, key: &[u8], value: &[u8]) {
        let about = format!("{} = {}", shown(key), shown(value));
        let (schema, kv) = (&self.schema, entry(key, value, 1));
        let said = says(schema, &kv);
        assert_eq!(said, says(schema, &kv), "read twice: {about}");
        let told = schema.explain(&kv);
        assert_eq!(told.is_good, matches!(said, Some(Ok(_))), "{told:?} of {about}");
        assert!(told.steps.len() < 15, "{told:?}");

        let before = registry.counts();
        let put = registry.put(kv);
        let reason = put.quarantine.map(|quarantine| quarantine.reason);
        match said {
            None => assert_eq!((put.changed, reason), (false, None), "{about}"),
            Some(Err(said)) => {
                assert!(!put.changed, "{about}");
                assert_eq!(registry.counts().quarantined, before.quarantined + 1, "{about}");
                check_secret(&said);
                assert_eq!(reason, Some(said), "{about}");
            }
            Some(Ok(target)) => {
                assert!(put.changed && reason.is_none(), "{about}");
                assert_eq!(registry.counts().valid, before.valid + 1, "{about}");
                self.expect(expected, key, &target);
            }
        }
        // The same again, as a heartbeat writes it, says nothing new.
        if !schema.meta_labels {
            assert!(!registry.put(entry(key, value, 2)).changed, "{about}");
        }
    }

    fn expect(&self, expected: &mut Targets, key: &[u8], target: &Target) {
        let Key::Instance { parent, name } = self.schema.classify(key) else { unreachable!() };
        assert_eq!(self.schema.pattern.key(parent, name).as_bytes(), key);
        let service = self.schema.pattern.captures(parent, name).service;
        assert_eq!(service, self.schema.pattern.service(parent));
        if target.addresses().is_empty() {
            return;
        }
        assert!(target.addresses().len() <= Budgets::default().targets);
        let labels = target.labels().into_iter().flatten();
        let mut labels: BTreeMap<_, _> =
            labels.map(|(name, text)| (name.to_string(), text.to_string())).collect();
        let job = labels.insert("job".to_owned(), service.into_owned());
        assert_eq!(job, None, "the service is the job");
        let addresses = target.addresses().iter().map(ToString::to_string);
        expected.entry(labels).or_default().extend(addresses);
    }

    /// Whether this may reach Prometheus, said anew.
    fn admits(&self, labels: &BTreeMap<String, String>, addresses: &BTreeSet<String>) {
        let Schema { policy, meta_labels, .. } = &*self.schema;
        assert!(!labels["job"].is_empty());
        let most = Budgets::default().labels + self.schema.labels.len() + 5;
        assert!(labels.len() <= most, "{labels:?}");
        for (name, text) in labels {
            assert!(policy.utf8_labels || is_legacy_name(name), "{name}");
            let steers = name.starts_with("__");
            let is_own = *meta_labels && name.starts_with("__meta_etcd_");
            let is_open = policy.allowed_labels.iter().any(|allowed| **allowed == *"__*");
            assert!(!steers || is_own || is_open, "{name}");
            assert!(text.len() <= Budgets::default().label_value, "{name}: {}", text.len());
            let denied = policy.denied_labels.iter().any(|denied| **denied == *"a*");
            assert!(!denied || !name.starts_with('a'), "{name}");
        }
        for address in addresses.iter().filter(|_| !policy.allowed_ports.is_empty()) {
            let (host, port) = address.rsplit_once(':').unwrap();
            assert!(matches!(port.parse(), Ok(80 | 9000..=9999)), "{address}");
            let host = host.to_ascii_lowercase();
            let mapped = host.starts_with("[::ffff:");
            let is_listed = host.trim_end_matches('.').ends_with(".example.com");
            assert!(host.starts_with("10.") || mapped || is_listed, "{address}");
        }
    }
}

fn entry(key: &[u8], value: &[u8], revision: i64) -> KeyValue {
    KeyValue {
        key: key.to_vec(),
        value: value.to_vec(),
        create_revision: Revision(1),
        mod_revision: Revision(revision),
        version: revision,
    }
}

/// What an entry says; nothing if it is not ours.
fn says(schema: &Schema, kv: &KeyValue) -> Option<Result<Target, Reason>> {
    match schema.classify(&kv.key) {
        Key::Instance { parent, name } => {
            let read = schema.read(parent, name, &kv.value, kv.mod_revision);
            Some(read.map_err(Reason::from))
        }
        Key::Invalid(reason) => Some(Err(reason.into())),
        Key::Service | Key::Ignored => None,
    }
}

/// No reason repeats what stands in a value, but for names of labels.
fn check_secret(reason: &Reason) {
    if !matches!(reason, Reason::Value(ReadError::Policy(_))) {
        assert!(!reason.to_string().contains("s3cret"), "{reason}");
    }
}

fn shown(bytes: &[u8]) -> String {
    const SHOWN: usize = 2_000;
    let text = bytes[..bytes.len().min(SHOWN)].escape_ascii().to_string();
    if bytes.len() > SHOWN { format!("{text}… ({} bytes)", bytes.len()) } else { text }
}
