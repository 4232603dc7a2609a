//! The journal: a line for each change of a target, with the publish that carried it; and that
//! nothing it meets delays a publish.

mod command;
mod failing;
mod leases;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::backend::{Etcd, on_both};
use crate::support::daemon::Daemon;
use crate::support::file::TargetFile;
use crate::support::gate::Gate;
use crate::support::wait::{SOON, ensure, eventually};

/// A journal of a test.
struct Journal {
    path: PathBuf,
    _directory: TempDir,
}

impl Journal {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { path: directory.path().join("journal.jsonl"), _directory: directory }
    }

    /// With a quick daemon's other arguments.
    fn args(&self) -> [&str; 4] {
        ["--debounce", "10ms", "--journal", self.path.to_str().unwrap()]
    }

    fn start(&self, etcd: &Etcd, file: &TargetFile) -> Daemon {
        Daemon::start(etcd, file, &self.args())
    }

    fn lines(&self) -> Vec<Value> {
        lines(&self.path)
    }

    /// Key, address before and after, and cause of each change so far.
    fn changes(&self) -> Vec<(String, String, String, String)> {
        changes(&self.lines())
    }

    /// Waits for that many changes.
    async fn has(&self, count: usize) -> Vec<(String, String, String, String)> {
        eventually(SOON, &format!("{count} changes in the journal"), async || {
            let changes = self.changes();
            ensure(changes.len() >= count, || format!("{changes:?}"))?;
            Ok(changes)
        })
        .await
    }
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

fn changes(lines: &[Value]) -> Vec<(String, String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let one = |line: &Value| {
        let address = |side: &str| text(&line[side]["targets"][0]);
        (text(&line["key"]), address("before"), address("after"), text(&line["cause"]))
    };
    lines.iter().filter(|line| line["note"].is_null()).map(one).collect()
}

fn change(key: &str, before: &str, after: &str, cause: &str) -> (String, String, String, String) {
    (format!("/services/{key}"), before.into(), after.into(), cause.into())
}

async fn each_change_of_a_target_is_one_line_with_the_publish_that_carried_it(etcd: Etcd) {
    let (file, journal) = (TargetFile::new(), Journal::new());
    etcd.put("/services/web/1", "h:1").await;
    let mut daemon = journal.start(&etcd, &file);
    file.follows(&etcd).await;
    let put = etcd.put("/services/web/2", r#"{"address":"h:2","labels":{"env":"q\""}}"#).await;
    etcd.put("/services/api/1", "secret-that-is-no-address").await;
    journal.has(1).await;
    etcd.delete("/services/web/1").await;
    let expected = [change("web/2", "", "h:2", "put"), change("web/1", "h:1", "", "delete")];
    assert_eq!(journal.has(2).await, expected);
    assert_eq!(daemon.stop().await, 0);

    let lines = journal.lines();
    let note = |line: &Value| line["note"].as_str().unwrap_or("-").to_owned();
    let notes: Vec<_> = lines.iter().map(note).collect();
    assert_eq!(notes, ["started", "listed", "-", "-", "stopped"]);
    let (first, second) = (&lines[2], &lines[3]);
    assert_eq!((&first["service"], &first["instance"]), (&"web".into(), &"2".into()));
    assert_eq!(first["after"]["labels"]["env"], "q\"");
    assert_eq!(first["before"], Value::Null);
    assert_eq!(first["revision"], put);
    assert!(first["publish"]["revision"].as_i64() >= Some(put));
    assert_eq!((&first["publish"]["number"], &second["publish"]["number"]), (&2.into(), &3.into()));
    assert!(first["publish"]["time"].as_str() >= first["time"].as_str());
    assert!(!fs::read_to_string(&journal.path).unwrap().contains("secret"));
    let mode = fs::metadata(&journal.path).unwrap().permissions().mode();
    assert_eq!(mode & 0o137, 0, "{mode:o}");
}

async fn what_a_relist_finds_is_said_and_a_restart_goes_on_where_the_last_one_was_cut(etcd: Etcd) {
    let (file, journal) = (TargetFile::new(), Journal::new());
    let gate = Gate::before(&etcd).await;
    for (key, value) in [("web/1", "h:1"), ("web/2", "h:2"), ("gone/1", "h:3"), ("api/1", "h:4")] {
        etcd.put(&format!("/services/{key}"), value).await;
    }
    let mut daemon = Daemon::start_at(gate.endpoint(), &file, &journal.args());
    file.follows(&etcd).await;
    daemon.wait_for_log("watching").await;
    gate.cut().await;
    etcd.delete("/services/web/1").await;
    etcd.delete("/services/gone/1").await;
    etcd.put("/services/new/1", "h:5").await;
    let revision = etcd.put("/services/web/2", "h:6").await;
    etcd.compact(revision).await;
    daemon.wait_for_log("connection lost").await;
    gate.open();
    let expected = [
        change("gone/1", "h:3", "", "relist"),
        change("new/1", "", "h:5", "relist"),
        change("web/1", "h:1", "", "relist"),
        change("web/2", "h:2", "h:6", "relist"),
    ];
    assert_eq!(journal.has(4).await, expected);
    let numbers: Vec<_> =
        journal.lines()[2..].iter().map(|line| line["publish"]["number"].clone()).collect();
    assert!(numbers.iter().all(|number| *number == 2), "{numbers:?}");

    daemon.kill();
    let mut text = fs::read_to_string(&journal.path).unwrap();
    text.push_str("{\"time\":\"2026-01-01T");
    fs::write(&journal.path, &text).unwrap();
    let mut daemon = Daemon::start_at(gate.endpoint(), &file, &journal.args());
    daemon.wait_for_log("watching").await;
    etcd.delete("/services/api/1").await;
    eventually(SOON, "a line of the second daemon", async || {
        let text = fs::read_to_string(&journal.path).unwrap();
        ensure(text.contains("\"cause\":\"delete\""), || text)
    })
    .await;
    assert_eq!(daemon.stop().await, 0);
    let after = fs::read_to_string(&journal.path).unwrap();
    assert!(after.starts_with(&format!("{text}\n{{")), "{after}");
}

async fn removals_that_the_guard_holds_are_written_down_when_they_go(etcd: Etcd) {
    let (file, journal) = (TargetFile::new(), Journal::new());
    let entries: Vec<_> =
        (10..40).map(|number| (format!("/services/web/{number}"), format!("h:{number}"))).collect();
    etcd.put_all(&entries).await;
    let mut daemon = journal.start(&etcd, &file);
    file.follows(&etcd).await;
    daemon.wait_for_log("watching").await;
    etcd.delete_prefix("/services/web/").await;
    daemon.says("ERROR", &["mass removal held"]).await;
    etcd.put("/services/api/1", "h:1").await;
    assert_eq!(journal.has(1).await, [change("api/1", "", "h:1", "put")]);
    daemon.signal(Signal::USR1);
    let changes = journal.has(31).await;
    assert!(changes[1..].iter().all(|change| change.3 == "guard"), "{changes:?}");
    let lines = journal.lines();
    let last = lines.last().unwrap();
    assert_eq!(last["publish"]["number"], lines[lines.len() - 30]["publish"]["number"]);
    assert_eq!(daemon.stop().await, 0);
}

async fn ten_thousand_changes_at_once_have_a_line_each_in_the_order_in_which_they_came(etcd: Etcd) {
    let (file, journal) = (TargetFile::new(), Journal::new());
    let mut daemon = journal.start(&etcd, &file);
    daemon.wait_for_log("watching").await;
    let entries: Vec<_> = (1..=10_000)
        .map(|number| (format!("/services/s{}/{number}", number % 100), format!("h:{number}")))
        .collect();
    etcd.put_all(&entries).await;
    file.follows(&etcd).await;
    let expected: Vec<_> = entries
        .iter()
        .map(|(key, value)| (key.clone(), String::new(), value.clone(), "put".to_owned()))
        .collect();
    assert!(journal.has(10_000).await == expected);
    assert_eq!(daemon.stop().await, 0);
    let number = |line: &Value| line["publish"]["number"].as_u64();
    let numbers: Vec<_> = journal.lines().iter().filter_map(number).collect();
    assert_eq!(numbers.len(), 10_000);
    assert!(numbers.is_sorted());
}

on_both!(
    ten_thousand_changes_at_once_have_a_line_each_in_the_order_in_which_they_came,
    each_change_of_a_target_is_one_line_with_the_publish_that_carried_it,
    what_a_relist_finds_is_said_and_a_restart_goes_on_where_the_last_one_was_cut,
    removals_that_the_guard_holds_are_written_down_when_they_go,
);
