//! Waiting for the next message of a watch. Meanwhile a watch that is silent is asked for a sign
//! of life, and those who ask are confirmed.

use std::future::{Future, pending, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Instant;

use tokio::time::sleep_until;
use tracing::info;

use super::task::Task;
use super::wire::End;
use crate::core::liveness::{Action, Liveness};
use crate::core::session::{Header, Inquiry, Late, WatchMessage};
use crate::etcd::{Connection, Error, WatchStream};

/// A watch that was asked for.
pub(super) struct Watch {
    pub(super) stream: WatchStream,
    pub(super) liveness: Liveness,
    /// etcd has agreed.
    pub(super) stands: bool,
    read: Read,
    /// How far it is.
    pub(super) inquiry: Inquiry,
    /// It broke while nobody waited for it.
    broke: Option<Error>,
}

/// What comes first.
enum Heard {
    /// The watch spoke, or broke.
    Message(Result<WatchMessage, Error>),
    /// How far etcd is, as of a linearizable read.
    Newest(Result<Header, Error>),
    /// The registry should be as far as that read by now.
    Late,
    /// The watch may have told by now all that happened before it stood.
    Behind,
    /// The watch should have spoken by now.
    Silence,
}

impl Watch {
    pub(super) fn new(stream: WatchStream, liveness: Liveness) -> Self {
        let (read, inquiry) = (Read::default(), Inquiry::new(Instant::now()));
        Self { stream, liveness, stands: false, read, inquiry, broke: None }
    }

    /// The next message, if it has come already.
    pub(super) async fn ready(&mut self) -> Option<WatchMessage> {
        let mut next = pin!(self.stream.next());
        match poll_fn(|context| Poll::Ready(next.as_mut().poll(context))).await {
            Poll::Pending => None,
            Poll::Ready(Ok(message)) => Some(message),
            // What came before it goes first.
            Poll::Ready(Err(error)) => {
                self.broke = Some(error);
                None
            }
        }
    }

    /// Whoever stops waiting loses nothing.
    async fn first(&mut self, late: Option<Instant>, behind: Option<Instant>) -> Heard {
        if let Some(error) = self.broke.take() {
            return Heard::Message(Err(error));
        }
        let silence = self.liveness.deadline();
        tokio::select! {
            // What has come counts before what is overdue.
            biased;
            message = self.stream.next() => Heard::Message(message),
            newest = self.read.end() => Heard::Newest(newest),
            () = until(late) => Heard::Late,
            () = until(behind) => Heard::Behind,
            () = sleep_until(silence.into()) => Heard::Silence,
        }
    }
}

impl Task {
    /// Waits for the next message of the watch. `None` if the watch is of no more use, and what
    /// is next on the same connection is for the session to say.
    pub(super) async fn hear(
        &mut self,
        connection: &Connection,
        watch: &mut Watch,
    ) -> Result<Option<WatchMessage>, End> {
        loop {
            // The registry has taken all that came so far.
            let position = self.session.position();
            self.wire.answer(self.confirm.taken(position));
            if watch.stands && self.confirm.begins_read(self.wire.asked(), position) {
                watch.read.begin(connection.newest(&self.wire.prefix));
            }
            let is_ordered = self.session.trusts_progress();
            let is_to_ask = self.session.is_behind() && self.session.answers_progress();
            let behind = watch.inquiry.due(is_ordered).filter(|_| is_to_ask);
            let first = watch.first(self.confirm.deadline(), behind);
            match self.wire.unless_asked(first).await? {
                // Somebody asks.
                None => {}
                Some(Heard::Message(Err(Error::TooLarge))) if self.session.too_large() => {
                    info!("a message of the watch is too large; watching in fragments");
                    return Ok(None);
                }
                Some(Heard::Message(message)) => return Ok(Some(message?)),
                Some(Heard::Newest(newest)) => {
                    if let Some(reason) = self.confirm.read(newest?, Instant::now()) {
                        self.session.request_list(reason);
                        return Ok(None);
                    }
                }
                Some(Heard::Late) => match self.confirm.late(Instant::now()) {
                    Late::Ask if !self.session.trusts_progress() => {}
                    Late::Ask => watch.stream.request_progress().await?,
                    Late::Relist(reason) => {
                        self.session.request_list(reason);
                        return Ok(None);
                    }
                },
                Some(Heard::Behind) => {
                    watch.inquiry.ask(Instant::now());
                    watch.stream.request_progress().await?;
                }
                Some(Heard::Silence) => match watch.liveness.silence(Instant::now()) {
                    Action::GiveUp => return Err(End::Lost(self.session.silent().into())),
                    _ => watch.stream.ping(&self.wire.prefix).await?,
                },
            }
        }
    }
}

/// For ever if there is no such moment.
async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment.into()).await,
        None => pending().await,
    }
}

/// The read that confirms the registry, if there is one under way.
#[derive(Default)]
struct Read(Option<Pin<Box<Reading>>>);

type Reading = dyn Future<Output = Result<Header, Error>>;

impl Read {
    fn begin(&mut self, read: impl Future<Output = Result<Header, Error>> + 'static) {
        self.0 = Some(Box::pin(read));
    }

    /// Waits for its end, and for ever if there is none. Whoever stops waiting loses nothing.
    async fn end(&mut self) -> Result<Header, Error> {
        let Some(read) = &mut self.0 else {
            return pending().await;
        };
        let header = read.await;
        self.0 = None;
        header
    }
}
