//! What holds for all formats.

use proptest::prelude::*;
use serde_json::Value;

use super::fixtures::{self, Expected, Fixture};
use super::*;
use crate::core::{address, value};

fn of_documented_layouts() -> impl Iterator<Item = Fixture> {
    fixtures::all().into_iter().filter(|fixture| !matches!(fixture.format, Format::Json(_)))
}

#[test]
fn values_of_all_documented_layouts_become_the_documented_targets() {
    for fixture in fixtures::all() {
        fixture.check();
    }
}

#[test]
fn every_format_has_fixtures_that_are_read_and_one_that_is_refused() {
    for known in Format::all().iter().filter(|known| known.name != "auto") {
        let (read, refused): (Vec<_>, Vec<_>) = fixtures::all()
            .into_iter()
            .filter(|fixture| fixture.format.name() == known.name)
            .partition(|fixture| matches!(fixture.expected, Expected::Read(_)));
        assert!(read.len() >= 2 && !refused.is_empty(), "{}", known.name);
    }
}

#[test]
fn auto_reads_a_documented_value_as_its_own_format_does_or_refuses_it() {
    for fixture in of_documented_layouts() {
        let (value, options) = (fixture.value.as_bytes(), &fixture.options);
        let (name, case) = (fixture.format.name(), fixture.case);
        let Ok(named) = fixture.format.read(value, options) else { continue };
        match Format::Auto.read(value, options) {
            Ok(reading) => assert_eq!(reading, named, "{name}: {case}"),
            Err(FormatError::Ambiguous { fitting }) => assert!(fitting.contains(&name), "{case}"),
            Err(reason) => {
                let unknown = matches!(reason, FormatError::Unrecognised | FormatError::BareUrl);
                // Of a number alone only Milvus knows what it is.
                let counter = fixture.value.parse::<u64>().is_ok();
                assert!(unknown || counter, "{name}: {case}: {reason}");
            }
        }
    }
}

#[test]
fn auto_recognises_every_preset_but_a_bare_url() {
    for known in Format::all().iter().filter(|known| known.name != "json") {
        let format = known.format();
        let named = format.read(known.value.as_bytes(), &Options::default());
        assert!(
            named.as_ref().is_ok_and(|reading| !reading.addresses.is_empty()),
            "{}",
            known.name
        );
        let auto = Format::Auto.read(known.value.as_bytes(), &Options::default());
        if format == Format::Traefik {
            assert_eq!(auto, Err(FormatError::BareUrl));
        } else {
            assert_eq!(auto, named, "{}", known.name);
        }
    }
}

#[test]
fn the_example_of_json_goes_with_the_rule_that_is_named_with_it() {
    let known = Format::all().iter().find(|known| known.name == "json").expect("json");
    assert!(known.about.contains("'{/host}:{/port}'"));
    let reading = rules()[1].read(known.value.as_bytes(), &Options::default());
    assert_eq!(reading.map(|reading| reading.addresses), Ok(vec!["10.0.0.1:8080".into()]));
}

#[test]
fn a_scheme_filter_matters_to_formats_that_know_schemes_alone() {
    for known in Format::all().iter().filter(|known| !matches!(known.name, "auto" | "json")) {
        let read = |scheme: Option<&str>| {
            let options = Options { scheme: scheme.map(Into::into), ..Options::default() };
            known.format().read(known.value.as_bytes(), &options)
        };
        let matters = read(Some("gopher")) != read(None);
        assert_eq!(matters, known.format().knows_schemes(), "{}", known.name);
        assert!(!matters || read(Some("gopher")) == Ok(Reading::none()), "{}", known.name);
        assert_eq!(read(Some("http")), read(None), "{}", known.name);
    }
}

#[test]
fn what_two_formats_read_differently_is_refused_with_both_names() {
    let kitex = br#"{"network":"tcp","address":"10.0.0.1:80","weight":1,"tags":{"zone":"a"}}"#;
    let error = Format::Auto.read(kitex, &Options::default()).expect_err("two fit");
    assert_eq!(
        error.to_string(),
        "the value fits the formats targets and kitex, which read it differently: say with \
         --value-format which one it is"
    );
    assert_eq!(Format::Auto.fitting(kitex), [Format::Targets, Format::Kitex]);
    let three = br#"{"conn_url":"a","api_url":"http://d:1","ip":"b","status_port":2,"service-addr":"http://c:3"}"#;
    let error = Format::Auto.read(three, &Options::default()).expect_err("three fit");
    assert!(error.to_string().contains("pd, tidb and patroni"), "{error}");
}

#[test]
fn auto_says_what_it_can_not_recognise() {
    for (value, reason) in [
        ("http://10.0.0.1:80/metrics", FormatError::BareUrl),
        (r#"{"ttl":60,"text":"s3cret"}"#, FormatError::Unrecognised),
        ("{}", FormatError::Unrecognised),
        (r#"[{"host":"a","port":1}]"#, FormatError::NotAnObject),
        (r#""10.0.0.1:80""#, FormatError::NotAnObject),
        (r#"{"host":"a""#, FormatError::Json { line: 1, column: 11 }),
        (r#"{"host":"a"} x"#, FormatError::Json { line: 1, column: 14 }),
        ("", FormatError::Address { at: Place::Value, reason: address::AddressError::Empty }),
    ] {
        assert_eq!(
            Format::Auto.read(value.as_bytes(), &Options::default()),
            Err(reason),
            "{value}"
        );
    }
    assert_eq!(Format::Auto.read(b"a\xff:80", &Options::default()), Err(FormatError::NotUtf8));
    assert_eq!(Format::Auto.fitting(b"a\xff:80"), []);
    assert_eq!(Format::Auto.fitting(b"a:80"), [Format::Address]);
    assert_eq!(Format::Kratos.fitting(b"a:80"), [Format::Kratos]);
}

#[test]
fn no_error_repeats_what_stands_in_the_value() {
    for fixture in fixtures::all() {
        for format in Format::all().iter().map(Description::format).chain([fixture.format]) {
            if let Err(error) = format.read(fixture.value.as_bytes(), &fixture.options) {
                assert!(!error.to_string().contains("s3cret"), "{}: {error}", format.name());
            }
        }
    }
}

#[test]
fn no_secret_beside_an_address_becomes_a_label() {
    for fixture in fixtures::all() {
        for format in Format::all().iter().map(Description::format).chain([fixture.format]) {
            if let Ok(reading) = format.read(fixture.value.as_bytes(), &fixture.options) {
                let secret = reading.labels.values().any(|text| text.contains("s3cret"));
                assert!(!secret, "{}: {}", format.name(), fixture.case);
            }
        }
    }
}

#[test]
fn a_name_gives_its_format_and_another_one_the_names_that_there_are() {
    for known in Format::all() {
        assert_eq!(known.format().name(), known.name);
        for name in known.aliases.iter().chain([&known.name]) {
            assert_eq!(Format::parse(name), Ok(known.format()));
        }
    }
    assert_eq!("hertz".parse(), Ok(Format::Kitex));
    let error = Format::parse("consul").expect_err("no such format").to_string();
    assert!(error.starts_with("no value format is called \"consul\"; there are auto, address, "));
    assert!(error.ends_with(", patroni and json"), "{error}");
}

/// The fields of all objects in another order.
fn turned(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().rev();
            let texts: Vec<_> = fields
                .map(|(name, value)| format!("{}: {}", Value::from(name.as_str()), turned(value)))
                .collect();
            format!("{{\n{} }}", texts.join(" , "))
        }
        Value::Array(elements) => {
            format!("[ {} ]", elements.iter().map(turned).collect::<Vec<_>>().join(","))
        }
        other => other.to_string(),
    }
}

#[test]
fn neither_the_order_of_fields_nor_white_space_changes_a_reading() {
    for fixture in fixtures::all() {
        let Ok(document) = serde_json::from_str::<Value>(fixture.value) else { continue };
        if fixture.case == "a field twice" {
            continue;
        }
        for format in [fixture.format, Format::Auto] {
            let read = |text: &str| format.read(text.as_bytes(), &fixture.options).ok();
            assert_eq!(read(&turned(&document)), read(fixture.value), "{}", fixture.case);
        }
    }
}

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

fn rules() -> Vec<Format> {
    let rule = |text: &str| JsonRule { address: text.parse().expect(text), labels: vec![] };
    ["{}", "{/host}:{/port}", "{/endpoints}", "{/nodes/0/address}"]
        .map(|text| Format::Json(rule(text)))
        .into()
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

/// What is read of such a value today.
fn today(value: &[u8]) -> Option<Reading> {
    let target = value::parse(value).ok()?;
    let labels = target.labels().cloned().unwrap_or_default();
    Some(Reading { addresses: target.addresses().to_vec(), labels })
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
    fn the_two_native_shapes_are_read_as_ever(document in document(), text in ".{0,20}") {
        for value in [document.to_string(), text] {
            let kitex = ["network", "tags", "weight"].iter().all(|name| value.contains(name));
            if let Some(expected) = today(value.as_bytes()).filter(|_| !kitex) {
                let reading = Format::Auto.read(value.as_bytes(), &Options::default());
                prop_assert_eq!(reading, Ok(expected));
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
