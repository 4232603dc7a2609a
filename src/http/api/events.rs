//! `/api/v1/changes`: what has changed lately; `/api/v1/events`: what changes, as it comes.

mod pace;

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Waking, Poll};
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_core::Stream;
use serde::{Serialize, Serializer};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::bounds::Asked;
use super::refusal::Refusal;
use crate::core::history::Recorded;
use crate::http::Context;
use pace::Pace;

/// How the daemon stands is said when it has published, but not more often than the one, and else
/// as often as the other.
const SOONEST: Duration = Duration::from_millis(250);
const LATEST: Duration = Duration::from_secs(1);

/// A comment after so long a silence, so that nobody between the two ends takes it for dead.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);

/// What changed last, newest first.
#[derive(Serialize)]
pub(super) struct Changes {
    changes: Vec<Shared>,
}

/// A change, as a journal has it.
struct Shared(Arc<Recorded>);

impl Serialize for Shared {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// What changed last.
pub(super) async fn recent(
    State(context): State<Context>,
    asked: Asked,
) -> Result<Json<Changes>, Refusal> {
    let limit = asked.limit()?;
    let is_wanted = |recorded: &Arc<Recorded>| {
        asked.service.as_deref().is_none_or(|service| *recorded.change.service == *service)
    };
    let newest = context.observer.history.recent().into_iter().rev();
    let changes = newest.filter(is_wanted).take(limit).map(Shared).collect();
    Ok(Json(Changes { changes }))
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
    // A reverse proxy must not keep them together; nginx wants to be told.
    let at_once = [("x-accel-buffering", "no")];
    Ok((at_once, Sse::new(Events(events)).keep_alive(alive)).into_response())
}

/// Until the daemon stops or nobody listens any more.
async fn tell(context: Context, listener: mpsc::Sender<Event>) -> Option<()> {
    let Context { observer, mut stopping, .. } = context;
    let stopped = async move { drop(stopping.wait_for(|is_stopping| *is_stopping).await) };
    tokio::pin!(stopped);
    let board = &observer.board;
    let mut published = board.watch_published();
    let mut changes = observer.history.subscribe();
    let mut pace = Pace::new(Instant::now());
    let mut last = String::new();
    let (mut soonest, mut due) = (Instant::now(), Instant::now());
    loop {
        tokio::select! {
            () = &mut stopped => return None,
            () = listener.closed() => return None,
            () = sleep_until(due) => {
                let status = serde_json::to_string(&board.snapshot()).ok()?;
                if status != last {
                    listener.send(event("status").data(&status)).await.ok()?;
                    last = status;
                }
                soonest = Instant::now() + SOONEST;
                due = Instant::now() + LATEST;
            }
            news = published.changed() => {
                news.ok()?;
                due = due.min(soonest);
            }
            change = changes.recv() => match change {
                Ok(change) if pace.pass(Instant::now()) => {
                    let change = serde_json::to_string(&*change).ok()?;
                    listener.send(event("change").data(change)).await.ok()?;
                }
                Ok(_) => {}
                Err(RecvError::Lagged(missed)) => pace.miss(missed),
                Err(RecvError::Closed) => return None,
            },
            () = sleep_until(pace.due().unwrap_or(due)), if pace.due().is_some() => {
                let more = format!(r#"{{"changes":{}}}"#, pace.sum_up(Instant::now()));
                listener.send(event("more").data(more)).await.ok()?;
            }
        }
    }
}

fn event(name: &str) -> Event {
    Event::default().event(name)
}

/// What is still to be said to a listener.
struct Events(mpsc::Receiver<Event>);

impl Stream for Events {
    type Item = Result<Event, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Waking<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(cx).map(|event| event.map(Ok))
    }
}
