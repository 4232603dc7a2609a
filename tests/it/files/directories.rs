//! The target's directory vanishes, or something that is no file takes the target's place.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use super::{drift_is_healed_again, following, idles, is_said_rarely, recovers};
use crate::support::backend::{Etcd, on_embedded};
use crate::support::daemon::Daemon;
use crate::support::file::TargetFile;
use crate::support::wait::ensure;

const GONE: Duration = Duration::from_secs(3);

/// Directories that a test may do with as it likes; the target file is in the inner one.
struct Directories {
    home: TempDir,
    file: TargetFile,
}

impl Directories {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let inner = home.path().join("outer/inner");
        fs::create_dir_all(&inner).unwrap();
        Self { file: TargetFile::at(inner.join("targets.json")), home }
    }

    fn outer(&self) -> PathBuf {
        self.home.path().join("outer")
    }

    /// A daemon that has published one target.
    async fn followed(&self, etcd: &Etcd) -> Daemon {
        etcd.put("/services/web/1", "10.0.0.1:80").await;
        following(etcd, &self.file, &[]).await
    }

    fn path(&self) -> &str {
        self.file.directory().to_str().unwrap()
    }
}

async fn a_directory_that_is_removed_and_made_again_gets_the_file_back(etcd: Etcd) {
    let directories = Directories::new();
    let mut daemon = directories.followed(&etcd).await;
    // The second time all at once, and without a change of the document.
    fs::remove_dir_all(directories.outer()).unwrap();
    daemon.says("ERROR", &[directories.path(), "No such file"]).await;
    etcd.put("/services/web/2", "10.0.0.2:80").await;
    idles(&mut daemon, GONE, "nothing is made there", async || {
        ensure(!directories.outer().exists(), || "it is back".to_owned())
    })
    .await;
    is_said_rarely(&daemon, &["No such file"]);
    fs::create_dir_all(directories.file.directory()).unwrap();
    recovers(&mut daemon, &etcd, &directories.file).await;
    drift_is_healed_again(&directories.file).await;

    fs::remove_dir_all(directories.outer()).unwrap();
    fs::create_dir_all(directories.file.directory()).unwrap();
    directories.file.becomes(&etcd.document(), super::RECOVERED).await;
    drift_is_healed_again(&directories.file).await;
    daemon.still_runs();
}

async fn a_directory_that_is_renamed_away_and_back_is_right_when_it_is_back(etcd: Etcd) {
    let directories = Directories::new();
    let mut daemon = directories.followed(&etcd).await;
    let old = directories.file.read();
    let inner = directories.file.directory().to_owned();
    let away = directories.home.path().join("away");

    fs::rename(&inner, &away).unwrap();
    daemon.says("ERROR", &[directories.path(), "No such file"]).await;
    etcd.put("/services/web/2", "10.0.0.2:80").await;
    idles(&mut daemon, GONE, "what was moved away is left alone", async || {
        let moved = fs::read_to_string(away.join("targets.json")).ok();
        ensure(moved == old, || format!("{moved:?}"))?;
        ensure(!inner.exists(), || "it is back".to_owned())
    })
    .await;
    is_said_rarely(&daemon, &["No such file"]);
    fs::rename(&away, &inner).unwrap();
    recovers(&mut daemon, &etcd, &directories.file).await;
    drift_is_healed_again(&directories.file).await;
}

async fn a_directory_in_the_place_of_the_file_is_left_alone_and_said(etcd: Etcd) {
    let directories = Directories::new();
    let mut daemon = directories.followed(&etcd).await;
    let path = directories.file.path();
    let inside = path.join("somebody's");

    fs::rename(path, directories.outer().join("away")).unwrap();
    // Should the daemon be quicker, its file goes too.
    while fs::create_dir(path).is_err() {
        fs::remove_file(path).unwrap();
    }
    fs::write(&inside, "work").unwrap();
    daemon.says("ERROR", &[path.to_str().unwrap(), "directory"]).await;
    etcd.put("/services/web/2", "10.0.0.2:80").await;
    idles(&mut daemon, GONE, "the directory stays", async || {
        ensure(fs::read(&inside).is_ok_and(|text| text == b"work"), || "it is gone".to_owned())
    })
    .await;
    is_said_rarely(&daemon, &[path.to_str().unwrap(), "is a directory"]);
    fs::remove_dir_all(path).unwrap();
    recovers(&mut daemon, &etcd, &directories.file).await;
    drift_is_healed_again(&directories.file).await;
}

async fn an_empty_directory_in_the_place_of_the_file_is_left_alone_too(etcd: Etcd) {
    let directories = Directories::new();
    let mut daemon = directories.followed(&etcd).await;
    let path = directories.file.path();
    fs::rename(path, directories.outer().join("away")).unwrap();
    while fs::create_dir(path).is_err() {
        fs::remove_file(path).unwrap();
    }
    daemon.says("ERROR", &[path.to_str().unwrap(), "directory"]).await;
    idles(&mut daemon, GONE / 3, "it stays", async || {
        ensure(path.is_dir(), || "it is gone".to_owned())
    })
    .await;
    fs::remove_dir(path).unwrap();
    recovers(&mut daemon, &etcd, &directories.file).await;
}

on_embedded!(
    a_directory_that_is_removed_and_made_again_gets_the_file_back,
    a_directory_that_is_renamed_away_and_back_is_right_when_it_is_back,
    a_directory_in_the_place_of_the_file_is_left_alone_and_said,
    an_empty_directory_in_the_place_of_the_file_is_left_alone_too,
);
