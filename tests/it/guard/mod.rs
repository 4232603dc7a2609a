//! The mass-removal guard: what seems to be gone all at once stays in the file until that is
//! believed, and everything else goes on as ever.

mod lists;
mod once;
mod starts;
mod watches;

use crate::support::backend::Etcd;
use crate::support::daemon::Daemon;
use crate::support::file::TargetFile;
use crate::support::log::Line;
use crate::support::render;

const QUICK: [&str; 2] = ["--debounce", "10ms"];

/// What the log says when the guard begins to hold, and why it ends.
const HELD: &str = "mass removal held, these targets stay in the file; is etcd ill?";
const RECOVERED: &str = "mass removal over: the registry has recovered";
const EXPIRED: &str = "mass removal let through: it has stood for --guard-hold";
const RELEASED: &str = "mass removal released by the operator";

type Entries = Vec<(Vec<u8>, Vec<u8>)>;

/// Registers so many instances of a service.
async fn register(etcd: &Etcd, service: &str, instances: std::ops::Range<usize>) {
    let entries = instances
        .map(|n| (format!("/services/{service}/{n}"), format!("10.0.{}.{}:80", n / 250, n % 250)));
    etcd.put_all(&entries.collect::<Vec<_>>()).await;
}

/// A daemon that has published a fleet and waits for events, and the fleet.
async fn watching(etcd: &Etcd, fleet: usize, args: &[&str]) -> (TargetFile, Daemon, Entries) {
    let file = TargetFile::new();
    register(etcd, "web", 0..fleet).await;
    let daemon = Daemon::start(etcd, &file, args);
    file.follows(etcd).await;
    daemon.wait_for_log("watching").await;
    (file, daemon, etcd.entries())
}

/// The document of what is registered now and of what was.
fn joined(etcd: &Etcd, before: &Entries) -> String {
    render::document(&[&etcd.entries()[..], before].concat())
}

/// Waits until the guard holds, and checks what it says.
async fn holds(daemon: &Daemon, held: usize) -> Line {
    let line = daemon.wait_for_log(HELD).await;
    assert_eq!(line.level, "ERROR");
    assert_eq!(line.number("held"), i64::try_from(held).unwrap());
    assert!(line.text("release").starts_with("kill -USR1 "), "{line:?}");
    line
}
