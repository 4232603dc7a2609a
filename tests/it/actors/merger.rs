//! Several registries, of which the merger makes one.

use actix::{Actor, Context, Handler, MessageResult};
use etcd_sd::actors::merger::{Merger, Source};
use etcd_sd::actors::messages::{Confirm, Render, Unconfirmed};

use super::{Probe, Pulls};

/// In the watcher's place: confirms whatever it is asked.
struct Confirming;

impl Actor for Confirming {
    type Context = Context<Self>;
}

impl Handler<Confirm> for Confirming {
    type Result = MessageResult<Confirm>;

    fn handle(&mut self, _: Confirm, _: &mut Self::Context) -> Self::Result {
        MessageResult(Ok::<_, Unconfirmed>(()))
    }
}

#[actix::test]
async fn while_one_source_is_not_listed_the_others_do_not_render_in_vain() {
    let probe = |ready| Probe { pulls: 0, ready, always: Some(1) }.start();
    let (listed, unlisted) = (probe(true), probe(false));
    let sources = [&listed, &unlisted].map(|probe| Source {
        registry: probe.clone().recipient(),
        watcher: Confirming.start().recipient(),
    });
    let merger = Merger::new(sources.into()).start();
    for _ in 0..100 {
        assert!(merger.send(Render).await.unwrap().is_none());
    }
    assert_eq!(unlisted.send(Pulls).await.unwrap(), 100);
    assert!(listed.send(Pulls).await.unwrap() <= 1);
    // When all are listed, there is a document.
    let both = [listed.clone(), listed].map(|probe| Source {
        registry: probe.recipient(),
        watcher: Confirming.start().recipient(),
    });
    let merger = Merger::new(both.into()).start();
    assert_eq!(merger.send(Render).await.unwrap().unwrap().targets(), 1);
}
