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

/// Whether what is published can be vouched for, and why not.
pub(super) async fn ready(State(context): State<Context>) -> Response {
    let reasons = context.observer.board.snapshot().not_ready_because;
    if reasons.is_empty() {
        return text(StatusCode::OK, "etcd-sd is ready.");
    }
    text(StatusCode::SERVICE_UNAVAILABLE, &format!("not ready: {}", reasons.join("\nand ")))
}
