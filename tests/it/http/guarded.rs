//! Who may ask, over what, and how much; and how serving begins and ends.

use std::fs;
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

use super::{address, ask};
use crate::support::backend::{Etcd, on_embedded, run};
use crate::support::certs::{Authority, Valid};
use crate::support::daemon::Daemon;
use crate::support::file::TargetFile;
use crate::support::http;
use crate::support::wait::{SOON, ensure, eventually};

const TOKEN: &str = "open-sesame-0123456789";
const OTHER: &str = "another-one-0123456789";

async fn only_who_has_the_token_is_answered_and_files_are_read_anew(etcd: Etcd) {
    let directory = tempfile::tempdir().unwrap();
    let token = directory.path().join("token");
    fs::write(&token, format!("{TOKEN}\n")).unwrap();
    let authority = Authority::new(directory.path(), "ours");
    let identity = authority.server(&["localhost"], Valid::Now);
    let file = TargetFile::new();
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    let args = [
        "--listen",
        "127.0.0.1:0",
        "--listen-cert",
        &identity.cert,
        "--listen-key",
        &identity.key,
        "--listen-token-file",
        token.to_str().unwrap(),
    ];
    let mut daemon = Daemon::start(&etcd, &file, &args);
    file.follows(&etcd).await;
    let address = address(&daemon).await;
    let ask = async |authority: &Authority, what: &str, headers: &[(&str, &str)]| {
        http::ask_with_tls(&address, &authority.pem(), what, headers).await
    };
    let with = |token: &str| format!("Bearer {token}");

    let known = ask(&authority, "GET /sd", &[("Authorization", &with(TOKEN))]).await.unwrap();
    assert_eq!((known.status, known.text()), (200, file.read().unwrap()));
    // The password of any user, as browsers give it: `x:<token>`.
    let basic = "Basic eDpvcGVuLXNlc2FtZS0wMTIzNDU2Nzg5";
    let metrics = ask(&authority, "GET /metrics", &[("Authorization", basic)]).await.unwrap();
    assert_eq!(metrics.status, 200);
    for headers in [&[][..], &[("Authorization", "Bearer x")], &[("Authorization", OTHER)]] {
        for path in ["/sd", "/metrics", "/", "/-/release", "/nowhere"] {
            let unknown = ask(&authority, &format!("GET {path}"), headers).await.unwrap();
            assert_eq!(unknown.status, 401, "{path}");
            assert!(unknown.headers("www-authenticate")[0].starts_with("Bearer"));
            assert!(!unknown.text().contains("10.0.0.1"));
        }
    }
    // Probes have no token.
    assert_eq!(ask(&authority, "GET /-/ready", &[]).await.unwrap().status, 200);
    let plain = http::ask(&address, "GET /-/ready", &[]).await;
    assert!(plain.is_err() || plain.unwrap().status == 0, "nothing is answered without TLS");

    // Another token, and another certificate, by another authority.
    fs::write(&token, format!("{OTHER}\n")).unwrap();
    let newer = Authority::new(directory.path(), "newer");
    identity.replace_by(&newer.server(&["localhost"], Valid::Now));
    eventually(SOON, "the new files are in use", async || {
        let answer = ask(&newer, "GET /sd", &[("Authorization", &with(OTHER))]).await;
        let status = answer.map(|answer| answer.status);
        ensure(matches!(status, Ok(200)), || format!("{status:?}"))
    })
    .await;
    let old = ask(&newer, "GET /sd", &[("Authorization", &with(TOKEN))]).await.unwrap();
    assert_eq!(old.status, 401);
    assert!(ask(&authority, "GET /sd", &[]).await.is_err(), "the old certificate is gone");
    // What is no good is said, and what was read before stays.
    fs::write(&identity.key, "no key").unwrap();
    fs::write(&token, "\n").unwrap();
    eventually(SOON, "both are said to be unusable", async || {
        let still = ask(&newer, "GET /sd", &[("Authorization", &with(OTHER))]).await.unwrap();
        assert_eq!(still.status, 200);
        let said = daemon.logged("a file has become unusable; what was read before stays in use");
        ensure(said.len() == 2, || format!("{said:?}"))
    })
    .await;
    assert_eq!(daemon.stop().await, 0);
    for secret in [TOKEN, OTHER, "no key"] {
        assert!(!daemon.log().raw().contains(secret), "the log tells {secret}");
    }
}

async fn requests_that_are_too_large_or_for_another_hosts_name_are_refused(etcd: Etcd) {
    let file = TargetFile::new();
    let daemon = Daemon::start(&etcd, &file, &["--listen", "[::1]:0"]);
    let address = address(&daemon).await;
    assert!(address.starts_with("[::1]:") && !address.ends_with(":0"), "{address}");

    let long = "x".repeat(20_000);
    assert_eq!(ask(&address, "GET /sd", &[("X", &long)]).await.status, 431);
    let many: Vec<_> = (0..100).map(|_| ("X", "x")).collect();
    assert_eq!(ask(&address, "GET /sd", &many).await.status, 431);
    let body = [("Content-Length", "70000")];
    assert_eq!(ask(&address, "POST /-/relist", &body).await.status, 413);
    assert_eq!(ask(&address, "DELETE /sd", &[]).await.status, 405);
    let nowhere = ask(&address, "GET /nowhere/%3Cscript%3E", &[]).await;
    assert_eq!(nowhere.status, 404);
    assert!(!nowhere.text().contains("script"), "{}", nowhere.text());
    for name in ["content-security-policy", "x-content-type-options", "referrer-policy"] {
        assert_ne!(nowhere.header(name), "", "{name}");
    }
    // A page that has its own name lead here.
    let rebound = [("Host", "evil.example")];
    assert_eq!(ask(&address, "GET /sd", &rebound).await.status, 421);
    assert_eq!(ask(&address, "GET /-/healthy", &rebound).await.status, 200);
    assert_ne!(ask(&address, "GET /sd", &[("Host", "localhost:1")]).await.status, 421);
}

async fn a_stop_closes_the_port_and_idle_connections_and_waits_for_nobody_for_long(etcd: Etcd) {
    let file = TargetFile::new();
    let mut daemon = Daemon::start(&etcd, &file, &["--listen", "127.0.0.1:0"]);
    let address = address(&daemon).await;
    file.follows(&etcd).await;
    let mut idle = TcpStream::connect(&address).await.unwrap();
    // It has been accepted: the one behind it is answered.
    ask(&address, "GET /-/healthy", &[]).await;
    let start = Instant::now();
    assert_eq!(daemon.stop().await, 0);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert_eq!(idle.read(&mut [0; 1]).await.unwrap_or_default(), 0);
    assert!(TcpStream::connect(&address).await.is_err());
}

#[test]
fn what_can_not_be_listened_on_ends_the_start_with_what_to_do() {
    run(async || {
        let file = TargetFile::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let taken = listener.local_addr().unwrap().to_string();
        for (args, code, words) in [
            (&["--listen", "192.0.2.1:9099"][..], 1, &["192.0.2.1:9099", "127.0.0.1"][..]),
            (&["--listen", &taken], 1, &[&taken, "another port"]),
            (&["--listen", ":9099"], 2, &["--listen", "0.0.0.0:9099"]),
            (
                &["--listen", "127.0.0.1:0", "--listen-token-file", "/no/such/token"],
                2,
                &["--listen-token-file /no/such/token", "No such file"],
            ),
            (&["--listen-token-file", "x"], 2, &["--listen-token-file without --listen"]),
        ] {
            let mut daemon = Daemon::start_at("http://127.0.0.1:1", &file, args);
            assert_eq!(daemon.exit_code(SOON).await, code, "{args:?}");
            for word in words {
                assert!(daemon.log().raw().contains(word), "{word}: {}", daemon.log().raw());
            }
        }
    });
}

on_embedded!(
    only_who_has_the_token_is_answered_and_files_are_read_anew,
    requests_that_are_too_large_or_for_another_hosts_name_are_refused,
    a_stop_closes_the_port_and_idle_connections_and_waits_for_nobody_for_long,
);
