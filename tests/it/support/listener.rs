//! A service instance that lets itself be scraped.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n\
    Content-Length: 8\r\nConnection: close\r\n\r\nlife 42\n";

/// Answers every request with one metric, until dropped.
pub(crate) struct Instance {
    address: String,
    scrapes: Arc<AtomicUsize>,
    server: JoinHandle<()>,
}

impl Instance {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let scrapes = Arc::<AtomicUsize>::default();
        let server = tokio::spawn(serve(listener, Arc::clone(&scrapes)));
        Self { address, scrapes, server }
    }

    /// Where it listens, as it registers itself.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// How often it has been scraped.
    pub(crate) fn scrapes(&self) -> usize {
        self.scrapes.load(Ordering::Relaxed)
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, scrapes: Arc<AtomicUsize>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let scrapes = Arc::clone(&scrapes);
        tokio::spawn(async move {
            let mut request = [0; 4096];
            if stream.read(&mut request).await.is_ok_and(|read| read > 0) {
                scrapes.fetch_add(1, Ordering::Relaxed);
                // A scraper that went away is its own affair.
                let _ = stream.write_all(ANSWER).await;
            }
        });
    }
}
