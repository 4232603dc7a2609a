//! The arguments about the Prometheus that reads what is published.

use clap::Args;

use super::parse;
use crate::prometheus::Url;

/// Whom to ask whether all has arrived.
#[allow(clippy::doc_markdown, reason = "the comments are the text of --help")]
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Prometheus")]
pub struct PrometheusArgs {
    /// Ask this Prometheus, which reads what is published, whether it has loaded it
    ///
    /// Every 5 s, and soon after each publish, it is asked for its /metrics. Metrics and
    /// /api/v1/status say whether it has loaded what is published, and how long after the change;
    /// the log says what is wrong if it does not. Without a target file or directory it is expected to
    /// use http_sd_configs on /sd. Nothing else depends on it.
    // Whoever puts a password here finds it refused; --help must not show it.
    #[arg(long, value_name = "URL", env = "ETCD_SD_PROMETHEUS_URL", hide_env_values = true,
          value_parser = parse::prometheus_url)]
    pub prometheus_url: Option<Url>,
}
