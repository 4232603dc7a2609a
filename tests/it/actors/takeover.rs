//! Two persisters on one file: one writes, the other stands by, and takes over when it may.

use std::path::Path;
use std::time::Duration;

use actix::{Actor, Addr, Context, Handler, ResponseFuture};
use etcd_sd::actors::messages::{Close, Confirm, Dirty, FirstPublish, Flush, Unconfirmed};
use etcd_sd::actors::persister::Persister;
use etcd_sd::core::debounce::Debounce;
use etcd_sd::core::guard::GuardSettings;
use etcd_sd::file::TargetFile;
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;

use super::{CEILING, Probe, QUIET, document};

/// Longer than it takes to notice that a lock is free.
const NOTICED: Duration = Duration::from_secs(1);

/// In the watcher's place: hands each question to the test, which answers it or not.
struct Confirmer(mpsc::UnboundedSender<oneshot::Sender<()>>);

impl Actor for Confirmer {
    type Context = Context<Self>;
}

impl Handler<Confirm> for Confirmer {
    type Result = ResponseFuture<Result<(), Unconfirmed>>;

    fn handle(&mut self, _: Confirm, _: &mut Self::Context) -> Self::Result {
        let (asker, answer) = oneshot::channel();
        self.0.send(asker).unwrap();
        Box::pin(async move { answer.await.map_err(|_| Unconfirmed) })
    }
}

/// A persister whose document is always that of this number, and the questions that it asks.
fn persister(
    path: &Path,
    number: usize,
    once: bool,
) -> (Addr<Persister>, mpsc::UnboundedReceiver<oneshot::Sender<()>>) {
    let (asking, questions) = mpsc::unbounded_channel();
    let registry = Probe { pulls: 0, ready: true, always: Some(number) }.start();
    let persister = Persister::new(Debounce::new(QUIET, CEILING), registry.recipient())
        .guarded(GuardSettings::default(), once)
        .confirming(Confirmer(asking).start().recipient())
        .to_file(TargetFile::new(path.to_owned()));
    (persister.start(), questions)
}

/// Lets the persister end, and its lock with it.
async fn end(persister: Addr<Persister>) {
    persister.send(Close).await.unwrap().unwrap();
    drop(persister);
    sleep(NOTICED).await;
}

fn holds(path: &Path, number: usize) -> bool {
    std::fs::read(path).unwrap() == document(number).to_vec()
}

#[actix::test]
async fn whoever_takes_over_publishes_nothing_before_it_is_known_to_be_as_new() {
    tokio::time::pause();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tgroups.json");
    let (first, mut unasked) = persister(&path, 2, false);
    first.send(Dirty).await.unwrap();
    first.send(FirstPublish).await.unwrap().unwrap();
    assert!(unasked.try_recv().is_err(), "nobody was there before the first one");

    let (second, mut questions) = persister(&path, 1, false);
    second.send(Dirty).await.unwrap();
    sleep(NOTICED * 10).await;
    assert!(holds(&path, 2) && questions.try_recv().is_err(), "it stands by");
    second.send(Flush).await.unwrap().expect("it has nothing to lose");

    end(first).await;
    let question = questions.recv().await.unwrap();
    second.send(Dirty).await.unwrap();
    sleep(NOTICED).await;
    assert!(holds(&path, 2), "it may be older than what the first one has published");
    question.send(()).unwrap();
    second.send(FirstPublish).await.unwrap().unwrap();
    assert!(holds(&path, 1));
    assert!(questions.try_recv().is_err(), "one question is enough");
}

#[actix::test]
async fn for_once_the_file_of_another_one_need_only_be_right() {
    tokio::time::pause();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tgroups.json");
    let (running, _unasked) = persister(&path, 2, false);
    running.send(Dirty).await.unwrap();
    running.send(FirstPublish).await.unwrap().unwrap();

    let (right, _) = persister(&path, 2, true);
    right.send(Dirty).await.unwrap();
    right.send(FirstPublish).await.unwrap().unwrap();
    assert!(right.send(Close).await.unwrap().unwrap());

    let (wrong, _) = persister(&path, 3, true);
    wrong.send(Dirty).await.unwrap();
    sleep(NOTICED).await;
    let error = wrong.send(Close).await.unwrap().expect_err("it is not what it should be");
    assert!(error.to_string().contains("tgroups.json"), "{error}");
    assert!(holds(&path, 2), "and nothing was written");
}
