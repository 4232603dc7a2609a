//! Answers in plain words, and refusals: as JSON below `/api/`, where programs read them.

use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::response::{IntoResponse, Response};

use super::api::Refusal;

/// A line of text, for people.
pub(super) fn text(status: StatusCode, text: &str) -> Response {
    let mut response = (status, format!("{text}\n")).into_response();
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response
}

/// Says why a request for this path, or of this route, is not answered.
pub(super) fn refuse(path: &str, status: StatusCode, why: &str) -> Response {
    if path.starts_with("/api/") {
        Refusal::new(status, why).into_response()
    } else {
        text(status, why)
    }
}
