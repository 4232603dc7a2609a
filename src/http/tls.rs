//! TLS as a server: `--listen-cert` and `--listen-key`.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;

use super::renewed::Renewed;
use crate::secrets::{self, BadFile};

const CERT: &str = "--listen-cert";
const KEY: &str = "--listen-key";

/// Reads certificate and key, and checks that they fit. Blocks.
pub(super) fn read(
    cert: PathBuf,
    key: PathBuf,
) -> Result<Arc<Renewed<Arc<ServerConfig>>>, BadFile> {
    let files = vec![(CERT, cert.clone()), (KEY, key.clone())];
    Renewed::read(files, move |bytes| {
        let [cert_pem, key_pem] = bytes else { unreachable!("two files were given") };
        let certificates = secrets::certificates(CERT, &cert, cert_pem)?;
        let private_key = secrets::private_key(KEY, &key, key_pem)?;
        let unfit = |error| secrets::unfit(error, (CERT, &cert), (KEY, &key));
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(unfit)?
            .with_no_client_auth()
            .with_single_cert(certificates, private_key)
            .map_err(unfit)?;
        config.alpn_protocols.push(b"http/1.1".to_vec());
        Ok(Arc::new(config))
    })
}
