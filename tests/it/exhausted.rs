//! A kernel that has no inotify left to give: drift is healed all the same, each
//! `--drift-interval`, and the log says what to raise.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::backend::{Etcd, on_embedded};
use crate::support::daemon::Daemon;
use crate::support::file::TargetFile;
use crate::support::process::command;
use crate::support::wait::{SOON, always, ensure};

const NONE: &str = "no file notifications; a change is found each --drift-interval all the same, \
                    and notifications are tried again then";

const INTERVAL: Duration = Duration::from_millis(500);

/// With what it takes to look, to settle and to write, on a busy machine.
const HEALED: Duration = Duration::from_secs(3);

async fn with_no_inotify_instance_left_drift_is_healed_within_the_interval(etcd: Etcd) {
    let name = "with_no_inotify_instance_left_drift_is_healed_within_the_interval";
    without("max_inotify_instances", "fs.inotify.max_user_instances", name, &etcd).await;
}

async fn with_no_inotify_watch_left_drift_is_healed_within_the_interval(etcd: Etcd) {
    let name = "with_no_inotify_watch_left_drift_is_healed_within_the_interval";
    without("max_inotify_watches", "fs.inotify.max_user_watches", name, &etcd).await;
}

async fn without(limit: &str, sysctl: &str, test: &str, etcd: &Etcd) {
    let file = TargetFile::new();
    let raise = file.directory().join("raise");
    let Some(scarce) = scarce(limit, &raise) else {
        eprintln!("skipped: {test}: unshare may not make a user namespace here");
        return;
    };
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    let mut args = vec!["--server", etcd.endpoint(), "--log-format", "json"];
    args.extend(["--drift-interval", "500ms", "--target-file", file.path().to_str().unwrap()]);
    let daemon = Daemon::run_by(scarce, &args);
    file.follows(etcd).await;
    let said = daemon.wait_for_log(NONE).await;
    assert_eq!(said.level, "WARN");
    assert!(said.text("reason").contains(sysctl), "{said:?}");
    let document = file.read().unwrap();
    for _ in 0..3 {
        file.write("mine");
        file.becomes(&document, INTERVAL + HEALED).await;
    }
    always(4 * INTERVAL, "it is said once", async || {
        let lines = daemon.logged(NONE).len();
        ensure(lines == 1, || format!("{lines} lines"))
    })
    .await;

    fs::write(&raise, "").unwrap();
    daemon.wait_for_log("file notifications are back").await;
    file.write("mine");
    file.becomes(&document, SOON).await;
    assert_eq!(daemon.logged(NONE).len(), 1);
}

/// A command for a program that has none of `limit`, until there is a file `raise`. `None` where
/// that is not permitted.
fn scarce(limit: &str, raise: &Path) -> Option<Command> {
    let mut try_it = Command::new("unshare");
    let setting = format!("/proc/sys/user/{limit}");
    try_it.args(["--user", "--map-root-user", "sh", "-c", &format!("echo 0 > {setting}")]);
    try_it.stdout(Stdio::null()).stderr(Stdio::null());
    if !try_it.status().is_ok_and(|status| status.success()) {
        return None;
    }
    // Whoever waits for the file ends by itself.
    let script = format!(
        "echo 0 > {setting}; \
         (for _ in $(seq 600); do \
              if [ -e \"$0\" ]; then echo 100 > {setting}; exit; fi; sleep 0.1; \
          done) <&- >&- 2>&- & \
         exec \"$@\""
    );
    let mut scarce = command("unshare");
    scarce.args(["--user", "--map-root-user", "sh", "-c", &script]).arg(raise);
    Some(scarce)
}

on_embedded!(
    with_no_inotify_instance_left_drift_is_healed_within_the_interval,
    with_no_inotify_watch_left_drift_is_healed_within_the_interval,
);
