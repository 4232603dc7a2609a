//! The stage: a thread with the embedded registry, the fleet in it, and those who show both.

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use etcd_client::WatchStream;
use tokio::sync::oneshot;

use crate::console::{Console, FAINT, STRONG};
use crate::embedded::Embedded;
use crate::fleet::Fleet;
use crate::guide::guide;
use crate::journal::Journal;
use crate::viewer::{PERIOD, Viewer};

/// A running play.
pub(crate) struct Stage {
    endpoint: String,
    end: oneshot::Sender<()>,
    thread: JoinHandle<Result<(), String>>,
}

impl Stage {
    /// Starts the registry with a few services in it, and then the play.
    pub(crate) fn open(
        console: Console,
        viewer: Viewer,
        page: SocketAddr,
        limit: Option<Duration>,
    ) -> Result<Self, Box<dyn Error>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (end, ended) = oneshot::channel();
        let (ready, endpoint) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("stage".into())
            .spawn(move || runtime.block_on(play(console, viewer, page, limit, ready, ended)))?;
        match endpoint.recv() {
            Ok(endpoint) => Ok(Self { endpoint, end, thread }),
            Err(gone) => Err(join(thread).err().unwrap_or_else(|| gone.into())),
        }
    }

    /// Of the registry.
    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Shows what there is still to show, and stops the registry.
    pub(crate) fn close(self) -> Result<(), Box<dyn Error>> {
        // Whoever is gone already needs no word.
        let _ = self.end.send(());
        join(self.thread)
    }
}

fn join(thread: JoinHandle<Result<(), String>>) -> Result<(), Box<dyn Error>> {
    Ok(thread.join().map_err(|_| "the stage broke down")??)
}

async fn play(
    console: Console,
    mut viewer: Viewer,
    page: SocketAddr,
    limit: Option<Duration>,
    ready: mpsc::Sender<String>,
    ended: oneshot::Receiver<()>,
) -> Result<(), String> {
    let registry = Embedded::start().await;
    let endpoint = registry.endpoint();
    let path = viewer.path().to_owned();
    let guide = guide(&endpoint, &path);
    console.note(&opening(&endpoint, &path, page, limit));
    console.note(&guide);
    let journal = Journal::default();
    let mut fleet = Fleet::new(registry.store(), console.clone(), path);
    let story = async {
        let mut changes = journal.open(&endpoint).await?;
        fleet.begin();
        journal.next(&mut changes, &console).await?;
        // Nobody hears it if the daemon's side has failed already.
        let _ = ready.send(endpoint.clone());
        let told = async {
            fleet.tour().await?;
            console.note(&format!("\n{guide}"));
            fleet.live().await
        };
        tokio::select! {
            told = told => told,
            shown = show_changes(&journal, &mut changes, &console) => Ok(shown?),
        }
    };
    let played: Result<(), Box<dyn Error>> = tokio::select! {
        _ = ended => Ok(()),
        told = story => told,
        never = view(&mut viewer, &journal, &console) => match never {},
    };
    // The last write may be younger than the last look.
    viewer.look(&journal, &console);
    let (changes, writes) = (journal.changes.get(), viewer.writes);
    console.headline(&format!("The end: {changes} changes in etcd, {writes} writes of the file."));
    console.close();
    played.map_err(|error| error.to_string())
}

async fn show_changes(
    journal: &Journal,
    changes: &mut WatchStream,
    console: &Console,
) -> Result<(), etcd_client::Error> {
    while journal.next(changes, console).await? {}
    Ok(())
}

async fn view(viewer: &mut Viewer, journal: &Journal, console: &Console) -> Infallible {
    let mut ticks = tokio::time::interval(PERIOD);
    loop {
        ticks.tick().await;
        viewer.look(journal, console);
    }
}

fn opening(endpoint: &str, path: &Path, page: SocketAddr, limit: Option<Duration>) -> String {
    let end = match limit {
        Some(limit) => format!("in {}, or at Ctrl-C", humantime::format_duration(limit)),
        None => "at Ctrl-C".into(),
    };
    let path = path.display();
    format!(
        "\
{STRONG}etcd-sd keeps the file that Prometheus reads in step with the services in etcd{STRONG:#}
  etcd  {endpoint}  {FAINT}(v3 API, inside this process){FAINT:#}
  file  {path}  {FAINT}(removed at the end){FAINT:#}
  page  http://{page}/  {FAINT}(how it all stands; metrics, /sd and an API below it){FAINT:#}
  ends  {end}
"
    )
}
