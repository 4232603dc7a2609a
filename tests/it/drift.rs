//! A foreign hand on the target file is undone within a second, once, and said once.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use crate::support::backend::{Etcd, on_both};
use crate::support::daemon::Daemon;
use crate::support::directory::Directory;
use crate::support::file::TargetFile;
use crate::support::wait::{SOON, always, ensure, eventually};

/// Longer than a test, so that a heal that waits for it is none in time.
const SLOW: [&str; 4] = ["--debounce", "1h", "--debounce-max", "2h"];
const HEALED: Duration = Duration::from_secs(1);

/// A daemon that has published one target and waits for events.
async fn watching(etcd: &Etcd) -> (TargetFile, Daemon) {
    let file = TargetFile::new();
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    let daemon = Daemon::start(etcd, &file, &SLOW);
    file.follows(etcd).await;
    daemon.wait_for_log("watching").await;
    (file, daemon)
}

async fn drift_of_every_kind_is_healed_in_a_second_with_one_publish_and_one_line(etcd: Etcd) {
    type Hand = fn(&TargetFile);
    let hands: [(&str, Hand); 7] = [
        ("edit", |file| file.write("[]\n")),
        ("append", |file| file.write(&(file.read().unwrap() + "\n"))),
        ("same length", |file| file.write(&file.read().unwrap().replace("10.0.0.1", "10.0.0.7"))),
        ("truncate", |file| file.write("")),
        ("delete", |file| fs::remove_file(file.path()).unwrap()),
        ("move away", |file| {
            fs::rename(file.path(), file.directory().join("moved")).unwrap();
        }),
        ("replace", |file| {
            let other = file.directory().join("other");
            fs::write(&other, "null").unwrap();
            fs::rename(other, file.path()).unwrap();
        }),
    ];
    let (file, daemon) = watching(&etcd).await;
    let document = file.read().unwrap();

    for (number, (name, hand)) in (1..).zip(hands) {
        eprintln!("{name}");
        hand(&file);
        file.becomes(&document, HEALED).await;
        let healed = daemon.wait_for_logs("drift healed", number).await;
        assert_ne!(healed[number - 1].text("found"), "");
        let stamp = file.stamp();
        always(HEALED, "one heal is enough", async || {
            ensure(file.stamp() == stamp, || "it was written again".to_owned())?;
            let healed = daemon.logged("drift healed").len();
            ensure(healed == number, || format!("{healed} heals, not {number}"))
        })
        .await;
    }
}

async fn a_heal_is_one_event_for_prometheus(etcd: Etcd) {
    let (file, daemon) = watching(&etcd).await;

    let directory = Directory::watch(file.directory());
    fs::remove_file(file.path()).unwrap();
    daemon.wait_for_log("drift healed").await;
    let both = |events: usize| ensure(events == 2, || format!("{events} events, not 2"));
    eventually(SOON, "one event for the deletion, one for the heal", async || {
        both(directory.events_of("targets.json"))
    })
    .await;
    always(HEALED, "and no more", async || both(directory.events_of("targets.json"))).await;
}

async fn a_heal_brings_the_newest_document_and_does_not_wait_for_the_debounce(etcd: Etcd) {
    let (file, _daemon) = watching(&etcd).await;

    etcd.put("/services/web/2", "10.0.0.2:80").await;
    let document = etcd.document();
    assert!(file.differs_from(&document).is_some(), "the debounce is an hour");
    // The change arrives within moments; one of these heals is the first after it.
    eventually(SOON, "a heal brings the pending change", async || {
        fs::remove_file(file.path()).unwrap();
        eventually(HEALED, "the file is back", async || {
            file.read().ok_or_else(|| "gone".to_owned())
        })
        .await;
        file.differs_from(&document).map_or(Ok(()), Err)
    })
    .await;
}

async fn a_look_or_a_touch_or_another_file_is_no_drift(etcd: Etcd) {
    let file = TargetFile::new();
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    let daemon = Daemon::start(&etcd, &file, &SLOW);
    file.follows(&etcd).await;
    let published = daemon.wait_for_logs("published", 1).await.len();

    // The same bytes in another file are no drift either.
    let copy = file.directory().join("copy");
    fs::copy(file.path(), &copy).unwrap();
    fs::rename(copy, file.path()).unwrap();
    let open = fs::File::options().append(true).open(file.path()).unwrap();
    open.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    drop(open);
    fs::write(file.directory().join("other.json"), "[]").unwrap();
    fs::remove_file(file.directory().join("other.json")).unwrap();
    let stamp = file.stamp();
    always(2 * HEALED, "nothing is written", async || {
        ensure(file.stamp() == stamp, || format!("{:?}", file.read()))
    })
    .await;
    assert_eq!(daemon.logged("drift healed").len(), 0);
    assert_eq!(daemon.logged("published").len(), published);
}

async fn before_the_first_list_drift_is_left_alone(mut etcd: Etcd) {
    let file = TargetFile::new();
    file.write("[]");
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    etcd.kill().await;
    let daemon = Daemon::start(&etcd, &file, &[]);
    always(HEALED, "the file stays", async || {
        ensure(file.read().as_deref() == Some("[]"), String::new)
    })
    .await;
    file.write("what is this?");
    let stamp = file.stamp();
    always(2 * HEALED, "the file stays", async || ensure(file.stamp() == stamp, String::new)).await;
    assert_eq!(daemon.logged("drift healed").len(), 0);
    etcd.restart().await;
    file.follows(&etcd).await;
}

async fn a_fight_over_the_file_is_damped_and_ends_well(etcd: Etcd) {
    let (file, daemon) = watching(&etcd).await;

    let document = file.read().unwrap();
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(5) {
        if file.read().as_deref() == Some(&document) {
            file.write("mine");
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Eight at once, then after 0.25, 0.5, 1, 2 and 4 seconds.
    let heals = daemon.logged("drift healed").len();
    assert!((9..=14).contains(&heals), "{heals} heals in five seconds");
    file.becomes(&document, SOON).await;
}

async fn a_directory_that_is_made_anew_is_watched_anew(etcd: Etcd) {
    let file = TargetFile::new();
    let directory = file.directory().join("sub");
    fs::create_dir(&directory).unwrap();
    let path = directory.join("targets.json");
    let inner = path.to_str().unwrap();
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    let server = etcd.endpoint();
    let args = ["--server", server, "--target-file", inner, "--drift-interval", "300ms"];
    let mut daemon = Daemon::run(&[&args[..], &["--log-format", "json"]].concat());
    let document = etcd.document();
    let is_right = async || {
        let read = fs::read_to_string(&path).unwrap_or_default();
        ensure(read == document, || format!("{read:?}"))
    };
    eventually(SOON, "the file is there", is_right).await;

    fs::rename(&directory, file.directory().join("away")).unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    fs::create_dir(&directory).unwrap();
    eventually(SOON, "the file is in the new directory", is_right).await;
    // The watch is on the new directory now, or the slow twin sees to it.
    fs::write(&path, "mine").unwrap();
    eventually(2 * HEALED, "drift in the new directory is healed", is_right).await;
    daemon.still_runs();
}

async fn a_directory_that_is_removed_and_made_again_is_watched_again(etcd: Etcd) {
    let file = TargetFile::new();
    let directory = file.directory().join("inner");
    fs::create_dir(&directory).unwrap();
    let path = directory.join("targets.json");
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    let args = ["--server", etcd.endpoint(), "--target-file", path.to_str().unwrap()];
    let more = ["--drift-interval", "4s", "--log-format", "json"];
    let daemon = Daemon::run(&[&args[..], &more].concat());
    let document = etcd.document();
    let is_right = async || {
        let read = fs::read_to_string(&path).unwrap_or_default();
        ensure(read == document, || format!("{read:?}"))
    };
    eventually(SOON, "the file is there", is_right).await;
    daemon.wait_for_log("watching").await;

    // Many file systems give the new one the inode number of the old one.
    fs::remove_dir_all(&directory).unwrap();
    fs::create_dir(&directory).unwrap();
    daemon.wait_for_log("file notifications were set up anew").await;
    eventually(SOON, "the file is there again", is_right).await;
    for _ in 0..3 {
        fs::write(&path, "mine").unwrap();
        eventually(HEALED, "drift is healed without waiting for the interval", is_right).await;
    }
}

async fn a_directory_that_comes_back_is_looked_at_without_waiting_for_the_interval(etcd: Etcd) {
    let file = TargetFile::new();
    let (directory, away) = (file.directory().join("inner"), file.directory().join("away"));
    fs::create_dir(&directory).unwrap();
    let path = directory.join("targets.json");
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    let args = ["--server", etcd.endpoint(), "--target-file", path.to_str().unwrap()];
    let mut daemon = Daemon::run(&[&args[..], &["--drift-interval", "1h"]].concat());
    let document = etcd.document();
    let is_right = async || {
        let read = fs::read_to_string(&path).unwrap_or_default();
        ensure(read == document, || format!("{read:?}"))
    };
    eventually(SOON, "the file is there", is_right).await;
    for _ in 0..3 {
        fs::rename(&directory, &away).unwrap();
        fs::write(away.join("targets.json"), "mine").unwrap();
        fs::rename(&away, &directory).unwrap();
        eventually(SOON, "what was done to it meanwhile is healed", is_right).await;
        fs::remove_dir_all(&directory).unwrap();
        fs::create_dir(&directory).unwrap();
        eventually(SOON, "the file is there again", is_right).await;
    }
    daemon.still_runs();
}

async fn a_private_file_in_its_place_is_replaced_by_one_that_all_can_read(etcd: Etcd) {
    let file = TargetFile::new();
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    let _daemon = Daemon::start(&etcd, &file, &[]);
    file.follows(&etcd).await;
    let document = file.read().unwrap();
    let foreign = file.directory().join("foreign");
    fs::write(&foreign, "mine").unwrap();
    fs::set_permissions(&foreign, Permissions::from_mode(0o600)).unwrap();
    fs::rename(&foreign, file.path()).unwrap();
    file.becomes(&document, HEALED).await;
    assert_eq!(fs::metadata(file.path()).unwrap().permissions().mode() & 0o777, 0o644);

    // Nor are they taken over from a file of the same inode number.
    fs::remove_file(file.path()).unwrap();
    fs::write(file.path(), "mine").unwrap();
    fs::set_permissions(file.path(), Permissions::from_mode(0o600)).unwrap();
    file.becomes(&document, HEALED).await;
    assert_eq!(fs::metadata(file.path()).unwrap().permissions().mode() & 0o777, 0o644);

    // The permissions that somebody gives to our own file are meant.
    fs::set_permissions(file.path(), Permissions::from_mode(0o640)).unwrap();
    etcd.put("/services/web/2", "10.0.0.2:80").await;
    file.follows(&etcd).await;
    assert_eq!(fs::metadata(file.path()).unwrap().permissions().mode() & 0o777, 0o640);
}

on_both!(
    a_directory_that_comes_back_is_looked_at_without_waiting_for_the_interval,
    a_directory_that_is_removed_and_made_again_is_watched_again,
    a_private_file_in_its_place_is_replaced_by_one_that_all_can_read,
    drift_of_every_kind_is_healed_in_a_second_with_one_publish_and_one_line,
    a_heal_is_one_event_for_prometheus,
    a_heal_brings_the_newest_document_and_does_not_wait_for_the_debounce,
    a_look_or_a_touch_or_another_file_is_no_drift,
    before_the_first_list_drift_is_left_alone,
    a_fight_over_the_file_is_damped_and_ends_well,
    a_directory_that_is_made_anew_is_watched_anew,
);
