//! Why a request is not answered as it was meant: `{"error": "what, why, what to do"}`.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// An answer that is none.
#[derive(Debug)]
pub(in crate::http) struct Refusal {
    status: StatusCode,
    error: String,
}

#[derive(Serialize)]
struct Body {
    error: String,
}

impl Refusal {
    /// Of this status, which says what kind of refusal it is.
    pub(in crate::http) fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self { status, error: error.into() }
    }

    /// The request makes no sense.
    pub(super) fn bad_request(error: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error)
    }

    /// The operator has not allowed it.
    pub(super) fn forbidden(error: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, error)
    }

    /// There is no such thing.
    pub(super) fn not_found(error: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, error)
    }

    /// Not now.
    pub(super) fn unavailable(error: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error)
    }

    /// Nothing is known of the registry yet.
    pub(super) fn no_list() -> Self {
        Self::unavailable(
            "there was no complete list from etcd yet; /api/v1/status says why, try again",
        )
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(Body { error: self.error })).into_response()
    }
}
