//! All that looks on at the actors, beside them: HTTP, the history, systemd, and the Prometheus
//! that reads what is published.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tracing::warn;

use super::Error;
use super::actors::Actors;
use crate::config::Config;
use crate::file::{TargetDir, directory_of};
use crate::history::{History, JournalSettings, LeaseSettings};
use crate::http::{Inspected, Order, Server};
use crate::observer::Observer;
use crate::prometheus::{self, Place};
use crate::service;

/// The journal's last lines take no longer than this.
const HISTORY_TIMEOUT: Duration = Duration::from_secs(1);

/// Orders over HTTP that wait for one another.
const MOST_ORDERS: usize = 4;

/// Who looks on; nobody at what is done only once.
pub(super) struct Onlookers {
    pub(super) observer: Observer,
    history: Option<History>,
    server: Option<Server>,
    inspected: Arc<Inspected>,
    orders: mpsc::Receiver<Order>,
}

impl Onlookers {
    /// From now on whoever asks over HTTP is answered, with what there is.
    pub(super) fn start(config: &Config) -> Result<Self, Error> {
        let is_once = config.once.is_some();
        let history = history(config).map_err(Error::Thread)?;
        let observer = Observer::new(history.as_ref().map(History::sender).unwrap_or_default());
        let (sender, orders) = mpsc::channel(MOST_ORDERS);
        let inspected = Inspected::new(config.servers.clone(), config.connector.clone());
        let inspected = Arc::new(inspected);
        let bind = |listen| Server::bind(listen, observer.clone(), Arc::clone(&inspected), sender);
        let listen = config.listen.clone().filter(|_| !is_once);
        let server = listen.map(bind).transpose()?;
        if let Some(url) = config.prometheus.clone().filter(|_| !is_once) {
            let places = Place::all(config.target_file.clone(), config.target_dir.clone());
            let board = Arc::clone(&observer.board);
            prometheus::watch(url, places, board).map_err(Error::Thread)?;
        }
        Ok(Self { observer, history, server, inspected, orders })
    }

    /// The actors run: the API may ask them, and systemd is told.
    pub(super) fn see(&self, actors: &Actors) {
        self.inspected.open(actors.inspected());
        actix::spawn(service::tell(Arc::clone(&self.observer.board)));
    }

    /// The next order that comes over HTTP.
    pub(super) async fn order(&mut self) -> Order {
        match self.orders.recv().await {
            Some(order) => order,
            // Nobody listens.
            None => std::future::pending().await,
        }
    }

    /// The server's stop, for the while in which the actors do so.
    pub(super) fn take_server(&mut self) -> impl Future<Output = ()> + use<> {
        let server = self.server.take();
        async move {
            if let Some(server) = server {
                server.stop().await;
            }
        }
    }

    /// After the actors: the history is written down to its end.
    pub(super) async fn stop(self) {
        if let Some(history) = self.history {
            history.stop(HISTORY_TIMEOUT).await;
        }
    }
}

/// What becomes of the targets, if anybody wants to know; what is published once has no history.
fn history(config: &Config) -> io::Result<Option<History>> {
    let is_wanted = config.journal.is_some() || config.listen.is_some();
    if let Some(JournalSettings { path, .. }) = &config.journal {
        let file = config.target_file.as_ref().map(|file| directory_of(file.path()));
        let directories = file.into_iter().chain(config.target_dir.as_ref().map(TargetDir::path));
        if directories.into_iter().any(|directory| directory == directory_of(path)) {
            let path = path.display();
            warn!(
                %path,
                "the journal stands beside what Prometheus reads, and has it read that again at \
                 each line; give it a directory of its own"
            );
        }
    }
    let leases = config.journal.as_ref().map(|_| LeaseSettings {
        servers: config.servers.clone(),
        connector: config.connector.clone(),
        prefix: config.sources[0].pattern.prefix().clone(),
    });
    let start = || History::start(config.sources.clone(), config.journal.clone(), leases);
    (is_wanted && config.once.is_none()).then(start).transpose()
}
