//! A foreign hand in the target directory: what is ours is healed file by file, the rest stays.

use std::fs;
use std::os::unix::fs::symlink;

use super::{HEALED, following, register};
use crate::support::backend::{Etcd, on_both};
use crate::support::target_dir::{TargetDir, expected};
use crate::support::wait::{always, ensure};

/// Longer than a test, so that a heal that waits for it is none in time.
const SLOW: [&str; 4] = ["--drift-interval", "1h", "--debounce-max", "1h"];

async fn drift_of_every_kind_is_healed_in_a_second_and_no_other_file_is_written(etcd: Etcd) {
    type Hand = fn(&TargetDir);
    let hands: [(&str, Hand); 6] = [
        ("edit", |directory| directory.file("b.json").write("[]\n")),
        ("truncate", |directory| directory.file("b.json").write("")),
        ("damage", |directory| directory.file("b.json").write("[{")),
        ("delete", |directory| fs::remove_file(directory.path().join("b.json")).unwrap()),
        ("exchange", |directory| {
            let path = |name: &str| directory.path().join(name);
            fs::rename(path("b.json"), directory.home().join("away")).unwrap();
            fs::copy(path("a.json"), path("b.json")).unwrap();
        }),
        ("link", |directory| {
            let (elsewhere, path) =
                (directory.home().join("elsewhere"), directory.path().join("b.json"));
            fs::rename(&path, &elsewhere).unwrap();
            symlink(&elsewhere, &path).unwrap();
        }),
    ];
    register(&etcd, &["a", "b", "c"]).await;
    let directory = TargetDir::new();
    let daemon = following(&etcd, &directory, &SLOW).await;
    let right = expected(&etcd);
    let others = |directory: &TargetDir| {
        let mut stamps = directory.stamps();
        stamps.remove("b.json");
        stamps
    };
    let before = others(&directory);
    for (number, (name, hand)) in (1..).zip(hands) {
        eprintln!("{name}");
        hand(&directory);
        directory.becomes(&right, HEALED).await;
        let healed = daemon.wait_for_logs("drift healed", number).await;
        assert!(healed[number - 1].text("path").ends_with("/b.json"));
    }
    assert_eq!(others(&directory), before);
    let elsewhere = fs::read_to_string(directory.home().join("elsewhere")).unwrap();
    assert_eq!(elsewhere, right["b.json"], "what a link leads to is not ours");
    let stamps = directory.stamps();
    always(HEALED, "one heal is enough", async || {
        ensure(directory.stamps() == stamps, || "written again".to_owned())
    })
    .await;
}

async fn what_others_do_with_files_of_their_own_is_not_our_business(etcd: Etcd) {
    register(&etcd, &["a", "b"]).await;
    let directory = TargetDir::new();
    let daemon = following(&etcd, &directory, &[]).await;
    let mut files = expected(&etcd);
    fs::create_dir(directory.path().join("folder.json")).unwrap();
    for (name, text) in [("mine.json", "[]"), ("notes.txt", "mine"), ("%41.json", ""), (".x", "")] {
        directory.file(name).write(text);
        files.insert(name.to_owned(), text.to_owned());
    }
    let stamps = directory.stamps();
    always(HEALED, "they stay, and nothing is written", async || {
        ensure(directory.stamps() == stamps, || format!("{:?}", directory.files()))
    })
    .await;
    etcd.put("/services/b/2", "10.0.0.2:80").await;
    etcd.delete("/services/a/1").await;
    files.remove("a.json");
    files.extend(expected(&etcd));
    directory.becomes(&files, HEALED).await;
    assert!(directory.path().join("folder.json").is_dir());
    assert_eq!(daemon.logged("drift healed").len(), 0);
    assert_eq!(daemon.said("ERROR", &[]), [""; 0]);
}

on_both!(
    drift_of_every_kind_is_healed_in_a_second_and_no_other_file_is_written,
    what_others_do_with_files_of_their_own_is_not_our_business,
);
