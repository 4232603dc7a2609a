//! Accepting connections, answering what comes on them, and ending them in order.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::Request;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tracing::{debug, info, warn};

use super::connections::{Answering, Connections, Slot};
use super::patience::{HEAD, Patient};
use super::renewed::Renewed;
use super::{Context, GRACE, routes};

/// The first line and all headers of a request; with a token and a long query a few hundred
/// bytes.
const LARGEST_HEAD: usize = 16 << 10;

const MOST_HEADERS: usize = 64;

/// Of an answer on its way, a connection holds so many bytes, and one frame more.
const BUFFER: usize = 128 << 10;

/// How often to look whether there is room, while there is none.
const PACE: Duration = Duration::from_millis(100);

/// All that is needed to answer.
pub(super) struct Serving {
    router: Router,
    tls: Option<Arc<Renewed<Arc<ServerConfig>>>>,
    connections: Arc<Connections>,
    stopping: watch::Receiver<bool>,
}

impl Serving {
    pub(super) fn new(context: Context, tls: Option<Arc<Renewed<Arc<ServerConfig>>>>) -> Self {
        let stopping = context.stopping.clone();
        Self { router: routes::all(context), tls, connections: Arc::default(), stopping }
    }

    /// Accepts until the daemon stops, and then sees to it that what is under way gets its answer,
    /// for a while.
    pub(super) async fn run(mut self, listener: TcpListener) {
        let mut stopping = self.stopping.clone();
        tokio::select! {
            () = self.accept(listener) => {}
            () = stops(&mut stopping) => {}
        }
        let all = async {
            while self.connections.count() > 0 {
                sleep(Duration::from_millis(10)).await;
            }
        };
        if timeout(GRACE, all).await.is_err() {
            info!(connections = self.connections.count(), "ending requests that take too long");
        }
    }

    async fn accept(&mut self, listener: TcpListener) {
        let mut has_failed = false;
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    has_failed = false;
                    self.start(stream).await;
                }
                Err(error) if is_of_one(&error) => debug!(%error, "a connection ended at once"),
                Err(error) => {
                    // Out of files, most likely: those of the idle ones are of better use.
                    if !has_failed {
                        warn!(%error, "cannot accept connections");
                    }
                    has_failed = true;
                    self.connections.evict(Instant::now());
                    sleep(PACE).await;
                }
            }
        }
    }

    /// Has what comes on this connection answered, as soon as there is room for it.
    async fn start(&self, stream: TcpStream) {
        let slot = loop {
            if let Some(slot) = self.connections.enter(Instant::now()) {
                break slot;
            }
            sleep(PACE).await;
        };
        let (router, tls, stopping) =
            (self.router.clone(), self.tls.clone(), self.stopping.clone());
        tokio::spawn(async move {
            // Answers are written as a whole, or in large frames.
            let _ = stream.set_nodelay(true);
            tokio::select! {
                () = slot.evicted() => {}
                () = converse(stream, tls, router, stopping, &slot) => {}
            }
        });
    }
}

/// Whether the failure is that of a connection, and not of listening.
fn is_of_one(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Completes when the daemon stops.
async fn stops(stopping: &mut watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

async fn converse(
    stream: TcpStream,
    tls: Option<Arc<Renewed<Arc<ServerConfig>>>>,
    router: Router,
    stopping: watch::Receiver<bool>,
    slot: &Arc<Slot>,
) {
    let Some(tls) = tls else {
        return answer(stream, router, stopping, slot).await;
    };
    let shake = async { TlsAcceptor::from((*tls.now().await).clone()).accept(stream).await };
    match timeout(HEAD, shake).await {
        Ok(Ok(stream)) => answer(stream, router, stopping, slot).await,
        Ok(Err(error)) => debug!(%error, "no TLS on a connection"),
        Err(_) => debug!("no TLS on a connection in time"),
    }
}

async fn answer(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    router: Router,
    mut stopping: watch::Receiver<bool>,
    slot: &Arc<Slot>,
) {
    let service = TowerToHyperService::new(router);
    let service = service_fn(|request: Request<Incoming>| {
        let answering = slot.answer(Instant::now());
        let response = service.call(request.map(Body::new));
        async move {
            let response = response.await?;
            Ok::<_, Infallible>(response.map(|body| Answer { body, _answering: answering }))
        }
    });
    let connection = http1::Builder::new()
        .max_headers(MOST_HEADERS)
        .max_header_size(LARGEST_HEAD)
        .max_buf_size(BUFFER)
        // The stream has the patience, which is another one for the first and the next request.
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(Patient::new(stream, Arc::clone(slot))), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = stops(&mut stopping) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(%error, "a connection ended");
    }
}

/// What is answered. When it has been taken, the connection waits for the next request.
struct Answer {
    body: Body,
    _answering: Answering,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Task<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
