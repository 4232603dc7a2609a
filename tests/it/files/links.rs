//! A target file that is a symlink: what it points to is written, and the link stays.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use super::{AT_ONCE, HEALED, RECOVERED, following, idles, is_said_rarely, leftovers};
use crate::support::backend::{Etcd, on_embedded};
use crate::support::daemon::Daemon;
use crate::support::directory::Directory;
use crate::support::file::TargetFile;
use crate::support::reader::Reader;
use crate::support::rights::{may_mount, needs};
use crate::support::volume::Volume;
use crate::support::wait::{SOON, always, ensure, eventually};

const FOREIGN: &str = "global:\n  scrape_interval: 15s\n";
const QUIET: Duration = Duration::from_secs(2);

/// A link, and the file that it points to in another directory.
struct Linked {
    link: TargetFile,
    real: TargetFile,
    _elsewhere: TempDir,
}

impl Linked {
    fn new() -> Self {
        let elsewhere = tempfile::tempdir().unwrap();
        let real = TargetFile::at(elsewhere.path().join("real.json"));
        let link = TargetFile::new();
        symlink(real.path(), link.path()).unwrap();
        Self { link, real, _elsewhere: elsewhere }
    }
}

/// Puts a link in the place of a file, from one instant to the next.
fn link_to(target: &Path, at: &TargetFile) {
    let other = at.directory().join("other link");
    symlink(target, &other).unwrap();
    fs::rename(&other, at.path()).unwrap();
}

/// What a link says, if it is one.
fn points_to(link: &TargetFile) -> Option<PathBuf> {
    fs::read_link(link.path()).ok()
}

/// Waits until `file` is right and `link` still a link to it.
async fn writes_through(etcd: &Etcd, link: &TargetFile, file: &Path) {
    TargetFile::at(file.to_owned()).becomes(&etcd.document(), RECOVERED).await;
    link.becomes(&etcd.document(), RECOVERED).await;
    assert_eq!(points_to(link).as_deref(), Some(file));
}

/// Waits for the end of a publish. The last that the daemon does for it is to make the link anew:
/// what somebody makes of the link in that very moment is lost.
async fn has_published(daemon: &Daemon, times: usize) {
    daemon.wait_for_logs("published", times).await;
}

async fn a_link_is_written_through_with_one_event_beside_it_for_each_publish(etcd: Etcd) {
    let Linked { link, real, _elsewhere } = Linked::new();
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    let mut daemon = following(&etcd, &link, &[]).await;
    writes_through(&etcd, &link, real.path()).await;
    let published = daemon.logged("published").len();
    let beside_link = Directory::watch(link.directory());
    let beside_file = Directory::watch(real.directory());
    let (reader, other) = (Reader::start(&link), Reader::start(&real));
    for number in 2..12 {
        etcd.put(&format!("/services/web/{number}"), format!("10.0.0.{number}:80")).await;
        real.follows(&etcd).await;
        let count = usize::try_from(number).unwrap() - 1;
        eventually(SOON, "one event beside the link and one beside the file", async || {
            let events =
                (beside_link.events_of("targets.json"), beside_file.events_of("real.json"));
            ensure(events == (count, count), || format!("{events:?}, not {count} each"))
        })
        .await;
    }
    always(QUIET, "and no more", async || {
        let events = (beside_link.events(), beside_file.events());
        let total = (events.0.values().sum::<usize>(), events.1.values().sum::<usize>());
        ensure(total == (10, 10), || format!("{events:?}"))
    })
    .await;
    assert_eq!(daemon.logged("published").len() - published, 10);
    assert_eq!(points_to(&link).as_deref(), Some(real.path()));
    reader.finish();
    other.finish();
    assert_eq!(daemon.stop().await, 0);
    assert_eq!(leftovers(&real), [""; 0]);
}

async fn drift_behind_a_link_and_of_the_link_is_healed_in_a_second(etcd: Etcd) {
    let Linked { link, real, _elsewhere } = Linked::new();
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    let mut daemon = following(&etcd, &link, &[]).await;
    let document = etcd.document();
    let beside_link = Directory::watch(link.directory());
    let other = real.directory().join("other");
    fs::write(&other, "mine").unwrap();
    fs::rename(&other, real.path()).unwrap();
    link.becomes(&document, HEALED).await;
    eventually(SOON, "Prometheus is told, too", async || {
        let events = beside_link.events_of("targets.json");
        ensure(events == 1, || format!("{events} events beside the link"))
    })
    .await;
    fs::remove_file(real.path()).unwrap();
    link.becomes(&document, HEALED).await;
    link.write("mine, through the link");
    real.becomes(&document, HEALED).await;
    assert_eq!(points_to(&link).as_deref(), Some(real.path()));

    // A plain file in the place of the link is a plain file from then on.
    fs::remove_file(link.path()).unwrap();
    link.becomes(&document, HEALED).await;
    etcd.put("/services/web/2", "10.0.0.2:80").await;
    link.follows(&etcd).await;
    daemon.still_runs();
}

async fn links_of_every_kind_are_followed(etcd: Etcd) {
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    let home = tempfile::tempdir().unwrap();
    let at = |name: &str| home.path().join(name);
    for directory in ["links", "files", "middle"] {
        fs::create_dir(at(directory)).unwrap();
    }
    symlink("same.json", at("files/link-beside-it.json")).unwrap();
    symlink("../files/relative.json", at("links/relative.json")).unwrap();
    symlink(at("middle/hop.json"), at("links/chain.json")).unwrap();
    symlink("../files/chained.json", at("middle/hop.json")).unwrap();
    symlink("files", at("link-to-directory")).unwrap();
    for (given, real) in [
        ("files/link-beside-it.json", "files/same.json"),
        ("links/relative.json", "files/relative.json"),
        ("links/chain.json", "files/chained.json"),
        ("link-to-directory/plain.json", "files/plain.json"),
    ] {
        eprintln!("{given}");
        let (given, real) = (TargetFile::at(at(given)), TargetFile::at(at(real)));
        let link = points_to(&given);
        let mut daemon = following(&etcd, &given, &[]).await;
        for number in 2..4 {
            etcd.put("/services/web/2", format!("10.0.0.2:{number}")).await;
            real.follows(&etcd).await;
            given.follows(&etcd).await;
        }
        real.write("mine");
        real.becomes(&etcd.document(), HEALED).await;
        assert_eq!(points_to(&given), link);
        assert!(points_to(&real).is_none());
        assert_eq!(daemon.stop().await, 0);
    }
    assert_eq!(
        points_to(&TargetFile::at(at("middle/hop.json"))),
        Some("../files/chained.json".into())
    );
}

async fn a_link_in_a_circle_is_said_and_recovered_from(etcd: Etcd) {
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    let file = TargetFile::new();
    let mut daemon = following(&etcd, &file, &[]).await;
    let document = etcd.document();
    link_to(file.path(), &file);
    daemon.says("ERROR", &[file.path().to_str().unwrap(), "symbolic links"]).await;
    idles(&mut daemon, QUIET, "the link stays", async || {
        ensure(points_to(&file).as_deref() == Some(file.path()), || "it is gone".to_owned())
    })
    .await;
    fs::remove_file(file.path()).unwrap();
    file.becomes(&document, RECOVERED).await;
}

async fn a_file_that_becomes_a_link_to_another_file_system_is_written_there(etcd: Etcd) {
    needs!(may_mount(), "needs root to mount");
    let volume = Volume::tmpfs(1024);
    let elsewhere = volume.path().join("elsewhere.json");
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    let file = TargetFile::new();
    let mut daemon = following(&etcd, &file, &[]).await;

    // As somebody does who moves it to another disk.
    fs::copy(file.path(), &elsewhere).unwrap();
    link_to(&elsewhere, &file);
    etcd.put("/services/web/2", "10.0.0.2:80").await;
    writes_through(&etcd, &file, &elsewhere).await;
    TargetFile::at(elsewhere.clone()).write("mine");
    writes_through(&etcd, &file, &elsewhere).await;

    // A dangling link shows where the file should be.
    let new = volume.path().join("new.json");
    has_published(&daemon, 3).await;
    link_to(&new, &file);
    writes_through(&etcd, &file, &new).await;
    etcd.put("/services/web/3", "10.0.0.3:80").await;
    writes_through(&etcd, &file, &new).await;

    // But no directory is made for it.
    let missing = volume.path().join("missing/new.json");
    has_published(&daemon, 5).await;
    link_to(&missing, &file);
    daemon.says("ERROR", &[volume.path().join("missing").to_str().unwrap(), "No such file"]).await;
    etcd.put("/services/web/4", "10.0.0.4:80").await;
    idles(&mut daemon, QUIET, "nothing is made there", async || {
        ensure(!missing.parent().unwrap().exists(), || "a directory".to_owned())
    })
    .await;
    is_said_rarely(&daemon, &["No such file"]);
    fs::create_dir(missing.parent().unwrap()).unwrap();
    writes_through(&etcd, &file, &missing).await;
    daemon.still_runs();
}

async fn what_is_no_document_behind_a_new_link_is_never_overwritten(etcd: Etcd) {
    let home = tempfile::tempdir().unwrap();
    let foreign = TargetFile::at(home.path().join("prometheus.yml"));
    foreign.write(FOREIGN);
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    let file = TargetFile::new();
    let mut daemon = following(&etcd, &file, &[]).await;
    let stamp = foreign.stamp();
    link_to(foreign.path(), &file);
    daemon.says("ERROR", &[foreign.path().to_str().unwrap()]).await;
    etcd.put("/services/web/2", "10.0.0.2:80").await;
    idles(&mut daemon, QUIET, "it is left alone", async || {
        ensure(foreign.stamp() == stamp, || foreign.read().unwrap())?;
        ensure(points_to(&file).as_deref() == Some(foreign.path()), || {
            "the link is gone".to_owned()
        })
    })
    .await;
    is_said_rarely(&daemon, &["prometheus.yml"]);
    assert_eq!(foreign.read().as_deref(), Some(FOREIGN));

    // The link was a mistake.
    fs::remove_file(file.path()).unwrap();
    file.becomes(&etcd.document(), RECOVERED).await;
    assert_eq!(foreign.read().as_deref(), Some(FOREIGN));
    assert_eq!(daemon.stop().await, 0);

    // At a start as well, but for --force.
    link_to(foreign.path(), &file);
    let mut daemon = Daemon::start(&etcd, &file, &AT_ONCE);
    assert_eq!(daemon.exit_code(SOON).await, 2);
    assert_eq!(foreign.stamp(), stamp);
    let _daemon = following(&etcd, &file, &["--force"]).await;
    writes_through(&etcd, &file, foreign.path()).await;
}

on_embedded!(
    a_link_is_written_through_with_one_event_beside_it_for_each_publish,
    drift_behind_a_link_and_of_the_link_is_healed_in_a_second,
    links_of_every_kind_are_followed,
    a_link_in_a_circle_is_said_and_recovered_from,
    a_file_that_becomes_a_link_to_another_file_system_is_written_there,
    what_is_no_document_behind_a_new_link_is_never_overwritten,
);
