//! Hears what a server objects to.
//!
//! The client's connection says well enough what it objects to itself. What a server objects
//! to, in the moment when it closes the connection, often gets lost on the way through HTTP/2;
//! so then the handshake is made a second time by hand, to hear it.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::TlsError;
use crate::etcd::error::tls_error;
use crate::etcd::{Credentials, Server};

/// What opens HTTP/2, with no settings: the server answers with its own.
const HELLO: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// Of a frame of HTTP/2.
const HEADER: usize = 9;

/// Makes a handshake by hand and listens for what the server objects to; `None` if it objects
/// to nothing, or can't be reached. Blocks, for a few times `limit` at most.
pub(in crate::etcd) fn objection(
    server: &Server,
    config: Option<Arc<ClientConfig>>,
    credentials: &Credentials,
    limit: Duration,
) -> Option<TlsError> {
    let name = credentials.server_name.as_deref().unwrap_or(server.host());
    let is_ours = config.is_some();
    let Err(error) = handshake(server, name, config, limit) else {
        return (!is_ours).then(|| TlsError::PlainClient(server.as_https()));
    };
    match tls_error(&error) {
        Some(error) if is_ours => Some(TlsError::new(&error, credentials)),
        // It closed the connection, or, as there was something that it had not read, reset it.
        None if is_ours => speaks_plainly(server, limit).then_some(TlsError::PlainServer),
        // Whatever else it objects to: to that end it spoke TLS.
        Some(error) if !matches!(error, rustls::Error::InvalidMessage(_)) => {
            Some(TlsError::PlainClient(server.as_https()))
        }
        _ => None,
    }
}

/// A handshake and, since the server may object only after it, one exchange of HTTP/2, which
/// fails only if TLS has to say something.
fn handshake(
    server: &Server,
    name: &str,
    config: Option<Arc<ClientConfig>>,
    limit: Duration,
) -> io::Result<()> {
    let stream = reach(server, limit)?;
    let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
    let config = match config {
        Some(config) => config,
        None => Arc::new(trusting_nobody()?),
    };
    let connection = ClientConnection::new(config, name).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(connection, stream);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    // If this fails, the reason is waiting to be read.
    let _ = stream.write_all(HELLO).and_then(|()| stream.flush());
    match stream.read(&mut [0; HEADER]) {
        Err(error) if tls_error(&error).is_some() => Err(error),
        _ => Ok(()),
    }
}

/// Whether the server answers HTTP/2 without TLS.
fn speaks_plainly(server: &Server, limit: Duration) -> bool {
    const SETTINGS: u8 = 4;
    let mut header = [0; HEADER];
    let answered = reach(server, limit).and_then(|mut stream| {
        stream.write_all(HELLO)?;
        stream.read_exact(&mut header)
    });
    answered.is_ok() && header[3] == SETTINGS
}

fn reach(server: &Server, limit: Duration) -> io::Result<TcpStream> {
    let mut addresses = server.authority().to_socket_addrs()?;
    let reached = addresses.find_map(|at| TcpStream::connect_timeout(&at, limit).ok());
    let stream = reached.ok_or(io::ErrorKind::NotFound)?;
    stream.set_read_timeout(Some(limit))?;
    stream.set_write_timeout(Some(limit))?;
    Ok(stream)
}

/// Enough to find out whether there is TLS at all.
fn trusting_nobody() -> io::Result<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider);
    let config = config.with_safe_default_protocol_versions().map_err(io::Error::other)?;
    Ok(config.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// A server that closes what it can't read, `resetting` it or not, and answers HTTP/2 only if
    /// it `speaks` it; what it is taken for by who comes with TLS.
    fn told_of(resetting: bool, speaks: bool) -> Option<TlsError> {
        const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = format!("https://{}", listener.local_addr().unwrap());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut begun = [0; 3];
                stream.read_exact(&mut begun).unwrap();
                let answers = speaks && begun == *b"PRI";
                if answers {
                    stream.write_all(SETTINGS).unwrap();
                }
                // Closing with something unread is what makes it a reset.
                if answers || !resetting {
                    stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
                    let _ = stream.read_to_end(&mut Vec::new());
                }
            }
        });
        let server = Server::parse(&server).unwrap();
        let config = Some(Arc::new(trusting_nobody().unwrap()));
        objection(&server, config, &Credentials::default(), Duration::from_secs(10))
    }

    #[test]
    fn a_server_without_tls_is_known_by_its_plain_answer_however_it_ends_a_handshake() {
        for resetting in [true, false] {
            assert_eq!(told_of(resetting, true), Some(TlsError::PlainServer), "{resetting}");
        }
    }

    #[test]
    fn a_server_that_ends_each_connection_is_not_said_to_be_without_tls() {
        for resetting in [true, false] {
            assert_eq!(told_of(resetting, false), None, "{resetting}");
        }
    }
}
