//! The auditor's part of the daemon: one audit after the other, a page at a time.

use etcd_sd::core::event::Revision;
use etcd_sd::core::registry::{Audited, Check};
use etcd_sd::core::session::{Position, RelistReason};

use super::{Bug, Daemon};
use crate::model::etcd::Etcd;
use crate::model::keys::Key;
use crate::model::properties::Trust;
use crate::model::violation::Violation;

#[derive(Default)]
pub(super) struct Auditor {
    /// An outage that is not audited yet, or the time has come.
    due: bool,
    /// The last audit came to nothing.
    again: bool,
    attempt: usize,
    run: Option<Run>,
}

/// One audit.
struct Run {
    server: usize,
    lineage: usize,
    /// Where the watch was when it began.
    position: Position,
    pinned: Option<Revision>,
    from: Key,
    /// The list is complete, and the connection closed.
    settles: bool,
    /// What tainted the registry when it began, if the registry was past that.
    covers: Option<u64>,
}

impl Daemon {
    /// An audit is due.
    pub(in crate::model) fn audit_is_due(&mut self) {
        self.auditor.due = true;
    }

    /// Whether no audit is due, nor under way.
    pub(in crate::model) fn has_audited(&self) -> bool {
        let Auditor { due, again, run, .. } = &self.auditor;
        !due && !again && run.is_none()
    }

    /// The audit goes on: begins, takes a page, or looks what is suspect still.
    pub(in crate::model) fn audit(
        &mut self,
        etcd: &mut Etcd,
        limit: usize,
        impatient: bool,
    ) -> Result<(), Violation> {
        match self.auditor.run.take() {
            None => self.begin_audit(etcd),
            Some(run) if run.settles => return self.settle(etcd, run, impatient),
            Some(run) => return self.compare(etcd, run, limit),
        }
        Ok(())
    }

    /// Loses the connection of an audit.
    pub(super) fn disconnect_audit(&mut self) {
        if self.auditor.run.take_if(|run| !run.settles).is_some() {
            self.fail();
        }
    }

    fn begin_audit(&mut self, etcd: &Etcd) {
        let auditor = &mut self.auditor;
        if !auditor.due && !auditor.again {
            return;
        }
        if !std::mem::take(&mut auditor.again) {
            auditor.due = false;
        }
        let Some(position) = self.session.position() else {
            return;
        };
        let server = auditor.attempt % etcd.servers();
        if !etcd.is_up(server) || self.registry.audit(Check::Start) == Audited::Void {
            self.fail();
            return;
        }
        let held = self.registry.counts().map_or(0, |(Revision(revision), _)| revision);
        let covers = match self.properties.trust() {
            Trust::Tainted { newest, .. } => held >= newest,
            _ => true,
        };
        self.auditor.run = Some(Run {
            server,
            lineage: etcd.today(),
            position,
            pinned: None,
            from: 0,
            settles: false,
            covers: covers.then_some(self.properties.taints),
        });
    }

    fn compare(&mut self, etcd: &mut Etcd, mut run: Run, limit: usize) -> Result<(), Violation> {
        let Ok(page) = etcd.page(run.server, run.from, limit, run.pinned) else {
            self.fail();
            return Ok(());
        };
        match run.position.contradiction(page.header) {
            Some(RelistReason::ForeignCluster { .. }) => {
                self.fail();
                return Ok(());
            }
            Some(reason) => return self.request_list(etcd, reason),
            None => {}
        }
        let revision = *run.pinned.get_or_insert(page.header.revision);
        let entries = page.entries;
        let mut audited = self.registry.audit(Check::Page { revision, entries });
        if let Some(next) = page.next {
            run.from = next;
        } else if audited != Audited::Void {
            run.settles = true;
            audited = self.registry.audit(Check::End(revision));
        }
        match audited {
            Audited::Void => self.fail(),
            _ => self.auditor.run = Some(run),
        }
        Ok(())
    }

    fn settle(&mut self, etcd: &Etcd, run: Run, impatient: bool) -> Result<(), Violation> {
        let Audited::Stands(standing) = self.registry.audit(Check::Settle) else {
            self.fail();
            return Ok(());
        };
        let is_clear = standing.suspects == 0 || standing.is_past;
        if !is_clear && !impatient {
            self.auditor.run = Some(run);
            return Ok(());
        }
        let Audited::Report(report) = self.registry.audit(Check::Report) else {
            self.fail();
            return Ok(());
        };
        self.properties.tally.count("audits");
        let differences = if self.bug == Some(Bug::AuditBlind) { 0 } else { report.differences };
        let excused = !is_clear && !self.has_received(etcd, report.revision);
        let covers = run.covers == Some(self.properties.taints);
        self.properties.audited(run.lineage, report.revision, differences, excused, covers)?;
        if differences > 0 {
            self.properties.tally.count("audits with differences");
            self.request_list(etcd, RelistReason::Diverged(differences))?;
        }
        Ok(())
    }

    fn fail(&mut self) {
        self.properties.tally.count("audits that came to nothing");
        (self.auditor.again, self.auditor.run) = (true, None);
        self.auditor.attempt += 1;
    }
}
