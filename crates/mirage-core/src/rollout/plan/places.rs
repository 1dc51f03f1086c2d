//! Where instances stand.

use std::collections::BTreeSet;

use super::Planner;

/// Who stands where, found out once a round.
#[derive(Default)]
pub(super) struct Places {
    /// Where the candidate, taking over in turns, has a healthy instance.
    pub(super) taken_over: BTreeSet<u32>,
    /// Those of them that get requests.
    pub(super) relieved: BTreeSet<u32>,
    /// Whether the candidate has one at every place.
    pub(super) complete: bool,
    /// The places beyond the wanted ones whose active instance stays, because one at a wanted place is not well.
    pub(super) standing_in: BTreeSet<u32>,
}

impl Planner<'_> {
    pub(super) fn survey(&self) -> Places {
        let mut places = Places::default();
        if let Some(candidate) = self.arriving().filter(|candidate| self.is_rolling(candidate)) {
            for instance in self.standing(candidate).filter(|i| i.is_healthy()) {
                places.taken_over.insert(instance.ordinal);
                if instance.routed {
                    places.relieved.insert(instance.ordinal);
                }
            }
        }
        let replicas = self.desired.replicas;
        places.complete = (0..replicas).all(|o| places.taken_over.contains(&o));
        if let Some(active) = &self.desired.active {
            let healthy = self.of(active.deployment).filter(|i| i.is_healthy() && !i.stopped);
            let healthy: BTreeSet<_> = healthy.map(|i| i.ordinal).collect();
            let is_served = |o: &u32| healthy.contains(o) || places.taken_over.contains(o);
            let lacking = (0..replicas).filter(|o| !is_served(o)).count();
            places.standing_in = healthy.range(replicas..).take(lacking).copied().collect();
        }
        places
    }
}
