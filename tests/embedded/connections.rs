//! The TCP connections, with a hand on them: refuse, kill, freeze.

use std::collections::HashMap;
use std::io;
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tonic::transport::server::Connected;

/// All connections of one server.
#[derive(Default)]
pub(crate) struct Connections {
    refusing: AtomicBool,
    frozen: AtomicBool,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    last_id: u64,
    /// A second handle to each socket, to shut it down from outside.
    open: HashMap<u64, std::net::TcpStream>,
    /// Tasks that want to read or write a frozen connection.
    waiting: Vec<Waker>,
}

impl Connections {
    /// Takes a new connection in, unless they are refused.
    pub(super) fn admit(self: &Arc<Self>, stream: TcpStream) -> io::Result<Option<Connection>> {
        if self.refusing.load(Ordering::Relaxed) {
            return Ok(None);
        }
        stream.set_nodelay(true)?;
        let stream = stream.into_std()?;
        let handle = stream.try_clone()?;
        let mut inner = self.inner();
        inner.last_id += 1;
        let id = inner.last_id;
        inner.open.insert(id, handle);
        Ok(Some(Connection { id, stream: TcpStream::from_std(stream)?, connections: self.clone() }))
    }

    pub(super) fn refuse(&self, refuse: bool) {
        self.refusing.store(refuse, Ordering::Relaxed);
    }

    pub(super) fn kill(&self) {
        for (_, stream) in self.inner().open.drain() {
            // An error means that the client was faster.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    pub(super) fn freeze(&self, freeze: bool) {
        self.frozen.store(freeze, Ordering::SeqCst);
        let waiting = std::mem::take(&mut self.inner().waiting);
        waiting.into_iter().for_each(Waker::wake);
    }

    fn is_frozen(&self, context: &Context<'_>) -> bool {
        if !self.frozen.load(Ordering::Relaxed) {
            return false;
        }
        let mut inner = self.inner();
        // Again, now that nobody can thaw between the look and the wait.
        let frozen = self.frozen.load(Ordering::SeqCst);
        if frozen {
            inner.waiting.push(context.waker().clone());
        }
        frozen
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One accepted connection.
pub(super) struct Connection {
    id: u64,
    stream: TcpStream,
    connections: Arc<Connections>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.connections.inner().open.remove(&self.id);
    }
}

impl Connected for Connection {
    type ConnectInfo = ();

    fn connect_info(&self) -> Self::ConnectInfo {}
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.connections.is_frozen(context) {
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.connections.is_frozen(context) {
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.connections.is_frozen(context) {
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
