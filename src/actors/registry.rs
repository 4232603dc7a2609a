//! `Registry`: holds the entries; tells the persister that they changed.
//!
//! What an event does is decided in [`core::registry`](crate::core::registry).

mod queries;

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{Actor, AsyncContext, Context, Handler, MessageResult, Recipient};
use tracing::{Span, debug, info, warn};

use super::busy::Busy;
use super::messages::{Audit, Dirty, Observed, Render, Subscribe, Taken};
use crate::core::arrivals::Arrivals;
use crate::core::event::Event;
use crate::core::history::Note;
use crate::core::quarantine::Quarantine;
use crate::core::registry::{self, Applied, Listed};
use crate::core::schema::Schema;
use crate::core::throttle::Throttle;
use crate::observer::SourceObserver;
use crate::telemetry::Foreign;

/// Lines about entries that are held out, and as many about those admitted again: so many at once,
/// then one each so often.
const WARNINGS: u32 = 20;
const WARNING_INTERVAL: Duration = Duration::from_secs(1);

/// How long to wait for more before those without a line are summed up.
const SUMMARY_DELAY: Duration = Duration::from_secs(1);

/// The actor that owns the state.
pub struct Registry {
    schema: Arc<Schema>,
    state: registry::Registry,
    persister: Option<Recipient<Dirty>>,
    warnings: Throttle,
    /// Entries quarantined since the last summary that had no line of their own.
    unsaid: usize,
    admissions: Throttle,
    /// The same of entries that were admitted.
    unsaid_admissions: usize,
    arrivals: Arrivals,
    observer: SourceObserver,
    span: Span,
}

impl Registry {
    /// The registry of the entries that `schema` reads, empty until the first list.
    #[must_use]
    pub fn new(schema: Arc<Schema>) -> Self {
        Self {
            state: registry::Registry::new(Arc::clone(&schema)),
            schema,
            persister: None,
            warnings: Throttle::new(WARNINGS, WARNING_INTERVAL),
            unsaid: 0,
            admissions: Throttle::new(WARNINGS, WARNING_INTERVAL),
            unsaid_admissions: 0,
            arrivals: Arrivals::default(),
            observer: SourceObserver::default(),
            span: Span::none(),
        }
    }

    /// Logs within `span`.
    #[must_use]
    pub fn within(self, span: Span) -> Self {
        Self { span, ..self }
    }

    /// Tells there what it holds.
    #[must_use]
    pub fn observed_by(self, observer: SourceObserver) -> Self {
        let state = if observer.history.is_on() { self.state.capturing() } else { self.state };
        Self { state, observer, ..self }
    }

    fn hint(&self) {
        if let Some(persister) = &self.persister {
            // Each sender has a place of its own in the mailbox: if it is taken, by a hint of
            // ours, that one is still to come. A closed mailbox is the end of the program.
            let _ = persister.try_send(Dirty);
        }
    }

    fn warn_of_quarantine(&mut self, quarantine: &Quarantine, ctx: &mut Context<Self>) {
        let key = Foreign(&quarantine.key);
        let revision = quarantine.mod_revision.0;
        let reason = &quarantine.reason;
        let effect =
            if quarantine.keeps_last_good { "its last good target stays" } else { "left out" };
        if self.warnings.pass(Instant::now()) {
            warn!(%key, revision, %reason, effect, "entry quarantined");
            return;
        }
        debug!(%key, revision, %reason, effect, "entry quarantined");
        if self.unsaid == 0 {
            ctx.run_later(SUMMARY_DELAY, |actor, _| actor.sum_up());
        }
        self.unsaid += 1;
    }

    fn sum_up(&mut self) {
        let _within = self.span.clone().entered();
        let more = std::mem::take(&mut self.unsaid);
        if more > 0 {
            warn!(more, "more entries were quarantined; --log-level debug names each");
        }
    }

    fn say_admission(&mut self, key: &[u8], ctx: &mut Context<Self>) {
        let (key, reason) = (Foreign(key), "there is room for its target now");
        if self.admissions.pass(Instant::now()) {
            info!(%key, reason, "entry admitted");
            return;
        }
        debug!(%key, reason, "entry admitted");
        if self.unsaid_admissions == 0 {
            ctx.run_later(SUMMARY_DELAY, |actor, _| actor.sum_up_admissions());
        }
        self.unsaid_admissions += 1;
    }

    fn sum_up_admissions(&mut self) {
        let _within = self.span.clone().entered();
        let more = std::mem::take(&mut self.unsaid_admissions);
        info!(more, "more entries were admitted; --log-level debug names each");
    }

    fn report(&self, listed: &Listed) {
        let counts = listed.counts;
        info!(
            revision = listed.revision.0,
            entries = counts.valid + counts.quarantined,
            services = counts.services,
            targets = counts.targets,
            quarantined = counts.quarantined,
            ignored = counts.ignored,
            "listed"
        );
        if listed.first {
            self.observer.history.note(Note::Listed {
                prefix: self.schema.pattern.prefix().to_string(),
                revision: listed.revision.0,
                targets: counts.targets,
            });
        }
        if listed.first && counts.valid + counts.quarantined == 0 {
            warn!(
                prefix = %self.schema.pattern.prefix(),
                ignored = counts.ignored,
                "the first list is empty: no service is registered under the prefix; if there \
                 should be some, check --prefix or --key-pattern, and \
                 --server, and whether the keys were written with etcd's v2 API, which v3 \
                 can't see (etcdctl migrate)"
            );
        }
    }
}

fn name(event: &Event) -> &'static str {
    match event {
        Event::ListStarted => "the start of a list",
        Event::Page(_) => "a page",
        Event::Recovered(_) => "older values",
        Event::ListEnded { .. } | Event::CaughtUp(_) => "the end of a list",
        Event::OutOfTouch | Event::InTouch => "a connection",
        Event::Changes { .. } => "changes",
    }
}

impl Actor for Registry {
    type Context = Context<Self>;
}

impl Handler<Subscribe<Dirty>> for Registry {
    type Result = ();

    fn handle(&mut self, Subscribe(persister): Subscribe<Dirty>, _: &mut Self::Context) {
        self.persister = Some(persister);
        // What it would have been told before.
        if self.state.counts().is_some() {
            self.hint();
        }
    }
}

impl Handler<Observed> for Registry {
    type Result = Taken;

    fn handle(
        &mut self,
        Observed { event, arrived }: Observed,
        ctx: &mut Self::Context,
    ) -> Self::Result {
        let _within = self.span.clone().entered();
        let _busy = Busy::begin("registry", name(&event));
        self.arrivals.arrive(&event, arrived);
        let applied = self.state.apply(event);
        let Applied { changed, quarantined, admitted, lookups, listed, .. } = applied;
        let is_list = listed.is_some();
        if let Some(listed) = listed {
            self.report(&listed);
        }
        self.observer.history.changes(applied.captures);
        if let Some(relisted) = applied.relisted {
            self.observer.history.relisted(relisted);
        }
        // Freeing a large registry would hold this thread for long.
        if let Some(discarded) = applied.discarded {
            tokio::task::spawn_blocking(move || drop(discarded));
        }
        for quarantine in &quarantined {
            self.warn_of_quarantine(quarantine, ctx);
        }
        for key in &admitted {
            self.say_admission(key, ctx);
        }
        if is_list {
            self.sum_up();
        }
        if changed {
            self.arrivals.changed();
            self.hint();
        }
        let (revision, counts) = self.state.counts().unwrap_or_default();
        self.observer.board.applied(revision, counts);
        Taken { lookups, entries: counts.valid + counts.quarantined + counts.ignored }
    }
}

impl Handler<Audit> for Registry {
    type Result = MessageResult<Audit>;

    fn handle(&mut self, Audit(check): Audit, _: &mut Self::Context) -> Self::Result {
        let _within = self.span.clone().entered();
        let _busy = Busy::begin("registry", "a part of an audit");
        MessageResult(self.state.audit(check))
    }
}

impl Handler<Render> for Registry {
    type Result = MessageResult<Render>;

    fn handle(&mut self, _: Render, _: &mut Self::Context) -> Self::Result {
        let _within = self.span.clone().entered();
        let _busy = Busy::begin("registry", "the document");
        let document = self.state.render();
        if document.is_some() {
            self.observer.history.rendered();
        }
        MessageResult(document.map(|document| document.arrived(self.arrivals.take())))
    }
}
