//! What users, machines and clocks do to the world.

use super::*;

impl World {
    pub(super) fn deploy(&mut self) {
        let nature = match self.dice.roll(12) {
            0 => Nature::CannotBePulled,
            1 => Nature::CannotBeStarted,
            2 => Nature::EndsAtOnce,
            3 => Nature::NeverWell,
            4 => Nature::FallsIllLater,
            5 => Nature::DiesLater,
            _ => Nature::Serves,
        };
        self.made += 1;
        let mut attempt = attempt(self.made, Phase::Queued);
        attempt.budget_millis = BUDGET.unsigned_abs();
        attempt.surge = [None, None, Some(1), Some(2)][usize::try_from(self.dice.roll(4)).unwrap()];
        attempt.exclusive = self.dice.one_in(4);
        attempt.overlap_millis = if self.dice.one_in(4) { OVERLAP.unsigned_abs() } else { 0 };
        attempt.restart = match self.dice.roll(4) {
            0 => RestartPolicy::Always,
            1 => RestartPolicy::Never,
            _ => RestartPolicy::OnFailure,
        };
        // A newer request supersedes one that waits, not the one that is under way.
        self.moving.truncate(1);
        if self.moving.first().is_some_and(|first| first.attempt.phase == Phase::Queued) {
            self.moving.clear();
        }
        let present = self.dice.one_in(2);
        self.moving.push(Planned {
            attempt,
            nature,
            cancelled: false,
            failed: false,
            pull: None,
            present,
            pull_failure: None,
        });
    }

    /// Something that a user or the machine does.
    pub(super) fn happen(&mut self) {
        let what = self.dice.roll(24) / 2;
        self.log.push(format!("{:>7} event {what}", self.now));
        match what {
            0..=3 if !self.desired.removed => self.deploy(),
            4 => self.desired.replicas = u32::try_from(self.dice.roll(4)).unwrap(),
            5 => self.desired.generation += 1,
            6 => {
                if let Some(last) = self.moving.last_mut() {
                    last.cancelled = true;
                }
            }
            7 => self.lose_control(),
            8 => self.lose_shim(),
            // A clock that is set, back or forth.
            9 => self.offset += self.dice.millis(200_000) - 100_000,
            10 if self.dice.one_in(4) => self.desired.removed = true,
            _ => self.now += self.dice.millis(2_000),
        }
    }

    /// The control plane is killed: what it was doing is not done, and it does not know how far it got.
    fn lose_control(&mut self) {
        for planned in self.moving.iter_mut().chain(&mut self.active) {
            planned.pull = None;
            planned.pull_failure = None;
        }
        let hopeless: Vec<_> = self.moving.iter().chain(&self.active).collect();
        let hopeless = hopeless.into_iter().filter(|p| p.nature == Nature::CannotBeStarted);
        let hopeless: Vec<_> = hopeless.map(|p| p.attempt.deployment).collect();
        for actual in &mut self.instances {
            (actual.retiring, actual.sweeping) = (None, None);
            actual.seen.engine_failure = None;
            if actual.starting.take().is_some() {
                actual.exists = self.dice.one_in(2) && !hopeless.contains(&actual.seen.deployment);
            }
        }
    }

    fn lose_shim(&mut self) {
        let count = self.instances.len() as u64;
        if count > 0 {
            let at = usize::try_from(self.dice.roll(count)).unwrap();
            self.instances[at].exists = false;
        }
    }
}
