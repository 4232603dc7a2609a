//! The integration tests, in one binary.

#[path = "../embedded/mod.rs"]
mod embedded;
mod smoke;
