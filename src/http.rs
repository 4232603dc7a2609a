//! The edge to whoever asks over HTTP: Prometheus, probes, people.
//!
//! Runs on a thread and a runtime of its own, beside the actors: no request takes time from
//! them, however many there are. What is asked for is kept ready by the actors, or computed
//! on threads for such work.
//!
//! | module | holds |
//! |---|---|
//! | `listen` | [`Listen`]: where and how, and what can be wrong with that |
//! | `serve` | accepting connections, and ending them in order |
//! | `connections` | which connections are open, and which goes when there are too many |
//! | `patience` | how long the other end may take |
//! | `gate` | who may ask: the token, hosts, other sites; the headers of every answer |
//! | `token`, `tls`, `renewed` | secrets that are read anew when their files change |
//! | `routes` | what is answered by which handler |
//! | `health`, `metrics`, `sd`, `lifecycle` | the handlers |
//! | `api` | `/api/v1`: state, services, quarantine and changes, as JSON |
//! | `page` | `/`: the same for people |

mod answer;
mod api;
mod connections;
mod gate;
mod health;
mod lifecycle;
mod listen;
mod metrics;
mod page;
mod patience;
mod renewed;
mod routes;
mod sd;
mod serve;
mod tls;
mod token;

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use axum::http::StatusCode;
use tokio::runtime::Builder;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use tracing::{info, warn};

use crate::observer::Observer;
use renewed::Renewed;
use sd::Kept;
use serve::Serving;
use token::Token;

pub use api::{Inspected, Source};
pub use listen::{Address, Error, Listen};

/// How long requests under way may take once the daemon stops.
const GRACE: Duration = Duration::from_secs(3);

/// What is to be done, as a request says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Read certificates and passwords anew, connect and list anew.
    Relist,
    /// Let the removals through that the guard holds.
    Release,
}

/// A server that listens, on a thread of its own. Dropped, it stops at once.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stopping: watch::Sender<bool>,
    stopped: oneshot::Receiver<()>,
}

/// What handlers know. Copies share it.
#[derive(Clone)]
struct Context {
    settings: Arc<Listen>,
    observer: Observer,
    inspected: Arc<Inspected>,
    /// Whether only programs on this host can ask.
    is_local: bool,
    token: Option<Arc<Renewed<Token>>>,
    /// What was computed for `/sd`.
    kept: Arc<Kept>,
    orders: mpsc::Sender<Order>,
    /// `true` from the moment when the daemon stops: what goes on and on must end then.
    stopping: watch::Receiver<bool>,
}

impl Server {
    /// Listens, from now on, and answers with what `observer` is told. What requests want done
    /// goes to `orders`, if it is allowed. Blocks for as long as it takes to read certificates and
    /// the token.
    ///
    /// # Errors
    ///
    /// If it can't listen there, or a file is not what it should be; see [`enum@Error`].
    pub fn bind(
        listen: Listen,
        observer: Observer,
        inspected: Arc<Inspected>,
        orders: mpsc::Sender<Order>,
    ) -> Result<Self, Error> {
        let token = listen.token.clone().map(Token::read).transpose()?;
        let tls = listen.identity.clone().map(|(cert, key)| tls::read(cert, key)).transpose()?;
        let (listener, address) = listen.address.bind()?;
        let is_local = address.ip().to_canonical().is_loopback();
        say(&listen, address, is_local);
        let (stopping, stops) = watch::channel(false);
        let (done, stopped) = oneshot::channel();
        let settings = Arc::new(listen);
        let kept = Arc::<Kept>::default();
        let published = observer.board.watch_published();
        let tidying = Arc::clone(&kept).tidy(published);
        let context = Context {
            settings,
            observer,
            inspected,
            is_local,
            token,
            kept,
            orders,
            stopping: stops,
        };
        let runtime = Builder::new_current_thread()
            .enable_all()
            // For what takes long: a few at a time, so that the actors find a processor.
            .max_blocking_threads(4)
            .build()
            .map_err(Error::Thread)?;
        let run = move || {
            runtime.block_on(async {
                tokio::spawn(tidying);
                match tokio::net::TcpListener::from_std(listener) {
                    Ok(listener) => Serving::new(context, tls).run(listener).await,
                    Err(error) => warn!(%error, "cannot listen"),
                }
            });
            // What is being computed is of no use to anybody any more.
            runtime.shutdown_background();
            let _ = done.send(());
        };
        thread::Builder::new().name("http".into()).spawn(run).map_err(Error::Thread)?;
        Ok(Self { address, stopping, stopped })
    }

    /// Where it listens: the port is the real one, also if any was asked for.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops listening, and completes when the requests under way are answered, which takes some
    /// seconds at most.
    pub async fn stop(self) {
        let _ = self.stopping.send(true);
        // The thread keeps to the time by itself: this is for one that is starved.
        let _ = timeout(GRACE + Duration::from_secs(1), self.stopped).await;
    }
}

impl Context {
    /// Counts an answer.
    fn count(&self, handler: &str, code: StatusCode) {
        self.observer.metrics.http_request(handler, code.as_u16());
    }
}

fn say(listen: &Listen, address: SocketAddr, is_local: bool) {
    let scheme = if listen.identity.is_some() { "https" } else { "http" };
    let token = listen.token.is_some();
    info!(%address, url = %format_args!("{scheme}://{address}/"), token, "listening");
    if is_local || token {
        return;
    }
    for (is_set, flag, risk) in [
        (listen.expose_values, "--expose-values", "read the values of all keys"),
        (listen.enable_lifecycle, "--enable-lifecycle", "have the guard let removals through"),
    ] {
        if is_set {
            warn!(%address, "{flag} without --listen-token-file: whoever reaches this address can {risk}");
        }
    }
}
