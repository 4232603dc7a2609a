//! `etcd-sd history`: what it shows of a journal, and how it ends.

use std::fs;

use super::Journal;
use crate::support::backend;
use crate::support::ran::{Ran, etcd_sd};

/// A journal and a rotated file, with lines that are none.
fn journal() -> Journal {
    let line = |second: u32, service: &str, instance: &str, after: &str| {
        format!(
            "{{\"time\":\"2026-01-02T03:04:{second:02}.000Z\",\"revision\":7,\
             \"service\":\"{service}\",\"instance\":\"{instance}\",\
             \"key\":\"/services/{service}/{instance}\",\"before\":null,\
             \"after\":{{\"targets\":[\"{after}\"],\"labels\":{{}}}},\"cause\":\"put\",\
             \"publish\":{{\"number\":3,\"time\":\"2026-01-02T03:04:{second:02}.250Z\",\"revision\":8}}}}\n"
        )
    };
    let journal = Journal::new();
    let old = [line(1, "web", "1", "h:1"), line(2, "api", "1", "a:1"), "{\"ti".into()].concat();
    fs::write(journal.path.with_extension("jsonl.1"), old).unwrap();
    let dropped = "{\"time\":\"2026-01-02T03:04:04.000Z\",\"note\":\"dropped\",\"changes\":9}\n";
    let new = [&line(3, "web", "2", "h:2"), dropped, &line(5, "web", "1", "h:3")].concat();
    fs::write(&journal.path, new).unwrap();
    journal
}

async fn history(journal: &Journal, more: &[&str]) -> Ran {
    let path = journal.path.to_str().unwrap();
    etcd_sd(&[&["history", "--journal", path], more].concat()).await
}

/// The addresses after the changes, in the order in which they are shown.
fn addresses(ran: &Ran) -> Vec<String> {
    let lines = ran.stdout.lines().filter_map(|line| line.split_once("- → "));
    lines.map(|(_, rest)| rest.split(' ').next().unwrap().to_owned()).collect()
}

#[test]
fn it_shows_what_is_asked_for_oldest_first_and_counts_what_it_can_not_read() {
    backend::run(async || {
        let journal = journal();
        let all = history(&journal, &[]).await;
        assert_eq!(all.code, 0, "{}", all.stderr);
        assert_eq!(addresses(&all), ["h:1", "a:1", "h:2", "h:3"]);
        assert!(all.stdout.contains("#3       0.250s"), "{}", all.stdout);
        assert!(all.stdout.contains("9 changes are missing"), "{}", all.stdout);
        assert!(all.stderr.starts_with("1 line of the journal"), "{}", all.stderr);
        for (more, expected) in [
            (&["--service", "web"][..], &["h:1", "h:2", "h:3"][..]),
            (&["--service", "web", "--instance", "1"], &["h:1", "h:3"]),
            (
                &["--since", "2026-01-02T03:04:02Z", "--until", "2026-01-02T03:04:03Z"],
                &["a:1", "h:2"],
            ),
            (&["--limit", "1"], &["h:3"]),
        ] {
            assert_eq!(addresses(&history(&journal, more).await), expected, "{more:?}");
        }
        let json = history(&journal, &["--json", "--service", "api"]).await;
        assert_eq!(json.stdout.lines().count(), 2, "{}", json.stdout);
        assert!(json.stdout.starts_with("{\"time\":\"2026-01-02T03:04:02.000Z\""));
    });
}

#[test]
fn what_the_guard_held_for_long_is_found_by_when_it_was_published() {
    backend::run(async || {
        let journal = Journal::new();
        let held = "{\"time\":\"2026-01-02T03:04:05.000Z\",\"revision\":7,\"service\":\"web\",\
                    \"instance\":\"1\",\"key\":\"/services/web/1\",\
                    \"before\":{\"targets\":[\"h:1\"],\"labels\":{}},\"after\":null,\
                    \"cause\":\"guard\",\"publish\":{\"number\":3,\
                    \"time\":\"2026-01-02T06:00:00.000Z\",\"revision\":8}}\n";
        fs::write(&journal.path, held).unwrap();
        for (since, lines) in [("2026-01-02T05:00:00Z", 1), ("2026-01-02T07:00:00Z", 0)] {
            let found = history(&journal, &["--json", "--since", since]).await;
            assert_eq!(found.stdout.lines().count(), lines, "{since}");
        }
    });
}

#[test]
fn nothing_found_is_said_and_no_journal_is_an_error_of_usage() {
    backend::run(async || {
        let journal = journal();
        let nothing = history(&journal, &["--since", "1h"]).await;
        assert_eq!((nothing.code, &*nothing.stdout), (0, ""));
        assert!(nothing.stderr.contains("no change of a target was found"), "{}", nothing.stderr);
        let none = history(&Journal::new(), &[]).await;
        assert_eq!(none.code, 2, "{}", none.stderr);
        assert!(none.stderr.contains("there is no journal"), "{}", none.stderr);
    });
}
