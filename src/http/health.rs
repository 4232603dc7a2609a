//! `/-/healthy` and `/-/ready`, with the names that Kubernetes' users know.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::Context;
use super::answer::text;

/// Whether all parts of the daemon answer: one that does not is to be started anew.
pub(super) async fn healthy(State(context): State<Context>) -> Response {
    told(&context.observer.board.snapshot().unhealthy_because, "healthy")
}

/// Whether what is published can be vouched for.
pub(super) async fn ready(State(context): State<Context>) -> Response {
    told(&context.observer.board.snapshot().not_ready_because, "ready")
}

/// That it is so, or why not.
fn told(why_not: &[String], what: &str) -> Response {
    if why_not.is_empty() {
        return text(StatusCode::OK, &format!("etcd-sd is {what}."));
    }
    let why_not = why_not.join("\nand ");
    text(StatusCode::SERVICE_UNAVAILABLE, &format!("etcd-sd is not {what}: {why_not}"))
}
