//! The network between two programs: a TCP proxy that can be cut, slowed down,
//! or let its connections fall silent.

use std::collections::BTreeSet;
use std::sync::OnceLock;
use std::time::Duration;

use tokio::io::{self, AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::backend::Etcd;
use super::wait::SOON;

/// In one go passes at most so much.
const CHUNK: usize = 64 * 1024;

pub(crate) struct Gate {
    endpoint: String,
    state: watch::Sender<State>,
    server: JoinHandle<()>,
}

#[derive(Clone, Default)]
struct State {
    cut: bool,
    /// Members of etcd, by their ids, whose connections to another are cut.
    cut_senders: BTreeSet<u64>,
    /// Nothing passes, and nothing is answered.
    blackhole: bool,
    /// How long each chunk takes, both ways.
    delay: Duration,
    /// Connections before this one are silent.
    silent_before: usize,
    accepted: usize,
    /// Connections on which bytes pass now.
    forwarding: usize,
}

impl Gate {
    /// In front of a registry, open.
    pub(crate) async fn before(etcd: &Etcd) -> Self {
        Self::to(etcd.endpoint()).await
    }

    /// In front of a URL, where somebody may listen already or later, open.
    pub(crate) async fn to(url: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let upstream = url.trim_start_matches("http://").to_owned();
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

    /// The same, for connections from one member of etcd to another.
    pub(crate) fn cut_sender(&self, member_id: u64) {
        self.state.send_modify(|state| {
            state.cut_senders.insert(member_id);
        });
    }

    /// Lets everything through again, without delay; what is silent stays so.
    pub(crate) fn open(&self) {
        self.state.send_modify(|state| {
            let State { silent_before, accepted, forwarding, .. } = *state;
            *state = State { silent_before, accepted, forwarding, ..State::default() };
        });
    }

    /// From now on nothing passes on the connections that are open; they stay open.
    /// New ones work.
    pub(crate) async fn silence(&self) {
        self.state.send_modify(|state| state.silent_before = state.accepted);
        self.nothing_passes().await;
    }

    /// Lets nothing pass on any connection, old or new, until it is opened again;
    /// then all of it arrives, as after a break in the network.
    pub(crate) fn blackhole(&self) {
        self.state.send_modify(|state| state.blackhole = true);
    }

    /// From now on everything takes so long.
    pub(crate) fn delay(&self, delay: Duration) {
        self.state.send_modify(|state| state.delay = delay);
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

    /// On how many connections bytes can pass now.
    pub(crate) fn forwarding(&self) -> usize {
        self.state.borrow().forwarding
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.server.abort();
        // Those who stand in it go on otherwise.
        self.state.send_modify(|state| state.cut = true);
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
async fn forward(stream: TcpStream, upstream: String, number: usize, gate: watch::Sender<State>) {
    let mut state = gate.subscribe();
    // A blackhole does not even tell whether anybody is there.
    let _ = state.wait_for(|state| !state.blackhole || state.cut).await;
    let Ok(upstream) = TcpStream::connect(upstream).await else {
        return;
    };
    let (mut from, mut back) = stream.into_split();
    let (mut answers, mut on) = upstream.into_split();
    let sender = OnceLock::new();
    let learn = |first: &[u8]| {
        if let Some(id) = sender_of(first) {
            let _ = sender.set(id);
            // It may be one that is cut off already.
            gate.send_modify(|_| ());
        }
    };
    let is_stopped = |state: &State| {
        let cut_off = sender.get().is_some_and(|sender| state.cut_senders.contains(sender));
        state.cut || cut_off || number < state.silent_before
    };
    gate.send_modify(|state| state.forwarding += 1);
    let ended = tokio::select! {
        biased;
        state = state.wait_for(is_stopped) => state.is_ok_and(|state| number >= state.silent_before),
        () = pump(&mut from, &mut on, gate.subscribe(), learn) => true,
        () = pump(&mut answers, &mut back, gate.subscribe(), |_| ()) => true,
    };
    gate.send_modify(|state| state.forwarding -= 1);
    if !ended {
        // Silent: both sockets stay open until the gate is cut, or nobody waits any more.
        let mut nowhere = io::sink();
        tokio::select! {
            _ = state.wait_for(|state| state.cut) => {}
            _ = io::copy(&mut from, &mut nowhere) => {}
        }
    }
}

/// Passes on what comes, until either side ends. `learn` sees the first bytes before
/// they are passed on.
async fn pump(
    from: &mut OwnedReadHalf,
    to: &mut OwnedWriteHalf,
    mut state: watch::Receiver<State>,
    learn: impl Fn(&[u8]),
) {
    let mut buffer = vec![0; CHUNK];
    let mut is_first = true;
    loop {
        let Ok(read @ 1..) = from.read(&mut buffer).await else {
            return;
        };
        if std::mem::take(&mut is_first) {
            learn(&buffer[..read]);
        }
        let delay = state.borrow().delay;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let opened = state.wait_for(|state| !state.blackhole).await.is_ok();
        if !opened || to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

/// The member of etcd that a request to another names as its sender.
fn sender_of(request: &[u8]) -> Option<u64> {
    let request = std::str::from_utf8(request).ok()?;
    let id = request.lines().find_map(|line| line.strip_prefix("X-Server-From: "))?;
    u64::from_str_radix(id, 16).ok()
}
