//! What one document has lost of another.

use crate::core::render::Document;

/// How what is gone is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Measure {
    /// Job by job: what one gains makes up for nothing that another has lost.
    ByJob,
    /// All together.
    InAll,
}

/// How many targets of `base` are gone in `wanted`; `join` makes one document of both.
pub(super) fn loss(
    base: &Document,
    wanted: &Document,
    measure: Measure,
    join: impl FnOnce() -> Document,
) -> usize {
    match measure {
        _ if is_other_epoch(base, wanted) => join().targets() - wanted.targets(),
        Measure::ByJob => base.shrinks_to(wanted),
        Measure::InAll => base.targets().saturating_sub(wanted.targets()),
    }
}

/// Whether the revisions of the two documents can't be compared.
pub(super) fn is_other_epoch(one: &Document, other: &Document) -> bool {
    let epochs = one.origin().zip(other.origin());
    epochs.is_some_and(|(one, other)| one.epoch != other.epoch)
}

/// Whether they go back to different lists, or one of them to none.
pub(super) fn is_other_list(one: &Document, other: &Document) -> bool {
    one.origin().map(|origin| origin.list) != other.origin().map(|origin| origin.list)
}

/// Whether `wanted` has nothing because a list had nothing, and `last` came before that list.
pub(super) fn comes_back_empty(last: &Document, wanted: &Document) -> bool {
    let was_empty = wanted.origin().is_some_and(|origin| origin.list_was_empty);
    was_empty && wanted.is_empty() && !last.is_empty() && is_other_list(last, wanted)
}

/// Whether a source came back empty since `last`, all of them or one of several.
pub(super) fn has_emptied(last: &Document, wanted: &Document) -> bool {
    let origins = last.origin().zip(wanted.origin());
    origins.is_some_and(|(last, wanted)| last.emptied != wanted.emptied)
}

/// Whether nobody knows if `wanted` still is true.
pub(super) fn is_out_of_touch(wanted: &Document) -> bool {
    wanted.origin().is_some_and(|origin| origin.out_of_touch)
}
