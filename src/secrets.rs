//! Certificates, private keys, passwords and tokens, as they are read from files that the
//! command line names.
//!
//! They are read again and again, so that they can be changed while the daemon runs. What is
//! wrong with a file is said with its flag and path, and never with what stands in it.

use std::fmt;
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;

use crate::file;

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
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A file that was named on the command line can't be read, or does not hold what it should.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{flag} {}: {reason}", path.display())]
pub struct BadFile {
    /// Which one.
    pub flag: &'static str,
    /// Where it is.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

/// A chain of certificates, that of the leaf first.
pub(crate) type Certificates = Vec<CertificateDer<'static>>;

/// The parser's own words repeat what they are about, and that may be a key.
const DAMAGED: &str = "not a PEM file, or a damaged one";

/// Reads the file that the flag names. Blocks.
pub(crate) fn read(flag: &'static str, path: &Path) -> Result<Vec<u8>, BadFile> {
    file::read_small(path).map_err(|error| bad(flag, path, error.to_string()))
}

/// The certificates in these bytes of the file that the flag names; at least one.
pub(crate) fn certificates(
    flag: &'static str,
    path: &Path,
    pem: &[u8],
) -> Result<Certificates, BadFile> {
    let certificates: Result<Certificates, _> = CertificateDer::pem_slice_iter(pem).collect();
    match certificates {
        Ok(certificates) if certificates.is_empty() => {
            let found = match PrivateKeyDer::from_pem_slice(pem) {
                Ok(_) => "no certificate in it, but a private key",
                Err(_) => "no certificate in it (-----BEGIN CERTIFICATE-----)",
            };
            Err(bad(flag, path, found))
        }
        Ok(certificates) => Ok(certificates),
        Err(_) => Err(bad(flag, path, DAMAGED)),
    }
}

/// The private key in these bytes of the file that the flag names.
pub(crate) fn private_key(
    flag: &'static str,
    path: &Path,
    pem: &[u8],
) -> Result<PrivateKeyDer<'static>, BadFile> {
    let text = String::from_utf8_lossy(pem);
    if text.contains("BEGIN ENCRYPTED") || text.contains("4,ENCRYPTED") {
        let advice = "the key is encrypted; decrypt it (openssl pkey) and protect the file";
        return Err(bad(flag, path, advice));
    }
    match PrivateKeyDer::from_pem_slice(pem) {
        Ok(key) => Ok(key),
        Err(pem::Error::NoItemsFound) => {
            Err(bad(flag, path, "no private key in it (-----BEGIN PRIVATE KEY-----)"))
        }
        Err(_) => Err(bad(flag, path, DAMAGED)),
    }
}

/// What the TLS library says of a certificate and a key, which are of these files.
pub(crate) fn unfit(
    error: rustls::Error,
    (cert_flag, cert): (&'static str, &Path),
    (key_flag, key): (&'static str, &Path),
) -> BadFile {
    match error {
        rustls::Error::InconsistentKeys(_) => {
            let of = format!("not the key of the certificate in {cert_flag} {}", cert.display());
            bad(key_flag, key, of)
        }
        rustls::Error::InvalidCertificate(error) => {
            bad(cert_flag, cert, format!("not a valid certificate: {error}"))
        }
        error => bad(key_flag, key, format!("not a usable key: {error}")),
    }
}

/// The password or token that these bytes of the file that the flag names are, with or without
/// the end of a line after it.
pub(crate) fn line(flag: &'static str, path: &Path, bytes: Vec<u8>) -> Result<Secret, BadFile> {
    // The error of the conversion would carry the bytes.
    let text = String::from_utf8(bytes).map_err(|_| bad(flag, path, "not UTF-8"))?;
    let line =
        text.strip_suffix('\n').map_or(&*text, |text| text.strip_suffix('\r').unwrap_or(text));
    if line.is_empty() {
        return Err(bad(flag, path, "it is empty"));
    }
    Ok(Secret::new(line.to_owned()))
}

/// The error that says so.
pub(crate) fn bad(flag: &'static str, path: &Path, reason: impl Into<String>) -> BadFile {
    BadFile { flag, path: path.to_owned(), reason: reason.into() }
}
