//! Histories: random steps from one seed.
//!
//! Each history draws from its seed which kinds of steps it has at all, and how often: most
//! have a few kinds of faults only, so that no fault hides another (swarm testing).

use std::fmt;

use fastrand::Rng;

use super::keys::{KEYS, Key, VALUES};

/// One put or deletion.
#[derive(Clone, Copy, Debug)]
pub(super) struct Write {
    pub(super) key: Key,
    /// `None` deletes.
    pub(super) value: Option<u8>,
    /// 0 for none.
    pub(super) lease: u8,
}

/// What happens next.
#[derive(Clone, Debug)]
pub(super) enum Step {
    // What the writers do.
    Transact(Vec<Write>),
    Expire { lease: u8 },
    Elsewhere,
    Compact { depth: u8 },

    // What happens to the cluster. Members are told by the bits of a mask.
    Replicate { member: usize, revisions: u8 },
    Elect,
    Partition { cut_off: u8 },
    Outage { down: u8 },
    Restore { depth: u8, term_back: bool, then: Vec<Write> },
    Recreate,
    Strangers { places: u8 },

    // What happens on the line.
    Send { revisions: u8, fragment: usize },
    Disconnect { audit: bool },
    Cancel,
    Duplicate,
    Resend { revisions: u8 },
    Lose,
    Progress,
    Silence { overtakes: bool },

    // What the daemon does.
    Advance { revisions: u8, limit: usize },
    Audit { limit: usize, impatient: bool },
    AuditDue,
    RequestList,
    FallBehind,
}

/// A kind of step: how often it comes, whether a history may go without, and how it is made.
type Kind = (u32, Without, fn(&mut Rng) -> Step);

#[derive(PartialEq, Eq)]
enum Without {
    Never,
    Often,
}

const KINDS: &[Kind] = &[
    (20, Without::Never, |rng| Step::Transact(writes(rng, 4))),
    (3, Without::Often, |rng| Step::Expire { lease: rng.u8(1..=2) }),
    (5, Without::Often, |_| Step::Elsewhere),
    (4, Without::Often, |rng| Step::Compact { depth: rng.u8(0..8) }),
    (10, Without::Often, |rng| Step::Replicate {
        member: rng.usize(0..5),
        revisions: rng.u8(1..6),
    }),
    (2, Without::Often, |_| Step::Elect),
    (2, Without::Often, |rng| Step::Partition { cut_off: mask(rng) }),
    (2, Without::Often, |rng| Step::Outage { down: mask(rng) }),
    (1, Without::Often, |rng| Step::Restore {
        depth: rng.u8(0..12),
        term_back: rng.bool(),
        then: if rng.bool() { writes(rng, 16) } else { Vec::new() },
    }),
    (1, Without::Often, |_| Step::Recreate),
    (1, Without::Often, |rng| Step::Strangers { places: mask(rng) }),
    (8, Without::Never, |rng| Step::Send { revisions: rng.u8(1..5), fragment: fragment(rng) }),
    (3, Without::Often, |rng| Step::Disconnect { audit: rng.bool() }),
    (1, Without::Often, |_| Step::Cancel),
    (4, Without::Often, |_| Step::Duplicate),
    (3, Without::Often, |rng| Step::Resend { revisions: rng.u8(1..6) }),
    (1, Without::Often, |_| Step::Lose),
    (3, Without::Often, |_| Step::Progress),
    (5, Without::Often, |rng| Step::Silence { overtakes: rng.bool() }),
    (40, Without::Never, |rng| Step::Advance { revisions: rng.u8(1..5), limit: rng.usize(1..7) }),
    (15, Without::Often, |rng| Step::Audit {
        limit: rng.usize(1..9),
        impatient: rng.u8(0..20) == 0,
    }),
    (3, Without::Often, |_| Step::AuditDue),
    (1, Without::Often, |_| Step::RequestList),
    (2, Without::Often, |_| Step::FallBehind),
];

/// What the members are: the second and the fourth answer a progress request out of order.
const VERSIONS: [&str; 5] = ["3.5.30", "3.4.23", "3.4.25", "3.5.7", "3.6.1"];

/// A cluster, and all that happens to it.
#[derive(Clone, Debug)]
pub(super) struct History {
    /// The version of each member.
    pub(super) members: Vec<&'static str>,
    /// Whether members apply what is committed only when a step has them do so.
    pub(super) lags: bool,
    pub(super) steps: Vec<Step>,
}

impl History {
    /// The history of that seed.
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let members = [1, 2, 3, 3, 4, 5][rng.usize(0..6)];
        let mut sum = 0;
        let mut drawn = Vec::new();
        for (weight, without, make) in KINDS {
            if *without == Without::Never || rng.bool() {
                sum += (weight << rng.u8(0..3)).div_ceil(2);
                drawn.push((sum, make));
            }
        }
        let steps = 4_usize << rng.u8(0..7);
        let steps = (0..rng.usize(steps..=2 * steps)).map(|_| {
            let place = rng.u32(0..sum);
            let (_, make) = drawn[drawn.partition_point(|&(sum, _)| sum <= place)];
            make(&mut rng)
        });
        let steps = steps.collect();
        let lags = rng.bool();
        let members = (0..members).map(|_| VERSIONS[rng.usize(0..VERSIONS.len())]).collect();
        Self { members, lags, steps }
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { members, lags, steps } = self;
        writeln!(f, "members {members:?}, lags: {lags}")?;
        steps.iter().try_for_each(|step| writeln!(f, "  {step:?}"))
    }
}

fn writes(rng: &mut Rng, most: usize) -> Vec<Write> {
    // Few keys meet often.
    let keys = if rng.bool() { 4..9 } else { 0..KEYS };
    let write = |rng: &mut Rng| Write {
        key: rng.usize(keys.clone()),
        value: (rng.u8(0..10) < 7).then(|| rng.u8(0..u8::try_from(VALUES).unwrap())),
        lease: rng.u8(0..6).saturating_sub(3),
    };
    (0..rng.usize(1..=most)).map(|_| write(rng)).collect()
}

/// Responses of a few events, or of all there are.
fn fragment(rng: &mut Rng) -> usize {
    if rng.bool() { rng.usize(1..4) } else { usize::MAX }
}

/// Which members: often none, often one.
fn mask(rng: &mut Rng) -> u8 {
    match rng.u8(0..4) {
        0 | 1 => 0,
        2 => 1 << rng.u8(0..5),
        _ => rng.u8(0..32),
    }
}
