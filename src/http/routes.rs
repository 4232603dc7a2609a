//! Which handler answers what.

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::{get, post};

use super::answer::text;
use super::{Context, api, gate, health, lifecycle, metrics, page, sd};

/// What probes ask, who have neither token nor name.
pub(super) const HEALTH: [&str; 4] = ["/-/healthy", "/healthz", "/-/ready", "/readyz"];

/// All of them.
pub(super) fn all(context: Context) -> Router {
    Router::new()
        .route("/-/healthy", get(health::healthy))
        .route("/healthz", get(health::healthy))
        .route("/-/ready", get(health::ready))
        .route("/readyz", get(health::ready))
        .route("/sd", get(sd::sd))
        .route("/metrics", get(metrics::metrics))
        .route("/-/release", post(lifecycle::release))
        .route("/-/relist", post(lifecycle::relist))
        .merge(api::routes())
        .merge(page::routes())
        .fallback(nothing)
        .layer(from_fn_with_state(context.clone(), gate::pass))
        .with_state(context)
}

async fn nothing() -> Response {
    let known = "nothing is here; see /, /metrics, /sd, /api/v1/status, /-/healthy and /-/ready";
    text(StatusCode::NOT_FOUND, known)
}
