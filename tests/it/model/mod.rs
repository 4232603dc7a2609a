//! A model of etcd, and random histories that drive the daemon's pure parts with it.
//!
//! ```text
//!  history ──steps──> run ──> etcd: lineages of revisions, members that lag, streams
//!                      │        │ pages, responses
//!                      │        v
//!                      └───> daemon: session, registry, census, liveness, audits
//!                               │ verdicts, documents
//!                               v
//!                            properties, at every step
//! ```
//!
//! There is no network, no clock and no thread, so a history can be run again: each comes from
//! one seed. One that fails is shrunk, and said with the seed. That the properties would find a
//! bug is shown with deliberate ones.
//!
//! `MODEL_STEPS` sets how many steps are run at least, `MODEL_SEED` where to begin:
//!
//! ```sh
//! MODEL_STEPS=10000000 cargo test --release --test it model -- --nocapture
//! ```

mod daemon;
mod etcd;
mod history;
mod keys;
mod properties;
mod run;
mod shrink;
mod tally;
mod violation;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use daemon::Bug;
use history::History;
use run::run;
use shrink::shrink;
use tally::Tally;

/// A few seconds' worth without optimization.
const STEPS: u64 = 400_000;

#[test]
fn every_history_is_ordered_unique_atomic_reliable_resumable_and_bookmarkable() {
    let wanted = number("MODEL_STEPS").unwrap_or(STEPS);
    let first = number("MODEL_SEED").unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        u64::from(now.subsec_nanos())
    });
    let (begun, mut steps, mut histories) = (Instant::now(), 0, 0);
    let mut tally = Tally::default();
    while steps < wanted {
        let seed = first.wrapping_add(histories);
        let history = History::new(seed);
        match run(&history, None) {
            Ok(happened) => tally.add(&happened),
            Err(violation) => {
                let took = begun.elapsed();
                let fails = |history: &History| run(history, None).err();
                let (history, violation) = shrink(history, violation, fails);
                panic!(
                    "{violation}\n{history}\nfound after {steps} steps in {took:?}, and shrunk; to run \
                     it again as it was:\nMODEL_SEED={seed} cargo test --test it model"
                );
            }
        }
        steps += u64::try_from(history.steps.len()).unwrap();
        histories += 1;
    }
    let took = begun.elapsed();
    eprintln!("{steps} steps of {histories} histories in {took:?} without a violation, beginning");
    eprintln!("with MODEL_SEED={first}; in them there were, beside others:\n{tally}");
}

#[test]
fn each_deliberate_bug_is_found() {
    for bug in Bug::ALL {
        let begun = Instant::now();
        let found = (0..).find_map(|seed| {
            assert!(begun.elapsed() < Duration::from_secs(60), "{bug:?} is not found");
            let history = History::new(seed);
            run(&history, Some(bug)).err().map(|violation| (seed, history, violation))
        });
        let (seed, history, violation) = found.unwrap();
        let took = begun.elapsed();
        let fails = |history: &History| run(history, Some(bug)).err();
        let (history, violation) = shrink(history, violation, fails);
        let length = history.steps.len();
        eprintln!(
            "{bug:?}: {took:?}, {} histories; shrunk to {length} steps: {violation}",
            seed + 1
        );
        assert!(run(&history, None).is_ok(), "without {bug:?} there is nothing to be found");
    }
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text} is no number")))
}
