//! What the persister says of one output: each thing once, and a reminder now and then.

use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::{error, info, warn};

use crate::actors::output::{Claim, Drifted, Output, Written};
use crate::actors::publish::Done;
use crate::core::persist::Task;
use crate::core::render::Document;
use crate::core::status::OutputKind;
use crate::file::Error;
use crate::telemetry::{Chain, seconds};

/// How often it is said that something still fails.
const REMINDER: Duration = Duration::from_secs(60);

/// The most files that are named one by one.
const NAMED: usize = 20;

/// What has been said of one output.
#[derive(Default)]
pub(super) struct Voice {
    failure: Option<Failure>,
    is_fight: bool,
    is_unsynced: bool,
    is_unseen: bool,
}

/// A failure that lasts.
struct Failure {
    error: Arc<Error>,
    /// Whether it came to publishing.
    in_publishing: bool,
    said: Instant,
    tries: u32,
}

/// What a task has published.
#[derive(Clone, Copy)]
pub(super) struct News<'d> {
    pub(super) document: &'d Document,
    /// How many targets the guard holds.
    pub(super) held: Option<usize>,
    pub(super) task: Task,
}

impl Voice {
    /// Why the output does not hold what it should.
    pub(super) fn failure(&self) -> Option<&Arc<Error>> {
        self.failure.as_ref().map(|failure| &failure.error)
    }

    /// Says what a task did with the output, which is tried again after `delay` if it failed.
    pub(super) fn say(
        &mut self,
        output: &dyn Output,
        done: Done,
        news: Option<News<'_>>,
        delay: Duration,
        now: Instant,
    ) {
        if done.is_left_alone {
            return;
        }
        let path = output.path().display();
        if let Some(Claim::Theirs { pid }) = done.claim {
            info!(%path, pid, reason = "another etcd-sd writes there", "standing by");
            self.failure = None;
        }
        if done.confirm.is_some() {
            warn!(%path, reason = "the other etcd-sd has ended", "taking over");
        }
        let in_publishing = done.publication.is_some();
        match done.failed {
            Some(error) => self.fail(error, in_publishing, delay, now),
            None => self.succeed(output, in_publishing),
        }
        if let Some(publication) = done.publication {
            // Each request says for itself what it was answered.
            if let Some(news) = news.filter(|_| output.kind() != OutputKind::Http) {
                say_written(output, publication.written, news, now);
            }
            say_healed(output, &publication.healed);
            self.say_flaws(output, publication.unsynced, publication.unseen, publication.written);
        }
        self.say_fight(output, now);
    }

    fn fail(&mut self, error: Error, in_publishing: bool, delay: Duration, now: Instant) {
        let retry_in_seconds = seconds(delay);
        let mut failure = match self.failure.take() {
            Some(failure) if failure.error.is_like(&error) => failure,
            _ => {
                error!(error = %Chain(&error), retry_in_seconds, "cannot publish; what is there stays as it is, trying again and again");
                let error = Arc::new(error);
                self.failure = Some(Failure { error, in_publishing, said: now, tries: 1 });
                return;
            }
        };
        failure.tries += 1;
        if now.saturating_duration_since(failure.said) >= REMINDER {
            failure.said = now;
            let tries = failure.tries;
            error!(error = %Chain(&error), tries, retry_in_seconds, "still cannot publish; what is there stays as it is");
        }
        failure.error = Arc::new(error);
        failure.in_publishing |= in_publishing;
        self.failure = Some(failure);
    }

    /// A look that succeeds says nothing of whether the file can be written.
    fn succeed(&mut self, output: &dyn Output, in_publishing: bool) {
        if self.failure.take_if(|failure| in_publishing || !failure.in_publishing).is_some() {
            info!(path = %output.path().display(), "the target file can be written again");
        }
    }

    fn say_flaws(
        &mut self,
        output: &dyn Output,
        unsynced: Option<Error>,
        unseen: Option<Error>,
        written: Written,
    ) {
        if !matches!(written, Written::Now { .. }) {
            return;
        }
        let path = output.path().display();
        let was_unsynced = mem::replace(&mut self.is_unsynced, unsynced.is_some());
        match unsynced {
            Some(error) if !was_unsynced => {
                warn!(error = %Chain(&error), "published, but not safe against a power cut");
            }
            None if was_unsynced => info!(%path, "published, safe against a power cut again"),
            _ => {}
        }
        let was_unseen = mem::replace(&mut self.is_unseen, unseen.is_some());
        match unseen {
            Some(error) if !was_unseen => {
                warn!(error = %Chain(&error), "published behind the link, but Prometheus may notice only at its refresh_interval");
            }
            _ => {}
        }
    }

    /// Says the beginning and the end of a fight for the file.
    fn say_fight(&mut self, output: &dyn Output, now: Instant) {
        let path = output.path().display();
        let is_fight = output.is_fight(now);
        if is_fight != mem::replace(&mut self.is_fight, is_fight) {
            if is_fight {
                error!(%path, "another program keeps changing the target file; healing it ever more slowly, find that program and stop it");
            } else {
                info!(%path, "the target file is at peace again");
            }
        }
    }
}

fn say_written(output: &dyn Output, written: Written, news: News<'_>, now: Instant) {
    let News { document, held, task } = news;
    let path = output.path().display();
    let (revision, services) = (document.revision().0, document.services());
    let (targets, bytes) = (document.targets(), document.len());
    let since_change_seconds = task.since.map(|since| seconds(now - since));
    match written {
        Written::Before => {}
        Written::Elsewhere => {
            info!(%path, revision, services, targets, held, bytes, "the target file is right already");
        }
        Written::Now { files, took } => {
            let files = Some(files).filter(|_| output.kind() == OutputKind::Directory);
            let took_seconds = seconds(took);
            info!(
                %path, revision, services, targets, held, bytes, files, since_change_seconds,
                took_seconds, "published"
            );
        }
    }
}

fn say_healed(output: &dyn Output, healed: &[Drifted]) {
    for Drifted { path, found } in healed.iter().take(NAMED) {
        warn!(path = %path.display(), %found, "drift healed");
    }
    if let more @ 1.. = healed.len().saturating_sub(NAMED) {
        warn!(path = %output.path().display(), more, "drift healed in more files");
    }
}
