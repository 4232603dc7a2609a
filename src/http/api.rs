//! `/api/v1`: how the daemon stands, what it holds, what has changed; as JSON.
//!
//! All of it reads, and every answer is bounded. What is asked of a registry comes in pages that
//! hold up no event; a few requests at a time may ask, and the registry rests between two pages.
//!
//! | module | answers |
//! |---|---|
//! | `services` | which services there are, and one of them |
//! | `quarantine` | what is held out, and why |
//! | `events` | what changes, as it comes |
//! | `value` | what a key holds, with `--expose-values` |
//! | `inspected` | how the registries and etcd are asked |
//! | `cursor`, `bounds`, `refusal`, `shown` | what requests and answers have in common |

mod bounds;
mod cursor;
mod events;
mod inspected;
mod quarantine;
mod refusal;
mod services;
mod shown;
mod value;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};

use super::Context;
use crate::core::status::Status;
pub(super) use refusal::Refusal;

pub use inspected::{Inspected, Source};

/// What is below `/api/v1`.
pub(super) fn routes() -> Router<Context> {
    Router::new()
        .route("/api/v1/status", get(status))
        .route("/api/v1/services", get(services::list))
        .route("/api/v1/services/{name}", get(services::by_path))
        .route("/api/v1/service", get(services::by_query))
        .route("/api/v1/quarantine", get(quarantine::list))
        .route("/api/v1/changes", get(events::recent))
        .route("/api/v1/events", get(events::stream))
        .route("/api/v1/value", get(value::value))
        .route("/api/v1/{*rest}", get(nothing))
}

async fn status(State(context): State<Context>) -> Json<Status> {
    Json(context.observer.board.snapshot())
}

async fn nothing() -> Refusal {
    Refusal::not_found(
        "nothing is here; there are /api/v1/status, services, service, quarantine, changes, \
         events and value",
    )
}
