//! `check` reads the registry once, sums it up, and lists what is quarantined, and why.

use std::fs;
use std::time::{Duration, Instant};

use etcd_client::{Txn, TxnOp};
use serde_json::Value;

use crate::support::backend::{Etcd, on_both, run};
use crate::support::daemon::Daemon;
use crate::support::file::TargetFile;
use crate::support::ports::free_port;
use crate::support::process::command;
use crate::support::ran::{Ran, ends, etcd_sd};
use crate::support::wait::SOON;

async fn check(etcd: &Etcd, more: &[&str]) -> Ran {
    etcd_sd(&[&["check", "--server", etcd.endpoint()], more].concat()).await
}

/// The number behind a word of the summary.
fn number(ran: &Ran, word: &str) -> usize {
    let line = ran.stdout.lines().find_map(|line| line.strip_prefix(word));
    let line = line.unwrap_or_else(|| panic!("no {word} in {}", ran.stdout));
    line.split_whitespace().next().unwrap().parse().unwrap()
}

async fn a_good_registry_is_summed_up(etcd: Etcd) {
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    etcd.put("/services/web/2", r#"{"address":"10.0.0.2:80","labels":{"env":"prod"}}"#).await;
    etcd.put("/services/db/1", r#"{"targets":["10.0.0.3:80","10.0.0.4:80"]}"#).await;
    let revision = etcd.put("/services/db/1/lock", "somebody else's").await;
    let ran = check(&etcd, &[]).await;
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{}", ran.stdout);
    assert_eq!(number(&ran, "revision"), usize::try_from(revision).unwrap());
    assert_eq!((number(&ran, "keys"), number(&ran, "services")), (4, 2));
    assert!(ran.stdout.contains("4 in 3 groups"), "{}", ran.stdout);
    assert_eq!((number(&ran, "quarantined"), number(&ran, "ignored")), (0, 1));
    let document: usize = number(&ran, "document");
    let file = TargetFile::new();
    Daemon::start(&etcd, &file, &["--once"]).exit_code(SOON).await;
    assert_eq!(document, file.read().unwrap().len());
}

async fn what_is_quarantined_is_listed_by_key_with_its_reason(etcd: Etcd) {
    etcd.put("/services/web/good", "10.0.0.1:80").await;
    etcd.put("/services/web/was-good", "10.0.0.2:80").await;
    etcd.put("/services/web/was-good", "http://10.0.0.2").await;
    etcd.put("/services/web/z", r#"{"address":"h:1","labels":{"job":"x"}}"#).await;
    etcd.put("/services/web/\n\u{1b}[31m", "secret").await;
    let key = &b"/services/w\xffb/1"[..];
    etcd.client().put(key, "10.0.0.3:80", None).await.unwrap();
    let ran = check(&etcd, &[]).await;
    assert_eq!(ran.code, 6, "{}", ran.stdout);
    assert_eq!((number(&ran, "quarantined"), number(&ran, "services")), (4, 1));
    let (_, listed) = ran.stdout.split_once("\n\n").unwrap();
    let lines: Vec<_> = listed.lines().collect();
    for (line, (key, words)) in lines.iter().zip([
        ("/services/web/\\n\\u{1b}[31m: ", "port"),
        ("/services/web/was-good: ", "(its last good target stays)"),
        ("/services/web/z: ", "it is the service's name"),
        ("/services/w\u{fffd}b/1: ", "UTF-8"),
    ]) {
        assert!(line.starts_with(key) && line.contains(words), "{line}");
    }
    assert_eq!(lines.len(), 4, "{listed}");
    assert!(!ran.stdout.contains("secret"), "values are not repeated");
}

async fn json_is_one_object_with_the_documented_names_and_nothing_else(etcd: Etcd) {
    etcd.put("/services/web/good", "10.0.0.1:80").await;
    etcd.put("/services/web/\"\n", "oops").await;
    let key = &b"/services/w\xffb/1"[..];
    let put = etcd.client().put(key, "10.0.0.3:80", None).await.unwrap();
    let revision = put.header().unwrap().revision();
    let ran = check(&etcd, &["--json", "--log-level", "debug"]).await;
    assert_eq!(ran.code, 6);
    assert!(ran.stderr.contains("listing"), "logs go elsewhere: {}", ran.stderr);
    assert_eq!(ran.stdout.lines().count(), 1);
    let json: Value = serde_json::from_str(&ran.stdout).unwrap();
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(
        names(&json).join(" "),
        "bytes groups ignored keys quarantined quarantined_entries revision services sources targets"
    );
    assert_eq!((&json["keys"], &json["quarantined"]), (&3.into(), &2.into()));
    assert_eq!(json["revision"], revision);
    assert_eq!(
        names(&json["sources"][0]).join(" "),
        "ignored key_pattern keys quarantined revision value_format"
    );
    assert_eq!(json["sources"][0]["key_pattern"], "/services/{service}/{instance}");
    let [text, bytes] = [0, 1].map(|place| &json["quarantined_entries"][place]);
    assert_eq!(names(text).join(" "), "keeps_last_good key mod_revision reason");
    assert_eq!(text["key"], "/services/web/\"\n");
    assert_eq!(bytes["key_base64"], "L3NlcnZpY2VzL3f/Yi8x");
    assert_eq!(
        (&bytes["mod_revision"], &bytes["keeps_last_good"]),
        (&revision.into(), &false.into())
    );
    // And what is printed there can be explained.
    let key = bytes["key_base64"].as_str().unwrap();
    let server = etcd.endpoint();
    let told = etcd_sd(&["explain", "--key-base64", key, "--server", server]).await;
    assert_eq!(told.code, 6);
    assert!(told.stdout.contains("UTF-8"), "{}", told.stdout);
}

async fn a_hundred_thousand_bad_entries_among_a_thousand_are_all_listed_at_once(etcd: Etcd) {
    const BAD: usize = 100_000;
    let good =
        (0..1_000).map(|number| (format!("/services/web/{number}"), b"10.0.0.1:80".to_vec()));
    let bad = (0..BAD).map(|number| {
        let garbage = number.wrapping_mul(0x9e37_79b9).to_le_bytes().to_vec();
        (format!("/services/bad-{}/{number:06}", number % 100), garbage)
    });
    let entries: Vec<_> = good.chain(bad).collect();
    for chunk in entries.chunks(128) {
        let puts = chunk.iter().map(|(key, value)| TxnOp::put(key.as_str(), value.clone(), None));
        etcd.client().txn(Txn::new().and_then(puts.collect::<Vec<_>>())).await.unwrap();
    }
    let begun = Instant::now();
    let ran = check(&etcd, &[]).await;
    let took = begun.elapsed();
    assert_eq!(ran.code, 6);
    assert_eq!((number(&ran, "keys"), number(&ran, "quarantined")), (BAD + 1_000, BAD));
    assert_eq!(ran.stdout.split_once("\n\n").unwrap().1.lines().count(), BAD);
    // Without optimisation and on a busy machine; were it quadratic, it would take hours.
    assert!(took < Duration::from_secs(120), "{took:?}");
}

async fn an_empty_registry_is_good_and_said_to_be_empty(etcd: Etcd) {
    let ran = check(&etcd, &[]).await;
    assert_eq!((ran.code, number(&ran, "targets")), (0, 0));
    assert!(ran.stderr.contains("/services/") && ran.stderr.contains("--prefix"), "{}", ran.stderr);
}

async fn the_next_server_is_asked_if_one_is_dead(etcd: Etcd) {
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    let servers = format!("http://127.0.0.1:{},{}", free_port(), etcd.endpoint());
    let ran = etcd_sd(&["check", "--server", &servers]).await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(number(&ran, "targets"), 1);
}

async fn without_a_complete_list_in_time_it_exits_with_3_and_says_why(etcd: Etcd) {
    for instance in 0..3 {
        etcd.put(&format!("/services/web/{instance}"), "10.0.0.1:80").await;
    }
    for json in [&[][..], &["--json"]] {
        let args = [&["--max-entries", "2", "--timeout", "1s"], json].concat();
        let ran = check(&etcd, &args).await;
        assert_eq!((ran.code, ran.stdout.as_str()), (3, ""));
        assert!(ran.stderr.contains("--max-entries 2"), "{}", ran.stderr);
    }
}

async fn several_sources_are_read_and_summed_up_and_told_apart(etcd: Etcd) {
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("sources.toml");
    let text = r#"
        [[source]]
        key-pattern = "/z/{service}/{instance}"
        [[source]]
        key-pattern = "/a/{service}/{instance}"
        value-format = "address"
    "#;
    fs::write(&config, text).unwrap();
    etcd.put("/z/web/1", "10.0.0.1:80").await;
    etcd.put("/z/web/2", "oops").await;
    etcd.put("/a/web/1", "10.0.0.2:80").await;
    etcd.put("/a/web/2", "10.0.0.1:80").await;
    etcd.put("/a/web/3", "{}").await;
    let config = ["--config", config.to_str().unwrap()];
    let ran = check(&etcd, &config).await;
    assert_eq!(ran.code, 6, "{}", ran.stderr);
    assert!(ran.stdout.contains("2 in 1 group\n"), "{}", ran.stdout);
    for source in ["/z/{service}/{instance}: revision", "/a/{service}/{instance}: revision"] {
        assert!(ran.stdout.contains(source), "{}", ran.stdout);
    }
    let (_, listed) = ran.stdout.split_once("\n\n").unwrap();
    let keys: Vec<_> = listed.lines().map(|line| line.split(": ").next().unwrap()).collect();
    assert_eq!(keys, ["/a/web/3", "/z/web/2"]);
    let ran = check(&etcd, &[&config[..], &["--json"]].concat()).await;
    let json: Value = serde_json::from_str(&ran.stdout).unwrap();
    let formats = [0, 1].map(|place| json["sources"][place]["value_format"].as_str().unwrap());
    assert_eq!(formats, ["auto", "address"]);
    // The same as a daemon makes of them.
    let file = TargetFile::new();
    Daemon::start(&etcd, &file, &[&config[..], &["--once"]].concat()).exit_code(SOON).await;
    assert_eq!(json["bytes"], file.read().unwrap().len());
    let path = file.path().to_str().unwrap();
    let args = ["diff", "--server", etcd.endpoint(), "--target-file", path];
    let ran = etcd_sd(&[&args[..], &config].concat()).await;
    assert_eq!(ran.code, 0, "{}", ran.stdout);
}

async fn the_environment_of_the_daemon_does_for_its_commands(etcd: Etcd) {
    etcd.put("/a/web/1", "10.0.0.1:80").await;
    let file = TargetFile::new();
    let mut command = command(env!("CARGO_BIN_EXE_etcd-sd"));
    command.args(["diff"]).envs(
        [
            ("SERVER", etcd.endpoint()),
            ("PREFIX", "/a"),
            ("TARGET_FILE", file.path().to_str().unwrap()),
            ("ONCE", "true"),
        ]
        .map(|(name, value)| (format!("ETCD_SD_{name}"), value)),
    );
    let ran = ends(command, Vec::new()).await;
    assert_eq!(ran.code, 5, "{}", ran.stderr);
    assert!(ran.stdout.contains("+ 10.0.0.1:80"), "{}", ran.stdout);
}

/// Whoever reads the first line and goes still learns how it ended.
async fn that_nobody_reads_on_is_no_failure(etcd: Etcd) {
    for instance in 0..5_000 {
        etcd.put(&format!("/services/web/{instance}"), "oops").await;
    }
    let mut command = command("sh");
    command.args(["-c", r#"{ "$0" check --server "$1"; echo "code $?" >&2; } | head -n 1"#]);
    command.args([env!("CARGO_BIN_EXE_etcd-sd"), etcd.endpoint()]);
    let ran = ends(command, Vec::new()).await;
    assert_eq!(ran.stdout.lines().count(), 1);
    assert_eq!(ran.stderr, "code 6\n");
}

on_both!(
    a_good_registry_is_summed_up,
    what_is_quarantined_is_listed_by_key_with_its_reason,
    json_is_one_object_with_the_documented_names_and_nothing_else,
    a_hundred_thousand_bad_entries_among_a_thousand_are_all_listed_at_once,
    an_empty_registry_is_good_and_said_to_be_empty,
    the_next_server_is_asked_if_one_is_dead,
    without_a_complete_list_in_time_it_exits_with_3_and_says_why,
    several_sources_are_read_and_summed_up_and_told_apart,
    the_environment_of_the_daemon_does_for_its_commands,
    that_nobody_reads_on_is_no_failure,
);

#[test]
fn without_an_etcd_check_and_diff_exit_with_3_in_time_and_name_the_server() {
    run(async || {
        let server = format!("http://127.0.0.1:{}", free_port());
        for command in ["check", "diff"] {
            let begun = Instant::now();
            let ran = etcd_sd(&[command, "--server", &server, "--timeout", "1s"]).await;
            assert_eq!((ran.code, ran.stdout.as_str()), (3, ""), "{command}");
            assert!(ran.stderr.contains(&server) && ran.stderr.contains("1s"), "{}", ran.stderr);
            assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        }
    });
}
