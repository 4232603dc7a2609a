//! From nothing to everything: the list, what it takes, and what stays resident after it.

use std::path::Path;
use std::time::{Duration, Instant};

use super::median;
use crate::Result;
use crate::bare;
use crate::daemon::Daemon;
use crate::etcd::Etcd;
use crate::process::Cpu;

/// Medians, and what the last daemon used.
#[derive(Default)]
pub(crate) struct Lists {
    pub(crate) range: Duration,
    pub(crate) etcdctl: Duration,
    /// From the first request of the list to its end.
    pub(crate) list: Duration,
    /// From the start of the process to the file.
    pub(crate) start: Duration,
    pub(crate) cpu: Duration,
    pub(crate) resident: u64,
    pub(crate) peak: u64,
    /// The same list again, by the daemon that holds it.
    pub(crate) relist: Duration,
    pub(crate) relist_peak: u64,
}

pub(super) fn measure(etcd: &Etcd, files: &Path, tries: usize) -> Result<Lists> {
    // Once for the page cache of etcd's database.
    bare::range(etcd)?;
    let mut figures = Lists::default();
    let (mut ranges, mut printed) = (Vec::new(), Vec::new());
    let (mut lists, mut starts, mut relists) = (Vec::new(), Vec::new(), Vec::new());
    // In turn, so that a bad moment of the machine is one of all.
    for _ in 0..tries {
        ranges.push(bare::range(etcd)?.0);
        printed.push(bare::etcdctl(etcd)?);
        let begun = Instant::now();
        let mut daemon = Daemon::start(etcd.endpoint(), files, &[])?;
        let asked = daemon.logs("listing")?;
        lists.push(daemon.logs("listed")? - asked);
        starts.push(daemon.logs("published")? - begun);
        daemon.logs("watching")?;
        figures.cpu = daemon.cpu_since(&Cpu::default())?;
        (figures.resident, figures.peak) = daemon.resident()?;
        daemon.hang_up()?;
        let asked = daemon.logs("relisting")?;
        relists.push(daemon.logs("listed")? - asked);
        figures.relist_peak = daemon.resident()?.1;
    }
    (figures.range, figures.etcdctl) = (median(ranges), median(printed));
    (figures.list, figures.start) = (median(lists), median(starts));
    figures.relist = median(relists);
    Ok(figures)
}
