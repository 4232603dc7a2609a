//! Who we are, and whom we trust: as given on the command line, and as read from the files
//! named there.
//!
//! The files are read for each connection anew, so that certificates and passwords can be
//! changed while the daemon runs.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fmt, io};

use etcd_client::{Identity, TlsOptions};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;

use super::Server;
use crate::file;

/// What the command line says about TLS and about the user.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// `--cacert`: who signs the certificates of servers; `None` for whom the system trusts.
    pub cacert: Option<PathBuf>,
    /// `--cert` and `--key`: shown to servers that ask for a certificate.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// `--server-name`: the name that certificates of servers must have, instead of the host
    /// in the URL.
    pub server_name: Option<String>,
    /// `--user`, with where the password is.
    pub user: Option<(String, PasswordSource)>,
}

/// Where the password is.
#[derive(Clone, Debug)]
pub enum PasswordSource {
    /// In this file, with or without a newline at its end.
    File(PathBuf),
    /// In the variable `ETCD_SD_PASSWORD`, with this value.
    Variable(Secret),
}

impl fmt::Display for PasswordSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "--password-file {}", path.display()),
            Self::Variable(_) => f.write_str("the variable ETCD_SD_PASSWORD"),
        }
    }
}

/// Text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes the text into keeping.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text, for whom it is meant.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What is wrong with a file that was named on the command line.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CredentialsError {
    /// It can't be read, or does not hold what it should.
    #[error("{flag} {}: {reason}", path.display())]
    File {
        /// Which one.
        flag: &'static str,
        /// Where it is.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// There is nobody to trust.
    #[error("{0}; give the authority that signs the servers' certificates with --cacert")]
    NoRoots(String),
}

/// What was read, ready for one connection.
#[derive(Default)]
pub(super) struct Ready {
    pub(super) tls: Option<Tls>,
    /// Name and password.
    pub(super) login: Option<(String, Secret)>,
}

/// One and the same in the words of etcd's client and of its TLS library.
pub(super) struct Tls {
    pub(super) options: TlsOptions,
    pub(super) config: Arc<ClientConfig>,
}

impl Credentials {
    /// Whether a connection to `server` needs anything of this.
    pub(super) fn matter_to(&self, server: &Server) -> bool {
        server.is_tls() || self.user.is_some()
    }

    /// Reads every file that a connection to `server` needs, and checks it. Blocks.
    pub(super) fn read(&self, server: &Server) -> Result<Ready, CredentialsError> {
        let tls = server.is_tls().then(|| self.read_tls()).transpose()?;
        let login = self.user.as_ref().map(|(name, password)| {
            let password = match password {
                PasswordSource::File(path) => read_password(path)?,
                PasswordSource::Variable(password) => password.clone(),
            };
            Ok((name.clone(), password))
        });
        Ok(Ready { tls, login: login.transpose()? })
    }

    /// Reads and checks, as each connection will do, so that a slip shows at the start. Blocks.
    pub fn check(&self, server: &Server) -> Result<(), CredentialsError> {
        self.read(server).map(drop)
    }

    fn read_tls(&self) -> Result<Tls, CredentialsError> {
        let roots = match &self.cacert {
            Some(path) => read_roots(path)?,
            None => system_roots()?,
        };
        let mut options = TlsOptions::new().trust_anchors(roots.roots.iter().cloned());
        if let Some(name) = &self.server_name {
            options = options.domain_name(name);
        }
        let config =
            ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .map_err(|error| CredentialsError::NoRoots(error.to_string()))?
                .with_root_certificates(roots);
        let mut config = match &self.identity {
            None => config.with_no_client_auth(),
            Some((cert, key)) => {
                let (cert_pem, certs) = read_certificates("--cert", cert)?;
                let (key_pem, private_key) = read_key(key)?;
                options = options.identity(Identity::from_pem(cert_pem, key_pem));
                config.with_client_auth_cert(certs, private_key).map_err(|error| match error {
                    rustls::Error::InconsistentKeys(_) => {
                        let cert = cert.display();
                        bad(
                            "--key",
                            key,
                            format!("not the key of the certificate in --cert {cert}"),
                        )
                    }
                    rustls::Error::InvalidCertificate(error) => {
                        bad("--cert", cert, format!("not a valid certificate: {error}"))
                    }
                    error => bad("--key", key, format!("not a usable key: {error}")),
                })?
            }
        };
        config.alpn_protocols.push(b"h2".to_vec());
        Ok(Tls { options, config: Arc::new(config) })
    }
}

/// Whether a certificate can have this name: a DNS name or an IP address.
#[must_use]
pub fn is_server_name(name: &str) -> bool {
    ServerName::try_from(name).is_ok()
}

fn read_roots(path: &Path) -> Result<RootCertStore, CredentialsError> {
    let (_, certificates) = read_certificates("--cacert", path)?;
    let mut roots = RootCertStore::empty();
    match roots.add_parsable_certificates(certificates) {
        (0, _) => Err(bad("--cacert", path, "no certificate in it that can be read")),
        _ => Ok(roots),
    }
}

/// What the system trusts; or, as with OpenSSL, what `SSL_CERT_FILE` or `SSL_CERT_DIR` say.
fn system_roots() -> Result<RootCertStore, CredentialsError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    if roots.add_parsable_certificates(found.certs).0 > 0 {
        return Ok(roots);
    }
    let why = found.errors.first().map(|error| format!(" ({error})")).unwrap_or_default();
    Err(CredentialsError::NoRoots(format!("this system trusts no certificate authority{why}")))
}

/// The parser's own words repeat what they are about, and that may be a key.
const DAMAGED: &str = "not a PEM file, or a damaged one";

type Certificates = Vec<CertificateDer<'static>>;

fn read_certificates(
    flag: &'static str,
    path: &Path,
) -> Result<(Vec<u8>, Certificates), CredentialsError> {
    let pem = read(flag, path)?;
    let certificates: Result<Certificates, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match certificates {
        Ok(certificates) if certificates.is_empty() => {
            let found = match PrivateKeyDer::from_pem_slice(&pem) {
                Ok(_) => "no certificate in it, but a private key",
                Err(_) => "no certificate in it (-----BEGIN CERTIFICATE-----)",
            };
            Err(bad(flag, path, found))
        }
        Ok(certificates) => Ok((pem, certificates)),
        Err(_) => Err(bad(flag, path, DAMAGED)),
    }
}

fn read_key(path: &Path) -> Result<(Vec<u8>, PrivateKeyDer<'static>), CredentialsError> {
    const FLAG: &str = "--key";
    let pem = read(FLAG, path)?;
    let text = String::from_utf8_lossy(&pem);
    if text.contains("BEGIN ENCRYPTED") || text.contains("4,ENCRYPTED") {
        let advice = "the key is encrypted; decrypt it (openssl pkey) and protect the file";
        return Err(bad(FLAG, path, advice));
    }
    match PrivateKeyDer::from_pem_slice(&pem) {
        Ok(key) => Ok((pem, key)),
        Err(pem::Error::NoItemsFound) => {
            Err(bad(FLAG, path, "no private key in it (-----BEGIN PRIVATE KEY-----)"))
        }
        Err(_) => Err(bad(FLAG, path, DAMAGED)),
    }
}

fn read_password(path: &Path) -> Result<Secret, CredentialsError> {
    const FLAG: &str = "--password-file";
    let text = String::from_utf8(read(FLAG, path)?);
    // The error of the conversion would carry the bytes.
    let text = text.map_err(|_| bad(FLAG, path, "not UTF-8"))?;
    let line =
        text.strip_suffix('\n').map_or(&*text, |text| text.strip_suffix('\r').unwrap_or(text));
    if line.is_empty() {
        return Err(bad(FLAG, path, "it is empty"));
    }
    Ok(Secret::new(line.to_owned()))
}

fn read(flag: &'static str, path: &Path) -> Result<Vec<u8>, CredentialsError> {
    file::read_small(path).map_err(|error: io::Error| bad(flag, path, error.to_string()))
}

fn bad(flag: &'static str, path: &Path, reason: impl Into<String>) -> CredentialsError {
    CredentialsError::File { flag, path: path.to_owned(), reason: reason.into() }
}
