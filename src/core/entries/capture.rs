//! Taking note of what becomes of targets, for those who want to know. While nobody does, that
//! costs nothing; else a copy of the target that is new.

use std::mem;

use super::Entries;
use crate::core::history::Capture;

impl Entries {
    /// From now on, what becomes of targets is taken note of.
    pub fn begin_captures(&mut self) {
        self.captures = Some(Vec::new());
    }

    /// What has become of targets since the last call, in its order.
    pub fn take_captures(&mut self) -> Vec<Capture> {
        self.captures.as_mut().map(mem::take).unwrap_or_default()
    }

    pub(super) fn capture(&mut self, capture: impl FnOnce() -> Capture) {
        if let Some(captures) = &mut self.captures {
            captures.push(capture());
        }
    }
}
