//! Flags for what is served over HTTP, and how they fit together.

use std::path::PathBuf;

use clap::Args;
use clap::builder::FalseyValueParser;
use thiserror::Error;

use crate::core::shard::Shard;
use crate::http::{Address, Listen};

/// What is served over HTTP, and to whom.
#[allow(
    clippy::doc_markdown,
    rustdoc::broken_intra_doc_links,
    reason = "the comments are the text of --help"
)]
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Serving")]
pub struct ListenArgs {
    /// Serve discovery (/sd), a status page (/), /api/v1, /metrics, /-/healthy and /-/ready here
    ///
    /// Over HTTP: 127.0.0.1:9099 or [::1]:9099 serve programs on this host alone, 0.0.0.0:9099 or [::]:9099
    /// everybody; port 0 is any free one, which the log says. Nothing listens without this flag.
    #[arg(long, value_name = "ADDR", env = "ETCD_SD_LISTEN", value_parser = Address::parse)]
    pub listen: Option<Address>,

    /// The certificate to serve TLS with, its chain behind it (PEM); with --listen-key
    ///
    /// Both files, and that of the token, are read anew when they change.
    #[arg(long, value_name = "FILE", env = "ETCD_SD_LISTEN_CERT")]
    pub listen_cert: Option<PathBuf>,

    /// The private key of --listen-cert (PEM, not encrypted)
    #[arg(long, value_name = "FILE", env = "ETCD_SD_LISTEN_KEY")]
    pub listen_key: Option<PathBuf>,

    /// A file with a token, without which nothing is answered but health and readiness
    ///
    /// Prometheus sends it with authorization: {type: Bearer, credentials_file: FILE}; browsers, as the
    /// password of any user. A newline at its end is no part of it.
    #[arg(long, value_name = "FILE", env = "ETCD_SD_LISTEN_TOKEN_FILE")]
    pub listen_token_file: Option<PathBuf>,

    /// Show the raw values of keys as well, which may hold secrets
    #[arg(long, env = "ETCD_SD_EXPOSE_VALUES", value_parser = FalseyValueParser::new())]
    pub expose_values: bool,

    /// Let POST /-/relist and /-/release do what SIGHUP and SIGUSR1 do
    #[arg(long, env = "ETCD_SD_ENABLE_LIFECYCLE", value_parser = FalseyValueParser::new())]
    pub enable_lifecycle: bool,
}

/// What does not fit together.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ListenError {
    /// It is about serving, and nothing is served.
    #[error("--{0} without --listen: nothing is served; give --listen too, or leave --{0} away")]
    NotServing(&'static str),
    /// One is of no use without the other.
    #[error("--{given} without --{missing}; a certificate and its key go together")]
    Half {
        /// The flag that is there.
        given: &'static str,
        /// The one that is not.
        missing: &'static str,
    },
}

impl ListenArgs {
    /// Checks that the flags fit together, and to `--shard`. The files are read when the daemon starts.
    pub(super) fn check(self, shard: Option<Shard>) -> Result<Option<Listen>, ListenError> {
        let Self { listen, listen_cert, listen_key, listen_token_file, .. } = self;
        let Some(address) = listen else {
            let given = [
                ("listen-cert", listen_cert.is_some()),
                ("listen-key", listen_key.is_some()),
                ("listen-token-file", listen_token_file.is_some()),
                ("expose-values", self.expose_values),
                ("enable-lifecycle", self.enable_lifecycle),
            ];
            let alone = given.into_iter().find(|(_, is_given)| *is_given);
            return alone.map_or(Ok(None), |(flag, _)| Err(ListenError::NotServing(flag)));
        };
        let identity = match (listen_cert, listen_key) {
            (Some(cert), Some(key)) => Some((cert, key)),
            (None, None) => None,
            (Some(_), None) => {
                return Err(ListenError::Half { given: "listen-cert", missing: "listen-key" });
            }
            (None, Some(_)) => {
                return Err(ListenError::Half { given: "listen-key", missing: "listen-cert" });
            }
        };
        Ok(Some(Listen {
            address,
            identity,
            token: listen_token_file,
            shard,
            expose_values: self.expose_values,
            enable_lifecycle: self.enable_lifecycle,
        }))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::config::Arguments;

    fn check(arguments: &[&str]) -> Result<Option<Listen>, String> {
        let arguments = std::iter::once("etcd-sd").chain(arguments.iter().copied());
        let args = Arguments::try_parse_from(arguments).map_err(|error| error.to_string())?;
        args.listen.check(None).map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_is_served_unless_it_is_told_where() {
        assert_eq!(check(&[]), Ok(None));
        let listen = check(&["--listen", "[::1]:0"]).expect("valid").expect("it listens");
        assert_eq!(listen.address.to_string(), "[::1]:0");
        assert!(!listen.enable_lifecycle && !listen.expose_values && listen.token.is_none());
    }

    #[test]
    fn flags_of_serving_that_do_not_fit_together_are_refused() {
        for (arguments, needles) in [
            (&["--listen", ":9099"][..], &["--listen", "no address", "127.0.0.1:9099"][..]),
            (&["--listen-cert", "x"], &["--listen-cert without --listen"]),
            (&["--enable-lifecycle"], &["--enable-lifecycle without --listen"]),
            (
                &["--listen", "[::1]:0", "--listen-cert", "x"],
                &["--listen-cert without --listen-key"],
            ),
            (&["--listen", "[::1]:0", "--listen-key", "x"], &["without --listen-cert"]),
        ] {
            let error = check(arguments).expect_err("refused");
            for needle in needles {
                assert!(error.contains(needle), "{arguments:?}: {needle} is not in: {error}");
            }
        }
    }
}
