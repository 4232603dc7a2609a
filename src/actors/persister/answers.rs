//! What `app` asks of the persister, to be answered when that has come about.

use std::sync::Arc;

use actix::{Handler, Message, ResponseFuture};
use tokio::sync::oneshot;

use super::Persister;
use super::voice::Voice;
use crate::actors::messages::{Close, FirstPublish, Flush, PublishResult, Unpublished};
use crate::core::persist::Task;

/// Who waits for an answer.
#[derive(Default)]
pub(super) struct Answers {
    flushes: Vec<oneshot::Sender<PublishResult>>,
    first_publishes: Vec<oneshot::Sender<PublishResult>>,
    closed: bool,
    closes: Vec<oneshot::Sender<CloseResult>>,
}

impl Persister {
    /// Answers what `task`, which ended with `answer`, has settled.
    pub(super) fn answer(&mut self, task: Task, answer: &PublishResult) {
        if task.flush {
            // With no document to publish there is nothing to lose.
            answer_all(&mut self.answers.flushes, answer);
        }
        if self.disk.is_settled() || (answer.is_err() && task.wants_document()) {
            answer_all(&mut self.answers.first_publishes, answer);
        }
    }

    /// Whether nothing may be written any more. Says so to those who wait for it.
    pub(super) fn is_closed(&mut self) -> bool {
        if self.answers.closed && !self.schedule.is_working() {
            let failed = self.voices.iter().find_map(Voice::failure);
            let failed = failed.map(|error| Unpublished::Failed(Arc::clone(error)));
            let failed = failed.or(self.holding.refused.map(Unpublished::Refused));
            let failed = failed.or_else(|| {
                let path = self.disk.differing()?.path().to_owned();
                Some(Unpublished::Elsewhere { path })
            });
            let closed = failed.map_or(Ok(self.disk.is_settled()), Err);
            for sender in self.answers.closes.drain(..) {
                let _ = sender.send(closed.clone());
            }
        }
        self.answers.closed
    }
}

impl Handler<Flush> for Persister {
    type Result = ResponseFuture<PublishResult>;

    fn handle(&mut self, _: Flush, ctx: &mut Self::Context) -> Self::Result {
        let (sender, answer) = oneshot::channel();
        self.answers.flushes.push(sender);
        self.schedule.flush();
        self.proceed(ctx);
        Box::pin(async move { answer.await.unwrap_or(Ok(())) })
    }
}

impl Handler<Close> for Persister {
    type Result = ResponseFuture<CloseResult>;

    fn handle(&mut self, _: Close, ctx: &mut Self::Context) -> Self::Result {
        let (sender, answer) = oneshot::channel();
        self.answers.closed = true;
        self.answers.closes.push(sender);
        self.proceed(ctx);
        Box::pin(async move { answer.await.unwrap_or(Ok(false)) })
    }
}

impl Handler<FirstPublish> for Persister {
    type Result = ResponseFuture<PublishResult>;

    fn handle(&mut self, _: FirstPublish, _: &mut Self::Context) -> Self::Result {
        let (sender, answer) = oneshot::channel();
        if !self.schedule.is_working() && self.disk.is_settled() {
            let _ = sender.send(Ok(()));
        } else {
            self.answers.first_publishes.push(sender);
        }
        Box::pin(async move { answer.await.unwrap_or(Ok(())) })
    }
}

type CloseResult = <Close as Message>::Result;

fn answer_all(waiting: &mut Vec<oneshot::Sender<PublishResult>>, answer: &PublishResult) {
    for sender in waiting.drain(..) {
        let _ = sender.send(answer.clone());
    }
}
