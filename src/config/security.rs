//! Flags for TLS and authentication, and how they fit together.

use std::path::PathBuf;

use clap::Args;
use thiserror::Error;

use crate::etcd::{Credentials, CredentialsError, PasswordSource, Secret, Server, is_server_name};

/// The password, for those who can't have it in a file.
const PASSWORD_VARIABLE: &str = "ETCD_SD_PASSWORD";

/// How to know the servers, and what they know us by.
#[allow(clippy::doc_markdown, reason = "the comments are the text of --help")]
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "TLS and authentication")]
pub struct SecurityArgs {
    /// Certificates of the authorities that sign those of https:// servers (PEM)
    ///
    /// [default: the authorities that the system trusts]
    #[arg(long, value_name = "FILE", env = "ETCD_SD_CACERT")]
    pub cacert: Option<PathBuf>,

    /// Our own certificate, for servers that ask for one (PEM); with --key
    #[arg(long, value_name = "FILE", env = "ETCD_SD_CERT")]
    pub cert: Option<PathBuf>,

    /// The private key of --cert (PEM, not encrypted)
    #[arg(long, value_name = "FILE", env = "ETCD_SD_KEY")]
    pub key: Option<PathBuf>,

    /// The name that the servers' certificates must have
    ///
    /// [default: the host in --server]
    #[arg(long, value_name = "NAME", env = "ETCD_SD_SERVER_NAME")]
    pub server_name: Option<String>,

    /// The user of etcd to log in as; needs read permission for --prefix
    ///
    /// The name alone. The password is in --password-file or in the variable
    /// ETCD_SD_PASSWORD: a command line can be read by every user of the host.
    // Whoever puts the password here too finds it refused; --help must not show it.
    #[arg(long, value_name = "NAME", env = "ETCD_SD_USER", hide_env_values = true)]
    pub user: Option<String>,

    /// A file with the password of --user
    ///
    /// A newline at its end is no part of the password. This file and those with
    /// certificates are read anew for each connection, and so on SIGHUP.
    #[arg(long, value_name = "FILE", env = "ETCD_SD_PASSWORD_FILE")]
    pub password_file: Option<PathBuf>,

    /// The value of `ETCD_SD_PASSWORD`.
    #[arg(skip = password_variable())]
    pub password: Option<Secret>,
}

/// What does not fit together.
#[derive(Clone, Debug, Error)]
pub enum SecurityError {
    /// One is of no use without the other.
    #[error("--{given} without --{missing}; a certificate and its key go together")]
    Half {
        /// The flag that is there.
        given: &'static str,
        /// The one that is not.
        missing: &'static str,
    },
    /// Nothing is encrypted on this connection, and nobody's certificate is looked at.
    #[error("--{flag} has no effect with {server}; write {https}, or leave --{flag} away")]
    NoTls {
        /// The flag.
        flag: &'static str,
        /// The server without TLS.
        server: Server,
        /// The same with TLS.
        https: String,
    },
    /// No certificate can have such a name.
    #[error("--server-name {0}: neither a DNS name nor an IP address")]
    ServerName(String),
    /// Nobody's name.
    #[error("--user: the name is empty")]
    NoName,
    /// The text is not repeated: it may be in the sight of others already.
    #[error(
        "--user: give the name alone. A command line can be read by every user of the host, so \
         the password comes from --password-file or from the variable ETCD_SD_PASSWORD"
    )]
    PasswordInUser,
    /// As above.
    #[error(
        "--server: a user or password has no place in a URL. A command line can be read by \
         every user of the host; see --user and --password-file"
    )]
    UserInServer,
    /// A user needs one.
    #[error(
        "--user {0} without a password; give --password-file, or the variable ETCD_SD_PASSWORD"
    )]
    NoPassword(String),
    /// Which one is it?
    #[error("--password-file and the variable ETCD_SD_PASSWORD are both given; unset one of them")]
    TwoPasswords,
    /// A password of nobody.
    #[error("{0} without --user; whose password is it?")]
    NoUser(&'static str),
    /// A file is not what it should be.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
}

impl SecurityArgs {
    /// Checks that the flags fit together and to the servers, and reads the files once to see
    /// whether they are what they should be.
    pub(super) fn credentials(self, servers: &[Server]) -> Result<Credentials, SecurityError> {
        if let Some(plain) = servers.iter().find(|server| !server.is_tls()) {
            let given = [
                ("cacert", self.cacert.is_some()),
                ("cert", self.cert.is_some()),
                ("key", self.key.is_some()),
                ("server-name", self.server_name.is_some()),
            ];
            if let Some((flag, _)) = given.into_iter().find(|(_, given)| *given) {
                let (server, https) = (plain.clone(), plain.as_https());
                return Err(SecurityError::NoTls { flag, server, https });
            }
        }
        let identity = match (self.cert, self.key) {
            (Some(cert), Some(key)) => Some((cert, key)),
            (None, None) => None,
            (Some(_), None) => {
                return Err(SecurityError::Half { given: "cert", missing: "key" });
            }
            (None, Some(_)) => {
                return Err(SecurityError::Half { given: "key", missing: "cert" });
            }
        };
        if let Some(name) = self.server_name.as_ref().filter(|name| !is_server_name(name)) {
            return Err(SecurityError::ServerName(name.clone()));
        }
        let credentials = Credentials {
            cacert: self.cacert,
            identity,
            server_name: self.server_name,
            user: user(self.user, self.password_file, self.password)?,
        };
        // All servers with TLS need the same files, and the others no more than they do.
        let with_tls = servers.iter().find(|server| server.is_tls());
        if let Some(server) = with_tls.or(servers.first()) {
            credentials.check(server)?;
        }
        Ok(credentials)
    }
}

fn user(
    name: Option<String>,
    file: Option<PathBuf>,
    variable: Option<Secret>,
) -> Result<Option<(String, PasswordSource)>, SecurityError> {
    let Some(name) = name else {
        return match (file, variable) {
            (Some(_), _) => Err(SecurityError::NoUser("--password-file")),
            (None, Some(_)) => Err(SecurityError::NoUser("the variable ETCD_SD_PASSWORD")),
            (None, None) => Ok(None),
        };
    };
    if name.contains(':') {
        return Err(SecurityError::PasswordInUser);
    }
    if name.is_empty() {
        return Err(SecurityError::NoName);
    }
    let password = match (file, variable) {
        (Some(file), None) => PasswordSource::File(file),
        (None, Some(password)) => PasswordSource::Variable(password),
        (Some(_), Some(_)) => return Err(SecurityError::TwoPasswords),
        (None, None) => return Err(SecurityError::NoPassword(name)),
    };
    Ok(Some((name, password)))
}

/// An empty one is as good as none.
fn password_variable() -> Option<Secret> {
    let value = std::env::var_os(PASSWORD_VARIABLE)?;
    let value = value.to_string_lossy().into_owned();
    (!value.is_empty()).then(|| Secret::new(value))
}
