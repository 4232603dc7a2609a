//! Free ports on the loopback interface, for programs that can't pick their own.

use std::net::TcpListener;
use std::process::id;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the ports that the kernel gives to outgoing connections, so that none
/// of those takes a port while its server is down.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// A port that is free now. Another process may still be quicker, so whoever
/// starts a server on it tries again with another when the server can't bind.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Test processes that run side by side begin at different places.
    let start = u16::try_from(id() * 131 % u32::from(COUNT)).unwrap();
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
        let port = FIRST + (start + step) % COUNT;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port on 127.0.0.1 from {FIRST} to {}", FIRST + COUNT);
}
