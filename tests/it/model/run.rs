//! Carries the steps of a history out, and then sees to it that all comes to rest.

use std::panic::{AssertUnwindSafe, catch_unwind};

use etcd_sd::core::event::Revision;
use etcd_sd::core::session::RelistReason;

use super::daemon::{Bug, Daemon};
use super::etcd::Etcd;
use super::history::{History, Step};
use super::properties::Trust;
use super::tally::Tally;
use super::violation::{Violation, holds};

/// Far more messages than the longest history leaves to be taken.
const ENOUGH: usize = 5_000;

/// Runs a history on a daemon, with or without a bug. Returns what happened, or which
/// property did not hold.
pub(super) fn run(history: &History, bug: Option<Bug>) -> Result<Tally, Violation> {
    let run = AssertUnwindSafe(|| {
        let mut world =
            World { etcd: Etcd::new(&history.members, history.lags), daemon: Daemon::new(bug) };
        for step in &history.steps {
            world.take(step)?;
        }
        world.come_to_rest()?;
        Ok(world.daemon.properties.tally)
    });
    catch_unwind(run).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()));
        Err(Violation { property: "no panic", text: text.unwrap_or_default() })
    })
}

struct World {
    etcd: Etcd,
    daemon: Daemon,
}

impl World {
    fn take(&mut self, step: &Step) -> Result<(), Violation> {
        let Self { etcd, daemon } = self;
        let done = match step {
            Step::Transact(writes) => etcd.transact(writes).then_some("transactions"),
            Step::Expire { lease } => etcd.expire(*lease).then_some("leases that ended"),
            Step::Elsewhere => etcd.elsewhere().then_some("transactions elsewhere"),
            Step::Compact { depth } => etcd.compact(*depth).then_some("compactions"),
            Step::Elect => etcd.elect().then_some("elections"),
            Step::Replicate { member, revisions } => {
                etcd.replicate(*member, *revisions);
                None
            }
            Step::Partition { cut_off } => {
                etcd.partition(*cut_off);
                Some("partitions, and their ends")
            }
            Step::Outage { down } => {
                etcd.outage(*down);
                daemon.notice_outage(etcd)?;
                Some("outages, and their ends")
            }
            Step::Restore { depth, term_back, then } => {
                daemon.disconnect(etcd, true)?;
                etcd.restore(*depth, *term_back);
                // One revision each, so that they may overtake what was there before.
                for write in then {
                    etcd.transact(&[*write]);
                }
                Some("restores")
            }
            Step::Recreate => {
                daemon.disconnect(etcd, true)?;
                etcd.recreate();
                Some("clusters created anew")
            }
            Step::Strangers { places } => {
                // Before that nobody could tell who is meant.
                if daemon.follows(etcd) {
                    etcd.set_strangers(*places);
                    daemon.notice_strangers(etcd)?;
                }
                Some("strangers in the list, and their ends")
            }
            Step::Advance { revisions, limit } => {
                daemon.advance(etcd, *revisions, *limit)?;
                None
            }
            Step::Audit { limit, impatient } => {
                daemon.audit(etcd, *limit, *impatient)?;
                None
            }
            Step::AuditDue => {
                daemon.audit_is_due();
                None
            }
            Step::FallBehind => {
                daemon.fall_behind(etcd)?;
                None
            }
            Step::RequestList => {
                daemon.request_list(etcd, RelistReason::Requested)?;
                None
            }
            Step::Disconnect { audit } => {
                daemon.disconnect(etcd, *audit)?;
                Some("connections lost")
            }
            Step::Silence { overtakes } => {
                daemon.silence(etcd, *overtakes)?;
                Some("deadlines passed in silence")
            }
            Step::Lose => daemon.lose_events().then_some("responses that the server lost"),
            _ => self.on_the_stream(step),
        };
        if let Some(what) = done {
            self.daemon.properties.tally.count(what);
        }
        Ok(())
    }

    /// What happens to a watch, if there is one.
    fn on_the_stream(&mut self, step: &Step) -> Option<&'static str> {
        let Self { etcd, daemon } = self;
        let stream = daemon.stream()?;
        match step {
            Step::Send { revisions, fragment } => {
                stream.send(etcd, *revisions, *fragment);
                None
            }
            Step::Cancel => {
                stream.cancel(etcd);
                Some("watches canceled by the server")
            }
            Step::Duplicate => stream.duplicate().then_some("responses that came twice"),
            Step::Resend { revisions } => {
                stream.resend(etcd, *revisions).then_some("revisions sent again")
            }
            Step::Progress => stream.tell_progress(etcd).then_some("progress told"),
            _ => None,
        }
    }

    /// Everything heals, the daemon takes all that there is, and a last audit finds what it
    /// could not know.
    fn come_to_rest(&mut self) -> Result<(), Violation> {
        self.etcd.heal();
        self.catch_up()?;
        if let Trust::Exact { .. } = self.daemon.properties.trust() {
            self.daemon.properties.is_complete(&self.etcd, "all was received")?;
        }
        self.daemon.audit_is_due();
        for _ in 0..ENOUGH {
            self.daemon.audit(&mut self.etcd, ENOUGH, true)?;
            self.catch_up()?;
            if self.daemon.has_audited() {
                return self.daemon.properties.is_complete(&self.etcd, "all was audited");
            }
        }
        holds!("audits", false, "no audit comes to an end");
        Ok(())
    }

    fn catch_up(&mut self) -> Result<(), Violation> {
        let revision = Revision(self.etcd.newest().revision());
        for _ in 0..ENOUGH {
            if self.daemon.has_received(&self.etcd, revision) {
                return Ok(());
            }
            self.daemon.advance(&mut self.etcd, u8::MAX, ENOUGH)?;
        }
        holds!("reliable", false, "the daemon does not catch up");
        Ok(())
    }
}
