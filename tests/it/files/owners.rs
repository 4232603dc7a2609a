//! Whose the file is, and who may read it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};

use super::{AT_ONCE, following};
use crate::support::backend::{Etcd, on_embedded};
use crate::support::daemon::Daemon;
use crate::support::file::TargetFile;
use crate::support::rights::{NOBODY, is_root, may_become_nobody, needs};
use crate::support::wait::SOON;

const OURS: &str = "[\n{\"targets\":[\"10.9.9.9:80\"],\"labels\":{\"job\":\"web\"}}\n]\n";

fn set_mode(file: &TargetFile, mode: u32) {
    fs::set_permissions(file.path(), Permissions::from_mode(mode)).unwrap();
}

fn owner(file: &TargetFile) -> (u32, u32) {
    let looks = fs::metadata(file.path()).unwrap();
    (looks.uid(), looks.gid())
}

async fn the_mode_is_the_one_that_is_given_else_that_of_the_old_file(etcd: Etcd) {
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    let given: [&str; 2] = ["--file-mode", "0640"];
    for (old, more, expected) in [
        (None, &[][..], 0o644),
        (Some(0o604), &[][..], 0o604),
        (None, &given[..], 0o640),
        (Some(0o600), &given[..], 0o640),
    ] {
        let file = TargetFile::new();
        if let Some(old) = old {
            file.write(OURS);
            set_mode(&file, old);
        }
        let mut daemon = following(&etcd, &file, more).await;
        assert_eq!(file.mode(), expected, "after {old:?}, with {more:?}");
        // And in whatever way it is written again.
        fs::remove_file(file.path()).unwrap();
        file.becomes(&etcd.document(), super::HEALED).await;
        assert_eq!(file.mode(), expected, "healed, after {old:?}, with {more:?}");
        assert_eq!(daemon.stop().await, 0);
    }
}

async fn a_file_that_is_right_gets_the_mode_that_is_given(etcd: Etcd) {
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    let file = TargetFile::new();
    file.write(&etcd.document());
    set_mode(&file, 0o600);
    let mut daemon = Daemon::start(&etcd, &file, &["--once", "--file-mode", "644"]);
    assert_eq!(daemon.exit_code(SOON).await, 0);
    assert_eq!(file.mode(), 0o644);
}

async fn owner_and_group_are_kept_by_root(etcd: Etcd) {
    needs!(is_root(), "needs root to give files away");
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    let file = TargetFile::new();
    file.write(OURS);
    chown(file.path(), Some(NOBODY), Some(12)).unwrap();
    set_mode(&file, 0o640);
    let mut daemon = following(&etcd, &file, &[]).await;
    assert_eq!((owner(&file), file.mode()), ((NOBODY, 12), 0o640));
    // Given away again while it runs.
    chown(file.path(), Some(13), Some(14)).unwrap();
    etcd.put("/services/web/2", "10.0.0.2:80").await;
    file.follows(&etcd).await;
    assert_eq!((owner(&file), file.mode()), ((13, 14), 0o640));
    file.write("mine");
    file.becomes(&etcd.document(), super::HEALED).await;
    assert_eq!((owner(&file), file.mode()), ((13, 14), 0o640));
    assert_eq!(daemon.stop().await, 0);
}

async fn whoever_may_not_give_files_away_keeps_the_group_where_it_is_in_it(etcd: Etcd) {
    needs!(may_become_nobody(), "needs root, setpriv and a build that user nobody can run");
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    let file = TargetFile::new();
    chown(file.directory(), Some(NOBODY), Some(NOBODY)).unwrap();
    file.write(OURS);
    chown(file.path(), Some(0), Some(NOBODY)).unwrap();
    let mut daemon = Daemon::start_as_nobody(&etcd, &file, &AT_ONCE);
    file.follows(&etcd).await;
    assert_eq!((owner(&file), file.mode()), ((NOBODY, NOBODY), 0o644));
    assert_eq!(daemon.said("ERROR", &[]), [""; 0]);
    assert_eq!(daemon.stop().await, 0);
}

async fn a_mode_that_is_none_is_wrong_usage(etcd: Etcd) {
    let file = TargetFile::new();
    for mode in ["rw", "0888", "10000", "", "-1"] {
        let mode_flag = format!("--file-mode={mode}");
        let mut daemon = Daemon::start(&etcd, &file, &[&mode_flag]);
        assert_eq!(daemon.exit_code(SOON).await, 2, "{mode:?}");
        assert!(daemon.log().raw().contains("--file-mode"), "{}", daemon.log().raw());
    }
}

on_embedded!(
    the_mode_is_the_one_that_is_given_else_that_of_the_old_file,
    a_file_that_is_right_gets_the_mode_that_is_given,
    owner_and_group_are_kept_by_root,
    whoever_may_not_give_files_away_keeps_the_group_where_it_is_in_it,
    a_mode_that_is_none_is_wrong_usage,
);
