//! Patience with the other end: a stream that fails when nothing comes, or nothing is taken, for
//! too long.
//!
//! A reader who takes a large answer slowly has all the time that it needs, as long as it takes
//! something now and then. One who sends a request byte by byte has not.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::connections::Slot;

/// For a request's first byte, on a new connection, and from there to the end of its headers;
/// and for the TLS handshake before.
pub(super) const HEAD: Duration = Duration::from_secs(10);

/// For the first byte of the next request: longer than the common intervals of Prometheus, which
/// keeps its connections.
const NEXT: Duration = Duration::from_secs(150);

/// For the other end to take more of an answer.
const TAKE: Duration = Duration::from_secs(20);

/// A stream with that patience.
pub(super) struct Patient<S> {
    stream: S,
    slot: Arc<Slot>,
    /// As of the last time that something was read.
    turn: u64,
    /// Whether the head of a request has begun to come, or should have.
    in_head: bool,
    /// When the patience with whoever sends is over.
    until: Pin<Box<Sleep>>,
    /// Set while the other end takes nothing.
    untaken: Option<Pin<Box<Sleep>>>,
}

impl<S> Patient<S> {
    /// That of a connection that has just begun.
    pub(super) fn new(stream: S, slot: Arc<Slot>) -> Self {
        let (_, turn) = slot.turn();
        let until = Box::pin(sleep_until(Instant::now() + HEAD));
        Self { stream, slot, turn, in_head: true, until, untaken: None }
    }

    fn give(&mut self, patience: Duration) {
        self.until.as_mut().reset(Instant::now() + patience);
    }

    /// What writing came to, unless it has waited too long.
    fn written<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.untaken = None;
            return written;
        }
        let untaken =
            self.untaken.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + TAKE)));
        ready!(untaken.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let (is_waiting, turn) = this.slot.turn();
        if this.turn != turn {
            (this.turn, this.in_head) = (turn, false);
            this.give(NEXT);
        }
        let read = Pin::new(&mut this.stream).poll_read(cx, buffer);
        if read.is_ready() {
            if is_waiting && !this.in_head {
                this.in_head = true;
                this.give(HEAD);
            }
            return read;
        }
        if is_waiting {
            ready!(this.until.as_mut().poll(cx));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Poll::Pending
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        if matches!(written, Poll::Ready(Ok(1..))) {
            self.slot.progressed(std::time::Instant::now());
        }
        self.written(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        if matches!(written, Poll::Ready(Ok(1..))) {
            self.slot.progressed(std::time::Instant::now());
        }
        self.written(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.written(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.written(cx, shut)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::time::{sleep, timeout};

    use super::super::connections::Connections;
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// The other end, and ours with its place.
    fn connected() -> (DuplexStream, Patient<DuplexStream>, Arc<Slot>) {
        let all = Arc::new(Connections::default());
        let slot = all.enter(std::time::Instant::now()).expect("room");
        let (theirs, ours) = duplex(4);
        (theirs, Patient::new(ours, Arc::clone(&slot)), slot)
    }

    /// For how long it reads until it has had enough.
    async fn endures(ours: &mut Patient<DuplexStream>) -> Duration {
        let start = Instant::now();
        loop {
            match ours.read(&mut [0; 1]).await {
                Ok(count) => assert_eq!(count, 1, "the other end is there"),
                Err(error) => {
                    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
                    return start.elapsed();
                }
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_comes_byte_by_byte_ends_like_one_that_does_not_come() {
        let (_theirs, mut ours, _) = connected();
        assert_eq!(endures(&mut ours).await.as_secs(), HEAD.as_secs());
        let (mut theirs, mut ours, _) = connected();
        let dribble = async {
            while theirs.write_all(b"x").await.is_ok() {
                sleep(SECOND).await;
            }
        };
        tokio::select! {
            endured = endures(&mut ours) => assert_eq!(endured.as_secs(), HEAD.as_secs()),
            () = dribble => unreachable!("ours is open"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_request_has_time_to_begin_and_none_to_dawdle() {
        let (mut theirs, mut ours, slot) = connected();
        theirs.write_all(b"x").await.expect("open");
        ours.read_exact(&mut [0; 1]).await.expect("a byte");
        let answering = slot.answer(std::time::Instant::now());
        // An answer may take its time.
        assert!(timeout(10 * NEXT, ours.read(&mut [0; 1])).await.is_err());
        drop(answering);
        assert!(timeout(NEXT / 2, ours.read(&mut [0; 1])).await.is_err());
        theirs.write_all(b"x").await.expect("open");
        assert_eq!(endures(&mut ours).await.as_secs(), HEAD.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_takes_a_little_now_and_then_is_waited_for_and_nobody_else() {
        let (mut theirs, mut ours, _slot) = connected();
        let take = async {
            for _ in 0..10 {
                sleep(TAKE * 9 / 10).await;
                theirs.read_exact(&mut [0; 1]).await.expect("a byte");
            }
            Instant::now()
        };
        let give = async {
            let error = ours.write_all(&[0; 100]).await.expect_err("nobody takes all");
            (error.kind(), Instant::now())
        };
        let (taken, (error, ended)) = tokio::join!(take, give);
        assert_eq!((error, (ended - taken).as_secs()), (io::ErrorKind::TimedOut, TAKE.as_secs()));
    }
}
