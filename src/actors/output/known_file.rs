//! What is known of one file that this process writes: how it looked when it held what it
//! should, whose it should be, and how it has drifted.

use std::time::Instant;

use crate::actors::publish;
use crate::core::damping::Damping;
use crate::core::persist::Known;
use crate::file::{Access, Drift, Identity, Mode};

/// What is known of one file.
#[derive(Default)]
pub(super) struct KnownFile {
    /// `None` if it was never seen to hold what it should.
    looks: Option<Known<Option<Identity>>>,
    /// Whose it should be, and who may read it: what the operator set, not what a foreign file in
    /// its place has.
    pub(super) access: Access,
    /// What the next publish heals.
    pub(super) drift: Option<Drift>,
    damping: Damping,
}

impl KnownFile {
    /// The file that looks so, or is not there, as it should be.
    pub(super) fn new(looks: Option<Identity>, now: Instant) -> Self {
        let mut file = Self::default();
        file.confirm(looks, now);
        file
    }

    /// Whether there is anything to compare its looks with.
    pub(super) fn is_known(&self) -> bool {
        self.looks.is_some()
    }

    pub(super) fn was(&self, looks: Option<Identity>) -> bool {
        self.looks.as_ref().is_some_and(|known| known.looks_like(&looks))
    }

    /// Whether it need not be compared byte by byte: with `thorough`, only if what it looks like
    /// can be trusted.
    pub(super) fn looks_right(&self, seen: Option<Identity>, thorough: bool, now: Instant) -> bool {
        let Some(known) = &self.looks else { return false };
        known.looks_like(&seen) && !(thorough && known.is_unsettled(now))
    }

    /// Whether somebody has changed its permissions to what they should not be.
    pub(super) fn is_shut(&self, seen: Option<Identity>, wanted: Option<Mode>) -> bool {
        seen.is_some_and(|looks| !self.was(seen) && !looks.permits(wanted))
    }

    /// It was found to hold what it should, while it looked like `seen`.
    pub(super) fn confirm(&mut self, seen: Option<Identity>, now: Instant) {
        self.permitted(seen);
        self.looked(seen, now);
    }

    /// It looks like this, whatever it holds.
    pub(super) fn looked(&mut self, seen: Option<Identity>, now: Instant) {
        match &mut self.looks {
            Some(known) => known.confirm(seen, now),
            None => self.looks = Some(Known::new(seen, now)),
        }
    }

    /// Whose it is now is as the operator wants it.
    pub(super) fn permitted(&mut self, seen: Option<Identity>) {
        self.access = seen.and_then(Identity::access).unwrap_or(self.access);
    }

    /// It was written now, and looks like this.
    pub(super) fn written(&mut self, looks: Identity) {
        self.permitted(Some(looks));
        self.looks = Some(Known::new(Some(looks), publish::now()));
    }

    /// It is right again. Returns how it had drifted, if it had.
    pub(super) fn healed(&mut self, now: Instant) -> Option<Drift> {
        self.drift.take().inspect(|_| self.damping.healed(now))
    }

    /// When drift that is noticed now may be healed.
    pub(super) fn not_before(&self, now: Instant) -> Instant {
        self.damping.not_before(now)
    }

    /// Whether another program keeps changing it.
    pub(super) fn is_fight(&self, now: Instant) -> bool {
        self.damping.is_fight(now)
    }

    /// Another process may write it from now on.
    pub(super) fn forget(&mut self) {
        (self.looks, self.drift) = (None, None);
    }
}
