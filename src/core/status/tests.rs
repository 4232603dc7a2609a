use super::*;

fn source(fresh: bool, failure: Option<&str>) -> SourceStatus {
    SourceStatus {
        name: "/services/".into(),
        key_pattern: "/services/{service}/{instance}".into(),
        value_format: "auto",
        connection: Connection::Watching,
        server: None,
        server_version: None,
        cluster_id: None,
        failure: failure.map(Into::into),
        fresh_at: Some(Millis(60_000)),
        fresh,
        observed_revision: Revision(7),
        applied_revision: Revision(7),
        queued: 0,
        entries: EntriesStatus::default(),
        last_list: None,
        last_audit: None,
    }
}

fn output(standing: Standing, failure: Option<&str>, is_published: bool) -> OutputStatus {
    OutputStatus {
        kind: OutputKind::File,
        path: "tgroups.json".into(),
        standing,
        failure: failure.map(Into::into),
        published_at: is_published.then_some(Millis(0)),
        revision: None,
        healed: 0,
        fight: false,
    }
}

const PUBLISHED: PublishedStatus = PublishedStatus {
    number: 1,
    time: Millis(0),
    revision: Revision(7),
    services: 1,
    targets: 1,
    bytes: 3,
};

#[test]
fn a_daemon_is_ready_if_all_is_published_and_fresh() {
    let reasons = not_ready(
        Some(&PUBLISHED),
        &[source(true, None)],
        &[output(Standing::Active, None, true), output(Standing::Standby, None, false)],
        HANGS,
    );
    assert_eq!(reasons, Vec::<String>::new());
}

#[test]
fn whatever_can_not_be_vouched_for_is_named_with_its_reason() {
    let reasons = not_ready(
        None,
        &[source(false, Some("http://h:1: refused"))],
        &[
            output(Standing::Active, Some("the disk is full"), true),
            output(Standing::New, None, false),
        ],
        Duration::from_secs(42),
    );
    assert_eq!(
        reasons,
        [
            "no complete list has been published yet",
            "/services/ may be stale since 1970-01-01T00:01:00.000Z: http://h:1: refused",
            "cannot publish to tgroups.json: the disk is full",
            "nothing has been published to tgroups.json yet",
            "a look at what is published, or a write, has not ended for 42 s: a disk or a network \
             file system hangs",
        ]
    );
}

#[test]
fn times_are_shown_in_utc_with_milliseconds() {
    let time = Millis(1_500);
    assert_eq!(serde_json::to_string(&time).expect("JSON"), "\"1970-01-01T00:00:01.500Z\"");
}
