//! What holds for all formats, whatever the value.

use proptest::prelude::*;
use serde_json::Value;

use super::super::*;
use super::{fixtures, rules, turned};
use crate::core::address;

fn name() -> impl Strategy<Value = String> {
    let known = "address targets labels network weight tags Op Addr Metadata ServiceName Host Port \
                 Enable Healthy ServerID ServerName Address id name version metadata endpoints \
                 nodes type scheme ports private_hostname private_ports host port text mail \
                 service-addr ip status_port conn_url api_url role http 10.0.0.1:80";
    prop::sample::select(known.split_whitespace().collect::<Vec<_>>()).prop_map(str::to_owned)
}

/// JSON of the fields that the formats know.
fn any_json() -> impl Strategy<Value = Value> {
    let texts = ["10.0.0.1:80", "10.0.0.1", "fd00::5", "http://web-1:80", "grpc://a", "unix", "80"];
    let leaf = prop_oneof![
        4 => prop::sample::select(texts.to_vec()).prop_map(Value::from),
        1 => any::<u16>().prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => Just(Value::Null),
        1 => ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name(), inner, 0..10)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// Such JSON, or a documented value of which some fields are others.
fn document() -> impl Strategy<Value = Value> {
    let objects = fixtures::all().into_iter().filter_map(|fixture| {
        serde_json::from_str::<Value>(fixture.value).ok().filter(Value::is_object)
    });
    let documented = prop::sample::select(objects.collect::<Vec<_>>());
    let changes = prop::collection::vec((name(), prop::option::of(any_json())), 0..4);
    let other = (documented, changes).prop_map(|(mut document, changes)| {
        for (name, field) in changes {
            let fields = document.as_object_mut().expect("an object");
            match field {
                Some(field) => fields.insert(name, field),
                None => fields.remove(&name),
            };
        }
        document
    });
    prop_oneof![1 => any_json(), 3 => other]
}

fn options() -> impl Strategy<Value = Options> {
    let scheme = prop::option::of(prop::sample::select(vec!["http", "grpc"]));
    (prop::option::of(1_u16..), scheme, any::<bool>()).prop_map(|(port, scheme, utf8_labels)| {
        Options { port, scheme: scheme.map(Into::into), utf8_labels }
    })
}

fn check_all(value: &[u8], options: &Options) -> Result<(), TestCaseError> {
    for format in Format::all().iter().map(Description::format).chain(rules()) {
        if let Ok(reading) = format.read(value, options) {
            for text in &reading.addresses {
                prop_assert_eq!(address::parse(text), Ok(text.as_ref()), "{}", format.name());
            }
            prop_assert!(reading.addresses.is_sorted_by(|a, b| a < b));
            prop_assert!(!reading.addresses.is_empty() || reading.labels.is_empty());
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn no_bytes_make_a_format_panic(
        value in prop::collection::vec(any::<u8>(), 0..60),
        options in options(),
    ) {
        check_all(&value, &options)?;
    }

    #[test]
    fn every_address_that_comes_out_can_be_scraped(
        document in document(),
        options in options(),
    ) {
        check_all(document.to_string().as_bytes(), &options)?;
    }

    #[test]
    fn the_order_of_fields_never_matters(document in document(), options in options()) {
        for format in Format::all().iter().map(Description::format).chain(rules()) {
            let read = |text: &str| format.read(text.as_bytes(), &options).ok();
            prop_assert_eq!(read(&turned(&document)), read(&document.to_string()));
        }
    }

    #[test]
    fn what_auto_reads_all_formats_that_fit_read(document in document(), options in options()) {
        let value = document.to_string().into_bytes();
        if let Ok(reading) = Format::Auto.read(&value, &options) {
            for format in Format::Auto.fitting(&value) {
                prop_assert_eq!(format.read(&value, &options), Ok(reading.clone()));
            }
        }
    }

    #[test]
    fn auto_reads_the_two_native_shapes_as_what_they_are(document in document(), text in ".{0,20}") {
        let options = Options::default();
        for value in [document.to_string(), text] {
            // That one could be Kitex' as well.
            let kitex = ["network", "tags", "weight"].iter().all(|name| value.contains(name));
            for native in [Format::Address, Format::Targets] {
                let read = native.read(value.as_bytes(), &options);
                if let Some(expected) = read.ok().filter(|_| !kitex) {
                    prop_assert_eq!(Format::Auto.read(value.as_bytes(), &options), Ok(expected));
                }
            }
        }
    }

    #[test]
    fn any_text_is_a_template_or_not_without_a_panic(text in "[{}/~01a]{0,12}", document in document()) {
        if let Ok(template) = template::Template::parse(&text) {
            let rule = JsonRule { address: template, labels: vec![] };
            let _ = Format::Json(rule).read(document.to_string().as_bytes(), &Options::default());
        }
    }
}
