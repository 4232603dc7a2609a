//! Which signals the process hears, and which don't end it.

use std::future::Future;
use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

use crate::http::Order;

/// What an operator can tell the running daemon.
pub(super) struct Requests {
    hangups: Signal,
    releases: Signal,
}

impl Requests {
    /// From now on these signals are heard. Must be called within a runtime.
    pub(super) fn hear() -> io::Result<Self> {
        Ok(Self {
            hangups: signal(SignalKind::hangup())?,
            releases: signal(SignalKind::user_defined1())?,
        })
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) -> Order {
        tokio::select! {
            _ = self.hangups.recv() => Order::Relist,
            _ = self.releases.recv() => Order::Release,
        }
    }
}

/// In debug builds an actor hangs from a SIGUSR2 on, for tests.
#[cfg(debug_assertions)]
pub(super) async fn hang_when_told() {
    if let Ok(mut told) = signal(SignalKind::user_defined2()) {
        told.recv().await;
        crate::actors::ping::hang::tell();
    }
}

/// From now on SIGHUP and SIGUSR1 don't end the process: what is meant for a daemon that runs
/// must not kill one that just starts. Must be called within a runtime.
pub fn outlive_requests() {
    if let Err(error) = Requests::hear() {
        warn!(%error, "cannot listen for signals: SIGHUP and SIGUSR1 end the process");
    }
}

/// From now on SIGTERM and SIGINT don't end the process but complete the returned future; a
/// second one ends the process at once. Must be called within a runtime.
pub fn terminated() -> impl Future<Output = ()> {
    let signals = signal(SignalKind::terminate()).and_then(|terminate| {
        signal(SignalKind::interrupt()).map(|interrupt| (terminate, interrupt))
    });
    async move {
        let Ok((mut terminate, mut interrupt)) = signals else {
            warn!("cannot listen for signals: SIGTERM and SIGINT end the process at once");
            return std::future::pending().await;
        };
        tokio::select! {
            _ = terminate.recv() => info!("stopping on SIGTERM"),
            _ = interrupt.recv() => info!("stopping on SIGINT"),
        }
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            warn!("second signal, ending at once");
            std::process::exit(1);
        });
    }
}
