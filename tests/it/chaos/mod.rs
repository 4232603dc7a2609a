//! Chaos on a real cluster of three: round after round, faults drawn by a seed hit
//! the members, the network and the daemon while services come and go. After each
//! round the file must be what etcd has; at all times whoever reads it must find a
//! state that etcd really had, and never an older one than before.
//!
//! `tests/chaos` runs as many rounds as one likes; as a part of `tests/run` there are
//! a few. `plan` says what happens, `arena` does it, `chronicle` knows what is right.

mod arena;
mod chronicle;
mod plan;
mod report;
mod writer;

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::support::backend::run;
use arena::Arena;
use chronicle::Place;
use plan::Plan;
use report::{LIMIT, Report, Violation};

/// Without a word in the environment; the plan of this seed has many kinds of faults.
const ROUNDS: u64 = 4;
const SEED: u64 = 2345;

/// The writer goes on for so long after the faults are over.
const AFTERMATH: Duration = Duration::from_millis(200);

#[test]
#[ignore = "needs etcd: tests/run"]
fn the_file_is_right_after_every_round_of_faults() {
    run(async || {
        let rounds = variable("CHAOS_ROUNDS").unwrap_or(ROUNDS);
        let seed = variable("CHAOS_SEED").unwrap_or(SEED);
        let report = Box::pin(chaos(rounds, seed)).await;
        eprintln!("\nseed {seed}\n{report}");
        assert!(report.violations.is_empty(), "seed {seed}: {:?}", report.violations);
    });
}

fn variable(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// Plays all rounds, or as many as there are before Ctrl-C.
async fn chaos(rounds: u64, seed: u64) -> Report {
    // For a run by hand alone: the signal would do nothing to other tests any more.
    let by_hand = std::env::var_os("CHAOS_ROUNDS").is_some();
    let mut arena = Arena::start(seed).await;
    arena.file_follows().await.expect("a first document");
    let mut report = Report::default();
    for round in 1..=rounds {
        let plan = Plan::draw(seed, round);
        let said = Said(format!("in round {round} of seed {seed}: {plan}"));
        let outcome = tokio::select! {
            outcome = Box::pin(play(&mut arena, &plan, round, &mut report)) => outcome,
            _ = tokio::signal::ctrl_c(), if by_hand => break,
        };
        drop(said);
        report.rounds = round;
        report.writes = arena.writer.writes();
        eprintln!("round {round:>4}/{rounds}  {outcome:<10}  {plan}");
    }
    report
}

/// Says where it happened should the test end in the middle.
struct Said(String);

impl Drop for Said {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.0);
        }
    }
}

/// One round. Returns what to say of it.
async fn play(arena: &mut Arena, plan: &Plan, round: u64, report: &mut Report) -> String {
    arena.mark_log();
    arena.writer.resume();
    inject(arena, plan, report).await;
    sleep(plan.hold).await;
    arena.cluster.heal();
    let healed = Instant::now();
    sleep(AFTERMATH).await;
    arena.writer.pause().await;
    let end = arena.file_follows().await;
    let took = healed.elapsed();

    let mut found = Vec::new();
    let mut outcome = format!("{:.2} s", took.as_secs_f64());
    match end {
        Ok(()) => report.recoveries.push((took, round)),
        Err(why) => {
            "diverged".clone_into(&mut outcome);
            found.push((Violation::Diverged, why));
        }
    }
    if took > LIMIT {
        found.push((Violation::Late, outcome.clone()));
    }
    arena.cluster.settle().await;
    found.extend(judge(arena, report).await);
    if arena.daemon_ended() {
        found.push((Violation::Died, "by itself".to_owned()));
    }
    if !found.is_empty() {
        eprintln!("--- the daemon's log of round {round}\n{}---", arena.marked_log());
    }
    for (violation, why) in &found {
        eprintln!("round {round}: {violation:?}: {why}");
        report.violated(*violation);
    }
    if found.iter().any(|(violation, _)| violation.is_fatal()) {
        arena.replace_daemon().await;
    }
    outcome
}

async fn inject(arena: &mut Arena, plan: &Plan, report: &mut Report) {
    let snapshot = plan.needs_snapshot().then(|| arena.cluster.snapshot().unwrap());
    for fault in &plan.faults {
        sleep(fault.after).await;
        match arena.inject(fault, snapshot.as_ref()).await {
            Ok(()) => report.injected(fault.kind),
            Err(why) => eprintln!("{fault} was not possible: {why}"),
        }
    }
}

/// Says what the reader should not have seen.
async fn judge(arena: &mut Arena, report: &mut Report) -> Vec<(Violation, String)> {
    arena.judge().await.expect("to read a healthy cluster");
    let seen = std::mem::take(&mut arena.seen);
    report.publishes += seen.documents;
    report.reads += seen.reads;
    let torn = seen.torn.into_iter().map(|why| (Violation::Torn, why));
    let wrong = seen.wrong.into_iter().map(|(place, document)| {
        let violation = match place {
            Place::Older => Violation::Backwards,
            _ => Violation::Premature,
        };
        (violation, outline(&document))
    });
    torn.chain(wrong).collect()
}

/// What tells a document from others.
fn outline(document: &str) -> String {
    let lines = document.lines().filter(|line| line.starts_with('{'));
    let (anchors, others): (Vec<_>, Vec<_>) = lines.partition(|line| line.contains("anchor-"));
    let clock = others.iter().find(|line| line.contains("clock-")).unwrap_or(&"no clock");
    let (anchors, others) = (anchors.len(), others.len());
    format!("{} bytes, {anchors} groups of anchors, {others} others, {clock}", document.len())
}
