use std::fs;

use clap::{CommandFactory, Parser};
use rcgen::{CertificateParams, KeyPair};
use tempfile::TempDir;

use super::*;
use crate::etcd::Secret;

fn parse(arguments: &[&str]) -> Result<Config, String> {
    parse_with(None, arguments)
}

/// With a value of the variable `ETCD_SD_PASSWORD`.
fn parse_with(password: Option<&str>, arguments: &[&str]) -> Result<Config, String> {
    let arguments = std::iter::once("etcd-sd").chain(arguments.iter().copied());
    let mut args = Arguments::try_parse_from(arguments).map_err(|error| error.to_string())?;
    args.registry.security.password = password.map(|password| Secret::new(password.to_owned()));
    args.config().map_err(|error| error.to_string())
}

fn check_refused(password: Option<&str>, arguments: &[&str], needles: &[&str]) {
    let error = parse_with(password, arguments).expect_err("refused");
    for needle in needles {
        assert!(error.contains(needle), "{arguments:?}: {needle} is not in: {error}");
    }
}

#[test]
fn the_command_line_is_sound() {
    Arguments::command().debug_assert();
}

#[test]
fn without_arguments_the_documented_defaults_hold() {
    let config = parse(&[]).expect("valid");
    assert_eq!(config.servers, [Server::parse("http://127.0.0.1:2379").expect("a server")]);
    assert_eq!(config.sources[0].pattern.prefix().as_str(), "/services/");
    assert_eq!(config.target_file.expect("a file").path(), std::path::Path::new("tgroups.json"));
    assert_eq!(config.once, None);
    assert_eq!(config.guard, GuardSettings::default());
}

#[test]
fn servers_may_be_repeated_and_separated_by_commas() {
    let config = parse(&["--server", "a,b:1", "--endpoints", "http://c"]).expect("valid");
    let urls: Vec<_> = config.servers.iter().map(Server::as_str).collect();
    assert_eq!(urls, ["http://a:2379", "http://b:1", "http://c:2379"]);
}

#[test]
fn empty_parts_of_a_list_of_servers_are_passed_over() {
    let config = parse(&["--server", "a,,b,"]).expect("valid");
    assert_eq!(config.servers.len(), 2);
    assert!(parse(&["--server", ","]).expect_err("refused").contains("--server"));
}

#[test]
fn the_ceiling_follows_the_debounce_unless_it_is_given() {
    let ceiling = |arguments: &[&str]| {
        let mut debounce = parse(arguments).expect("valid").debounce;
        let start = std::time::Instant::now();
        let mut now = start;
        while debounce.due().is_none_or(|due| due > now) {
            debounce.changed(now);
            now += Duration::from_millis(50);
        }
        now - start
    };
    assert_eq!(ceiling(&["--debounce", "100ms"]), Duration::from_secs(2));
    assert_eq!(ceiling(&["--debounce", "1s"]), Duration::from_secs(4));
    assert_eq!(ceiling(&["--debounce-max", "500ms"]), Duration::from_millis(500));
    assert_eq!(parse(&["--debounce", "0"]).expect("valid").debounce.due(), None);
}

#[test]
fn nonsense_is_refused_with_the_input_the_reason_and_what_to_do() {
    for (arguments, needles) in [
        (&["--debounce", "5s", "--debounce-max", "1s"][..], &["5s", "1s", "raise"][..]),
        (&["--debounce-max", "100ms"], &["100ms", "200ms"]),
        (&["--debounce", "fast"], &["'fast'", "250ms"]),
        (&["--drift-interval", "0"], &["--drift-interval", "100ms"]),
        (&["--debounce", "3000000000000000000s"], &["longer than a day", "250ms"]),
        (&["--prefix", " /services"], &["white space"]),
        (&["--prefix", ""], &["--prefix", "empty", "/services"]),
        (&["--server", "http:/x"], &["http:/x", "http://"]),
        (&["--server", "ftp://x"], &["ftp://x", "scheme"]),
        (&["--guard-ratio", "1.1"], &["--guard-ratio", "1.1", "0 to 1"]),
        (&["--guard-ratio", "NaN"], &["--guard-ratio", "NaN", "0 to 1"]),
        (&["--guard-ratio=-0.5"], &["--guard-ratio", "0 to 1"]),
        (&["--guard-ratio", "50%"], &["50%", "0.5"]),
        (&["--guard-min=-1"], &["--guard-min", "whole number"]),
        (&["--guard-hold", "0"], &["--guard-hold", "100ms"]),
        (&["--once", "--no-target-file", "--listen", "[::1]:0"], &["--target-dir", "--once"]),
        (&["--shard", "3/3"], &["--shard", "3/3", "the last is 2"]),
        (&["--target-file", "a.conf"], &["a.conf", ".json"]),
        (&["--target-file", "/nowhere/a.json"], &["/nowhere/a.json", "create it"]),
        (&["--target-file", "/"], &["/", "not a file name"]),
        (&["--target-file", "/etc"], &["/etc", "directory"]),
        (&["--target-file", "a.json", "--journal", "a.json"], &["--journal a.json", "its own"]),
    ] {
        check_refused(None, arguments, needles);
    }
}

#[test]
fn the_defaults_notice_a_dead_member_well_within_fifteen_seconds() {
    let patience = parse(&[]).expect("valid").connector.patience();
    assert_eq!(patience, Patience::default());
    assert!(patience.idle + patience.answer + patience.dial < Duration::from_secs(15));
}

/// PEM files: a certificate and its key, another key, an encrypted key, and what is none.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        let files = Self(tempfile::tempdir().expect("a directory"));
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(["etcd".to_owned()]).expect("parameters");
        let cert = params.self_signed(&key).expect("a certificate").pem();
        let foreign = KeyPair::generate().expect("a key").serialize_pem();
        let encrypted = foreign.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
        let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for (name, text) in [
            ("cert", cert.as_str()),
            ("key", &key.serialize_pem()),
            ("foreign", &foreign),
            ("encrypted", &encrypted),
            ("garbage", garbage),
            ("damaged", &foreign.replace("-----END", "----- END")),
            ("password", "secret\n"),
            ("empty", "\n"),
        ] {
            fs::write(files.path(name), text).expect("a file");
        }
        fs::write(files.path("binary"), b"\xff\xfe").expect("a file");
        files
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().expect("UTF-8").to_owned()
    }
}

#[test]
fn flags_of_tls_that_do_not_fit_together_are_refused() {
    let files = Files::new();
    let (cert, key) = (files.path("cert"), files.path("key"));
    let https = ["--server", "https://etcd", "--cacert", &cert];
    for (arguments, needles) in [
        (&["--cert", &cert][..], &["--cert without --key"][..]),
        (&["--key", &key], &["--key without --cert"]),
        (&["--server-name", "a b"], &["--server-name a b", "DNS name"]),
    ] {
        check_refused(None, &[&https[..], arguments].concat(), needles);
    }
    for (flag, value) in
        [("--cacert", &*cert), ("--cert", &cert), ("--key", &key), ("--server-name", "etcd")]
    {
        let servers = ["--server", "https://a,b:1", flag, value];
        check_refused(None, &servers, &[flag, "http://b:1", "write https://b:1"]);
    }
    parse(&[&https[..], &["--cert", &cert, "--key", &key]].concat()).expect("valid");
    let both = ["--server", "https://a,https://b", "--cacert", &cert, "--server-name", "etcd"];
    parse(&both).expect("valid");
}

#[test]
fn a_file_that_is_not_what_it_should_be_is_refused_with_flag_path_and_reason() {
    let files = Files::new();
    let (cert, key) = (files.path("cert"), files.path("key"));
    let server = ["--server", "https://etcd"];
    for (name, reason) in [
        ("absent", "No such file"),
        ("", "is a directory"),
        ("key", "no certificate in it, but a private key"),
        ("password", "no certificate in it"),
        ("garbage", "no certificate in it that can be read"),
        ("damaged", "not a PEM file"),
    ] {
        let path = files.path(name);
        let arguments = [&server[..], &["--cacert", &path]].concat();
        check_refused(None, &arguments, &[&format!("--cacert {path}: "), reason]);
    }
    let trusting = [&server[..], &["--cacert", &cert]].concat();
    for (name, reason) in [
        ("absent", "No such file"),
        ("cert", "no private key in it"),
        ("foreign", "not the key of the certificate in --cert"),
        ("encrypted", "openssl pkey"),
    ] {
        let path = files.path(name);
        let arguments = [&trusting[..], &["--cert", &cert, "--key", &path]].concat();
        check_refused(None, &arguments, &[&format!("--key {path}: "), reason]);
    }
    let garbage = files.path("garbage");
    let arguments = [&trusting[..], &["--cert", &garbage, "--key", &key]].concat();
    check_refused(None, &arguments, &[&format!("--cert {garbage}: "), "not a valid certificate"]);
    for (name, reason) in
        [("absent", "No such file"), ("empty", "it is empty"), ("binary", "not UTF-8")]
    {
        let path = files.path(name);
        let arguments = ["--user", "prom", "--password-file", &path];
        check_refused(None, &arguments, &[&format!("--password-file {path}: "), reason]);
    }
}

#[test]
fn a_user_has_one_password_and_a_password_one_user() {
    let files = Files::new();
    let password = files.path("password");
    let in_file = ["--user", "prom", "--password-file", &password];
    for (variable, arguments, needles) in [
        (None, &["--user", "prom"][..], &["--user prom", "--password-file", "ETCD_SD_PASSWORD"]),
        (None, &["--password-file", &password], &["--password-file", "--user", "whose"]),
        (Some("x"), &[], &["ETCD_SD_PASSWORD", "--user", "whose"]),
        (Some("x"), &in_file, &["--password-file", "ETCD_SD_PASSWORD", "both"]),
        (None, &["--user", "", "--password-file", &password], &["--user", "name", "empty"]),
    ] {
        check_refused(variable, arguments, needles);
    }
    let from_file = parse(&in_file).expect("valid");
    let from_variable = parse_with(Some("secret"), &["--user", "prom"]).expect("valid");
    for config in [from_file, from_variable] {
        let shown = format!("{config:?}");
        assert!(shown.contains("prom") && !shown.contains("secret"), "{shown}");
    }
}

#[test]
fn a_password_on_the_command_line_is_refused_and_not_repeated() {
    for arguments in [
        &["--user", "prom:hunter2"][..],
        &["--server", "http://prom:hunter2@etcd"],
        &["--server", "a,http://prom:hunt,er2@etcd"],
    ] {
        let error = parse(arguments).expect_err("refused");
        assert!(error.contains(arguments[0]) && error.contains("--password-file"), "{error}");
        assert!(error.contains("every user of the host"), "{error}");
        assert!(!error.contains("hunt"), "{error}");
    }
}
