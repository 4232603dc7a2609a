//! Metrics: what the actors count, and how Prometheus reads it.
//!
//! Counters and histograms are held here and counted up where things happen. Gauges are read off
//! the [`Board`] when somebody asks, so that no figure is kept twice. Names
//! and help texts are for operators: alerts stand on them.

mod gauges;
mod labels;
mod parts;
mod text;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeMetric, MetricEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::{MetricType, TypedMetric};
use prometheus_client::registry::Registry;

use crate::board::Board;
use crate::core::status::OutputKind;
use gauges::Gauges;
use labels::{
    AuditLabels, DriftLabels, EventLabels, EventType, HttpLabels, ListLabels, OutputLabels,
    PublishLabels, SourceLabels, WatchEndLabels,
};

pub use labels::{AuditResult, PublishResult};
pub use parts::{OutputMetrics, SourceMetrics};

/// How the metrics are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `OpenMetrics` 1.0.
    OpenMetrics,
    /// Prometheus' text format 0.0.4.
    Text,
}

impl Format {
    /// The media type to say.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// All that is counted.
#[derive(Default)]
pub struct Metrics {
    registry: Registry,
    lists: Family<ListLabels, Counter>,
    list_duration: Family<SourceLabels, Latency>,
    watches: Family<SourceLabels, Counter>,
    watch_ends: Family<WatchEndLabels, Counter>,
    events: Family<EventLabels, Counter>,
    audits: Family<AuditLabels, Counter>,
    audit_differences: Family<SourceLabels, Counter>,
    publishes: Family<PublishLabels, Counter>,
    publish_duration: Family<OutputLabels, Latency>,
    drift_healed: Family<DriftLabels, Counter>,
    http_requests: Family<HttpLabels, Counter>,
    /// From the arrival of the oldest change in a publish to its being visible.
    pub propagation: Latency,
    /// How long changes waited for more.
    pub debounce_wait: Latency,
}

/// A histogram of latencies, from a millisecond to half a minute.
#[derive(Clone, Debug)]
pub struct Latency(Histogram);

impl Default for Latency {
    fn default() -> Self {
        Self(Histogram::new(exponential_buckets(0.001, 2.0, 16)))
    }
}

impl EncodeMetric for Latency {
    fn encode(&self, encoder: MetricEncoder<'_>) -> fmt::Result {
        self.0.encode(encoder)
    }

    fn metric_type(&self) -> MetricType {
        self.0.metric_type()
    }
}

impl TypedMetric for Latency {
    const TYPE: MetricType = MetricType::Histogram;
}

impl Latency {
    /// One took so long.
    pub fn observe(&self, took: Duration) {
        self.0.observe(took.as_secs_f64());
    }
}

impl Metrics {
    /// Nothing is counted yet. Gauges are of `board`.
    #[must_use]
    pub fn new(board: &Arc<Board>) -> Self {
        let mut metrics = Self::default();
        let mut registry = Registry::with_prefix("etcd_sd");
        macro_rules! register {
            ($($name:literal, $help:literal, $metric:expr;)*) => {
                $(registry.register($name, $help, $metric.clone());)*
            };
        }
        register! {
            "lists", "Complete lists of the registry in etcd, by what made them necessary", metrics.lists;
            "list_duration_seconds", "What complete lists took, from the first request to the registry having all", metrics.list_duration;
            "watches", "Watches of etcd that stood", metrics.watches;
            "watch_ends", "Connections and watches of etcd that ended, by how", metrics.watch_ends;
            "events", "Changes that the watch told, by their type", metrics.events;
            "audits", "Comparisons of everything with etcd, by their result", metrics.audits;
            "audit_differences", "Entries that an audit found to be other than in etcd", metrics.audit_differences;
            "publishes", "Documents handed to an output, by what came of it", metrics.publishes;
            "publish_duration_seconds", "What writing an output took, from the first byte to the synced directory", metrics.publish_duration;
            "drift_healed", "Foreign changes to an output that were put right, by what was found", metrics.drift_healed;
            "http_requests", "Requests answered, by what was asked for and the status code", metrics.http_requests;
            "propagation_seconds", "From the arrival of the oldest change in a publish to its being visible", metrics.propagation;
            "debounce_wait_seconds", "How long the oldest change in a publish waited for more changes", metrics.debounce_wait;
        }
        registry.register_collector(Box::new(Gauges(Arc::clone(board))));
        metrics.registry = registry;
        metrics
    }

    /// All metrics as Prometheus reads them.
    #[must_use]
    pub fn encode(&self, format: Format) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry)
            .unwrap_or_else(|error| unreachable!("a text takes what is written to it: {error}"));
        match format {
            Format::OpenMetrics => text,
            Format::Text => text::from_open_metrics(&text),
        }
    }

    /// What is counted of one source, by its name.
    #[must_use]
    pub fn of_source(&self, name: &str) -> SourceMetrics {
        let of_events = |r#type| {
            let labels = EventLabels { source: name.into(), r#type };
            self.events.get_or_create_owned(&labels)
        };
        let labels = SourceLabels { source: name.into() };
        SourceMetrics {
            source: name.into(),
            puts: of_events(EventType::Put),
            deletes: of_events(EventType::Delete),
            lists: self.lists.clone(),
            list_duration: self.list_duration.get_or_create_owned(&labels),
            watches: self.watches.get_or_create_owned(&labels),
            watch_ends: self.watch_ends.clone(),
            audits: self.audits.clone(),
            audit_differences: self.audit_differences.get_or_create_owned(&labels),
        }
    }

    /// What is counted of one output.
    #[must_use]
    pub fn of_output(&self, output: OutputKind) -> OutputMetrics {
        let output = output.name();
        OutputMetrics {
            output,
            publishes: self.publishes.clone(),
            publish_duration: self.publish_duration.get_or_create_owned(&OutputLabels { output }),
            drift_healed: self.drift_healed.clone(),
        }
    }

    /// A request was answered with this code; `handler` is one of a few routes, never a path that
    /// somebody has asked for.
    pub fn http_request(&self, handler: &str, code: u16) {
        let labels = HttpLabels { handler: handler.to_owned(), code };
        self.http_requests.get_or_create(&labels).inc();
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
