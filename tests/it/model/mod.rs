//! A model of etcd, and random histories that drive the pure session and registry with it.
//!
//! The model is a log of revisions with compaction. A history is a list of steps: the
//! model's writers, its faults, and the daemon's own progress through lists and watches, one
//! message at a time. After every step the guarantees of etcd's watch must hold for what the
//! registry renders; see `properties.rs`.

mod daemon;
mod etcd;
mod properties;
