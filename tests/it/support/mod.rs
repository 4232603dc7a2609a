//! What the tests stand on.
//!
//! ```text
//!   Etcd (embedded or real) <── daemon ──> TargetFile <── Prometheus
//!    backend, etcd, writes,     daemon,     file, render,    prometheus,
//!    secure, certs,             log         reader, ledger,  listener,
//!    cluster, gate, proxy, churn            directory,       victoria,
//!                                           target_dir       http
//! ```
//!
//! Beside the daemon: `ran`, a command that runs to its end, and `browser`, which looks at its page.
//! Below them: `process` (children that die with their test), `ports`, `wait`, and
//! `volume` (file systems that a test mounts), where `rights` allow it.
//! Nothing here sleeps for a guess: `wait` looks until a condition holds or its
//! deadline has passed. Nothing here uses the library's code: what the daemon
//! should have done is worked out a second time, in `render`.

pub(crate) mod backend;
pub(crate) mod browser;
pub(crate) mod certs;
pub(crate) mod churn;
pub(crate) mod cluster;
pub(crate) mod daemon;
pub(crate) mod directory;
pub(crate) mod etcd;
pub(crate) mod file;
pub(crate) mod gate;
pub(crate) mod http;
pub(crate) mod ledger;
pub(crate) mod listener;
pub(crate) mod log;
pub(crate) mod ports;
pub(crate) mod process;
pub(crate) mod prometheus;
pub(crate) mod proxy;
pub(crate) mod ran;
pub(crate) mod random;
pub(crate) mod reader;
pub(crate) mod render;
pub(crate) mod rights;
pub(crate) mod secure;
pub(crate) mod snapshots;
pub(crate) mod target_dir;
pub(crate) mod victoria;
pub(crate) mod volume;
pub(crate) mod wait;
pub(crate) mod writes;
