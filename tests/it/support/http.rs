//! As much of an HTTP client as a test needs.

use std::io;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// What a server answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        let (head, body) = end.map_or((bytes, &[][..]), |at| (&bytes[..at], &bytes[at + 4..]));
        let head = String::from_utf8_lossy(head).into_owned();
        let status = head.split_whitespace().nth(1).and_then(|status| status.parse().ok());
        Self { status: status.unwrap_or_default(), head, body: body.to_owned() }
    }

    /// The values of this header.
    pub(crate) fn headers(&self, name: &str) -> Vec<&str> {
        let headers = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        headers.filter(|(has, _)| has.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
    }

    /// The one value of this header, or nothing.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers(name).first().copied().unwrap_or_default()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// GETs from `http://<address><path>`; the body, if the answer is 200.
pub(crate) async fn get(address: &str, path: &str) -> Result<String, String> {
    let answer = ask(address, &format!("GET {path}"), &[]).await;
    let answer = answer.map_err(|error| format!("{address}: {error}"))?;
    if answer.status == 200 {
        Ok(answer.text())
    } else {
        Err(format!("{address}{path}: {}", answer.head))
    }
}

/// Asks `<METHOD> <path>` with these headers as well. A `Host` among them is the only one.
pub(crate) async fn ask(address: &str, what: &str, headers: &[(&str, &str)]) -> io::Result<Answer> {
    exchange(TcpStream::connect(address).await?, address, what, headers).await
}

/// Asks `https://localhost`, which is at this address and has a certificate of this authority.
pub(crate) async fn ask_with_tls(
    address: &str,
    authority: &str,
    what: &str,
    headers: &[(&str, &str)],
) -> io::Result<Answer> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider);
    let config = config.with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    exchange(stream, address, what, headers).await
}

/// In HTTP 1.0, whose answers are never in chunks and end with the connection.
async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    address: &str,
    what: &str,
    headers: &[(&str, &str)],
) -> io::Result<Answer> {
    let host = [("Host", address)];
    let host = host.iter().filter(|_| !headers.iter().any(|(name, _)| *name == "Host"));
    let mut request = format!("{what} HTTP/1.0\r\n");
    for (name, value) in host.chain(headers) {
        request.extend([name, ": ", value, "\r\n"]);
    }
    stream.write_all(format!("{request}\r\n").as_bytes()).await?;
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer).await {
        // A server may close without taking all, or without TLS' farewell.
        Err(error) if answer.is_empty() => Err(error),
        _ => Ok(Answer::parse(&answer)),
    }
}
