//! A small HTTP client: one request on a connection of its own, within limits.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONNECTION, HOST, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::Url;

/// For all of it.
const LIMIT: Duration = Duration::from_secs(5);

/// A Prometheus with many jobs says a few megabytes.
const LARGEST: usize = 32 << 20;

/// Why there is no answer.
#[derive(Debug, Error)]
pub(super) enum Error {
    #[error("no answer within {LIMIT:?}")]
    Slow,
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("{0}")]
    Http(String),
    #[error("it answers {0}, and should do so with 200 to /metrics below the given address")]
    Status(StatusCode),
    #[error("its answer is longer than {LARGEST} bytes, or breaks off: {0}")]
    Body(Box<dyn StdError + Send + Sync>),
    #[error("its answer is no text")]
    Text,
}

pub(super) struct Client {
    url: Url,
    tls: Option<Arc<ClientConfig>>,
}

impl Client {
    /// Trusts the authorities that this system does.
    pub(super) fn new(url: Url) -> Self {
        let tls = url.tls.then(trusting_the_system).flatten();
        Self { url, tls }
    }

    /// What is served at this path.
    pub(super) async fn get(&self, path: &str) -> Result<String, Error> {
        timeout(LIMIT, self.try_get(path)).await.unwrap_or(Err(Error::Slow))
    }

    async fn try_get(&self, path: &str) -> Result<String, Error> {
        let Url { host, port, .. } = &self.url;
        let name = host.trim_start_matches('[').trim_end_matches(']');
        let stream = TcpStream::connect((name, *port)).await?;
        if !self.url.tls {
            return self.ask(stream, path).await;
        }
        let config = self.tls.clone();
        let config = config.ok_or_else(|| Error::Http("this system has no authorities".into()))?;
        let server = ServerName::try_from(name.to_owned());
        let server = server.map_err(|error| Error::Http(error.to_string()))?;
        let stream = TlsConnector::from(config).connect(server, stream).await?;
        self.ask(stream, path).await
    }

    async fn ask<S>(&self, stream: S, path: &str) -> Result<String, Error>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let failed = |error: hyper::Error| Error::Http(error.to_string());
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
        let Url { host, port, path: prefix, .. } = &self.url;
        let request = Request::get(format!("{prefix}{path}"))
            .header(HOST, format!("{host}:{port}"))
            .header(ACCEPT, "text/plain;version=0.0.4")
            .header(USER_AGENT, concat!("etcd-sd/", env!("CARGO_PKG_VERSION")))
            .header(CONNECTION, "close")
            .body(Empty::<Bytes>::new())
            .map_err(|error| Error::Http(error.to_string()))?;
        let answer = async {
            let response = sender.send_request(request).await.map_err(failed)?;
            if response.status() != StatusCode::OK {
                return Err(Error::Status(response.status()));
            }
            let body = Limited::new(response.into_body(), LARGEST).collect().await;
            String::from_utf8(body.map_err(Error::Body)?.to_bytes().into()).map_err(|_| Error::Text)
        };
        tokio::pin!(answer);
        tokio::pin!(connection);
        tokio::select! {
            answer = &mut answer => return answer,
            // The rest of the answer may have come with its end.
            ended = &mut connection => ended.map_err(failed)?,
        }
        answer.await
    }
}

fn trusting_the_system() -> Option<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let config = config.with_safe_default_protocol_versions().ok()?;
    Some(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}
