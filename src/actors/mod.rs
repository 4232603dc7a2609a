//! The imperative shell: actors that carry out what the core decides.
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
//! Beside them the Auditor lists what etcd holds and has the registry compare itself with it
//! (`Audit`, awaited); if they differ, it tells the watcher to list anew. Each source has a
//! watcher, a registry and an auditor of its own; of several, a Merger makes one document for
//! the persister. For a command that only looks, a Reader takes the place of a registry, and
//! there is nothing else but watchers.
//!
//! Data is sent and awaited, so a slow registry pauses the stream of etcd, and every queue is
//! bounded. Hints carry nothing and may be dropped: a full mailbox already holds one, and
//! whoever gets it pulls the truth. Pulls go one way, so nothing can deadlock.

pub mod auditor;
pub mod busy;
mod chunks;
pub mod drift;
pub mod merger;
pub mod messages;
mod output;
mod pages;
pub mod persister;
pub mod ping;
mod publish;
pub mod reader;
pub mod registry;
pub mod watcher;
