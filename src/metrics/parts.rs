//! What is counted of one source, and of one output.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use super::Latency;
use super::labels::{
    AuditLabels, AuditResult, DriftLabels, ListLabels, PublishLabels, PublishResult, WatchEndLabels,
};

/// The counters of one source.
#[derive(Clone, Debug, Default)]
pub struct SourceMetrics {
    pub(super) source: String,
    pub(super) puts: Counter,
    pub(super) deletes: Counter,
    pub(super) lists: Family<ListLabels, Counter>,
    pub(super) list_duration: Latency,
    pub(super) watches: Counter,
    pub(super) watch_ends: Family<WatchEndLabels, Counter>,
    pub(super) audits: Family<AuditLabels, Counter>,
    pub(super) audit_differences: Counter,
}

impl SourceMetrics {
    /// The watch told so many changes.
    pub fn changes(&self, puts: usize, deletes: usize) {
        self.puts.inc_by(puts as u64);
        self.deletes.inc_by(deletes as u64);
    }

    /// A list was complete.
    pub fn listed(&self, reason: &'static str, took: Duration) {
        let labels = ListLabels { source: self.source.clone(), reason };
        self.lists.get_or_create(&labels).inc();
        self.list_duration.observe(took);
    }

    /// A watch stands.
    pub fn watching(&self) {
        self.watches.inc();
    }

    /// A connection or a watch has ended.
    pub fn watch_ended(&self, reason: &'static str) {
        let labels = WatchEndLabels { source: self.source.clone(), reason };
        self.watch_ends.get_or_create(&labels).inc();
    }

    /// An audit has ended, and found so many differences.
    pub fn audited(&self, result: AuditResult, differences: usize) {
        let labels = AuditLabels { source: self.source.clone(), result };
        self.audits.get_or_create(&labels).inc();
        self.audit_differences.inc_by(differences as u64);
    }
}

/// The counters of one output.
#[derive(Clone, Debug, Default)]
pub struct OutputMetrics {
    pub(super) output: &'static str,
    pub(super) publishes: Family<PublishLabels, Counter>,
    pub(super) publish_duration: Latency,
    pub(super) drift_healed: Family<DriftLabels, Counter>,
}

impl OutputMetrics {
    /// A document was handed to it.
    pub fn publish(&self, result: PublishResult) {
        let labels = PublishLabels { output: self.output, result };
        self.publishes.get_or_create(&labels).inc();
    }

    /// Writing took so long.
    pub fn wrote(&self, took: Duration) {
        self.publish_duration.observe(took);
    }

    /// A foreign change was put right.
    pub fn healed(&self, cause: &'static str) {
        let labels = DriftLabels { output: self.output, cause };
        self.drift_healed.get_or_create(&labels).inc();
    }
}
