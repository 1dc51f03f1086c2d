//! What was added to what instances use since it was last read.

use std::collections::HashMap;

use jiff::Timestamp;
use mirage_core::{Figures, InstanceId, InstanceReport, InstanceState, InstanceUsage, ServiceId};

/// Instances that are looked at each time. Of more than six times as many, each is looked at once a
/// minute: reading control groups is what this costs.
const AT_ONCE: usize = 64;
const TURNS: usize = 6;

/// What instances used when they were last looked at.
pub(super) struct Usages {
    /// When looking began.
    begun: Timestamp,
    last: HashMap<InstanceId, (ServiceId, Option<InstanceUsage>)>,
    turn: usize,
}

impl Usages {
    pub(super) fn new(begun: Timestamp) -> Self {
        Self { begun, last: HashMap::new(), turn: 0 }
    }

    /// Whose turn it is among those that run; the others are forgotten.
    pub(super) fn turn(&mut self, reports: &[InstanceReport]) -> Vec<InstanceId> {
        let mut running = HashMap::new();
        for report in reports {
            let InstanceState::Running { since } = report.state else { continue };
            let id = report.id;
            // What ran before is known from its second look on; what is younger has used nothing before.
            let nothing = InstanceUsage {
                instance: id,
                cpu_micros: 0,
                memory_bytes: 0,
                received_bytes: 0,
                sent_bytes: 0,
            };
            let fresh = (report.service, (since >= self.begun).then_some(nothing));
            running.insert(id, self.last.get(&id).copied().unwrap_or(fresh));
        }
        self.last = running;
        let mut ids: Vec<_> = self.last.keys().copied().collect();
        ids.sort_unstable();
        let count = ids.len().div_ceil(TURNS).max(AT_ONCE).min(ids.len());
        if ids.len() > count {
            let start = (self.turn * count) % ids.len();
            ids.rotate_left(start);
            ids.truncate(count);
        }
        self.turn = (self.turn + 1) % TURNS;
        ids
    }

    /// Takes what they use: what was added, by service, and what every service holds now.
    pub(super) fn read(&mut self, usages: Vec<InstanceUsage>) -> HashMap<ServiceId, Figures> {
        let mut added: HashMap<ServiceId, Figures> = HashMap::new();
        for now in usages {
            let Some((service, last)) = self.last.get_mut(&now.instance) else { continue };
            if let Some(before) = last.replace(now) {
                let sum = added.entry(*service).or_default();
                sum.cpu_micros += now.cpu_micros.saturating_sub(before.cpu_micros);
                sum.received_bytes += now.received_bytes.saturating_sub(before.received_bytes);
                sum.sent_bytes += now.sent_bytes.saturating_sub(before.sent_bytes);
            }
        }
        for (service, last) in self.last.values() {
            added.entry(*service).or_default().memory_bytes += last.map_or(0, |last| last.memory_bytes);
        }
        added
    }
}

#[cfg(test)]
mod tests {
    use mirage_core::DeploymentId;

    use super::*;

    fn time(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn report(n: u16, since: i64) -> InstanceReport {
        let [a, b] = n.to_be_bytes();
        let mut id = [0; 16];
        (id[0], id[1]) = (a, b);
        InstanceReport {
            id: InstanceId::from_random(id),
            service: ServiceId::from_random([1; 16]),
            deployment: DeploymentId::from_random([1; 16]),
            state: InstanceState::Running { since: time(since) },
            address: None,
            pid: Some(1),
        }
    }

    fn usage(report: &InstanceReport, cpu: u64, memory: u64) -> InstanceUsage {
        InstanceUsage {
            instance: report.id,
            cpu_micros: cpu,
            memory_bytes: memory,
            received_bytes: 0,
            sent_bytes: 0,
        }
    }

    #[test]
    fn what_ran_before_is_counted_from_its_second_look_on() {
        let (old, young) = (report(1, 10), report(2, 200));
        let mut usages = Usages::new(time(100));
        assert_eq!(usages.turn(&[old.clone(), young.clone()]).len(), 2);
        let mut read = |old_cpu, young_cpu| {
            let found = usages.read(vec![usage(&old, old_cpu, 30), usage(&young, young_cpu, 12)]);
            let figures = found[&old.service];
            (figures.cpu_micros, figures.memory_bytes)
        };
        assert_eq!(read(1_000, 7), (7, 42));
        assert_eq!(read(1_001, 9), (3, 42));
        usages.turn(std::slice::from_ref(&young));
        assert_eq!(usages.read(Vec::new())[&young.service].memory_bytes, 12, "what is gone holds nothing");
    }

    #[test]
    fn of_very_many_each_is_looked_at_once_a_minute() {
        let reports: Vec<_> = (0..1_000).map(|n| report(n, 0)).collect();
        let mut usages = Usages::new(time(0));
        let mut seen = std::collections::HashSet::new();
        for _ in 0..TURNS {
            let turn = usages.turn(&reports);
            assert!(turn.len() <= 167);
            seen.extend(turn);
        }
        assert_eq!(seen.len(), 1_000);
    }
}
