//! Certificates, made for a test: an authority of its own, and what it signs.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, date_time_ymd,
};

/// Signs certificates, and keeps them in a directory.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: PathBuf,
}

/// A certificate and its key, in PEM files.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) cert: String,
    pub(crate) key: String,
}

/// When a certificate is valid.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Valid {
    Now,
    NoMore,
    NotYet,
}

impl Authority {
    pub(crate) fn new(directory: &Path, name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let authority = Self { issuer, directory: directory.to_owned() };
        fs::write(authority.file(name, "pem"), authority.pem()).unwrap();
        authority
    }

    /// Its own certificate.
    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A certificate for a server under these names and addresses. etcd uses it as a client
    /// as well, to reach itself.
    pub(crate) fn server(&self, names: &[&str], valid: Valid) -> Identity {
        self.sign(names[0], names, valid)
    }

    /// A certificate for a client, whose common name etcd can take for a user.
    pub(crate) fn client(&self, name: &str, valid: Valid) -> Identity {
        self.sign(name, &[], valid)
    }

    fn sign(&self, common_name: &str, names: &[&str], valid: Valid) -> Identity {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let (from, to) = match valid {
            Valid::Now => (2020, 2120),
            Valid::NoMore => (2020, 2021),
            Valid::NotYet => (2110, 2120),
        };
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(to, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        // Unique in the directory: the key is.
        let id = key.public_key_raw()[1..9].iter().fold(0, |id, &b| id << 8 | u64::from(b));
        let id = format!("{id:x}");
        let (cert_file, key_file) = (self.file(&id, "pem"), self.file(&id, "key"));
        fs::write(&cert_file, certificate.pem()).unwrap();
        fs::write(&key_file, key.serialize_pem()).unwrap();
        Identity { cert: cert_file, key: key_file }
    }

    fn file(&self, name: &str, ending: &str) -> String {
        self.directory.join(format!("{name}.{ending}")).to_str().unwrap().to_owned()
    }
}

impl Identity {
    /// Puts another certificate with its key in the place of this one.
    pub(crate) fn replace_by(&self, other: &Self) {
        fs::copy(&other.cert, &self.cert).unwrap();
        fs::copy(&other.key, &self.key).unwrap();
    }

    /// A copy that can be replaced.
    pub(crate) fn copy(&self) -> Self {
        let copied = |path: &str| {
            let copy = format!("{path}.copy");
            fs::copy(path, &copy).unwrap();
            copy
        };
        Self { cert: copied(&self.cert), key: copied(&self.key) }
    }
}
