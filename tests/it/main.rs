//! The integration tests: the daemon's binary from outside, on the embedded
//! registry and on a real etcd, up to a real Prometheus.
//!
//! `cargo test` runs what needs nothing installed. `tests/run` gets etcd and
//! Prometheus and runs everything.

// A test that meets what it did not expect ends there, and says so on its output.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod actors;
mod alerts;
mod audit;
mod auth;
mod bursts;
mod catching_up;
mod chaos;
mod confirm;
mod conformance;
mod connector;
mod contrib;
mod convergence;
mod drift;
#[path = "../embedded/mod.rs"]
mod embedded;
mod embedded_faults;
mod exhausted;
mod files;
mod guard;
mod history;
mod http;
mod listing;
mod loaded;
mod members;
mod model;
mod notices;
mod once;
mod outage;
mod packaging;
mod page;
mod proxied;
mod publishing;
mod quarantine;
mod reading;
mod schemas;
mod scraping;
mod service;
mod signals;
mod support;
mod target_dir;
mod tidy;
mod tls;
mod tokens;
mod usage;
mod watching;
