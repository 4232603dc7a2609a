//! `Reader`: takes one complete list from an [`EtcdWatcher`](super::watcher::EtcdWatcher) in the
//! place of the daemon's registry, for whoever wants to look once.
//!
//! What a list does is decided in [`core::registry`](crate::core::registry), as in the daemon: the
//! last good values of bad entries are asked for as well.

use std::sync::Arc;

use actix::{Actor, ActorContext, Context, Handler};
use tokio::sync::oneshot;

use super::messages::{Observed, Taken};
use crate::core::event::Event;
use crate::core::quarantine::Quarantine;
use crate::core::registry::Registry;
use crate::core::render::Document;
use crate::core::schema::Schema;
use crate::core::summary::SourceSummary;

/// The actor that ends with the first complete list, and the watcher after it.
pub struct Reader {
    state: Registry,
    keys: usize,
    done: Option<oneshot::Sender<Reading>>,
}

/// What a registry holds.
#[derive(Debug)]
pub struct Reading {
    /// In numbers.
    pub summary: SourceSummary,
    /// Its bad entries, ascending by key.
    pub quarantined: Vec<Quarantine>,
    /// What would be published.
    pub document: Document,
}

impl Reader {
    /// Reads as `schema` says. The answer comes with the first complete list.
    #[must_use]
    pub fn new(schema: Arc<Schema>) -> (Self, oneshot::Receiver<Reading>) {
        let (done, reading) = oneshot::channel();
        (Self { state: Registry::new(schema), keys: 0, done: Some(done) }, reading)
    }
}

impl Actor for Reader {
    type Context = Context<Self>;
}

impl Handler<Observed> for Reader {
    type Result = Taken;

    fn handle(
        &mut self,
        Observed { event, .. }: Observed,
        ctx: &mut Self::Context,
    ) -> Self::Result {
        match &event {
            Event::ListStarted => self.keys = 0,
            Event::Page(entries) => self.keys += entries.len(),
            _ => {}
        }
        let applied = self.state.apply(event);
        if let Some(listed) = applied.listed
            && let Some(document) = self.state.render()
            && let Some(done) = self.done.take()
        {
            let summary = SourceSummary::of(&listed, self.keys);
            let mut quarantined = applied.quarantined;
            quarantined.sort_by(|one, other| one.key.cmp(&other.key));
            // Whoever does not wait any more has given up.
            let _ = done.send(Reading { summary, quarantined, document });
            ctx.stop();
        }
        Taken { lookups: applied.lookups, entries: self.keys }
    }
}
