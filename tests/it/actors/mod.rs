//! The actors by themselves, with probes in place of their neighbours, on one paused clock.

mod merger;
mod takeover;

use std::path::PathBuf;
use std::time::Duration;

use actix::{Actor, Addr, Context, Handler, MessageResult};
use etcd_sd::actors::messages::{Dirty, FirstPublish, Flush, Inspect, Observed, Render, Subscribe};
use etcd_sd::actors::persister::Persister;
use etcd_sd::actors::registry::Registry;
use etcd_sd::core::debounce::Debounce;
use etcd_sd::core::event::{Event, KeyValue, Revision};
use etcd_sd::core::key::Prefix;
use etcd_sd::core::render::{Document, Piece};
use etcd_sd::core::schema::Schema;
use etcd_sd::core::value::Target;
use etcd_sd::file::TargetFile;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

const QUIET: Duration = Duration::from_millis(200);
const CEILING: Duration = Duration::from_secs(2);

/// In the registry's place: renders a new document at each pull, always the same, or none.
struct Probe {
    pulls: usize,
    ready: bool,
    always: Option<usize>,
}

impl Actor for Probe {
    type Context = Context<Self>;
}

impl Handler<Render> for Probe {
    type Result = MessageResult<Render>;

    fn handle(&mut self, _: Render, _: &mut Self::Context) -> Self::Result {
        self.pulls += 1;
        MessageResult(self.ready.then(|| document(self.always.unwrap_or(self.pulls))))
    }
}

#[derive(actix::Message)]
#[rtype(result = "usize")]
struct Pulls;

impl Handler<Pulls> for Probe {
    type Result = usize;

    fn handle(&mut self, _: Pulls, _: &mut Self::Context) -> usize {
        self.pulls
    }
}

fn document(number: usize) -> Document {
    let mut document = Document::new(Revision(1));
    document.push(&Piece::render("web", [Target::Address(format!("h:{number}").into())].iter()));
    document
}

/// A persister, the probe that it pulls from, and its file.
struct Harness {
    probe: Addr<Probe>,
    persister: Addr<Persister>,
    path: PathBuf,
    _directory: TempDir,
}

impl Harness {
    /// On a paused clock, which jumps ahead whenever nothing else is left to do.
    fn new(ready: bool) -> Self {
        tokio::time::pause();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tgroups.json");
        let probe = Probe { pulls: 0, ready, always: None }.start();
        let file = TargetFile::new(path.clone());
        let debounce = Debounce::new(QUIET, CEILING);
        let persister = Persister::new(debounce, probe.clone().recipient()).to_file(file).start();
        Self { probe, persister, path, _directory: directory }
    }

    /// One that has published its first document.
    async fn published() -> Self {
        let harness = Self::new(true);
        harness.persister.send(Dirty).await.unwrap();
        harness.persister.send(FirstPublish).await.unwrap().unwrap();
        harness.check(1).await;
        harness
    }

    /// There were so many pulls, and the file holds the document of the last one.
    async fn check(&self, pulls: usize) {
        assert_eq!(self.probe.send(Pulls).await.unwrap(), pulls);
        assert_eq!(std::fs::read(&self.path).unwrap(), document(pulls).to_vec());
    }
}

#[actix::test]
async fn the_first_document_is_written_without_waiting_for_the_debounce() {
    let begun = Instant::now();
    Harness::published().await;
    assert!(begun.elapsed() < QUIET);
}

#[actix::test]
async fn a_burst_of_hints_makes_one_write_a_quiet_window_after_the_last() {
    let harness = Harness::published().await;
    for _ in 0..1000 {
        let _ = harness.persister.try_send(Dirty);
        sleep(Duration::from_millis(1)).await;
    }
    harness.check(1).await;
    sleep(QUIET + Duration::from_millis(20)).await;
    harness.check(2).await;
    sleep(CEILING * 10).await;
    harness.check(2).await;
}

#[actix::test]
async fn a_steady_stream_of_hints_is_written_at_the_ceiling() {
    let harness = Harness::published().await;
    let begun = Instant::now();
    while begun.elapsed() < CEILING * 5 {
        harness.persister.send(Dirty).await.unwrap();
        sleep(QUIET / 4).await;
    }
    let pulls = harness.probe.send(Pulls).await.unwrap();
    assert!((5..=6).contains(&pulls), "{pulls} writes in five times the ceiling");
}

#[actix::test]
async fn a_flood_of_hints_loses_no_change() {
    let harness = Harness::published().await;
    let dropped = (0..10_000).filter(|_| harness.persister.try_send(Dirty).is_err()).count();
    assert!(dropped > 9_000, "the mailbox is bounded");
    sleep(CEILING).await;
    harness.check(2).await;
}

#[actix::test]
async fn a_flush_answers_once_what_is_pending_is_in_the_file() {
    let harness = Harness::published().await;
    harness.persister.send(Dirty).await.unwrap();
    let begun = Instant::now();
    harness.persister.send(Flush).await.unwrap().unwrap();
    assert!(begun.elapsed() < QUIET);
    harness.check(2).await;
}

#[actix::test]
async fn a_flush_that_can_not_write_says_so() {
    let harness = Harness::published().await;
    std::fs::remove_file(&harness.path).unwrap();
    std::fs::create_dir(&harness.path).unwrap();
    harness.persister.send(Dirty).await.unwrap();
    let error = harness.persister.send(Flush).await.unwrap().unwrap_err();
    assert!(error.to_string().contains("tgroups.json"), "{error}");
}

#[actix::test]
async fn a_write_that_failed_is_tried_again_until_it_succeeds() {
    let harness = Harness::published().await;
    std::fs::remove_file(&harness.path).unwrap();
    std::fs::create_dir(&harness.path).unwrap();
    harness.persister.send(Dirty).await.unwrap();
    sleep(Duration::from_secs(30)).await;
    let tries = harness.probe.send(Pulls).await.unwrap();
    assert!((5..60).contains(&tries), "{tries} tries in 30 s");
    std::fs::remove_dir(&harness.path).unwrap();
    sleep(Duration::from_secs(3)).await;
    let pulls = harness.probe.send(Pulls).await.unwrap();
    harness.check(pulls).await;
}

#[actix::test]
async fn without_a_document_a_flush_writes_nothing_and_is_content() {
    let harness = Harness::new(false);
    harness.persister.send(Flush).await.unwrap().unwrap();
    assert!(!harness.path.exists());
}

#[actix::test]
async fn before_the_first_list_a_changed_file_is_left_alone() {
    let harness = Harness::new(false);
    sleep(Duration::from_secs(1)).await;
    std::fs::write(&harness.path, "somebody else's").unwrap();
    harness.persister.send(Inspect).await.unwrap();
    sleep(Duration::from_secs(10)).await;
    assert_eq!(std::fs::read(&harness.path).unwrap(), b"somebody else's");
    assert_eq!(harness.probe.send(Pulls).await.unwrap(), 0);
}

#[actix::test]
async fn drift_is_healed_with_the_newest_document() {
    let harness = Harness::published().await;
    std::fs::write(&harness.path, "x").unwrap();
    let begun = Instant::now();
    harness.persister.send(Inspect).await.unwrap();
    while std::fs::read(&harness.path).unwrap() == b"x" {
        sleep(Duration::from_millis(10)).await;
    }
    assert!(begun.elapsed() < Duration::from_secs(1));
    harness.check(2).await;
}

#[actix::test]
async fn a_look_at_a_file_as_it_should_be_pulls_and_writes_nothing() {
    let harness = Harness::published().await;
    for _ in 0..10 {
        harness.persister.send(Inspect).await.unwrap();
        sleep(Duration::from_secs(3)).await;
    }
    harness.check(1).await;
}

/// In the persister's place: counts the hints.
struct Hints(usize);

impl Actor for Hints {
    type Context = Context<Self>;
}

impl Handler<Dirty> for Hints {
    type Result = ();

    fn handle(&mut self, _: Dirty, _: &mut Self::Context) {
        self.0 += 1;
    }
}

impl Handler<Pulls> for Hints {
    type Result = usize;

    fn handle(&mut self, _: Pulls, _: &mut Self::Context) -> usize {
        self.0
    }
}

fn observed(event: Event) -> Observed {
    Observed { event, arrived: std::time::Instant::now() }
}

#[actix::test]
async fn the_registry_hints_only_at_what_may_change_the_document() {
    let hints = Hints(0).start();
    let registry =
        Registry::new(Schema::below(&Prefix::parse("/services").unwrap()).into()).start();
    registry.send(Subscribe(hints.clone().recipient())).await.unwrap();
    let kv = |revision, value: &str| KeyValue {
        key: b"/services/web/1".to_vec(),
        value: value.into(),
        create_revision: Revision(1),
        mod_revision: Revision(revision),
        version: revision,
    };
    let changes = |revision, value| {
        let changes = vec![etcd_sd::core::event::Change::Put(kv(revision, value))];
        observed(Event::Changes { changes, revision: Revision(revision), complete: true })
    };
    for (event, hinted) in [
        (observed(Event::ListStarted), 0),
        (observed(Event::Page(vec![kv(1, "h:1")])), 0),
        (observed(Event::ListEnded { revision: Revision(1), new_epoch: false }), 1),
        (changes(2, "h:1"), 1),
        (changes(3, "h:2"), 2),
        (changes(4, "bad"), 2),
    ] {
        registry.send(event).await.unwrap();
        assert_eq!(hints.send(Pulls).await.unwrap(), hinted);
    }
    let document = registry.send(Render).await.unwrap().unwrap();
    assert_eq!((document.revision(), document.targets()), (Revision(4), 1));
}

#[actix::test]
async fn who_comes_after_the_first_list_is_told_that_there_is_a_document() {
    let registry =
        Registry::new(Schema::below(&Prefix::parse("/services").unwrap()).into()).start();
    let (early, late) = (Hints(0).start(), Hints(0).start());
    registry.send(Subscribe(early.clone().recipient())).await.unwrap();
    assert_eq!(early.send(Pulls).await.unwrap(), 0, "there is none yet");
    for event in [Event::ListStarted, Event::ListEnded { revision: Revision(1), new_epoch: false }]
    {
        registry.send(observed(event)).await.unwrap();
    }
    registry.send(Subscribe(late.clone().recipient())).await.unwrap();
    assert_eq!(late.send(Pulls).await.unwrap(), 1);
}
