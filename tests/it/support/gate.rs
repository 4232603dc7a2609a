//! The network between the daemon and its registry: a TCP proxy that can be cut,
//! or let its connections fall silent.

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::backend::Etcd;

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

    /// Ends every connection, and those that come, at once.
    pub(crate) fn cut(&self) {
        self.state.send_modify(|state| state.cut = true);
    }

    /// Lets new connections through again.
    pub(crate) fn open(&self) {
        self.state.send_modify(|state| state.cut = false);
    }

    /// From now on nothing passes on the connections that are open; they stay open.
    /// New ones work.
    pub(crate) fn silence(&self) {
        self.state.send_modify(|state| state.silent_before = state.accepted);
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
        tokio::spawn(forward(stream, upstream.clone(), number, state.subscribe()));
    }
}

/// Forwards both ways until either end or the gate closes.
async fn forward(
    mut stream: TcpStream,
    upstream: String,
    number: usize,
    mut state: watch::Receiver<State>,
) {
    if state.borrow().cut {
        return;
    }
    let Ok(mut upstream) = TcpStream::connect(upstream).await else {
        return;
    };
    tokio::select! {
        _ = copy_bidirectional(&mut stream, &mut upstream) => return,
        _ = state.wait_for(|state| state.cut || number < state.silent_before) => {}
    }
    // Silent: both sockets stay open until the gate is cut or gone.
    let _ = state.wait_for(|state| state.cut).await;
}
