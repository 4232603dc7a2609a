//! Clients that hold connections and ask for nothing, ask byte by byte, or ask and take nothing,
//! keep nobody from being served, and no document from being published.

use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::{address, ask};
use crate::support::backend::{Etcd, on_embedded};
use crate::support::daemon::Daemon;
use crate::support::file::TargetFile;

const IDLE: usize = 1_000;
const SLOW: usize = 200;
const GREEDY: usize = 50;

/// No answer may take longer, on a busy machine.
const PROMPT: Duration = Duration::from_secs(2);

async fn thousands_of_bad_clients_delay_no_publish_and_no_answer(etcd: Etcd) {
    may_have_many_files();
    let file = TargetFile::new();
    let daemon = Daemon::start(&etcd, &file, &["--listen", "127.0.0.1:0", "--debounce", "100ms"]);
    let address = address(&daemon).await;
    file.follows(&etcd).await;

    let (mut greedy, mut slow, mut idle) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..GREEDY {
        // They ask again and again, and take nothing.
        let mut stream = TcpStream::connect(&address).await.unwrap();
        let ask = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(20);
        let _ = stream.try_write(&ask);
        let _ = stream.flush().await;
        greedy.push(stream);
    }
    for _ in 0..SLOW {
        slow.push(TcpStream::connect(&address).await.unwrap());
    }
    for _ in 0..IDLE {
        idle.push(TcpStream::connect(&address).await.unwrap());
    }
    let start = Instant::now();
    let mut slowest = Duration::ZERO;
    let entries: Vec<(String, String)> = (0..10_000)
        .map(|n| {
            (format!("/services/web-{}/{n}", n % 50), format!("10.0.{}.{}:80", n / 250, n % 250))
        })
        .collect();
    for (number, chunk) in entries.chunks(100).enumerate() {
        etcd.put_all(chunk).await;
        // One byte of a request that never ends; some of them are gone by now.
        let byte = &b"GET / HTTP/1.1\r\nX: xxxxxxxx"[number % 20..=number % 20];
        for stream in &slow {
            let _ = stream.try_write(byte);
        }
        if number % 10 == 0 {
            for path in ["/-/healthy", "/sd"] {
                let asked = Instant::now();
                assert_eq!(ask(&address, &format!("GET {path}"), &[]).await.status, 200, "{path}");
                slowest = slowest.max(asked.elapsed());
            }
            // New ones come for those that had to go.
            for stream in idle.iter_mut().skip(number).take(50) {
                *stream = TcpStream::connect(&address).await.unwrap();
            }
        }
    }
    let written = Instant::now();
    file.follows(&etcd).await;
    let followed = written.elapsed();
    eprintln!(
        "{:?} of puts, followed after {followed:?}, slowest answer {slowest:?}",
        start.elapsed()
    );
    assert!(followed < PROMPT, "published only after {followed:?}");
    assert!(slowest < PROMPT, "an answer took {slowest:?}");
}

fn may_have_many_files() {
    let limit = getrlimit(Resource::Nofile);
    // Fails where the limit of those that can be asked for is too low: then connecting does.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

on_embedded!(thousands_of_bad_clients_delay_no_publish_and_no_answer);
