//! What holds for all formats.

mod properties;

use serde_json::Value;

use super::fixtures::{self, Expected, Fixture};
use super::*;
use crate::core::address;

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

fn rules() -> Vec<Format> {
    let rule = |text: &str| JsonRule { address: text.parse().expect(text), labels: vec![] };
    ["{}", "{/host}:{/port}", "{/endpoints}", "{/nodes/0/address}"]
        .map(|text| Format::Json(rule(text)))
        .into()
}
