//! Logs: one line a transition, to standard error, as text or JSON.
//!
//! Messages are constant, what varies stands in fields.

use std::error::Error;
use std::fmt::{self, Write as _};
use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use tracing::{Span, error_span};
use tracing_subscriber::EnvFilter;

use crate::core::schema::Schema;

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// What needs an operator.
    Error,
    /// What may need one.
    Warn,
    /// Every transition.
    Info,
    /// Every batch of events too.
    Debug,
    /// All there is.
    Trace,
}

/// How a line of log looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Sends the logs of this process to standard error, from now on. A second call changes
/// nothing.
pub fn init(level: LogLevel, format: LogFormat) {
    let ours = match level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    };
    // The libraries speak up only where all is wanted: HTTP/2 logs each frame.
    let theirs = if level == LogLevel::Trace { "debug" } else { "off" };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(format!("{theirs},etcd_sd={ours}")))
        .with_writer(io::stderr)
        .with_target(false)
        .with_ansi(io::stderr().is_terminal());
    let _ = match format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
}

/// A duration for a field of the log, in seconds, to a tenth of a millisecond.
#[must_use]
pub fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e4).round() / 1e4
}

/// What tells this one of the sources from the others: its prefix, or its pattern if another one
/// has the same prefix.
#[must_use]
pub fn source_name<'s>(sources: &[Arc<Schema>], source: &'s Schema) -> &'s str {
    let prefix = source.pattern.prefix();
    match sources.iter().filter(|other| other.pattern.prefix() == prefix).count() {
        0 | 1 => prefix.as_str(),
        _ => source.pattern.as_str(),
    }
}

/// Names this one of the sources in each of its lines. With one source every line would say the
/// same.
#[must_use]
pub fn source_span(sources: &[Arc<Schema>], source: &Schema) -> Span {
    let (prefix, name) = (source.pattern.prefix(), source_name(sources, source));
    match sources {
        [_] => Span::none(),
        _ if name == prefix.as_str() => error_span!("source", %prefix),
        _ => error_span!("source", key_pattern = name),
    }
}

/// Shows text of foreign origin: control characters are escaped, so that it can't end the
/// line or steer the terminal, and what is too long is cut.
pub struct Foreign<'t>(pub &'t [u8]);

impl fmt::Display for Foreign<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 300;
        for (count, c) in String::from_utf8_lossy(self.0).chars().enumerate() {
            if count == SHOWN {
                return f.write_str("…");
            }
            match c {
                '\\' | '"' | '\'' => f.write_char(c)?,
                _ => write!(f, "{}", c.escape_debug())?,
            }
        }
        Ok(())
    }
}

/// Shows an error with its causes, each after a colon, and each once: some errors have the text of
/// their cause in their own.
pub struct Chain<'e>(pub &'e dyn Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut last = self.0.to_string();
        f.write_str(&last)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            let text = error.to_string();
            if !last.ends_with(&text) {
                write!(f, ": {text}")?;
                last = text;
            }
            source = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_stays_on_its_line_and_does_not_steer_the_terminal() {
        for (text, shown) in [
            (&b"/services/web/1"[..], "/services/web/1"),
            (b"a\nERROR all is lost", "a\\nERROR all is lost"),
            (b"\x1b[31m\r\t", "\\u{1b}[31m\\r\\t"),
            (b"\xff\"'\\", "\u{fffd}\"'\\"),
        ] {
            assert_eq!(Foreign(text).to_string(), shown);
        }
        assert_eq!(Foreign(&[b'a'; 10_000]).to_string().chars().count(), 301);
    }

    #[test]
    fn of_several_sources_each_is_named_so_that_it_can_be_told_from_the_others() {
        let sources =
            ["/a/{service}/{i}", "/q/{service}-a/{i}", "/q/{service}-b/{i}"].map(|text| {
                Arc::new(Schema::of(crate::core::pattern::Pattern::parse(text).expect(text)))
            });
        tracing::subscriber::with_default(tracing_subscriber::registry(), || {
            let field = |of: &[Arc<Schema>], at: usize| {
                let span = source_span(of, &of[at]);
                span.metadata().and_then(|data| data.fields().iter().next()).map(|it| it.name())
            };
            assert_eq!(field(&sources[..1], 0), None);
            assert_eq!(field(&sources, 0), Some("prefix"));
            assert_eq!(field(&sources, 1), Some("key_pattern"));
            assert_eq!(field(&sources, 2), Some("key_pattern"));
        });
    }

    #[derive(Debug, thiserror::Error)]
    enum Failure {
        #[error("cannot list: {source}")]
        Told { source: std::io::Error },
        #[error("cannot write")]
        Untold { source: Box<Failure> },
    }

    #[test]
    fn every_cause_is_shown_once() {
        let told = Failure::Told { source: std::io::Error::other("the disk is full") };
        assert_eq!(Chain(&told).to_string(), "cannot list: the disk is full");
        let untold = Failure::Untold { source: Box::new(told) };
        assert_eq!(Chain(&untold).to_string(), "cannot write: cannot list: the disk is full");
    }

    #[test]
    fn seconds_are_rounded_to_a_tenth_of_a_millisecond() {
        assert!((seconds(Duration::from_micros(205_723)) - 0.2057).abs() < 1e-9);
    }
}
