//! Summary: what one reading of the registry came to, in numbers.

use super::event::Revision;
use super::registry::Listed;
use super::render::Document;

/// What one source holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceSummary {
    /// The revision that it was read at.
    pub revision: Revision,
    /// All keys below its prefix.
    pub keys: usize,
    /// Entries in quarantine.
    pub quarantined: usize,
    /// Keys that are somebody else's.
    pub ignored: usize,
}

/// What all sources come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// The revision that all of it is from; of several sources, the oldest.
    pub revision: Revision,
    /// All keys below the prefixes.
    pub keys: usize,
    /// Services with a target.
    pub services: usize,
    /// Target groups.
    pub groups: usize,
    /// Targets, each counted once a group.
    pub targets: usize,
    /// Entries in quarantine.
    pub quarantined: usize,
    /// Keys that are somebody else's.
    pub ignored: usize,
    /// The length of the document.
    pub bytes: usize,
}

impl SourceSummary {
    /// Sums up a list in which that many keys came.
    #[must_use]
    pub fn of(listed: &Listed, keys: usize) -> Self {
        let Listed { revision, counts, .. } = *listed;
        Self { revision, keys, quarantined: counts.quarantined, ignored: counts.ignored }
    }
}

impl Summary {
    /// Sums up the sources and the document that they make.
    #[must_use]
    pub fn of(sources: &[SourceSummary], document: &Document) -> Self {
        let sum = |count: fn(&SourceSummary) -> usize| sources.iter().map(count).sum();
        Self {
            revision: sources.iter().map(|source| source.revision).min().unwrap_or_default(),
            keys: sum(|source| source.keys),
            services: document.services(),
            groups: document.groups(),
            targets: document.targets(),
            quarantined: sum(|source| source.quarantined),
            ignored: sum(|source| source.ignored),
            bytes: document.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::entries::Counts;

    #[test]
    fn sources_add_up_and_the_document_is_counted_as_it_is() {
        let listed = |revision, quarantined, ignored| Listed {
            revision: Revision(revision),
            counts: Counts { quarantined, ignored, ..Counts::default() },
            first: true,
        };
        let text = r#"[{"targets":["h:1","h:2"],"labels":{"job":"a"}},
                       {"targets":["h:1"],"labels":{"job":"a","env":"prod"}}]"#;
        let document = Document::parse(text.as_bytes()).expect("a document");
        let sources =
            [SourceSummary::of(&listed(7, 1, 2), 10), SourceSummary::of(&listed(5, 3, 4), 20)];
        let expected = Summary {
            revision: Revision(5),
            keys: 30,
            services: 1,
            groups: 2,
            targets: 3,
            quarantined: 4,
            ignored: 6,
            bytes: document.to_vec().len(),
        };
        assert_eq!(Summary::of(&sources, &document), expected);
    }
}
