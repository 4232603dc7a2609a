//! The watcher's two sides: what it is told, and what it tells the registry.
//!
//! The watcher can be told to end or to list anew only while it waits for etcd, never
//! between two parts of what it received, so that the registry is not left with half of it.
//! Those who ask to be confirmed are put in a queue meanwhile.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::pin;

use actix::Recipient;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::actors::chunks::chunks;
use crate::actors::messages::{Observed, Taken};
use crate::core::event::{Change, Event, KeyValue, Lookup, Revision};
use crate::core::key::Prefix;
use crate::core::session::{RelistReason, WatchEnd};
use crate::etcd;

/// Of those who ask to be confirmed, so many are known at a time; the others wait to be heard.
const ASKERS: usize = 16;

/// What the watcher can be told.
pub(super) enum Command {
    /// List anew.
    Relist(RelistReason),
    /// End, and say when that is done.
    Stop(oneshot::Sender<()>),
}

/// Whom to tell that the registry is confirmed. Dropped if it never will be.
pub(super) type Asker = oneshot::Sender<()>;

/// Why the watcher does not go on with a connection.
pub(super) enum End {
    /// It was told to list anew.
    Relist(RelistReason),
    /// It was told to end.
    Stop(oneshot::Sender<()>),
    /// The connection or the watch ended.
    Lost(Lost),
    /// The other actors are gone: the program ends.
    Abandoned,
}

/// Why a connection or a watch ended.
#[derive(Debug, Error)]
pub(super) enum Lost {
    #[error(transparent)]
    Request(#[from] etcd::Error),
    #[error(transparent)]
    Watch(#[from] WatchEnd),
    #[error("another cluster answered in the middle of a list")]
    ForeignPage,
    #[error(
        "it belongs to cluster {found:x}, and {meant:x} is the one that is followed; take it off \
         --server"
    )]
    Stranger { found: u64, meant: u64 },
    #[error(
        "it belongs to cluster {found:x}, not to the one that was followed so far, and too few of \
         the other servers answer to tell which is meant; to follow it, restart etcd-sd with \
         --server naming its members alone"
    )]
    Undecided { found: u64 },
    #[error(
        "{found} keys below {prefix}, more than --max-entries {limit}: check --prefix, or raise \
         --max-entries"
    )]
    TooMany { found: usize, prefix: Prefix, limit: usize },
}

impl<L: Into<Lost>> From<L> for End {
    fn from(lost: L) -> Self {
        Self::Lost(lost.into())
    }
}

impl Lost {
    /// What happened, in a few words; the reason is said beside them.
    pub(super) fn heading(&self, was_connected: bool) -> &'static str {
        match self {
            Self::Stranger { .. } | Self::Undecided { .. } => "server left aside",
            Self::TooMany { .. } => "prefix refused",
            _ if !was_connected => "cannot connect",
            Self::Request(error) if error.is_refusal() => "etcd refuses to answer",
            _ => "connection lost",
        }
    }

    /// What it is called where it is counted.
    pub(super) fn name(&self, was_connected: bool) -> &'static str {
        match self {
            _ if self.is_to_be_put_right() => "refused",
            _ if !was_connected => "unreachable",
            Self::Watch(WatchEnd::Silent) => "silent",
            Self::Watch(WatchEnd::Canceled(_)) => "canceled",
            _ => "lost",
        }
    }

    /// Whether it does not end before somebody has put something right.
    pub(super) fn is_to_be_put_right(&self) -> bool {
        match self {
            Self::Stranger { .. } | Self::Undecided { .. } | Self::TooMany { .. } => true,
            Self::Request(error) => error.is_refusal(),
            Self::Watch(_) | Self::ForeignPage => false,
        }
    }
}

/// What the watcher is connected to inside the daemon.
pub(super) struct Wire {
    pub(super) prefix: Prefix,
    /// The most keys that the registry may hold.
    max_entries: usize,
    registry: Recipient<Observed>,
    commands: mpsc::Receiver<Command>,
    asking: mpsc::Receiver<Asker>,
    /// In the order in which they came.
    askers: VecDeque<Asker>,
}

impl Wire {
    pub(super) fn new(
        prefix: Prefix,
        max_entries: usize,
        registry: Recipient<Observed>,
        commands: mpsc::Receiver<Command>,
        asking: mpsc::Receiver<Asker>,
    ) -> Self {
        Self { prefix, max_entries, registry, commands, asking, askers: VecDeque::new() }
    }

    /// Refuses so many keys if they are too many: a wrong prefix should not fill the memory.
    pub(super) fn admit(&self, found: usize) -> Result<(), Lost> {
        let (prefix, limit) = (&self.prefix, self.max_entries);
        if found > limit {
            return Err(Lost::TooMany { found, prefix: prefix.clone(), limit });
        }
        Ok(())
    }

    /// Waits for `etcd`, unless a command comes first.
    pub(super) async fn unless_told<T>(&mut self, etcd: impl Future<Output = T>) -> Result<T, End> {
        let mut etcd = pin!(etcd);
        loop {
            if let Some(answer) = self.unless_asked(etcd.as_mut()).await? {
                return Ok(answer);
            }
        }
    }

    /// The same; `None` if somebody asks to be confirmed before.
    pub(super) async fn unless_asked<T>(
        &mut self,
        etcd: impl Future<Output = T>,
    ) -> Result<Option<T>, End> {
        tokio::select! {
            biased;
            command = self.commands.recv() => Err(match command {
                Some(Command::Relist(reason)) => End::Relist(reason),
                Some(Command::Stop(stopped)) => End::Stop(stopped),
                None => End::Abandoned,
            }),
            Some(asker) = self.asking.recv(), if self.askers.len() < ASKERS => {
                self.askers.push_back(asker);
                Ok(None)
            }
            answer = etcd => Ok(Some(answer)),
        }
    }

    /// How many wait to be confirmed.
    pub(super) fn asked(&self) -> usize {
        self.askers.len()
    }

    /// Answers so many of them, those who came first.
    pub(super) fn answer(&mut self, count: usize) {
        for asker in self.askers.drain(..count) {
            // Who is gone needs no answer.
            let _ = asker.send(());
        }
    }

    /// Tells the registry, and waits until it has taken it.
    pub(super) async fn send(&self, event: Event) -> Result<Taken, End> {
        let arrived = Instant::now().into_std();
        self.registry.send(Observed { event, arrived }).await.map_err(|_| End::Abandoned)
    }

    /// Tells the registry a page in chunks; returns the older values that it wishes for.
    pub(super) async fn page(&self, entries: Vec<KeyValue>) -> Result<Vec<Lookup>, End> {
        let mut lookups = Vec::new();
        for (chunk, _) in chunks(entries, |kv| kv.value.len()) {
            lookups.extend(self.send(Event::Page(chunk)).await?.lookups);
        }
        Ok(lookups)
    }

    /// Tells the registry whole revisions in chunks; returns how many keys it holds then.
    pub(super) async fn apply(
        &self,
        changes: Vec<Change>,
        revision: Revision,
    ) -> Result<usize, End> {
        let mut entries = 0;
        let bytes = |change: &Change| match change {
            Change::Put(kv) => kv.value.len(),
            Change::Delete { .. } => 0,
        };
        for (changes, complete) in chunks(changes, bytes) {
            entries = self.send(Event::Changes { changes, revision, complete }).await?.entries;
        }
        Ok(entries)
    }
}
