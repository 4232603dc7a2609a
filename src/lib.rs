//! etcd-sd keeps Prometheus' file-based service discovery in step with a service registry
//! kept in etcd.
//!
//! Services register under `/services/<service>/<instance> = <address>`. The daemon lists
//! them once, watches for changes, and keeps a `file_sd` file of target groups, one group a
//! service with the label `job`, true to what etcd says.
//!
//! # The picture
//!
//! A functional core in an imperative shell of actors:
//!
//! ```text
//!              Observed(Event), awaited              Dirty (hint)
//! EtcdWatcher ────────────────────────> Registry ───────────────> Persister ──rename──> target file
//!  list·watch·resume                    state      <── Render ───  debounce·write           │
//!                                                   (pull, may     ^                        │ inotify
//!                                                    answer None)  │ Inspect (hint)         v
//!                                                                  └──────────────── DriftWatcher
//! ```
//!
//! Beside them an Auditor compares the registry with etcd now and then, and has the watcher list
//! anew if they differ. These three are there once for each source; of several, a Merger makes one
//! document. The Persister has one output for the target file, one for the target directory with
//! a file for each service, and one for HTTP; of several daemons that would write the same, one
//! does, and the others stand by.
//!
//! Whoever looks on is kept from the actors:
//!
//! ```text
//! all actors ──count, write down──> Observer: metrics, board ───> HTTP thread: /metrics, /sd, /-/ready, page
//!            ──changes, publishes─> history threads ──> journal      systemd: READY, STATUS, WATCHDOG
//! ```
//!
//! The only messages from there are pages of the registry that the API asks for, each of them
//! short, pings, and what an operator wants done.
//!
//! Data is sent and awaited; hints carry nothing and may be dropped: whoever gets one pulls
//! the truth. Pulls go one way, so nothing can deadlock.
//!
//! # The map
//!
//! | module | holds |
//! |---|---|
//! | [`core`] | every decision, as pure functions and state machines: no I/O, no clock |
//! | [`actors`] | the actors, which carry the decisions out, and their messages |
//! | [`etcd`] | the edge to etcd, the only module that knows `etcd_client` |
//! | [`mod@file`] | the edge to the disk, the only module that does file I/O: reading, replacing, locks, links, faults |
//! | [`http`] | the edge to whoever asks over HTTP: discovery, metrics, health, on a thread of its own |
//! | [`secrets`] | certificates, keys, passwords and tokens, as read from files |
//! | [`backoff`] | delays after failures, the only module that knows `backoff` |
//! | [`clock`] | the time of day, which the core is told |
//! | [`commands`] | what the program does instead of running: explain, check, diff, history and the like; they write nothing |
//! | [`config`] | the command line and the environment, checked |
//! | [`app`] | [`run`]: starts the actors, hears signals, stops in order |
//! | [`history`] | what became of which target, and the journal of it, on threads of its own |
//! | [`observer`], [`board`], [`metrics`] | what the actors tell about themselves, for all who look on |
//! | [`service`] | the edge to systemd: readiness, status, watchdog |
//! | [`prometheus`] | asking the Prometheus that reads what is published whether it has it |
//! | [`telemetry`] | logs |
//!
//! # What always holds
//!
//! 1. **Convergence**: when etcd is quiet and reachable, the file is the rendering of its
//!    entries, byte for byte the same on every host; an entry whose value has gone bad keeps
//!    its last good target, and removals that the guard holds are still to come.
//! 2. **Whole**: whoever opens a file reads one complete document, of one process.
//! 3. **Never blank on doubt**: nothing is published before a complete list, losing etcd
//!    changes nothing on disk, and a mass removal is held until it is believed.
//! 4. **Never backwards**: no document of an older revision of the same cluster replaces a
//!    newer one.
//! 5. **Gap-free**: no change between a list and a watch, or between two watches, is lost.
//! 6. **One burst, one write**, and equal bytes are never written again.
//! 7. **Drift is healed** within a second, judged by the bytes.
//! 8. **Alive or said**: a connection that has gone silent is noticed and replaced, and the log
//!    says since when the file may be stale.
//! 9. **Bounded**: every queue is; a slow reader slows the stream of etcd.
//! 10. **One bad entry harms itself only**, and is said with key and reason.
//! 11. **A clean stop loses nothing**: what is pending is published first.

pub mod actors;
pub mod app;
pub mod backoff;
pub mod board;
pub mod clock;
pub mod commands;
pub mod config;
pub mod core;
pub mod etcd;
pub mod file;
pub mod history;
pub mod http;
pub mod metrics;
pub mod observer;
pub mod prometheus;
pub mod secrets;
pub mod service;
pub mod telemetry;

pub use app::{outlive_requests, run, terminated};
