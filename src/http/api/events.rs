//! `/api/v1/changes`: what has changed lately; `/api/v1/events`: what changes, as it comes.

// Until changes are told.
#[cfg_attr(not(test), expect(dead_code))]
mod pace;

use std::pin::Pin;
use std::task::{Context as Waking, Poll};
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_core::Stream;
use serde::Serialize;
use std::convert::Infallible;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::bounds::Asked;
use super::refusal::Refusal;
use crate::http::Context;

/// How the daemon stands is said when it has published, but not more often than the one, and else
/// as often as the other.
const SOONEST: Duration = Duration::from_millis(250);
const LATEST: Duration = Duration::from_secs(1);

/// A comment after so long a silence, so that nobody between the two ends takes it for dead.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);

/// What changed last, newest first.
#[derive(Serialize)]
pub(super) struct Changes {
    changes: Vec<serde_json::Value>,
}

/// What changed last.
pub(super) async fn recent(
    State(_context): State<Context>,
    asked: Asked,
) -> Result<Json<Changes>, Refusal> {
    let _ = (asked.limit()?, asked.service);
    Ok(Json(Changes { changes: Vec::new() }))
}

/// Says how the daemon stands, and each change, from now on.
pub(super) async fn stream(State(context): State<Context>) -> Result<Response, Refusal> {
    let (sender, events) = mpsc::channel(16);
    let place = context.inspected.listener()?;
    tokio::spawn(async move {
        let _place = place;
        tell(context, sender).await;
    });
    let alive = KeepAlive::new().interval(SIGN_OF_LIFE);
    Ok(Sse::new(Events(events)).keep_alive(alive).into_response())
}

/// Until the daemon stops or nobody listens any more.
async fn tell(context: Context, listener: mpsc::Sender<Event>) -> Option<()> {
    let Context { observer, mut stopping, .. } = context;
    let stopped = async move { drop(stopping.wait_for(|is_stopping| *is_stopping).await) };
    tokio::pin!(stopped);
    let board = &observer.board;
    let mut published = board.watch_published();
    let mut last = String::new();
    let (mut soonest, mut due) = (Instant::now(), Instant::now());
    loop {
        tokio::select! {
            () = &mut stopped => return None,
            () = listener.closed() => return None,
            () = sleep_until(due) => {
                let status = serde_json::to_string(&board.snapshot()).ok()?;
                if status != last {
                    listener.send(Event::default().event("status").data(&status)).await.ok()?;
                    last = status;
                }
                soonest = Instant::now() + SOONEST;
                due = Instant::now() + LATEST;
            }
            changed = published.changed() => {
                changed.ok()?;
                due = due.min(soonest);
            }
        }
    }
}

/// What is still to be said to a listener.
struct Events(mpsc::Receiver<Event>);

impl Stream for Events {
    type Item = Result<Event, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Waking<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(cx).map(|event| event.map(Ok))
    }
}
