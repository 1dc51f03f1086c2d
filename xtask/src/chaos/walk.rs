//! What is done to the platform: drawn from the seed alone, so that a seed is a walk.

use std::fmt;

use super::seed::Seeded;
use crate::bed::Temper;

/// Services of a walk.
pub(super) const SERVICES: usize = 3;

/// One thing that is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Another image is asked for.
    Deploy {
        service: usize,
        temper: Temper,
    },
    /// An image is asked for that is in no registry.
    DeployNothing {
        service: usize,
    },
    Redeploy {
        service: usize,
    },
    Restart {
        service: usize,
    },
    RollBack {
        service: usize,
    },
    Cancel {
        service: usize,
    },
    Scale {
        service: usize,
        replicas: u32,
    },
    /// The service is removed, and made anew.
    Replace {
        service: usize,
    },
    /// SIGKILL, and another life after so many milliseconds.
    KillControl {
        down: u64,
    },
    KillProxy,
    /// SIGKILL for both at once.
    KillBoth {
        down: u64,
    },
    /// The shim of the container at this place in the kernel's list, counted around.
    KillShim {
        turn: u64,
    },
    /// The first process of the container at this place.
    KillContainer {
        turn: u64,
    },
    Registry {
        fault: RegistryFault,
        millis: u64,
    },
    /// The data folder's disk is filled for so long.
    FillDisk {
        millis: u64,
    },
    /// The time of day of control jumps.
    JumpClock {
        seconds: i64,
    },
    /// A push to the built-in registry that is begun and never finished.
    AbandonUpload,
    Rest {
        millis: u64,
    },
}

/// What is wrong with the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RegistryFault {
    /// Connections are closed without a word.
    Closed,
    /// Sixteen KiB every 60 ms.
    Slow,
    /// Everything is answered with this status.
    Status(u16),
    /// A byte of each answer's body is another one.
    WrongBytes,
}

/// The actions of a seed, without an end.
pub(super) struct Walk(Seeded);

impl Walk {
    pub(super) fn new(seed: u64) -> Self {
        Self(Seeded::new(seed))
    }
}

impl Iterator for Walk {
    type Item = Action;

    fn next(&mut self) -> Option<Action> {
        let draw = &mut self.0;
        let service = draw.below(SERVICES as u64) as usize;
        Some(match draw.below(100) {
            0..=17 => Action::Deploy { service, temper: Temper::Good },
            18..=21 => Action::Deploy { service, temper: Temper::Crash },
            22..=24 => Action::Deploy { service, temper: Temper::Sick },
            25..=27 => Action::Deploy { service, temper: Temper::Deaf },
            28..=29 => Action::DeployNothing { service },
            30..=32 => Action::Redeploy { service },
            33..=35 => Action::Restart { service },
            36..=40 => Action::RollBack { service },
            41..=45 => Action::Cancel { service },
            46..=50 => Action::Scale { service, replicas: draw.within(1, 3) as u32 },
            51..=52 => Action::Replace { service },
            53..=61 => Action::KillControl { down: draw.within(0, 400) },
            62..=66 => Action::KillProxy,
            67..=68 => Action::KillBoth { down: draw.within(0, 400) },
            69..=74 => Action::KillShim { turn: draw.next() },
            75..=77 => Action::KillContainer { turn: draw.next() },
            78..=86 => Action::Registry { fault: registry_fault(draw), millis: draw.within(200, 1500) },
            87..=89 => Action::FillDisk { millis: draw.within(200, 1500) },
            90..=92 => Action::JumpClock { seconds: jump(draw) },
            93..=94 => Action::AbandonUpload,
            _ => Action::Rest { millis: draw.within(50, 800) },
        })
    }
}

fn registry_fault(draw: &mut Seeded) -> RegistryFault {
    match draw.below(5) {
        0 => RegistryFault::Closed,
        1 => RegistryFault::Slow,
        2 => RegistryFault::Status(500),
        3 => RegistryFault::Status(429),
        _ => RegistryFault::WrongBytes,
    }
}

fn jump(draw: &mut Seeded) -> i64 {
    const JUMPS: [i64; 6] = [-86_400, -3_600, -30, 30, 3_600, 86_400];
    JUMPS[draw.below(JUMPS.len() as u64) as usize]
}

impl Action {
    /// Whether something breaks by it, as opposed to what users ask for on a good day.
    pub(super) fn is_fault(&self) -> bool {
        !matches!(
            self,
            Self::Deploy { temper: Temper::Good, .. }
                | Self::DeployNothing { .. }
                | Self::Cancel { .. }
                | Self::Redeploy { .. }
                | Self::Restart { .. }
                | Self::RollBack { .. }
                | Self::Scale { .. }
                | Self::Replace { .. }
                | Self::Rest { .. }
        )
    }

    /// Whether a deployment of this service that is on its way may fail by it, or be another one. A kill of control
    /// is no excuse: its next life goes on.
    pub(super) fn disturbs(&self, number: usize) -> bool {
        match self {
            Self::Deploy { service, .. }
            | Self::DeployNothing { service }
            | Self::Redeploy { service }
            | Self::RollBack { service }
            | Self::Cancel { service }
            | Self::Replace { service } => *service == number,
            Self::KillProxy
            | Self::KillBoth { .. }
            | Self::KillShim { .. }
            | Self::KillContainer { .. }
            | Self::Registry { .. }
            | Self::FillDisk { .. }
            | Self::JumpClock { .. } => true,
            Self::Restart { .. }
            | Self::Scale { .. }
            | Self::KillControl { .. }
            | Self::AbandonUpload
            | Self::Rest { .. } => false,
        }
    }

    /// In the report, where numbers do not matter.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Deploy { temper: Temper::Good, .. } => "good image deployed",
            Self::Deploy { temper: Temper::Crash, .. } => "crashing image deployed",
            Self::Deploy { temper: Temper::Sick, .. } => "image deployed that answers 500",
            Self::Deploy { temper: Temper::Deaf, .. } => "image deployed that never listens",
            Self::DeployNothing { .. } => "image deployed that is not there",
            Self::Redeploy { .. } => "redeployed",
            Self::Restart { .. } => "restarted",
            Self::RollBack { .. } => "rolled back",
            Self::Cancel { .. } => "deployment cancelled",
            Self::Scale { .. } => "scaled",
            Self::Replace { .. } => "service removed and made anew",
            Self::KillControl { .. } => "control killed",
            Self::KillProxy => "proxy killed",
            Self::KillBoth { .. } => "control and proxy killed",
            Self::KillShim { .. } => "shim killed",
            Self::KillContainer { .. } => "container's process killed",
            Self::Registry { fault: RegistryFault::Closed, .. } => "registry gone",
            Self::Registry { fault: RegistryFault::Slow, .. } => "registry slow",
            Self::Registry { fault: RegistryFault::Status(429), .. } => "registry answers 429",
            Self::Registry { fault: RegistryFault::Status(_), .. } => "registry answers 500",
            Self::Registry { fault: RegistryFault::WrongBytes, .. } => "registry sends wrong bytes",
            Self::FillDisk { .. } => "disk full",
            Self::JumpClock { .. } => "clock jumped",
            Self::AbandonUpload => "push abandoned",
            Self::Rest { .. } => "rest",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_a_walk_and_another_seed_another_one() {
        let walk = |seed| Walk::new(seed).take(200).collect::<Vec<_>>();
        assert_eq!(walk(7), walk(7));
        assert_ne!(walk(7), walk(8));
    }

    #[test]
    fn every_kind_of_fault_comes_up() {
        let kinds: std::collections::BTreeSet<_> =
            Walk::new(1).take(2_000).map(|action| action.kind()).collect();
        assert_eq!(kinds.len(), 25);
        let faults: std::collections::BTreeSet<_> =
            Walk::new(1).take(2_000).filter(Action::is_fault).map(|action| action.kind()).collect();
        assert_eq!(faults.len(), 16, "what users ask for is none: {faults:?}");
    }
}
