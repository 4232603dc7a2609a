//! Leases: did a key go because its lease ended?
//!
//! etcd's event does not say. It says which lease the key had, and whether that still lives can be
//! asked: if it does, somebody has deleted the key. Asked on a connection of its own, some at a
//! time; whoever waits for the answer does not wait for long.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::core::event::Revision;
use crate::core::history::{Cause, TargetChange};
use crate::core::key::Prefix;
use crate::etcd::{Connector, Server};

/// So many questions may wait; of more, the answer is not known.
const QUESTIONS: usize = 16_384;

/// So many are asked at the same time.
const AT_ONCE: usize = 16;

/// Whoever has waited for an answer so long does without.
const PATIENCE: Duration = Duration::from_secs(3);

/// So many answers are kept.
const KEPT: usize = 65_536;

/// Whom to ask for leases.
#[derive(Clone, Debug)]
pub struct LeaseSettings {
    /// Members of the cluster.
    pub servers: Vec<Server>,
    /// How to connect to them.
    pub connector: Connector,
    /// What whoever connects may read.
    pub prefix: Prefix,
}

/// The lease of keys that were deleted at this revision.
type Question = (i64, Revision);

/// What is known.
#[derive(Clone, Copy, Debug)]
enum Fate {
    /// It is being asked, since then.
    Asked(Instant),
    Ended,
    /// It lives, or nobody knows.
    Other,
}

/// What is known of leases, and who asks.
pub(super) struct Leases {
    fates: HashMap<Question, Fate>,
    questions: mpsc::Sender<Question>,
    answers: mpsc::UnboundedReceiver<(Question, Fate)>,
}

impl Leases {
    /// Asks there, within the runtime that this is called in.
    pub(super) fn new(settings: LeaseSettings) -> Self {
        let (questions, asked) = mpsc::channel(QUESTIONS);
        // There are no more answers than questions.
        let (answer, answers) = mpsc::unbounded_channel();
        tokio::spawn(ask_all(settings, asked, answer));
        Self { fates: HashMap::new(), questions, answers }
    }

    /// Asks for the lease of a key that was deleted, if it had one.
    pub(super) fn ask(&mut self, change: &TargetChange) {
        let Some(question) = question(change) else { return };
        if self.fates.contains_key(&question) {
            return;
        }
        if self.fates.len() >= KEPT {
            self.fates.clear();
        }
        let is_asked = self.questions.try_send(question).is_ok();
        let fate = if is_asked { Fate::Asked(Instant::now()) } else { Fate::Other };
        self.fates.insert(question, fate);
    }

    /// Waits for an answer.
    pub(super) async fn answered(&mut self) {
        match self.answers.recv().await {
            Some((question, fate)) => drop(self.fates.insert(question, fate)),
            None => std::future::pending().await,
        }
    }

    /// Why the key went, as far as that is known or ever will be; `None` if the answer is awaited.
    pub(super) fn cause(&self, change: &TargetChange) -> Option<Cause> {
        let fate = question(change).and_then(|question| self.fates.get(&question));
        match fate {
            Some(Fate::Asked(since)) if since.elapsed() < PATIENCE => None,
            Some(Fate::Ended) => Some(Cause::LeaseEnd),
            _ => Some(change.cause),
        }
    }
}

fn question(change: &TargetChange) -> Option<Question> {
    let is_in_question = change.cause == Cause::Delete && change.lease != 0;
    is_in_question.then_some((change.lease, change.revision))
}

/// Asks a member, and another one once that fails.
async fn ask_all(
    settings: LeaseSettings,
    mut asked: mpsc::Receiver<Question>,
    answers: mpsc::UnboundedSender<(Question, Fate)>,
) {
    let LeaseSettings { servers, connector, prefix } = settings;
    let (mut attempt, mut connection) = (0, None);
    let mut questions = Vec::new();
    while asked.recv_many(&mut questions, AT_ONCE).await > 0 {
        if connection.is_none() {
            let opening = connector.open(&servers[attempt % servers.len()], &prefix);
            let opened = timeout(PATIENCE, Box::pin(opening)).await;
            connection = opened.ok().and_then(Result::ok).map(std::sync::Arc::new);
        }
        let mut asking = JoinSet::new();
        for question in questions.drain(..) {
            let connection = connection.clone();
            asking.spawn(async move {
                let lives = match connection {
                    Some(connection) => connection.lease_lives(question.0).await.ok(),
                    None => None,
                };
                (question, lives)
            });
        }
        let mut has_failed = false;
        while let Some(answer) = asking.join_next().await {
            let Ok((question, lives)) = answer else { continue };
            has_failed |= lives.is_none();
            let fate = if lives == Some(false) { Fate::Ended } else { Fate::Other };
            if answers.send((question, fate)).is_err() {
                return;
            }
        }
        if has_failed {
            connection = None;
            attempt += 1;
        }
    }
}
