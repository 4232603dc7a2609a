use super::*;
use crate::core::value::{self, Target};

fn target(value: &str) -> Target {
    value::parse(value.as_bytes()).expect("a target")
}

fn document(services: &[(&str, &[&str])]) -> Document {
    let mut document = Document::new(Revision(1));
    for (job, values) in services {
        let targets: Vec<_> = values.iter().map(|value| target(value)).collect();
        document.push(&Piece::render(job, targets.iter()));
    }
    document
}

fn check(services: &[(&str, &[&str])], expected: &str) {
    let document = document(services);
    assert_eq!(String::from_utf8(document.to_vec()).expect("UTF-8"), expected);
    assert_eq!(document.len(), expected.len());
}

#[test]
fn no_group_is_an_empty_array_and_never_null_or_nothing() {
    check(&[], "[]\n");
    check(&[("a", &[])], "[]\n");
}

#[test]
fn one_group_stands_on_a_line_with_its_targets_sorted_and_each_once() {
    check(
        &[("node_exporter", &["10.0.34.12:32535", "10.0.33.1:54423", "10.0.34.12:32535"])],
        "[\n{\"targets\":[\"10.0.33.1:54423\",\"10.0.34.12:32535\"],\"labels\":{\"job\":\"node_exporter\"}}\n]\n",
    );
}

#[test]
fn instances_with_different_labels_fall_into_groups_sorted_by_job_and_then_labels() {
    check(
        &[
            (
                "a",
                &[
                    r#"{"address":"h:3","labels":{"env":"b"}}"#,
                    r#"{"targets":["h:2","h:1"],"labels":{"env":"a","dc":"x"}}"#,
                    "h:4",
                    r#"{"address":"h:5","labels":{"env":"b"}}"#,
                ],
            ),
            ("b", &["h:4"]),
        ],
        concat!(
            "[\n",
            "{\"targets\":[\"h:4\"],\"labels\":{\"job\":\"a\"}},\n",
            "{\"targets\":[\"h:1\",\"h:2\"],\"labels\":{\"job\":\"a\",\"dc\":\"x\",\"env\":\"a\"}},\n",
            "{\"targets\":[\"h:3\",\"h:5\"],\"labels\":{\"job\":\"a\",\"env\":\"b\"}},\n",
            "{\"targets\":[\"h:4\"],\"labels\":{\"job\":\"b\"}}\n",
            "]\n",
        ),
    );
}

#[test]
fn what_yaml_can_not_read_is_escaped_and_means_the_same() {
    let job = "q\"\\\n\u{7f}\u{85}\u{2028}\u{feff}ü☃\u{1f600}\u{1}";
    let text = String::from_utf8(document(&[(job, &["h:1"])]).to_vec()).expect("UTF-8");
    assert!(text.contains(r#"q\"\\\n\u007f\u0085\u2028\ufeffü☃😀\u0001"#), "{text}");
    let parsed: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(parsed[0]["labels"]["job"], job);
}

#[test]
fn documents_are_the_same_if_their_bytes_are() {
    let one = document(&[("a", &["h:1"]), ("b", &["h:2"])]);
    assert!(one.same_bytes(&one.clone()));
    assert!(one.same_bytes(&document(&[("a", &["h:1"]), ("b", &["h:2"])])));
    assert!(!one.same_bytes(&document(&[("a", &["h:1"]), ("b", &["h:3"])])));
    assert!(!one.same_bytes(&document(&[("a", &["h:1"])])));
    assert_eq!((one.targets(), one.services()), (2, 2));
}
