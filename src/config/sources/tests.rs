use clap::Parser;

use super::*;
use crate::config::Arguments;
use crate::core::format::Format;

/// What the daemon would make of a file of this text.
fn sources(text: &str) -> Result<Vec<Arc<Schema>>, String> {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), text).expect("written");
    of_file(file.path()).map_err(|error| error.to_string())
}

#[test]
fn each_table_is_a_source_and_what_stands_before_them_is_for_all() {
    let text = r#"
        allow-label = ["__metrics_path__", "__param_*"]
        label = { env = "prod" }

        [[source]]
        key-pattern = "/a/{service}/{instance}"
        value-format = "go-zero"

        [[source]]
        prefix = "/b"
        value-format = "json"
        address = "{/host}:{/port}"
        label = { note = "a, b", version = "{/version}" }
        port = 9100
        meta-labels = true
        utf8-labels = false
    "#;
    let sources = sources(text).expect("valid");
    let [one, other] = &sources[..] else { panic!("{sources:?}") };
    assert_eq!((one.pattern.as_str(), one.format.name()), ("/a/{service}/{instance}", "go-zero"));
    assert_eq!(other.pattern.as_str(), "/b/{service}/{instance}");
    for source in [one, other] {
        assert_eq!(source.policy.allowed_labels.len(), 2);
    }
    let texts = |source: &Schema| -> Vec<(String, String)> {
        source.labels.iter().map(|(name, text)| (name.to_string(), text.to_string())).collect()
    };
    assert_eq!(texts(one), [("env".to_owned(), "prod".to_owned())]);
    // Its own labels, not those of all; a comma is a comma.
    assert_eq!(texts(other), [("note".to_owned(), "a, b".to_owned())]);
    assert!(matches!(&other.format, Format::Json(rule) if rule.labels.len() == 1));
    assert_eq!((other.options.port, other.meta_labels), (Some(9100), true));
    assert!(!one.meta_labels && !other.options.utf8_labels);
}

#[test]
fn what_is_wrong_is_said_with_its_place_and_what_to_do() {
    let second = |line: &str| format!("[[source]]\nprefix = '/a'\n[[source]]\n{line}\n");
    for (text, needles) in [
        (String::new(), &["no table [[source]]", "key-pattern = "][..]),
        ("source = 3".into(), &["no table [[source]]"]),
        ("source = [3]".into(), &["source 1", "no table"]),
        ("[[source]]\nprefix = /a\n".into(), &["line 2"]),
        (second("debounce = '1s'"), &["source 2", "debounce can't stand here", "key-pattern"]),
        (second("value-format = 'yaml'"), &["source 2", "--value-format", "kratos"]),
        (second("key-pattern = '/a/{b'"), &["source 2", "--key-pattern /a/{b"]),
        (second("port = 0"), &["source 2", "--port"]),
        (second("port = { a = '1' }"), &["source 2", "port is no text"]),
        (second("port = 1.5"), &["source 2", "port is no text"]),
        (second("label = { a = 1 }"), &["source 2", "label.a is no text"]),
        (second("prefix = '/a'"), &["sources 1 (/a/{service}/{instance}) and 2 (/a/", "overlap"]),
        (second("key-pattern = '/a/{service=x}/{instance}'"), &["overlap", "{service=x}"]),
    ] {
        let error = sources(&text).expect_err(&text);
        for needle in needles {
            assert!(error.contains(needle), "{text}: {needle} is not in {error}");
        }
    }
}

#[test]
fn a_file_in_another_encoding_is_refused_with_its_line() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), b"[[source]]\nlabel = { a = '\xfc' }\n").expect("written");
    let error = of_file(file.path()).expect_err("no UTF-8").to_string();
    assert!(error.contains("line 2: it is not UTF-8"), "{error}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = of_file(Path::new("/nowhere/sources.toml")).expect_err("no file").to_string();
    assert!(error.starts_with("--config /nowhere/sources.toml: "), "{error}");
}

#[test]
fn registry_flags_and_a_file_of_sources_exclude_each_other() {
    let arguments = ["etcd-sd", "--config", "sources.toml", "--key-pattern", "/a/{service}"];
    let error = Arguments::try_parse_from(arguments).expect_err("which of them?").to_string();
    assert!(error.contains("--config") && error.contains("--key-pattern"), "{error}");
    let alone = ["etcd-sd", "--config", "sources.toml", "--debounce", "1s"];
    Arguments::try_parse_from(alone).expect("a file alone, with flags of other sections");
}
