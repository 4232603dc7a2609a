//! `POST /-/release` and `/-/relist`: what the signals SIGUSR1 and SIGHUP do, with
//! `--enable-lifecycle`.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use tokio::sync::mpsc::error::TrySendError;
use tracing::info;

use super::answer::text;
use super::{Context, Order};

/// Lets the removals through that the guard holds.
pub(super) async fn release(State(context): State<Context>) -> Response {
    order(&context, Order::Release, "the guard lets the removals through that it holds, if any")
}

/// Lists anew.
pub(super) async fn relist(State(context): State<Context>) -> Response {
    order(&context, Order::Relist, "listing anew")
}

fn order(context: &Context, order: Order, done: &str) -> Response {
    if !context.settings.enable_lifecycle {
        let why = "not allowed: start etcd-sd with --enable-lifecycle, or send it a signal, SIGHUP \
                   to list anew, SIGUSR1 to release what the guard holds";
        return text(StatusCode::FORBIDDEN, why);
    }
    match context.orders.try_send(order) {
        Ok(()) => {
            info!(?order, "told over HTTP");
            text(StatusCode::OK, done)
        }
        Err(TrySendError::Full(_)) => {
            let why = "the daemon is still busy with earlier requests of this kind; try again";
            text(StatusCode::SERVICE_UNAVAILABLE, why)
        }
        Err(TrySendError::Closed(_)) => {
            text(StatusCode::SERVICE_UNAVAILABLE, "the daemon is stopping")
        }
    }
}
