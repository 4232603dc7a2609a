//! Labels: none has a value that etcd or a client could make up. Sources and outputs are those of
//! the command line.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct SourceLabels {
    pub(super) source: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ListLabels {
    pub(super) source: String,
    pub(super) reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct WatchEndLabels {
    pub(super) source: String,
    pub(super) reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct EventLabels {
    pub(super) source: String,
    pub(super) r#type: EventType,
}

/// What a change of a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum EventType {
    Put,
    Delete,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct AuditLabels {
    pub(super) source: String,
    pub(super) result: AuditResult,
}

/// What an audit came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AuditResult {
    /// The registry is what etcd holds.
    Equal,
    /// It is not.
    Diverged,
    /// Too much changed meanwhile; another one follows.
    Void,
    /// etcd could not be asked; another one follows.
    Failed,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OutputLabels {
    pub(super) output: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct PublishLabels {
    pub(super) output: &'static str,
    pub(super) result: PublishResult,
}

/// What came of handing a document to an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PublishResult {
    /// It was written.
    Written,
    /// It was there.
    Unchanged,
    /// It could not be written.
    Failed,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct DriftLabels {
    pub(super) output: &'static str,
    pub(super) cause: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct HttpLabels {
    pub(super) handler: String,
    pub(super) code: u16,
}

/// Values in lower case, as the variants are named.
macro_rules! in_lower_case {
    ($($kind:ty),*) => {
        $(impl EncodeLabelValue for $kind {
            fn encode(
                &self,
                encoder: &mut prometheus_client::encoding::LabelValueEncoder<'_>,
            ) -> std::fmt::Result {
                format!("{self:?}").to_lowercase().as_str().encode(encoder)
            }
        })*
    };
}

in_lower_case!(EventType, AuditResult, PublishResult);
