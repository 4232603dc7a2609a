//! A real etcd that one has to be let into: by TLS, by user and password, or both.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use etcd_client::{
    AuthClient, Certificate, ConnectOptions, Identity as ClientIdentity, Permission,
    RoleRevokePermissionOptions, TlsOptions,
};
use tempfile::TempDir;

use super::backend::Etcd;
use super::certs::{Authority, Identity, Valid};
use super::etcd::{Access, RealEtcd, Sync};

/// May read below `/services/`.
pub(crate) const USER: &str = "prom";
pub(crate) const PASSWORD: &str = "pr0m's pass: word, with @ll of it";
const ROLE: &str = "readers";

const ROOT: &str = "root";
const ROOT_PASSWORD: &str = "r00t";

/// How etcd makes its tokens.
#[derive(Clone, Copy)]
pub(crate) enum Tokens {
    /// Random, and kept by the server for so many seconds after the last use.
    Simple(u32),
    /// Signed, for so many seconds, and for as long as users and roles stay as they are.
    Jwt(u32),
}

/// An authority, and the certificates of an etcd with TLS.
pub(crate) struct Certificates {
    pub(crate) ours: Authority,
    pub(crate) cacert: String,
    directory: TempDir,
}

impl Certificates {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let ours = Authority::new(directory.path(), "ours");
        let cacert = file(directory.path(), "ours.pem");
        Self { ours, cacert, directory }
    }

    /// For what the tests write themselves.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Another authority: its own certificate's file.
    pub(crate) fn another(&self) -> (Authority, String) {
        let another = Authority::new(self.directory.path(), "another");
        (another, file(self.directory.path(), "another.pem"))
    }

    /// An etcd with this certificate.
    pub(crate) async fn etcd(&self, server: &Identity, wants_certificate: bool) -> Etcd {
        self.etcd_by_name(server, wants_certificate, None).await
    }

    /// An etcd with a certificate that is for another name than the one it is reached by.
    pub(crate) async fn etcd_of_another_name(&self, server: &Identity, name: &str) -> Etcd {
        self.etcd_by_name(server, false, Some(name)).await
    }

    async fn etcd_by_name(
        &self,
        server: &Identity,
        wants_certificate: bool,
        name: Option<&str>,
    ) -> Etcd {
        let client = self.ours.client("tests", Valid::Now);
        let mut access = Access { https: true, ..Access::default() };
        access.etcd.extend([
            format!("--cert-file={}", server.cert),
            format!("--key-file={}", server.key),
            "--bcrypt-cost=4".to_owned(),
        ]);
        if wants_certificate {
            let trusted = format!("--trusted-ca-file={}", self.cacert);
            access.etcd.extend([trusted, "--client-cert-auth".to_owned()]);
        }
        let cacert = format!("--cacert={}", self.cacert);
        let (cert, key) = (format!("--cert={}", client.cert), format!("--key={}", client.key));
        access.etcdctl.extend([cacert, cert, key]);
        let read = |path: &str| fs::read(path).unwrap();
        let mut tls = TlsOptions::new()
            .ca_certificate(Certificate::from_pem(read(&self.cacert)))
            .identity(ClientIdentity::from_pem(read(&client.cert), read(&client.key)));
        if let Some(name) = name {
            tls = tls.domain_name(name);
        }
        access.client = ConnectOptions::new().with_tls(tls);
        Etcd::of(RealEtcd::start_with(Sync::Never, access).await).await
    }
}

impl Etcd {
    /// One in which [`USER`] may read below `/services/`.
    pub(crate) async fn with_users(tokens: Tokens) -> Self {
        let mut etcd = Self::before_users(tokens).await;
        etcd.enable_users().await;
        etcd
    }

    /// The same, with authentication not yet enabled.
    pub(crate) async fn before_users(tokens: Tokens) -> Self {
        // A password costs as much as it must, not as much as it should.
        let mut access = Access { etcd: vec!["--bcrypt-cost=4".to_owned()], ..Access::default() };
        let keys = tempfile::tempdir().unwrap();
        access.etcd.extend(match tokens {
            Tokens::Simple(seconds) => vec![format!("--auth-token-ttl={seconds}")],
            Tokens::Jwt(seconds) => {
                let key = keys.path().join("jwt.key");
                fs::write(&key, b"known to nobody but this etcd").unwrap();
                let key = key.to_str().unwrap();
                let jwt = format!("jwt,sign-method=HS256,priv-key={key},ttl={seconds}s");
                vec![format!("--auth-token={jwt}")]
            }
        });
        access.files = Some(Arc::new(keys));
        Self::of(RealEtcd::start_with(Sync::Never, access).await).await
    }

    /// Makes [`USER`] and root, and asks for a login from now on.
    pub(crate) async fn enable_users(&mut self) {
        let mut auth = self.client().auth_client();
        auth.user_add(ROOT, ROOT_PASSWORD, None).await.unwrap();
        auth.role_add(ROOT).await.unwrap();
        auth.user_grant_role(ROOT, ROOT).await.unwrap();
        auth.user_add(USER, PASSWORD, None).await.unwrap();
        auth.role_add(ROLE).await.unwrap();
        auth.user_grant_role(USER, ROLE).await.unwrap();
        auth.role_grant_permission(ROLE, below_services()).await.unwrap();
        auth.auth_enable().await.unwrap();
        let access = self.settings().access();
        let client = access.client.clone().with_user(ROOT, ROOT_PASSWORD);
        access.client = client.with_auto_token_refresh(true);
        access.etcdctl.push(format!("--user={ROOT}:{ROOT_PASSWORD}"));
        self.connect_again().await;
    }

    /// Root's, with a token that no change of users has made useless.
    async fn auth(&self) -> AuthClient {
        self.client().refresh_token().await.unwrap();
        self.client().auth_client()
    }

    /// Root's token is a new one afterwards, so that it can go on writing.
    async fn auth_changed(&self) {
        self.client().refresh_token().await.unwrap();
    }

    pub(crate) async fn set_password(&self, password: &str) {
        self.auth().await.user_change_password(USER, password).await.unwrap();
        self.auth_changed().await;
    }

    /// A user who may do nothing. With tokens of the kind JWT, all that were given out
    /// before are "old" from now on.
    pub(crate) async fn add_user(&self, name: &str) {
        self.auth().await.user_add(name, "irrelevant", None).await.unwrap();
        self.auth_changed().await;
    }

    pub(crate) async fn revoke_reading(&self) {
        let below = RoleRevokePermissionOptions::new().with_prefix();
        let mut auth = self.auth().await;
        auth.role_revoke_permission(ROLE, "/services/", Some(below)).await.unwrap();
        self.auth_changed().await;
    }

    pub(crate) async fn grant_reading(&self) {
        self.auth().await.role_grant_permission(ROLE, below_services()).await.unwrap();
        self.auth_changed().await;
    }
}

fn below_services() -> Permission {
    Permission::read("/services/").with_prefix()
}

/// A file with a password, in a directory of its own.
pub(crate) struct PasswordFile {
    path: PathBuf,
    _directory: TempDir,
}

impl PasswordFile {
    /// With a newline, as an editor leaves it.
    pub(crate) fn new(password: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = Self { path: directory.path().join("password"), _directory: directory };
        file.write(password);
        file
    }

    pub(crate) fn write(&self, password: &str) {
        fs::write(&self.path, format!("{password}\n")).unwrap();
    }

    pub(crate) fn path(&self) -> &str {
        self.path.to_str().unwrap()
    }
}

fn file(directory: &Path, name: &str) -> String {
    directory.join(name).to_str().unwrap().to_owned()
}

/// Panics if it has a part of the password or a token.
pub(crate) fn no_secret_in(text: &str) {
    assert_eq!(secret_in(text), None, "{text}");
}

/// A part of the password, or what looks like one of etcd's tokens.
fn secret_in(text: &str) -> Option<&str> {
    let part = ["pr0m", "@ll of it"].into_iter().find(|&part| text.contains(part));
    let is_simple_token = |word: &str| {
        let (letters, number) = word.split_once('.').unwrap_or_default();
        letters.len() == 16
            && letters.bytes().all(|byte| byte.is_ascii_alphabetic())
            && !number.is_empty()
            && number.bytes().all(|byte| byte.is_ascii_digit())
    };
    let mut words = text.split(|c: char| c.is_whitespace() || "\"'=:,()[]{}".contains(c));
    // A JWT begins with JSON in base64.
    part.or_else(|| words.find(|word| word.starts_with("eyJ") || is_simple_token(word)))
}

#[test]
fn secrets_are_recognised() {
    for text in ["token=\"eyJhbGciOiJIUzI1NiJ9.e30.x\"", "(abcdefghijKLMNOP.12)", "pr0m"] {
        assert!(secret_in(text).is_some(), "{text}");
    }
    assert_eq!(secret_in("etcd-1.example.com:80 took 0.125 s, configurations.5x"), None);
}
