//! The edge to systemd, the only module that knows `sd_notify`: that the daemon is ready, how it
//! stands, and that it is alive.
//!
//! Ready means that the configuration, the locks and the actors stand, not that etcd answers: an
//! outage of etcd at boot is no reason to be started again and again. How things are then, the
//! status says. Without systemd nothing of this does anything.

use std::env;
use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, interval, sleep, timeout};
use tracing::warn;

use crate::board::Board;
use crate::core::status;

/// Where to tell it.
const SOCKET: &str = "NOTIFY_SOCKET";

/// How often the status is looked at.
const PERIOD: Duration = Duration::from_secs(1);

/// For the locks of the files: on a disk that hangs they take longer, and the daemon is ready
/// without them, since it goes on trying.
const LOCKS: Duration = Duration::from_secs(10);
const LOCKS_PERIOD: Duration = Duration::from_millis(10);

/// Tells systemd that the daemon is ready, and then, for as long as it is polled, how it stands
/// and that its actors answer.
pub async fn tell(board: Arc<Board>) {
    if env::var_os(SOCKET).is_none() {
        return;
    }
    let locks = async {
        while !board.snapshot().outputs.iter().all(status::OutputStatus::is_settled) {
            sleep(LOCKS_PERIOD).await;
        }
    };
    let _ = timeout(LOCKS, locks).await;
    let mut said = board.snapshot().summary();
    send(vec![Message::Ready, Message::Status(said.clone())]).await;
    let watchdog = sd_notify::watchdog_enabled().filter(|watchdog| !watchdog.is_zero());
    let mut ticks = interval(watchdog.map_or(PERIOD, |watchdog| PERIOD.min(watchdog / 4)));
    let mut fed = Instant::now();
    loop {
        ticks.tick().await;
        let mut messages = Vec::new();
        let summary = board.snapshot().summary();
        if summary != said {
            said.clone_from(&summary);
            messages.push(Message::Status(summary));
        }
        if let Some(watchdog) = watchdog
            && fed.elapsed() >= watchdog / 4
            && board.longest_silence() <= (watchdog / 2).max(PERIOD)
        {
            fed = Instant::now();
            messages.push(Message::Watchdog);
        }
        if !messages.is_empty() {
            send(messages).await;
        }
    }
}

/// Tells systemd that the daemon has begun to stop.
pub async fn stopping() {
    let said = send(vec![Message::Stopping, Message::Status("stopping".into())]);
    // Whoever does not read it shall not hold up the stop.
    let _ = timeout(PERIOD, said).await;
}

#[derive(Clone, Debug)]
enum Message {
    Ready,
    Status(String),
    Watchdog,
    Stopping,
}

/// systemd's socket has a path. A name that begins with `@` is that of an abstract one, as
/// `sd_notify(3)` has it and other service managers use it; the library knows only paths.
#[cfg(target_os = "linux")]
fn notify(states: &[NotifyState<'_>]) -> std::io::Result<()> {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};

    let socket = env::var_os(SOCKET).unwrap_or_default();
    let Some(name) = socket.as_bytes().strip_prefix(b"@") else {
        return sd_notify::notify(states);
    };
    let lines: Vec<_> = states.iter().map(NotifyState::to_string).collect();
    let address = SocketAddr::from_abstract_name(name)?;
    UnixDatagram::unbound()?.send_to_addr(lines.join("\n").as_bytes(), &address).map(drop)
}

#[cfg(not(target_os = "linux"))]
use sd_notify::notify;

/// Where blocking is allowed: whoever should read may be slow.
async fn send(messages: Vec<Message>) {
    let sending = spawn_blocking(move || {
        let states: Vec<_> = messages
            .iter()
            .map(|message| match message {
                Message::Ready => NotifyState::Ready,
                Message::Status(text) => NotifyState::Status(text),
                Message::Watchdog => NotifyState::Watchdog,
                Message::Stopping => NotifyState::Stopping,
            })
            .collect();
        notify(&states)
    });
    if let Ok(Err(error)) = sending.await {
        warn!(%error, "cannot tell systemd how the daemon stands; see NOTIFY_SOCKET");
    }
}
