//! Which handler answers what.

use axum::Router;
use axum::http::{StatusCode, Uri};
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::{get, post};

use super::answer::refuse;
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
        .method_not_allowed_fallback(not_so)
        .layer(from_fn_with_state(context.clone(), gate::pass))
        .with_state(context)
}

async fn nothing(uri: Uri) -> Response {
    let known = "nothing is here; see /, /metrics, /sd, /api/v1/status, /-/healthy and /-/ready";
    refuse(uri.path(), StatusCode::NOT_FOUND, known)
}

async fn not_so(uri: Uri) -> Response {
    let why = "not by this method: /-/relist and /-/release are for POST, everything else for GET";
    refuse(uri.path(), StatusCode::METHOD_NOT_ALLOWED, why)
}
