//! Who we are, and whom we trust: as given on the command line, and as read from the files
//! named there.
//!
//! The files are read for each connection anew, so that certificates and passwords can be
//! changed while the daemon runs.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use etcd_client::{Identity, TlsOptions};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;

use super::Server;
use crate::secrets::{self, BadFile, Certificates, Secret, bad};

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

/// What is wrong with a file that was named on the command line.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CredentialsError {
    /// It can't be read, or does not hold what it should.
    #[error(transparent)]
    File(#[from] BadFile),
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
            Ok::<_, CredentialsError>((name.clone(), password))
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
                let key_pem = secrets::read("--key", key)?;
                let private_key = secrets::private_key("--key", key, &key_pem)?;
                options = options.identity(Identity::from_pem(cert_pem, key_pem));
                config
                    .with_client_auth_cert(certs, private_key)
                    .map_err(|error| secrets::unfit(error, ("--cert", cert), ("--key", key)))?
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
        (0, _) => Err(bad("--cacert", path, "no certificate in it that can be read").into()),
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

fn read_certificates(
    flag: &'static str,
    path: &Path,
) -> Result<(Vec<u8>, Certificates), CredentialsError> {
    let pem = secrets::read(flag, path)?;
    let certificates = secrets::certificates(flag, path, &pem)?;
    Ok((pem, certificates))
}

fn read_password(path: &Path) -> Result<Secret, CredentialsError> {
    const FLAG: &str = "--password-file";
    Ok(secrets::line(FLAG, path, secrets::read(FLAG, path)?)?)
}
