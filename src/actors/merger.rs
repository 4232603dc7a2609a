//! `Merger`: stands between the registries of several sources and the persister, and makes one
//! document of theirs.
//!
//! There is none before each source has been listed: what one of them has must not drop out of
//! the file because another one was quicker.

use actix::{
    Actor, ActorFutureExt, Context, Handler, Recipient, ResponseActFuture, ResponseFuture,
    WrapFuture,
};

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
}

impl Merger {
    /// Merges what these sources have.
    #[must_use]
    pub fn new(sources: Vec<Source>) -> Self {
        Self { sources, joined: Joined::default() }
    }
}

impl Actor for Merger {
    type Context = Context<Self>;
}

impl Handler<Render> for Merger {
    type Result = ResponseActFuture<Self, <Render as actix::Message>::Result>;

    fn handle(&mut self, _: Render, _: &mut Self::Context) -> Self::Result {
        let sources = self.sources.clone();
        let pulled = async move {
            let mut documents = Vec::with_capacity(sources.len());
            for source in sources {
                documents.push(source.registry.send(Render).await.ok().flatten()?);
            }
            Some(documents)
        };
        Box::pin(
            pulled.into_actor(self).map(|documents, actor, _| {
                documents.map(|documents| actor.joined.merge(&documents))
            }),
        )
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
