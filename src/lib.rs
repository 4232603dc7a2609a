//! etcd-sd keeps Prometheus' file-based service discovery in step with a service registry
//! kept in etcd.
//!
pub mod actors;
pub mod app;
pub mod backoff;
pub mod config;
pub mod core;
pub mod etcd;
pub mod file;
pub mod telemetry;

pub use app::{run, terminated};
