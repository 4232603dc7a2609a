//! The command line: what is wrong is said, with what was typed; and what may
//! stand in the environment as well.

use crate::support::backend::{Etcd, on_both, run};
use crate::support::daemon::Daemon;
use crate::support::file::TargetFile;
use crate::support::log::Line;
use crate::support::wait::SOON;

#[test]
fn nonsense_exits_with_2_and_names_what_was_typed() {
    let file = TargetFile::new();
    let directory = file.directory().to_str().unwrap();
    let in_directory = |name: &str| format!("{directory}/{name}");
    let table: &[(&[&str], &[&str])] = &[
        (&["--debounce", "5s", "--debounce-max", "1s"], &["--debounce", "5s", "1s"]),
        (&["--target-file", "/no/such/directory/targets.json"], &["/no/such/directory"]),
        (&["--target-file", &in_directory("targets.txt")], &["targets.txt", ".json"]),
        (&["--target-file", &in_directory("targets")], &["targets", ".json"]),
        (&["--target-file", &in_directory("targets.json.tmp")], &["targets.json.tmp"]),
        (&["--target-file", ""], &["--target-file"]),
        (&["--prefix", ""], &["--prefix"]),
        (&["--server", "not a url"], &["--server", "not a url"]),
        (&["--server", "http://"], &["--server"]),
        (&["--server", "ftp://127.0.0.1:2379"], &["--server", "ftp"]),
        (&["--server", "http://127.0.0.1:99999"], &["--server", "99999"]),
        (&["--server", ""], &["--server"]),
        (&["--server", "http://127.0.0.1:1,oh no"], &["--server", "oh no"]),
        (&["--debounce", "soon"], &["--debounce", "soon"]),
        (&["--debounce", "-1s"], &["-1"]),
        (&["--debounce-max", "1 fortnight"], &["--debounce-max", "1 fortnight"]),
        (&["--drift-interval", "x"], &["--drift-interval", "x"]),
        (&["--once", "--timeout", "x"], &["--timeout", "x"]),
        (&["--log-format", "xml"], &["--log-format", "xml"]),
        (&["--log-level", "loud"], &["--log-level", "loud"]),
        (&["--no-such-flag"], &["--no-such-flag"]),
        (&["an argument"], &["an argument"]),
    ];
    run(async || {
        for (args, named) in table {
            let mut daemon = Daemon::run(args);
            let code = daemon.exit_code(SOON).await;
            let said = daemon.log().raw();
            assert_eq!(code, 2, "{args:?}: {said}");
            for word in *named {
                assert!(said.contains(word), "{args:?} does not name {word:?}: {said}");
            }
        }
    });
}

#[test]
fn a_directory_in_the_place_of_the_file_is_refused() {
    run(async || {
        let file = TargetFile::new();
        std::fs::create_dir(file.path()).unwrap();
        let mut daemon = Daemon::start_at("http://127.0.0.1:1", &file, &[]);
        assert_eq!(daemon.exit_code(SOON).await, 2);
        let said = daemon.log().raw();
        assert!(said.contains("targets.json"), "{said}");
    });
}

#[test]
fn all_endings_that_prometheus_reads_are_taken() {
    run(async || {
        let file = TargetFile::new();
        for ending in ["json", "yml", "yaml", "JSON", "YML", "YAML"] {
            let path = file.directory().join(format!("targets.{ending}"));
            let args = ["--target-file", path.to_str().unwrap(), "--server", "http://127.0.0.1:1"];
            // It gets as far as looking for etcd.
            let mut daemon = Daemon::run(&[&args[..], &["--once", "--timeout", "100ms"]].concat());
            assert_eq!(daemon.exit_code(SOON).await, 3, "{ending}");
        }
    });
}

#[test]
fn the_help_shows_every_flag_with_its_variable() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_etcd-sd")).arg("--help").output();
    let output = output.unwrap();
    assert!(output.status.success());
    let help = String::from_utf8(output.stdout).unwrap();
    let flags = ["server", "prefix", "target-file", "debounce", "debounce-max", "drift-interval"];
    let security = ["cacert", "cert", "key", "server-name", "user", "password-file"];
    let flags = flags.iter().chain(&security);
    for flag in flags.chain(&["once", "timeout", "log-level", "log-format"]) {
        assert!(help.contains(&format!("--{flag}")), "--{flag} in {help}");
        let variable = format!("ETCD_SD_{}", flag.to_uppercase().replace('-', "_"));
        assert!(help.contains(&variable), "{variable} in {help}");
    }
    let version =
        std::process::Command::new(env!("CARGO_BIN_EXE_etcd-sd")).arg("--version").output();
    let version = String::from_utf8(version.unwrap().stdout).unwrap();
    assert_eq!(version.trim(), concat!("etcd-sd ", env!("CARGO_PKG_VERSION")));
}

async fn the_environment_stands_in_for_flags_and_a_flag_wins(etcd: Etcd) {
    etcd.put("/a/web/1", "10.0.0.1:80").await;
    etcd.put("/b/web/1", "10.0.0.2:80").await;
    let file = TargetFile::new();
    let variables = [
        ("ETCD_SD_SERVER", etcd.endpoint()),
        ("ETCD_SD_TARGET_FILE", file.path().to_str().unwrap()),
        ("ETCD_SD_PREFIX", "/a"),
        ("ETCD_SD_ONCE", "true"),
        ("ETCD_SD_LOG_FORMAT", "json"),
    ];
    for (args, target) in [(&[][..], "10.0.0.1:80"), (&["--prefix", "/b"], "10.0.0.2:80")] {
        let mut daemon = Daemon::run_with(args, &variables);
        assert_eq!(daemon.exit_code(SOON).await, 0);
        assert_eq!(file.groups()[0].targets, [target]);
        assert_eq!(daemon.logged("published").len(), 1);
    }
    let mut daemon = Daemon::run_with(&[], &[("ETCD_SD_DEBOUNCE", "soon")]);
    assert_eq!(daemon.exit_code(SOON).await, 2);
    let said = daemon.log().raw();
    assert!(said.contains("soon"), "{said}");
}

async fn the_log_is_text_or_one_json_object_a_line(etcd: Etcd) {
    etcd.put("/services/web/1", "oops").await;
    for format in ["text", "json"] {
        let file = TargetFile::new();
        let path = file.path().to_str().unwrap();
        let args = ["--server", etcd.endpoint(), "--target-file", path, "--once"];
        let mut daemon = Daemon::run(&[&args[..], &["--log-format", format]].concat());
        assert_eq!(daemon.exit_code(SOON).await, 0);
        let said = daemon.log().raw();
        let json = said.lines().filter(|line| Line::is_json(line)).count();
        assert_eq!(json, if format == "json" { said.lines().count() } else { 0 }, "{said}");
        assert!(said.contains("published"), "{said}");
    }
    // Only what is asked for.
    let file = TargetFile::new();
    let mut daemon = Daemon::start(&etcd, &file, &["--once", "--log-level", "error"]);
    assert_eq!(daemon.exit_code(SOON).await, 0);
    assert_eq!(daemon.log().raw(), "");
}

on_both!(
    the_environment_stands_in_for_flags_and_a_flag_wins,
    the_log_is_text_or_one_json_object_a_line,
);
