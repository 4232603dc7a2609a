//! The network between the daemon and its registry: a TCP proxy that can be cut,
//! or let its connections fall silent.

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::backend::Etcd;
use super::wait::SOON;

pub(crate) struct Gate {
    endpoint: String,
    state: watch::Sender<State>,
    server: JoinHandle<()>,
}

#[derive(Clone, Copy, Default)]
struct State {
    cut: bool,
    /// Connections before this one are silent.
    silent_before: usize,
    accepted: usize,
    /// Connections on which bytes pass now.
    forwarding: usize,
}

impl Gate {
    /// In front of a registry, open.
    pub(crate) async fn before(etcd: &Etcd) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let upstream = etcd.endpoint().trim_start_matches("http://").to_owned();
        let state = watch::Sender::new(State::default());
        let server = tokio::spawn(serve(listener, upstream, state.clone()));
        Self { endpoint, state, server }
    }

    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Ends every connection, and from then on those that come at once.
    pub(crate) async fn cut(&self) {
        self.state.send_modify(|state| state.cut = true);
        self.nothing_passes().await;
    }

    /// Lets new connections through again.
    pub(crate) fn open(&self) {
        self.state.send_modify(|state| state.cut = false);
    }

    /// From now on nothing passes on the connections that are open; they stay open.
    /// New ones work.
    pub(crate) async fn silence(&self) {
        self.state.send_modify(|state| state.silent_before = state.accepted);
        self.nothing_passes().await;
    }

    async fn nothing_passes(&self) {
        let mut state = self.state.subscribe();
        let none = state.wait_for(|state| state.forwarding == 0);
        let none = tokio::time::timeout(SOON, none).await;
        assert!(none.is_ok(), "a connection did not end");
    }

    /// How many connections have come so far.
    pub(crate) fn accepted(&self) -> usize {
        self.state.borrow().accepted
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, upstream: String, state: watch::Sender<State>) {
    while let Ok((stream, _)) = listener.accept().await {
        let mut number = 0;
        state.send_modify(|state| {
            number = state.accepted;
            state.accepted += 1;
        });
        tokio::spawn(forward(stream, upstream.clone(), number, state.clone()));
    }
}

/// Forwards both ways until either end or the gate closes.
async fn forward(
    mut stream: TcpStream,
    upstream: String,
    number: usize,
    gate: watch::Sender<State>,
) {
    let mut state = gate.subscribe();
    let Ok(mut upstream) = TcpStream::connect(upstream).await else {
        return;
    };
    gate.send_modify(|state| state.forwarding += 1);
    let stopped = state.wait_for(|state| state.cut || number < state.silent_before);
    let ended = tokio::select! {
        biased;
        _ = stopped => false,
        _ = copy_bidirectional(&mut stream, &mut upstream) => true,
    };
    gate.send_modify(|state| state.forwarding -= 1);
    if !ended {
        // Silent: both sockets stay open until the gate is cut.
        let _ = state.wait_for(|state| state.cut).await;
    }
}
