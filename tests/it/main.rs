//! The integration tests, in one binary.

mod conformance;
#[path = "../embedded/mod.rs"]
mod embedded;
mod embedded_faults;
mod support;
