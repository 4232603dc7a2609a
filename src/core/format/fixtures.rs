//! Values as the registries that people have write them, made up after the documented
//! layouts, with what each stands for.

mod cluster;
mod gateway;
mod hosts;
mod micro;
mod native;
mod rpc;
mod rule;

use super::{Format, Options, Reading};

/// One value of a format.
#[derive(Clone, Debug)]
pub(super) struct Fixture {
    pub(super) format: Format,
    /// What it shows.
    pub(super) case: &'static str,
    pub(super) value: &'static str,
    pub(super) options: Options,
    pub(super) expected: Expected,
}

#[derive(Clone, Debug)]
pub(super) enum Expected {
    Read(Reading),
    /// The error's text.
    Refused(&'static str),
}

/// A value that is registered and not to be scraped, until the methods below say otherwise.
fn fixture(format: Format, case: &'static str, value: &'static str) -> Fixture {
    let expected = Expected::Read(Reading::none());
    Fixture { format, case, value, options: Options::default(), expected }
}

impl Fixture {
    fn port(mut self, port: u16) -> Self {
        self.options.port = Some(port);
        self
    }

    fn scheme(mut self, scheme: &str) -> Self {
        self.options.scheme = Some(scheme.into());
        self
    }

    fn targets(self, addresses: &[&str]) -> Self {
        self.group(addresses, &[])
    }

    fn group(mut self, addresses: &[&str], labels: &[(&str, &str)]) -> Self {
        self.expected = Expected::Read(Reading {
            addresses: addresses.iter().map(|&address| address.into()).collect(),
            labels: labels.iter().map(|&(name, text)| (name.into(), text.into())).collect(),
        });
        self
    }

    fn refused(mut self, reason: &'static str) -> Self {
        self.expected = Expected::Refused(reason);
        self
    }

    pub(super) fn check(&self) {
        let reading = self.format.read(self.value.as_bytes(), &self.options);
        let (name, case) = (self.format.name(), self.case);
        match (&reading, &self.expected) {
            (Ok(reading), Expected::Read(expected)) => {
                assert_eq!(reading, expected, "{name}: {case}");
            }
            (Err(error), Expected::Refused(reason)) => {
                assert_eq!(error.to_string(), *reason, "{name}: {case}");
            }
            _ => panic!("{name}: {case}: {reading:?} and not {:?}", self.expected),
        }
    }
}

/// The fixtures of all formats.
pub(super) fn all() -> Vec<Fixture> {
    let pages = [
        native::page(),
        rpc::page(),
        micro::page(),
        hosts::page(),
        gateway::page(),
        cluster::page(),
        rule::page(),
    ];
    pages.into_iter().flatten().collect()
}
