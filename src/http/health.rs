//! `/-/healthy` and `/-/ready`, with the names that Kubernetes' users know.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::Context;
use super::answer::text;

/// Whether the daemon works at all: one that does not is to be started anew.
pub(super) async fn healthy(State(_context): State<Context>) -> Response {
    text(StatusCode::OK, "etcd-sd is healthy.")
}

/// Whether what it serves can be vouched for.
pub(super) async fn ready(State(_context): State<Context>) -> Response {
    text(StatusCode::OK, "etcd-sd is ready.")
}
