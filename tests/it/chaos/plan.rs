//! What a round does to the cluster, to the network and to the daemon: drawn from the
//! seed and the round's number alone.

use std::fmt;
use std::time::Duration;

use crate::support::cluster::SIZE;
use crate::support::random::Random;

/// A fault that can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// The daemon's connections are ended, new ones at once.
    Cut,
    /// Everything takes longer between the daemon and a member.
    Delay,
    /// Nothing passes between the daemon and a member, and comes late in the end.
    Blackhole,
    /// The daemon's connections are silent for ever; new ones work.
    HalfOpen,
    /// SIGKILL to members.
    Kill,
    /// SIGSTOP to members.
    Stop,
    /// A member is cut off from the other members, not from the daemon.
    Partition,
    /// A member is removed and joins again with empty data.
    Wipe,
    /// All members are restored to what they had at the round's beginning.
    Restore,
    /// The same, and the services go on registering until the cluster's revision is beyond that
    /// of before, while the daemon can't see it.
    Overtake,
    /// The history up to now is forgotten.
    Compact,
    /// A member rewrites its database.
    Defragment,
    /// The leader hands over to another.
    MoveLeader,
    /// SIGKILL to the daemon, and another start.
    RestartDaemon,
}

impl Kind {
    pub(super) const ALL: [Self; 14] = [
        Self::Cut,
        Self::Delay,
        Self::Blackhole,
        Self::HalfOpen,
        Self::Kill,
        Self::Stop,
        Self::Partition,
        Self::Wipe,
        Self::Restore,
        Self::Overtake,
        Self::Compact,
        Self::Defragment,
        Self::MoveLeader,
        Self::RestartDaemon,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Cut => "cut",
            Self::Delay => "delay",
            Self::Blackhole => "blackhole",
            Self::HalfOpen => "half-open",
            Self::Kill => "kill",
            Self::Stop => "stop",
            Self::Partition => "partition",
            Self::Wipe => "wipe",
            Self::Restore => "restore",
            Self::Overtake => "restore+overtake",
            Self::Compact => "compact",
            Self::Defragment => "defrag",
            Self::MoveLeader => "move-leader",
            Self::RestartDaemon => "restart-daemon",
        }
    }

    /// How often it is drawn, compared with others.
    fn weight(self) -> usize {
        match self {
            Self::Cut | Self::Blackhole | Self::Kill | Self::Stop | Self::Compact => 3,
            Self::Restore | Self::Overtake | Self::Defragment | Self::RestartDaemon => 1,
            _ => 2,
        }
    }

    /// Of these one is enough for a round: with two, fewer members than a quorum may be left
    /// for a request that the other one needs.
    fn is_of_members(self) -> bool {
        let kinds = [Self::Kill, Self::Stop, Self::Partition, Self::Wipe];
        kinds.contains(&self) || self.needs_snapshot()
    }

    /// How many members, or connections to them, it may concern.
    fn most(self) -> usize {
        match self {
            Self::Cut
            | Self::Delay
            | Self::Blackhole
            | Self::HalfOpen
            | Self::Kill
            | Self::Stop => SIZE,
            _ => 1,
        }
    }

    /// Whether a snapshot must have been taken before.
    pub(super) fn needs_snapshot(self) -> bool {
        matches!(self, Self::Restore | Self::Overtake)
    }
}

/// The first of the members concerned; what that is shows when the time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Victim {
    Leader,
    /// The one that the daemon is connected to.
    Serving,
    Number(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) kind: Kind,
    pub(super) first: Victim,
    /// How many members, the first one and those after it.
    pub(super) count: usize,
    /// How long after the fault before.
    pub(super) after: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) faults: Vec<Fault>,
    /// How long all of them last.
    pub(super) hold: Duration,
}

impl Plan {
    pub(super) fn draw(seed: u64, round: u64) -> Self {
        const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut random = Random::seeded(seed.wrapping_add(round.wrapping_mul(SPREAD)));
        // The first numbers of seeds that are alike are alike.
        for _ in 0..16 {
            random.below(2);
        }
        let mut urn: Vec<Kind> =
            Kind::ALL.into_iter().flat_map(|kind| vec![kind; kind.weight()]).collect();
        let wanted = 1 + random.index(3);
        let mut faults = Vec::new();
        while faults.len() < wanted {
            let kind = urn[random.index(urn.len())];
            urn.retain(|&other| other != kind && !(kind.is_of_members() && other.is_of_members()));
            faults.push(Fault::draw(kind, &mut random));
        }
        // What follows the loss of the quorum could not be done.
        faults.sort_by_key(Fault::takes_quorum);
        // Mostly they are over before the daemon can know; sometimes it has to find its way.
        let hold = match random.index(4) {
            0 => 6_000 + random.below(8_000),
            _ => 500 + random.below(2_500),
        };
        Self { faults, hold: millis(hold) }
    }

    pub(super) fn needs_snapshot(&self) -> bool {
        self.faults.iter().any(|fault| fault.kind.needs_snapshot())
    }
}

impl Fault {
    fn draw(kind: Kind, random: &mut Random) -> Self {
        let first = match random.index(6) {
            0..3 => Victim::Serving,
            3 => Victim::Leader,
            _ => Victim::Number(random.index(SIZE)),
        };
        let count = 1 + random.index(kind.most());
        Self { kind, first, count, after: millis(200 + random.below(1_000)) }
    }

    fn takes_quorum(&self) -> bool {
        let of_all = matches!(self.kind, Kind::Kill | Kind::Stop) && self.count > SIZE / 2;
        of_all || self.kind.needs_snapshot()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.name())?;
        match (self.kind, self.first, self.count) {
            (Kind::Compact | Kind::MoveLeader | Kind::RestartDaemon, ..) => Ok(()),
            (kind, ..) if kind.needs_snapshot() => Ok(()),
            (_, _, SIZE) => f.write_str("(all)"),
            (_, Victim::Leader, count) => write!(f, "(leader{})", more(count)),
            (_, Victim::Serving, count) => write!(f, "(serving{})", more(count)),
            (_, Victim::Number(number), count) => write!(f, "({number}{})", more(count)),
        }
    }
}

fn more(count: usize) -> String {
    if count == 1 { String::new() } else { format!("+{}", count - 1) }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults: Vec<_> = self.faults.iter().map(ToString::to_string).collect();
        f.write_str(&faults.join(" "))
    }
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn the_same_seed_gives_the_same_plan_and_each_kind_comes_up() {
    let plans = |seed| (1..=200).map(|round| Plan::draw(seed, round)).collect::<Vec<_>>();
    assert_eq!(plans(7), plans(7));
    assert_ne!(plans(7), plans(8));
    for kind in Kind::ALL {
        let count =
            plans(7).iter().flat_map(|plan| &plan.faults).filter(|f| f.kind == kind).count();
        assert!(count >= 3, "{kind:?} comes {count} times in 200 rounds");
    }
    for plan in plans(7) {
        assert!((1..=3).contains(&plan.faults.len()), "{plan}");
        let of_members = plan.faults.iter().filter(|fault| fault.kind.is_of_members());
        assert!(of_members.count() <= 1, "{plan}");
    }
}
