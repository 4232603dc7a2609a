//! Answers for those who look: one bounded page each, so that they hold up no event.

use actix::{Handler, MessageResult};

use super::Registry;
use crate::actors::busy::Busy;
use crate::actors::messages::{Instances, Quarantined};

impl Handler<Instances> for Registry {
    type Result = MessageResult<Instances>;

    fn handle(&mut self, Instances(query): Instances, _: &mut Self::Context) -> Self::Result {
        let _within = self.span.clone().entered();
        let _busy = Busy::begin("registry", "a page of instances");
        MessageResult(self.state.entries().map(|entries| entries.instances(&query)))
    }
}

impl Handler<Quarantined> for Registry {
    type Result = MessageResult<Quarantined>;

    fn handle(&mut self, Quarantined(query): Quarantined, _: &mut Self::Context) -> Self::Result {
        let _within = self.span.clone().entered();
        let _busy = Busy::begin("registry", "a page of the quarantine");
        MessageResult(self.state.entries().map(|entries| entries.quarantine(&query)))
    }
}
