use std::sync::Arc;

use clap::Parser;

use crate::config::Arguments;
use crate::core::format::Format;
use crate::core::schema::Schema;

fn schema(arguments: &[&str]) -> Result<Arc<Schema>, String> {
    let arguments = std::iter::once("etcd-sd").chain(arguments.iter().copied());
    let args = Arguments::try_parse_from(arguments).map_err(|error| error.to_string())?;
    args.registry.sources.schema.schema().map_err(|error| error.to_string())
}

#[test]
fn a_pattern_stands_alone_or_below_the_prefix() {
    for (arguments, pattern) in [
        (&[][..], "/services/{service}/{instance}"),
        (&["--prefix", "/x"][..], "/x/{service}/{instance}"),
        (&["--key-pattern", "kitex/{service}/{instance}"], "kitex/{service}/{instance}"),
        (&["--key-pattern", "/e/{env}/{service}/{i}"], "/e/{env}/{service}/{i}"),
        (&["--prefix", "/e", "--key-pattern", "{env}/{service}/{i}"], "/e/{env}/{service}/{i}"),
        (&["--prefix", "/e", "--key-pattern", "/{env}/{service}"], "/e/{env}/{service}"),
        (&["--prefix", "/e", "--key-pattern", "/e/{env}/{service}"], "/e/{env}/{service}"),
    ] {
        assert_eq!(schema(arguments).expect("valid").pattern.as_str(), pattern);
    }
}

#[test]
fn labels_are_the_operators_or_with_json_the_values() {
    let one = schema(&["--label", "env=prod,dc=a", "--label", "x=a=b"]).expect("valid");
    let found: Vec<_> = one.labels.iter().map(|(name, text)| (&**name, &**text)).collect();
    assert_eq!(found, [("dc", "a"), ("env", "prod"), ("x", "a=b")]);
    let rule = ["--value-format", "json", "--address", "{/h}:{/p}", "--label", "v={/version}"];
    let one = schema(&rule).expect("valid");
    assert!(one.labels.is_empty());
    let Format::Json(rule) = &one.format else { panic!("{:?}", one.format) };
    assert_eq!(&*rule.labels[0].0, "v");
}

#[test]
fn what_does_not_fit_is_refused_with_what_to_do() {
    for (arguments, needles) in [
        (&["--key-pattern", "/a/{b"][..], &["--key-pattern /a/{b", "{service}"][..]),
        (&["--key-pattern", "/a/{instance}"], &["{service=tidb}"]),
        (&["--value-format", "yaml"], &["--value-format", "kratos"]),
        (&["--value-format", "json"], &["--address"]),
        (&["--value-format", "kratos", "--address", "{/a}"], &["--address", "kratos"]),
        (&["--value-format", "json", "--address", "h:1"], &["--address h:1"]),
        (&["--value-format", "address", "--scheme-filter", "http"], &["--scheme-filter"]),
        (&["--scheme-filter", "http://"], &["--scheme-filter", "the scheme alone"]),
        (&["--scheme-filter", ""], &["--scheme-filter", "the scheme alone"]),
        (&["--label", "a.b=c"], &["--label a.b", "--utf8-labels"]),
        (&["--label", "job=c"], &["--label job"]),
        (&["--label", "v={/version}"], &["--label v", "json", "auto"]),
        (
            &["--value-format", "json", "--address", "{/a}", "--label", "a.b={/c}"],
            &["--label a.b", "--utf8-labels"],
        ),
        (
            &[
                "--key-pattern",
                "/a/{service}/{address}",
                "--value-format",
                "json",
                "--label",
                "a={/b}",
            ],
            &["--label", "--key-pattern", "not read"],
        ),
        (&["--allow-label", "job"], &["--allow-label", "relabel"]),
        (&["--label", "x"], &["env=prod"]),
        (&["--allow-address", "10/8"], &["--allow-address", "10.0.0.0/8"]),
        (&["--allow-port", "http"], &["--allow-port", "9000-9999"]),
        (&["--port", "0"], &["--port"]),
        (&["--max-targets-per-service", "0"], &["--max-targets-per-service"]),
        (&["--max-total-bytes", "0"], &["--max-total-bytes"]),
        (&["--max-targets-per-key", "0"], &["--max-targets-per-key"]),
        (&["--max-value-bytes", "0"], &["--max-value-bytes"]),
    ] {
        let error = schema(arguments).expect_err(&format!("{arguments:?}"));
        for needle in needles {
            assert!(error.contains(needle), "{arguments:?}: {needle} is not in {error}");
        }
    }
}
