//! TLS: an authority of one's own, certificates on both sides, and clear words for
//! all that can be wrong with them.

use std::fs;

use rustix::process::Signal;

use crate::support::backend::{Etcd, with_own_etcd};
use crate::support::certs::{Identity, Valid};
use crate::support::daemon::Daemon;
use crate::support::file::TargetFile;
use crate::support::secure::{Certificates, USER};
use crate::support::wait::{SOON, always, ensure};

const QUICK: [&str; 2] = ["--debounce", "10ms"];

/// The names under which the tests reach it.
const HERE: [&str; 2] = ["127.0.0.1", "localhost"];

/// An etcd as it should be.
async fn sound_etcd(certificates: &Certificates, wants_certificate: bool) -> Etcd {
    let server = certificates.ours.server(&HERE, Valid::Now);
    certificates.etcd(&server, wants_certificate).await
}

fn shown(identity: &Identity) -> [&str; 4] {
    ["--cert", &identity.cert, "--key", &identity.key]
}

async fn with_an_authority_of_its_own_it_follows_and_keeps_to_it() {
    let certificates = Certificates::new();
    let etcd = sound_etcd(&certificates, false).await;
    let file = TargetFile::new();
    let args = [&QUICK[..], &["--cacert", &certificates.cacert]].concat();
    let mut daemon = Daemon::start(&etcd, &file, &args);
    for port in 1..=20 {
        etcd.put("/services/web/1", format!("10.0.0.1:{port}")).await;
        file.follows(&etcd).await;
    }
    assert_eq!(daemon.logged("connected").len(), 1);
    daemon.still_runs();
}

async fn both_sides_may_show_a_certificate() {
    let certificates = Certificates::new();
    let etcd = sound_etcd(&certificates, true).await;
    let file = TargetFile::new();
    let client = certificates.ours.client("somebody", Valid::Now);
    let args = [&QUICK[..], &["--cacert", &certificates.cacert], &shown(&client)].concat();
    let _daemon = Daemon::start(&etcd, &file, &args);
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    file.follows(&etcd).await;
}

async fn without_a_cacert_the_systems_authorities_count() {
    let certificates = Certificates::new();
    let etcd = sound_etcd(&certificates, false).await;
    let file = TargetFile::new();
    // As OpenSSL, it can be told where the system has them.
    let system = [("SSL_CERT_FILE", certificates.cacert.as_str())];
    let _daemon = Daemon::start_with(etcd.endpoint(), &file, &QUICK, &system);
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    file.follows(&etcd).await;
}

/// Starts a daemon that can't succeed. It must say why, with all these words, neither end nor
/// write, and say the same when it is to run once.
async fn is_told_apart(server: &str, args: &[&str], words: &[&str]) {
    let file = TargetFile::new();
    let mut daemon = Daemon::start_at(server, &file, args);
    let reason = daemon.wait_for_log("cannot connect").await.text("reason");
    for word in words {
        assert!(reason.contains(word), "{word:?} is not in {reason:?}");
    }
    daemon.wait_for_log("cannot connect").await;
    daemon.still_runs();
    assert_eq!(file.read(), None);

    let once = [args, &["--once", "--timeout", "1s"]].concat();
    let mut daemon = Daemon::start_at(server, &file, &once);
    assert_eq!(daemon.exit_code(SOON).await, 3);
    let failed = daemon.logged("failed").remove(0).text("error");
    for word in words {
        assert!(failed.contains(word), "{word:?} is not in {failed:?}");
    }
}

async fn what_is_wrong_with_the_servers_certificate_is_said() {
    let certificates = Certificates::new();
    let trusting = ["--cacert", certificates.cacert.as_str()];
    let (_, another) = certificates.another();

    let sound = sound_etcd(&certificates, false).await;
    let distrusting = ["--cacert", another.as_str()];
    is_told_apart(sound.endpoint(), &distrusting, &["no authority in", &another, "--cacert"]).await;

    let elsewhere = certificates.ours.server(&["etcd.example"], Valid::Now);
    let wrong_name = certificates.etcd_of_another_name(&elsewhere, "etcd.example").await;
    let words = ["not for 127.0.0.1", "etcd.example", "--server-name"];
    is_told_apart(wrong_name.endpoint(), &trusting, &words).await;
    let named = [&trusting[..], &["--server-name", "nowhere.example"]].concat();
    is_told_apart(wrong_name.endpoint(), &named, &["not for nowhere.example"]).await;
    let file = TargetFile::new();
    let named = [&trusting[..], &QUICK, &["--server-name", "etcd.example"]].concat();
    let _daemon = Daemon::start(&wrong_name, &file, &named);
    file.becomes("[]\n", SOON).await;
}

async fn what_is_wrong_with_the_servers_dates_is_said() {
    let certificates = Certificates::new();
    let trusting = ["--cacert", certificates.cacert.as_str()];
    for (valid, words) in [
        (Valid::NoMore, ["expired at 2021-01-01", "renew"]),
        (Valid::NotYet, ["not valid before 2110-01-01", "clock"]),
    ] {
        // etcd looks at its certificate anew for each connection.
        let server = certificates.ours.server(&HERE, Valid::Now);
        let etcd = certificates.etcd(&server, false).await;
        let sound = server.copy();
        server.replace_by(&certificates.ours.server(&HERE, valid));
        is_told_apart(etcd.endpoint(), &trusting, &words).await;

        // And once it is renewed, all is well by itself.
        let file = TargetFile::new();
        let mut daemon = Daemon::start(&etcd, &file, &trusting);
        daemon.wait_for_reason(words[0]).await;
        server.replace_by(&sound);
        file.becomes("[]\n", SOON).await;
        daemon.still_runs();
    }
}

async fn what_is_wrong_with_our_own_certificate_is_said() {
    let certificates = Certificates::new();
    let etcd = sound_etcd(&certificates, true).await;
    let trusting = ["--cacert", certificates.cacert.as_str()];
    let words = ["asks for a client certificate", "--cert", "--key"];
    is_told_apart(etcd.endpoint(), &trusting, &words).await;

    let expired = certificates.ours.client("somebody", Valid::NoMore);
    let (another, _) = certificates.another();
    let foreign = another.client("somebody", Valid::Now);
    for refused in [expired, foreign] {
        let args = [&trusting[..], &shown(&refused)].concat();
        let words = ["refuses the client certificate", &refused.cert, "expired", "authority"];
        is_told_apart(etcd.endpoint(), &args, &words).await;
    }
}

async fn http_on_a_port_of_https_and_the_reverse_are_said() {
    let certificates = Certificates::new();
    let secure = sound_etcd(&certificates, true).await;
    let plainly = secure.endpoint().replace("https://", "http://");
    is_told_apart(&plainly, &[], &["speaks TLS", secure.endpoint()]).await;

    let plain = Etcd::real(crate::support::etcd::Sync::Never).await;
    let secretly = plain.endpoint().replace("http://", "https://");
    let trusting = ["--cacert", certificates.cacert.as_str()];
    is_told_apart(&secretly, &trusting, &["does not speak TLS", "http://"]).await;
}

async fn a_certificate_changed_on_disk_is_taken_up_without_a_restart() {
    let certificates = Certificates::new();
    let etcd = sound_etcd(&certificates, true).await;
    let sound = certificates.ours.client("somebody", Valid::Now);
    let expired = certificates.ours.client("somebody", Valid::NoMore);
    // It begins with one that has expired.
    let shown_files = expired.copy();
    let file = TargetFile::new();
    let args = [&QUICK[..], &["--cacert", &certificates.cacert], &shown(&shown_files)].concat();
    let mut daemon = Daemon::start(&etcd, &file, &args);
    daemon.wait_for_reason("refuses the client certificate").await;
    shown_files.replace_by(&sound);
    file.becomes("[]\n", SOON).await;
    daemon.wait_for_log("watching").await;

    // On SIGHUP each file is read anew, whatever was wrong with it before.
    let other_key = Identity { cert: sound.cert.clone(), key: expired.key.clone() };
    for (bad, words) in [(&expired, "refuses the client certificate"), (&other_key, "not the key")]
    {
        shown_files.replace_by(bad);
        daemon.signal(Signal::HUP);
        let before = daemon.logged("listed").len();
        daemon.wait_for_reason(words).await;
        etcd.put("/services/web/1", format!("10.0.0.1:{before}")).await;
        shown_files.replace_by(&sound);
        file.follows(&etcd).await;
    }
    daemon.still_runs();
}

async fn a_file_that_goes_bad_is_named_and_is_no_end() {
    let certificates = Certificates::new();
    let etcd = sound_etcd(&certificates, false).await;
    let cacert = certificates.directory().join("trusted.pem");
    fs::copy(&certificates.cacert, &cacert).unwrap();
    let path = cacert.to_str().unwrap();
    let file = TargetFile::new();
    let args = [&QUICK[..], &["--cacert", path]].concat();
    let mut daemon = Daemon::start(&etcd, &file, &args);
    file.becomes("[]\n", SOON).await;
    daemon.wait_for_log("watching").await;

    fs::write(&cacert, "-----BEGIN CERT").unwrap();
    daemon.signal(Signal::HUP);
    let reason = daemon.wait_for_reason("not a PEM file").await.text("reason");
    assert!(reason.contains(&format!("--cacert {path}")), "{reason}");
    fs::remove_file(&cacert).unwrap();
    let reason = daemon.wait_for_reason("No such file").await.text("reason");
    assert!(reason.contains(&format!("--cacert {path}")), "{reason}");

    fs::copy(&certificates.cacert, &cacert).unwrap();
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    file.follows(&etcd).await;
    daemon.still_runs();
}

async fn a_client_certificate_can_name_the_user() {
    let certificates = Certificates::new();
    let mut etcd = sound_etcd(&certificates, true).await;
    etcd.enable_users().await;
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    let trusting = ["--cacert", certificates.cacert.as_str()];
    let user = certificates.ours.client(USER, Valid::Now);
    let file = TargetFile::new();
    let args = [&QUICK[..], &trusting, &shown(&user)].concat();
    let _daemon = Daemon::start(&etcd, &file, &args);
    file.follows(&etcd).await;

    etcd.add_user("stranger").await;
    let stranger = certificates.ours.client("stranger", Valid::Now);
    let file = TargetFile::new();
    let mut daemon = Daemon::start(&etcd, &file, &[&trusting[..], &shown(&stranger)].concat());
    let words = "the user that the client certificate names may not read /services/";
    daemon.wait_for_reason(words).await;
    always(std::time::Duration::from_millis(300), "no file", async || {
        ensure(file.read().is_none(), || "there is a file".to_owned())
    })
    .await;
    daemon.still_runs();
}

with_own_etcd!(
    with_an_authority_of_its_own_it_follows_and_keeps_to_it,
    both_sides_may_show_a_certificate,
    without_a_cacert_the_systems_authorities_count,
    what_is_wrong_with_the_servers_certificate_is_said,
    what_is_wrong_with_the_servers_dates_is_said,
    what_is_wrong_with_our_own_certificate_is_said,
    http_on_a_port_of_https_and_the_reverse_are_said,
    a_certificate_changed_on_disk_is_taken_up_without_a_restart,
    a_file_that_goes_bad_is_named_and_is_no_end,
    a_client_certificate_can_name_the_user,
);
