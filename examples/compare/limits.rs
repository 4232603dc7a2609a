//! What the figures are judged by: what the wire, the disk and the processor allow, times little.
#![allow(clippy::cast_precision_loss, reason = "bytes of a machine's memory")]

use std::time::Duration;

use crate::measure::{Burst, Figures};

/// The sizes that the limits of lists and of memory are for.
const LARGE: usize = 100_000;
const HUGE: usize = 1_000_000;

/// What a list may have on its way from etcd.
const PAGE_BUFFERS: u64 = 64 << 20;

/// What an instance may have resident over its key and its value.
const AN_INSTANCE: u64 = 160;

/// By how much the same may differ from one hour to the next.
const NOISE: f64 = 1.25;

/// The default debounce, and what a burst may take beyond it.
const BURST_LAG: Duration = Duration::from_millis(200 + 200);

/// A figure, and what it may be at most: there where a limit is set.
#[derive(Clone, Copy)]
pub(crate) struct Judged {
    pub(crate) value: f64,
    pub(crate) limit: Option<f64>,
}

impl Judged {
    fn new(value: f64, limit: Option<f64>) -> Self {
        Self { value, limit }
    }

    pub(crate) fn is_met(self) -> bool {
        self.limit.is_none_or(|limit| self.value <= limit)
    }
}

pub(crate) fn list_over_range(it: &Figures) -> Judged {
    let limit = match it.size {
        HUGE.. => Some(1.5),
        LARGE.. => Some(1.2),
        _ => None,
    };
    Judged::new(ratio(it.lists.list, it.lists.range), limit)
}

pub(crate) fn list_over_etcdctl(it: &Figures) -> Judged {
    Judged::new(ratio(it.lists.list, it.lists.etcdctl), Some(1.0))
}

pub(crate) fn bytes_an_instance(it: &Figures) -> Judged {
    let own = it.lists.resident.saturating_sub(it.idle + it.raw_bytes);
    let limit = (it.size >= HUGE).then_some(AN_INSTANCE as f64);
    Judged::new(own as f64 / it.size.max(1) as f64, limit)
}

/// The state, the page buffers, and one document.
pub(crate) fn peak(it: &Figures) -> Judged {
    Judged::new(it.lists.peak as f64, peak_limit(it))
}

pub(crate) fn relist_peak(it: &Figures) -> Judged {
    Judged::new(it.lists.relist_peak as f64, peak_limit(it))
}

/// After nine in ten have gone: at most a quarter of what they had is kept.
pub(crate) fn after_shrink(it: &Figures) -> Judged {
    let fresh = it.shrink.fresh as f64;
    let kept = (it.lists.resident as f64 - fresh) / 4.0;
    Judged::new(it.shrink.after as f64, (it.size >= LARGE).then_some(fresh + kept))
}

fn peak_limit(it: &Figures) -> Option<f64> {
    let state = it.idle + it.raw_bytes + AN_INSTANCE * it.size as u64;
    (it.size >= HUGE).then_some((state + PAGE_BUFFERS + it.document_bytes) as f64)
}

pub(crate) fn publish(it: &Figures) -> Judged {
    let changes = &it.changes;
    Judged::new(ratio(changes.publish, changes.watch + changes.write), Some(1.25))
}

/// The cost is that of the change, not of the fleet: flat, but for noise.
pub(crate) fn small_publish(it: &Figures) -> Judged {
    let is_compared = it.smallest_publish != it.changes.small_publish;
    let limit = is_compared.then_some(NOISE);
    Judged::new(ratio(it.changes.small_publish, it.smallest_publish), limit)
}

/// In milliseconds.
pub(crate) fn burst_lag(it: &Figures, burst: &Burst) -> Judged {
    let limit = (it.size == LARGE).then_some(BURST_LAG.as_secs_f64() * 1e3);
    Judged::new(burst.lag.as_secs_f64() * 1e3, limit)
}

/// In seconds. A publish after a burst is of many services, and taken for one of a single change
/// here, which is less.
pub(crate) fn burst_cpu(it: &Figures, burst: &Burst) -> Judged {
    let publishes = it.changes.cpu.as_secs_f64() * burst.publishes as f64;
    let limit = burst.bare.cpu.as_secs_f64() * 1.5 + publishes;
    Judged::new(burst.cpu.as_secs_f64(), (it.size == LARGE).then_some(limit))
}

/// How many limits are met, of how many.
pub(crate) fn count(figures: &[Figures]) -> (usize, usize) {
    let of_all = [
        list_over_range,
        list_over_etcdctl,
        bytes_an_instance,
        peak,
        relist_peak,
        after_shrink,
        publish,
        small_publish,
    ];
    let mut judged: Vec<Judged> = Vec::new();
    for it in figures {
        judged.extend(of_all.iter().map(|judge| judge(it)));
        for burst in &it.bursts {
            judged.extend([burst_lag(it, burst), burst_cpu(it, burst)]);
        }
    }
    judged.retain(|judged| judged.limit.is_some());
    (judged.iter().filter(|judged| judged.is_met()).count(), judged.len())
}

fn ratio(time: Duration, beside: Duration) -> f64 {
    time.as_secs_f64() / beside.as_secs_f64().max(1e-9)
}
