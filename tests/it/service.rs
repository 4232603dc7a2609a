//! systemd: the daemon says that it is ready, how it stands, and that it is alive; a socket of
//! the test stands for systemd.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::support::backend::{Etcd, on_embedded};
use crate::support::daemon::Daemon;
use crate::support::file::TargetFile;
use crate::support::wait::{SOON, ensure, eventually};

/// What the daemon says to its service manager.
struct Manager {
    /// As it names it to the daemon.
    socket: String,
    _directory: TempDir,
    said: Arc<Mutex<Vec<(Instant, String)>>>,
}

impl Manager {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        Self::hearing(socket, path.to_str().unwrap().to_owned(), directory)
    }

    /// One whose socket has no path.
    fn abstracted() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let name = directory.path().to_str().unwrap();
        let address = SocketAddr::from_abstract_name(name).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        Self::hearing(socket, format!("@{name}"), directory)
    }

    fn hearing(hearing: UnixDatagram, socket: String, directory: TempDir) -> Self {
        let said = Arc::<Mutex<Vec<_>>>::default();
        let hears = Arc::clone(&said);
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length) = hearing.recv(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                let lines = text.lines().map(|line| (Instant::now(), line.to_owned()));
                hears.lock().unwrap().extend(lines);
            }
        });
        Self { socket, _directory: directory, said }
    }

    /// Starts a daemon that it manages.
    fn start(&self, etcd: &Etcd, file: &TargetFile, more: &[(&str, &str)]) -> Daemon {
        let mut variables = vec![("NOTIFY_SOCKET", &*self.socket)];
        variables.extend(more);
        Daemon::start_with(etcd.endpoint(), file, &[], &variables)
    }

    fn lines(&self) -> Vec<String> {
        self.said.lock().unwrap().iter().map(|(_, line)| line.clone()).collect()
    }

    /// Waits for a line that begins so, after the first `skip` lines; returns its place.
    async fn says(&self, skip: usize, begin: &str) -> usize {
        eventually(SOON, &format!("it says {begin:?}"), async || {
            let lines = self.lines();
            let found = lines.iter().skip(skip).position(|line| line.starts_with(begin));
            found.map(|at| at + skip).ok_or_else(|| format!("{:?}", &lines[skip..]))
        })
        .await
    }

    fn fed(&self) -> usize {
        self.lines().iter().filter(|line| *line == "WATCHDOG=1").count()
    }
}

async fn it_is_ready_before_etcd_answers_and_the_status_tells_the_rest(mut etcd: Etcd) {
    let (manager, file) = (Manager::new(), TargetFile::new());
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    etcd.kill().await;
    // No time at all is no watchdog.
    let mut daemon = manager.start(&etcd, &file, &[("WATCHDOG_USEC", "0")]);
    let ready = manager.says(0, "READY=1").await;
    let lines = manager.lines();
    assert_eq!(ready, 0, "{lines:?}");
    let status =
        manager.says(0, "STATUS=no complete list has been published yet; /services/").await;
    assert_eq!(status, 1, "{lines:?}");
    assert!(!file.path().exists());

    etcd.restart().await;
    file.follows(&etcd).await;
    let published = manager.says(2, "STATUS=revision 2 published, targets: 1, services: 1").await;
    assert!(!manager.lines()[published].contains(';'), "all is well: {:?}", manager.lines());

    assert_eq!(daemon.stop().await, 0);
    manager.says(published, "STOPPING=1").await;
}

async fn a_socket_without_a_path_is_told_as_well(etcd: Etcd) {
    let (manager, file) = (Manager::abstracted(), TargetFile::new());
    let mut daemon = manager.start(&etcd, &file, &[("WATCHDOG_USEC", "2000000")]);
    let ready = manager.says(0, "READY=1").await;
    manager.says(ready, "STATUS=").await;
    manager.says(ready, "WATCHDOG=1").await;
    assert_eq!(daemon.stop().await, 0);
    manager.says(ready, "STOPPING=1").await;
}

async fn the_watchdog_is_fed_by_the_actors_and_starves_with_any_of_them(etcd: Etcd) {
    let starve = async |actor| {
        let (manager, file) = (Manager::new(), TargetFile::new());
        let variables = [("WATCHDOG_USEC", "2000000"), ("ETCD_SD_TEST_HANG", actor)];
        let daemon = manager.start(&etcd, &file, &variables);
        eventually(SOON, "the watchdog is fed", async || {
            ensure(manager.fed() >= 3, || format!("{:?}", manager.lines()))
        })
        .await;
        daemon.signal(Signal::USR2);
        eventually(SOON, "it starves", async || {
            let said = manager.said.lock().unwrap();
            let last = said.iter().rev().find(|(_, line)| line == "WATCHDOG=1");
            let since = last.map(|(at, _)| at.elapsed()).unwrap();
            ensure(since > Duration::from_millis(2_500), || format!("{actor}: fed {since:?} ago"))
        })
        .await;
        daemon.signal(Signal::KILL);
    };
    let (persister, drift) = ("persister", "drift watcher");
    tokio::join!(
        starve("watcher"),
        starve("registry"),
        starve(persister),
        starve(drift),
        starve("auditor")
    );
}

on_embedded!(
    it_is_ready_before_etcd_answers_and_the_status_tells_the_rest,
    a_socket_without_a_path_is_told_as_well,
    the_watchdog_is_fed_by_the_actors_and_starves_with_any_of_them,
);
