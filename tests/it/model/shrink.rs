//! Shrinking: a smaller history that fails in the same way.

use super::history::{History, Step};
use super::violation::Violation;

/// Histories that are tried at most.
const TRIES: usize = 20_000;

/// Takes steps out of a history and makes them simpler, as long as `fails` says that it
/// fails with the same property.
pub(super) fn shrink(
    mut history: History,
    mut violation: Violation,
    fails: impl Fn(&History) -> Option<Violation>,
) -> (History, Violation) {
    let mut tries = 0;
    let mut try_one = |history: &mut History, simpler: History, violation: &mut Violation| {
        tries += 1;
        let failed = if tries > TRIES { None } else { fails(&simpler) };
        let failed = failed.filter(|failed| failed.property == violation.property);
        failed.map(|failed| (*history, *violation) = (simpler, failed)).is_some()
    };
    loop {
        let mut progress = false;
        for simpler in simpler_clusters(&history) {
            progress |= try_one(&mut history, simpler, &mut violation);
        }
        let mut length = history.steps.len().next_power_of_two();
        while length > 0 {
            let mut place = 0;
            while place < history.steps.len() {
                let mut shorter = history.clone();
                shorter.steps.drain(place..(place + length).min(history.steps.len()));
                if try_one(&mut history, shorter, &mut violation) {
                    progress = true;
                } else {
                    place += length;
                }
            }
            length /= 2;
        }
        for place in 0..history.steps.len() {
            for step in simpler_steps(&history.steps[place]) {
                let mut simpler = history.clone();
                simpler.steps[place] = step;
                progress |= try_one(&mut history, simpler, &mut violation);
            }
        }
        if !progress {
            return (history, violation);
        }
    }
}

fn simpler_clusters(history: &History) -> Vec<History> {
    let mut simpler = Vec::new();
    if history.lags {
        simpler.push(History { lags: false, ..history.clone() });
    }
    for place in (1..history.members.len()).rev() {
        let mut fewer = history.clone();
        fewer.members.remove(place);
        simpler.push(fewer);
    }
    simpler
}

fn simpler_steps(step: &Step) -> Vec<Step> {
    match step {
        Step::Transact(writes) if writes.len() > 1 => (0..writes.len())
            .map(|place| {
                let mut fewer = writes.clone();
                fewer.remove(place);
                Step::Transact(fewer)
            })
            .collect(),
        Step::Restore { depth, term_back, then } => {
            let (depth, term_back) = (*depth, *term_back);
            let shorter = then.split_last().map(|(_, fewer)| fewer.to_vec());
            let shorter = shorter.map(|then| Step::Restore { depth, term_back, then });
            let less = depth.checked_sub(1);
            let then = then.clone();
            let less = less.map(|depth| Step::Restore { depth, term_back, then });
            shorter.into_iter().chain(less).collect()
        }
        Step::Advance { revisions, limit } => {
            let one = (*revisions > 1).then_some(Step::Advance { revisions: 1, limit: *limit });
            let all = (*limit < 6).then_some(Step::Advance { revisions: *revisions, limit: 6 });
            one.into_iter().chain(all).collect()
        }
        _ => Vec::new(),
    }
}
