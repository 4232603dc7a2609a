use super::*;
use crate::core::event::Revision;
use crate::core::render::Piece;
use crate::core::schema::Schema;
use crate::core::status::PrometheusStatus;
use crate::core::time::Millis;
use crate::core::value::Target;
use crate::history::{History, JournalSettings};
use crate::observer::Observer;

/// One that has seen each kind of thing once.
fn busy() -> Observer {
    let directory = tempfile::tempdir().expect("a directory");
    let journal = JournalSettings { path: directory.path().join("j"), max_size: 1 << 20, keep: 1 };
    let prefix = crate::core::key::Prefix::parse("/services").expect("a prefix");
    let sources = [Arc::new(Schema::below(&prefix))];
    let history = History::start(sources.to_vec(), Some(journal), None).expect("a thread");
    let observer = Observer::new(history.sender());
    observer.board.prometheus(PrometheusStatus {
        url: "http://localhost:9090".into(),
        up: true,
        loaded: true,
        state: "loaded",
        reason: None,
        since: Millis(0),
        load_lag_seconds: Some(1.5),
    });
    let source = observer.source(&sources, &sources[0], Duration::from_secs(10));
    source.metrics.listed("first", Duration::from_millis(3));
    source.metrics.watching();
    source.metrics.watch_ended("lost");
    source.metrics.changes(2, 1);
    source.metrics.audited(AuditResult::Diverged, 2);
    source.board.fresh(tokio::time::Instant::now().into_std());
    let output = observer.output(OutputKind::File, "targets.json".into());
    output.metrics.publish(PublishResult::Written);
    output.metrics.wrote(Duration::from_millis(1));
    output.metrics.healed("edited");
    output.board.published(Revision(7));
    let target = Target::Address("h:1".into());
    let document = Piece::render("web", [&target].into_iter()).alone(Revision(7));
    observer.board.publish(document);
    observer.metrics.http_request("/sd", 200);
    observer
}

/// The names of all metrics, with their types, as they are in the text format.
fn names(text: &str) -> Vec<(&str, &str)> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types.filter_map(|line| line.split_once(' ')).collect()
}

#[test]
fn every_metric_has_a_help_text_and_its_row_in_the_documentation() {
    let text = busy().metrics.encode(Format::Text);
    let names = names(&text);
    assert!(names.len() > 30, "{names:?}");
    let page = include_str!("../../docs/metrics.md");
    for (name, kind) in &names {
        assert!(text.contains(&format!("# HELP {name} ")), "{name} has no help text");
        let rows = page.lines().filter(|line| line.starts_with(&format!("| `{name}")));
        let rows: Vec<_> = rows.collect();
        assert_eq!(rows.len(), 1, "rows for {name} in docs/metrics.md: {rows:?}");
        assert!(rows[0].contains(&format!("| {kind} |")), "{name} is a {kind}: {}", rows[0]);
    }
    for row in page.lines().filter_map(|line| line.strip_prefix("| `")) {
        let name = row.split(['`', '{']).next().unwrap_or_default();
        assert!(names.iter().any(|(known, _)| *known == name), "{name} is no metric");
    }
}

#[test]
fn counters_end_in_total_and_units_are_base_units() {
    let text = busy().metrics.encode(Format::Text);
    for (name, kind) in names(&text) {
        assert_eq!(kind == "counter", name.ends_with("_total"), "{name} is a {kind}");
        assert!(!["_ms", "_milliseconds", "_kb"].iter().any(|unit| name.ends_with(unit)), "{name}");
    }
}

#[test]
fn a_hostile_prefix_stays_within_its_label() {
    let observer = Observer::default();
    let prefix = crate::core::key::Prefix::parse("/a\"b\\c").expect("a prefix");
    let sources = [Arc::new(Schema::below(&prefix))];
    let _ = observer.source(&sources, &sources[0], Duration::from_secs(10));
    let text = observer.metrics.encode(Format::Text);
    assert!(text.contains(r#"etcd_sd_fresh{source="/a\"b\\c/"} 0"#), "{text}");
}
