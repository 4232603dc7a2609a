//! Waiting for a condition, with a deadline.

use std::time::{Duration, Instant};

/// Long enough for anything that should happen at once, on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// How often a condition is looked at.
const PACE: Duration = Duration::from_millis(5);

/// Looks until `check` answers `Ok`, and returns that; panics at the deadline
/// with what `check` last complained of.
pub(crate) async fn eventually<T>(
    within: Duration,
    what: &str,
    mut check: impl AsyncFnMut() -> Result<T, String>,
) -> T {
    let start = Instant::now();
    loop {
        let looked = Instant::now();
        match check().await {
            Ok(value) => return value,
            Err(why) if looked - start >= within => {
                panic!("not within {within:?}: {what}\nlast look: {why}")
            }
            Err(_) => tokio::time::sleep(PACE).await,
        }
    }
}

/// Looks all the time that `check` keeps answering `Ok`; panics when it doesn't.
pub(crate) async fn always(
    during: Duration,
    what: &str,
    mut check: impl AsyncFnMut() -> Result<(), String>,
) {
    let start = Instant::now();
    while start.elapsed() < during {
        if let Err(why) = check().await {
            panic!("broken after {:?}: {what}\n{why}", start.elapsed());
        }
        tokio::time::sleep(PACE).await;
    }
}

/// `Ok` if the condition holds, else the complaint.
pub(crate) fn ensure(holds: bool, complaint: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(complaint()) }
}
