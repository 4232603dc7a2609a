//! Users and passwords: who may read, what is said when one may not, and that what
//! is put right counts without a restart.

use std::time::Duration;

use rustix::process::Signal;

use crate::support::backend::{Etcd, with_own_etcd};
use crate::support::daemon::Daemon;
use crate::support::file::TargetFile;
use crate::support::secure::{PASSWORD, PasswordFile, Tokens, USER, no_secret_in};
use crate::support::wait::{SOON, always, ensure};

const QUICK: [&str; 2] = ["--debounce", "10ms"];

/// Longer than any of these tests.
const LONG: u32 = 300;

/// Both kinds of tokens.
const KINDS: [Tokens; 2] = [Tokens::Simple(LONG), Tokens::Jwt(LONG)];

fn as_user(password: &PasswordFile) -> Vec<&str> {
    let user = ["--user", USER, "--password-file", password.path()];
    [&QUICK[..], &user].concat()
}

/// Lists, and follows the next change.
async fn follows(etcd: &Etcd, file: &TargetFile, port: u16) {
    etcd.put("/services/web/1", format!("10.0.0.1:{port}")).await;
    file.follows(etcd).await;
}

/// Nobody has touched the file for a while in which the daemon tried again.
async fn stays(file: &TargetFile) {
    let stamp = file.stamp();
    always(Duration::from_millis(500), "the file stays as it is", async || {
        ensure(file.stamp() == stamp, || format!("it is {:?} now", file.read()))
    })
    .await;
}

async fn a_user_with_the_password_in_a_file_or_in_the_environment_reads() {
    for tokens in KINDS {
        let etcd = Etcd::with_users(tokens).await;
        let password = PasswordFile::new(PASSWORD);
        let file = TargetFile::new();
        let daemon = Daemon::start(&etcd, &file, &as_user(&password));
        follows(&etcd, &file, 1).await;
        follows(&etcd, &file, 2).await;
        assert_eq!(daemon.logged("connected").len(), 1);

        let file = TargetFile::new();
        let args = [&QUICK[..], &["--user", USER]].concat();
        let variable = [("ETCD_SD_PASSWORD", PASSWORD)];
        let daemon = Daemon::start_with(etcd.endpoint(), &file, &args, &variable);
        follows(&etcd, &file, 3).await;
        follows(&etcd, &file, 4).await;
        assert_eq!(daemon.logged("connected").len(), 1);
    }
}

async fn a_wrong_password_is_said_with_user_and_place_and_counts_once_it_is_right() {
    let etcd = Etcd::with_users(Tokens::Simple(LONG)).await;
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    let password = PasswordFile::new("wrong");
    let file = TargetFile::new();
    file.write("[ ]");
    let mut daemon = Daemon::start(&etcd, &file, &as_user(&password));
    let reason = daemon.wait_for_log("cannot connect").await.text("reason");
    for word in [&format!("user {USER}"), "--password-file", password.path()] {
        assert!(reason.contains(word), "{word:?} is not in {reason:?}");
    }
    stays(&file).await;
    daemon.still_runs();
    assert_eq!(daemon.logged("cannot connect").len(), 1, "the same is not said again");
    password.write(PASSWORD);
    file.follows(&etcd).await;

    let other_file = TargetFile::new();
    let mut once = Daemon::start_with(
        etcd.endpoint(),
        &other_file,
        &["--user", USER, "--once", "--timeout", "1s"],
        &[("ETCD_SD_PASSWORD", "wrong")],
    );
    assert_eq!(once.exit_code(SOON).await, 3);
    let failed = once.logged("failed").remove(0).text("error");
    for word in [&format!("user {USER}"), "ETCD_SD_PASSWORD"] {
        assert!(failed.contains(word), "{word:?} is not in {failed:?}");
    }
}

async fn a_password_changed_on_disk_is_taken_up_on_hang_up_and_on_reconnect() {
    for tokens in KINDS {
        let etcd = Etcd::with_users(tokens).await;
        let password = PasswordFile::new(PASSWORD);
        let file = TargetFile::new();
        let mut daemon = Daemon::start(&etcd, &file, &as_user(&password));
        follows(&etcd, &file, 1).await;
        daemon.wait_for_log("watching").await;

        // On disk and in etcd: one hang-up, and not a moment without a connection.
        etcd.set_password("second").await;
        password.write("second");
        daemon.signal(Signal::HUP);
        daemon.wait_for_logs("watching", 2).await;
        follows(&etcd, &file, 2).await;
        assert!(daemon.logged("cannot connect").is_empty(), "{}", daemon.log().raw());

        // In etcd first: refused, until it is on disk too.
        etcd.set_password("third").await;
        daemon.signal(Signal::HUP);
        daemon.wait_for_log("cannot connect").await;
        stays(&file).await;
        password.write("third");
        follows(&etcd, &file, 3).await;
        daemon.still_runs();
    }
}

async fn without_a_user_it_says_that_one_is_needed() {
    let etcd = Etcd::with_users(Tokens::Simple(LONG)).await;
    let file = TargetFile::new();
    let mut daemon = Daemon::start(&etcd, &file, &QUICK);
    let reason = daemon.wait_for_reason("asks for a user").await.text("reason");
    assert!(reason.contains("--user") && reason.contains("--password-file"), "{reason}");
    daemon.still_runs();
    assert_eq!(file.read(), None);
}

async fn a_user_who_may_not_read_is_said_with_the_range_and_no_restart_is_needed() {
    for tokens in KINDS {
        let etcd = Etcd::with_users(tokens).await;
        let password = PasswordFile::new(PASSWORD);
        etcd.revoke_reading().await;
        let file = TargetFile::new();
        let mut daemon = Daemon::start(&etcd, &file, &as_user(&password));
        let refused = daemon.wait_for_log("etcd refuses to answer").await;
        let reason = refused.text("reason");
        let advice = "etcdctl role grant-permission ROLE read --prefix /services/";
        for word in [&format!("user {USER}"), "/services/ up to /services0", advice] {
            assert!(reason.contains(word), "{word:?} is not in {reason:?}");
        }
        daemon.still_runs();
        assert_eq!(file.read(), None);
        etcd.grant_reading().await;
        follows(&etcd, &file, 1).await;
        daemon.wait_for_log("watching").await;

        // Taken back and given again. etcd looks at it for what is asked anew.
        etcd.revoke_reading().await;
        daemon.signal(Signal::HUP);
        daemon.wait_for_logs("etcd refuses to answer", 2).await;
        etcd.put("/services/web/1", "10.0.0.1:2").await;
        stays(&file).await;
        etcd.grant_reading().await;
        file.follows(&etcd).await;
        follows(&etcd, &file, 3).await;
        daemon.still_runs();
    }
}

async fn a_prefix_that_nobody_granted_is_named() {
    let etcd = Etcd::with_users(Tokens::Simple(LONG)).await;
    let password = PasswordFile::new(PASSWORD);
    let file = TargetFile::new();
    let args = [&as_user(&password)[..], &["--prefix", "/other"]].concat();
    let daemon = Daemon::start(&etcd, &file, &args);
    daemon.wait_for_reason("read --prefix /other/").await;
    // Trying again is said once; that it is listed again as well.
    stays_silent(&daemon).await;
}

/// The same again is not said again.
async fn stays_silent(daemon: &Daemon) {
    let said = daemon.log().raw();
    always(Duration::from_secs(2), "nothing more is said", async || {
        ensure(daemon.log().raw() == said, || daemon.log().raw())
    })
    .await;
}

async fn what_has_changed_about_an_outage_is_said() {
    let etcd = Etcd::with_users(Tokens::Simple(LONG)).await;
    etcd.revoke_reading().await;
    let password = PasswordFile::new("wrong");
    let file = TargetFile::new();
    let daemon = Daemon::start(&etcd, &file, &as_user(&password));
    daemon.wait_for_reason("password").await;
    password.write(PASSWORD);
    daemon.wait_for_reason("may not read").await;
    stays_silent(&daemon).await;
    etcd.grant_reading().await;
    file.follows(&etcd).await;
}

async fn where_authentication_is_not_enabled_a_user_does_no_harm() {
    for tokens in KINDS {
        let mut etcd = Etcd::before_users(tokens).await;
        let password = PasswordFile::new(PASSWORD);
        let file = TargetFile::new();
        let mut daemon = Daemon::start(&etcd, &file, &as_user(&password));
        let message = "etcd's authentication is not enabled; --user has no effect";
        daemon.wait_for_log(message).await;
        follows(&etcd, &file, 1).await;
        daemon.wait_for_log("watching").await;
        daemon.signal(Signal::HUP);
        daemon.wait_for_logs("watching", 2).await;
        assert_eq!(daemon.logged(message).len(), 1, "said once");

        // And where it is enabled later, it has the user.
        etcd.enable_users().await;
        follows(&etcd, &file, 2).await;
        daemon.signal(Signal::HUP);
        daemon.wait_for_logs("watching", 3).await;
        follows(&etcd, &file, 3).await;
        daemon.still_runs();
    }
}

async fn no_secret_is_in_the_log_the_process_list_or_the_help() {
    for tokens in KINDS {
        let etcd = Etcd::with_users(tokens).await;
        let password = PasswordFile::new(PASSWORD);
        let file = TargetFile::new();
        let (trace, user) = (["--log-level", "trace"], ["--user", USER]);
        let from_file = [&as_user(&password)[..], &trace].concat();
        let from_variable = [&QUICK[..], &trace, &user].concat();
        let with_file = Daemon::start(&etcd, &file, &from_file);
        let variable = [("ETCD_SD_PASSWORD", PASSWORD)];
        let other_file = TargetFile::new();
        let with_variable =
            Daemon::start_with(etcd.endpoint(), &other_file, &from_variable, &variable);
        follows(&etcd, &file, 1).await;
        other_file.follows(&etcd).await;
        // Also when it is refused, for the password and for the permission.
        etcd.revoke_reading().await;
        for daemon in [&with_file, &with_variable] {
            daemon.signal(Signal::HUP);
            daemon.wait_for_reason("may not read").await;
        }
        etcd.set_password("another").await;
        for daemon in [&with_file, &with_variable] {
            daemon.signal(Signal::HUP);
            daemon.wait_for_reason("password").await;
            no_secret_in(&daemon.log().raw());
            no_secret_in(&daemon.command_line());
        }
    }
    for variables in [
        vec![("ETCD_SD_PASSWORD", PASSWORD)],
        vec![("ETCD_SD_USER", "prom:pr0m"), ("ETCD_SD_SERVER", "http://prom:pr0m@127.0.0.1:1")],
    ] {
        for flag in ["--help", "-h", "--debounce=x", "--once"] {
            let mut daemon = Daemon::run_with(&[flag], &variables);
            daemon.exit_code(SOON).await;
            no_secret_in(&daemon.log().raw());
            no_secret_in(&help(flag, &variables));
        }
    }
}

fn help(flag: &str, variables: &[(&str, &str)]) -> String {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_etcd-sd"));
    let output = command.arg(flag).envs(variables.iter().copied()).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

with_own_etcd!(
    a_user_with_the_password_in_a_file_or_in_the_environment_reads,
    a_wrong_password_is_said_with_user_and_place_and_counts_once_it_is_right,
    a_password_changed_on_disk_is_taken_up_on_hang_up_and_on_reconnect,
    without_a_user_it_says_that_one_is_needed,
    a_user_who_may_not_read_is_said_with_the_range_and_no_restart_is_needed,
    a_prefix_that_nobody_granted_is_named,
    what_has_changed_about_an_outage_is_said,
    where_authentication_is_not_enabled_a_user_does_no_harm,
    no_secret_is_in_the_log_the_process_list_or_the_help,
);
