//! Gauges: what stands on the board when somebody asks.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::metrics::{MetricType, TypedMetric};

use crate::actors::busy;
use crate::board::Board;
use crate::core::status::{
    Connection, JournalStatus, PrometheusStatus, SourceStatus, Standing, Status,
};

/// Reads the board.
#[derive(Debug)]
pub(super) struct Gauges(pub(super) Arc<Board>);

impl Collector for Gauges {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let status = self.0.snapshot();
        let mut page = Page(encoder);
        page.build()?;
        page.whole(&status)?;
        page.sources(&status.sources)?;
        page.outputs(&status)?;
        status.journal.as_ref().map_or(Ok(()), |journal| page.journal(journal))?;
        status.prometheus.as_ref().map_or(Ok(()), |prometheus| page.prometheus(prometheus))
    }
}

/// What is being written.
struct Page<'e>(DescriptorEncoder<'e>);

impl Page<'_> {
    fn build(&mut self) -> fmt::Result {
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        let help = "The program that runs";
        let encoder = self.0.encode_descriptor("build", help, None, MetricType::Info)?;
        build.encode(encoder)
    }

    fn one(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        let encoder = self.0.encode_descriptor(name, help, None, ConstGauge::<f64>::TYPE)?;
        ConstGauge::new(value).encode(encoder)
    }

    /// One for each set of labels.
    fn each<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (L, f64)>,
    ) -> fmt::Result {
        let mut encoder = self.0.encode_descriptor(name, help, None, ConstGauge::<f64>::TYPE)?;
        for (labels, value) in values {
            ConstGauge::new(value).encode(encoder.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn count(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let kind = MetricType::Counter;
        let encoder = self.0.encode_descriptor(name, help, None, kind)?;
        ConstCounter::new(value).encode(encoder)
    }

    fn journal(&mut self, journal: &JournalStatus) -> fmt::Result {
        let JournalStatus { lines, dropped, failing, .. } = journal;
        self.count("journal_lines", "Changes that were written to the journal", *lines)?;
        let help =
            "Changes that are not in the journal: they came more quickly than it could be written";
        self.count("journal_dropped", help, *dropped)?;
        self.one("journal_failing", "Whether the journal can't be written", flag(*failing))
    }

    fn prometheus(&mut self, prometheus: &PrometheusStatus) -> fmt::Result {
        let PrometheusStatus { up, loaded, load_lag_seconds, .. } = prometheus;
        self.one("prometheus_up", "Whether --prometheus-url answers", flag(*up))?;
        let help = "Whether Prometheus has loaded what is published";
        self.one("prometheus_loaded", help, flag(*loaded))?;
        let help = "From the arrival of the oldest change in the last publish that Prometheus has loaded to its having been loaded";
        load_lag_seconds.map_or(Ok(()), |lag| self.one("prometheus_load_lag_seconds", help, lag))
    }

    fn whole(&mut self, status: &Status) -> fmt::Result {
        let Status { started, ready, published, guard, .. } = status;
        self.one(
            "start_time_seconds",
            "When the daemon started, since 1970",
            started.unix_seconds(),
        )?;
        let help = "Whether a complete list is published and known to be fresh";
        self.one("ready", help, flag(*ready))?;
        let removals = guard.holding.map_or(0, |hold| hold.removals);
        self.one("guard_active", "Whether a mass removal is held", flag(guard.holding.is_some()))?;
        self.one("guard_held_removals", "Targets that are published though etcd does not have them, since the guard holds their removal", number(removals))?;
        self.count("guard_trips", "Mass removals that were held", guard.trips)?;
        let help = "The longest that an actor has held its thread for one piece of work";
        self.one("actor_longest_hold_seconds", help, busy::longest().as_secs_f64())?;
        let Some(published) = published else { return Ok(()) };
        #[allow(clippy::cast_precision_loss, reason = "revisions stay far below 2^53")]
        let revision = published.revision.0 as f64;
        self.one(
            "published_revision",
            "The revision of etcd that the published document is of",
            revision,
        )?;
        self.one("services", "Services in the published document", number(published.services))?;
        self.one("targets", "Targets in the published document", number(published.targets))?;
        self.one("published_bytes", "Length of the published document", number(published.bytes))
    }

    fn sources(&mut self, sources: &[SourceStatus]) -> fmt::Result {
        #[allow(clippy::cast_precision_loss, reason = "revisions stay far below 2^53")]
        let revisions = sources.iter().flat_map(|source| {
            [("observed", source.observed_revision), ("applied", source.applied_revision)].map(
                |(stage, revision)| {
                    ([("source", &*source.name), ("stage", stage)], revision.0 as f64)
                },
            )
        });
        self.each(
            "etcd_revision",
            "How far etcd is, and how much of it the registry has",
            revisions,
        )?;
        let entries = sources.iter().flat_map(|source| {
            let of = &source.entries;
            [
                ("valid", of.valid),
                ("quarantined", of.quarantined),
                ("waiting", of.waiting),
                ("ignored", of.ignored),
            ]
            .map(|(state, count)| ([("source", &*source.name), ("state", state)], number(count)))
        });
        self.each("entries", "Keys below the prefix, by what they are to the registry", entries)?;
        let of = |value: fn(&SourceStatus) -> f64| {
            sources.iter().map(move |source| ([("source", &*source.name)], value(source)))
        };
        let queued = of(|source| number(source.queued));
        let help = "Changes that were received and that the registry has not taken yet";
        self.each("queued_changes", help, queued)?;
        let connected = of(|source| {
            flag(source.connection != Connection::Away && source.server_version.is_some())
        });
        self.each("connected", "Whether a member of etcd gives what it is asked for", connected)?;
        let fresh = of(|source| flag(source.fresh));
        self.each("fresh", "Whether the registry is known to be what etcd holds", fresh)?;
        let seen = sources.iter().filter_map(|source| {
            Some(([("source", &*source.name)], source.fresh_at?.unix_seconds()))
        });
        let help = "When the registry was last known to be what etcd holds, since 1970";
        self.each("last_fresh_timestamp_seconds", help, seen)
    }

    fn outputs(&mut self, status: &Status) -> fmt::Result {
        let of = |value: fn(&crate::core::status::OutputStatus) -> f64| {
            status
                .outputs
                .iter()
                .map(move |output| ([("output", output.kind.name())], value(output)))
        };
        let help = "Whether this process writes there; 0 if it stands by";
        self.each("output_active", help, of(|output| flag(output.standing == Standing::Active)))?;
        let help = "Whether it does not hold what it should, and can't be made to";
        self.each("output_failing", help, of(|output| flag(output.failure.is_some())))?;
        let help = "Whether another program keeps changing it";
        self.each("drift_fight", help, of(|output| flag(output.fight)))?;
        let times = status.outputs.iter().filter_map(|output| {
            Some(([("output", output.kind.name())], output.published_at?.unix_seconds()))
        });
        let help = "When it was last written or found to be right, since 1970";
        self.each("last_publish_timestamp_seconds", help, times)
    }
}

fn flag(is: bool) -> f64 {
    f64::from(u8::from(is))
}

#[allow(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn number(count: usize) -> f64 {
    count as f64
}
