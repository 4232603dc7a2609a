//! The integration tests, in one binary.

mod actors;
mod conformance;
#[path = "../embedded/mod.rs"]
mod embedded;
mod model;
mod support;
