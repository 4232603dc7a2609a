//! The bearer token: `--listen-token-file`.
//!
//! It is compared by its hash, of which all bytes are looked at: how long that takes tells
//! nothing. A browser, which can't be told a bearer token, may give it as the password of any
//! user.

use std::path::PathBuf;
use std::sync::Arc;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::renewed::Renewed;
use crate::secrets::{self, BadFile};

const FLAG: &str = "--listen-token-file";

/// What [`Token::matches`] wants, as the header `WWW-Authenticate` says it.
pub(super) const CHALLENGES: [&str; 2] =
    ["Bearer realm=\"etcd-sd\"", "Basic realm=\"etcd-sd\", charset=\"UTF-8\""];

/// What is known of the token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Token([u8; 32]);

impl Token {
    /// Reads the token in this file. Blocks.
    pub(super) fn read(path: PathBuf) -> Result<Arc<Renewed<Self>>, BadFile> {
        Renewed::read(vec![(FLAG, path.clone())], move |bytes| {
            let bytes = bytes.first().cloned().unwrap_or_default();
            let token = secrets::line(FLAG, &path, bytes)?;
            if !token.reveal().bytes().all(|byte| byte.is_ascii_graphic()) {
                let reason = "a token is one line of printable ASCII characters without a space";
                return Err(secrets::bad(FLAG, &path, reason));
            }
            Ok(Self::of(token.reveal()))
        })
    }

    fn of(text: &str) -> Self {
        Self(Sha256::digest(text).into())
    }

    /// Whether the request gives the token.
    pub(super) fn matches(&self, headers: &HeaderMap) -> bool {
        given(headers).is_some_and(|given| {
            let pairs = self.0.iter().zip(Self::of(&given).0);
            pairs.fold(0, |difference, (one, other)| difference | (one ^ other)) == 0
        })
    }
}

fn given(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?.trim();
    // Discovery by HTTP of Prometheus 2 sends it bare, unless its configuration says
    // `type: Bearer`.
    let Some((scheme, given)) = value.split_once(' ') else { return Some(value.to_owned()) };
    let given = given.trim();
    if scheme.eq_ignore_ascii_case("Bearer") {
        return Some(given.to_owned());
    }
    if !scheme.eq_ignore_ascii_case("Basic") {
        return None;
    }
    let pair = String::from_utf8(STANDARD.decode(given).ok()?).ok()?;
    Some(pair.split_once(':')?.1.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_taken_as_such_or_as_anybodys_password_and_nothing_else_is() {
        let token = Token::of("hunter2");
        let check = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, value.parse().expect("a value"));
            token.matches(&headers)
        };
        for good in [
            "hunter2",
            "Bearer hunter2",
            "bearer  hunter2",
            "Basic Omh1bnRlcjI=",
            "Basic YTpodW50ZXIy",
        ] {
            assert!(check(good), "{good}");
        }
        for bad in [
            "Bearer hunter",
            "Bearer hunter22",
            "Bearer",
            "Bearer ",
            "hunter",
            "Basic hunter2",
            "Basic aHVudGVyMg==",
            "Digest hunter2",
            "Bearer Hunter2",
        ] {
            assert!(!check(bad), "{bad}");
        }
        assert!(!token.matches(&HeaderMap::new()));
    }
}
