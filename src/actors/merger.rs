//! `Merger`: stands between the registries of several sources and the persister, and makes one
//! document of theirs.
//!
//! There is none before each source has been listed: what one of them has must not drop out of
//! the file because another one was quicker.

use actix::{
    Actor, ActorFutureExt, Context, Handler, Recipient, ResponseActFuture, ResponseFuture,
    WrapFuture,
};

use super::busy::Busy;
use super::messages::{Confirm, Render, Unconfirmed};
use crate::core::render::Joined;

/// One source, as the merger sees it.
#[derive(Clone)]
pub struct Source {
    /// Its registry.
    pub registry: Recipient<Render>,
    /// Its watcher.
    pub watcher: Recipient<Confirm>,
}

/// The actor that merges.
pub struct Merger {
    sources: Vec<Source>,
    joined: Joined,
    /// Which source was the last one without a document. It is asked first: it may be without one
    /// for long, and the others shall not render theirs in vain each time.
    unready: usize,
}

impl Merger {
    /// Merges what these sources have.
    #[must_use]
    pub fn new(sources: Vec<Source>) -> Self {
        Self { sources, joined: Joined::default(), unready: 0 }
    }
}

impl Actor for Merger {
    type Context = Context<Self>;
}

impl Handler<Render> for Merger {
    type Result = ResponseActFuture<Self, <Render as actix::Message>::Result>;

    fn handle(&mut self, _: Render, _: &mut Self::Context) -> Self::Result {
        let sources = self.sources.clone();
        let first = self.unready;
        let pulled = async move {
            let mut documents = Vec::with_capacity(sources.len());
            for at in (0..sources.len()).map(|step| (first + step) % sources.len()) {
                let rendered = sources[at].registry.send(Render).await;
                documents.push(rendered.ok().flatten().ok_or(at)?);
            }
            Ok(documents)
        };
        Box::pin(pulled.into_actor(self).map(|documents, actor, _| match documents {
            Ok(documents) => {
                let _busy = Busy::begin("merger", "the document of all sources");
                Some(actor.joined.merge(&documents))
            }
            Err(unready) => {
                actor.unready = unready;
                None
            }
        }))
    }
}

impl Handler<Confirm> for Merger {
    type Result = ResponseFuture<Result<(), Unconfirmed>>;

    fn handle(&mut self, _: Confirm, _: &mut Self::Context) -> Self::Result {
        let sources = self.sources.clone();
        Box::pin(async move {
            for source in sources {
                source.watcher.send(Confirm).await.map_err(|_| Unconfirmed)??;
            }
            Ok(())
        })
    }
}
