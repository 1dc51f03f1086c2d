//! What must hold in every round, and at the end.

use super::*;

impl World {
    /// Nothing good loses its requests to something unproven, or to nothing.
    pub(super) fn check_route(&self, observed: &Observed, next: &BTreeSet<InstanceId>) {
        let healthy = |id: &InstanceId| {
            let mut all = observed.instances.iter();
            all.any(|i| i.id == *id && i.is_healthy())
        };
        assert!(next.iter().all(healthy), "only healthy instances get requests");
        let Some(active) = self.active.as_ref().filter(|active| !active.attempt.exclusive) else { return };
        let of_active = |id: &&InstanceId| {
            let mut all = self.instances.iter();
            all.any(|a| a.seen.id == **id && a.seen.deployment == active.attempt.deployment)
        };
        if next.is_empty() && self.desired.replicas > 0 && !self.desired.removed {
            let serving = self.routed.iter().filter(of_active).any(healthy);
            assert!(!serving, "a service that served was left without instances");
        }
    }

    pub(super) fn check(&self) {
        let mut places = BTreeMap::new();
        for actual in &self.instances {
            let seen = &actual.seen;
            if !matches!(seen.state, InstanceState::Exited(_)) && actual.retiring.is_none() {
                *places.entry((seen.deployment, seen.ordinal)).or_insert(0) += 1;
            }
        }
        assert!(places.values().all(|count| *count <= 3), "instances pile up at one place");
    }

    pub(super) fn is_converged(&self) {
        assert!(self.moving.is_empty(), "a deployment is neither active nor at an end");
        assert_eq!(self.forgotten, self.desired.removed, "a service that was removed is forgotten");
        assert!(!self.instances.iter().any(Actual::is_left), "something was not cleaned up");
        let Some(active) = &self.active else {
            assert!(self.routed.is_empty(), "requests go to nobody's instance");
            return assert!(self.instances.iter().all(|a| !a.exists), "an orphan runs");
        };
        for actual in self.instances.iter().filter(|actual| actual.exists) {
            let own = actual.seen.deployment == active.attempt.deployment;
            assert!(own && actual.seen.ordinal < self.desired.replicas, "an orphan runs");
        }
        if active.nature != Nature::Serves || active.pull_failure.is_some() {
            return;
        }
        for ordinal in 0..self.desired.replicas {
            let at_place = self.instances.iter().filter(|a| a.exists && a.seen.ordinal == ordinal);
            let at_place: Vec<_> = at_place.collect();
            assert_eq!(at_place.len(), 1, "one instance at each place");
            assert!(at_place[0].seen.is_healthy() && self.routed.contains(&at_place[0].seen.id));
            assert_eq!(at_place[0].seen.generation, self.desired.generation, "an old generation runs");
        }
        assert_eq!(self.routed.len(), self.desired.replicas as usize);
    }
}
