//! What was added to the counts of the proxies since they were last read.

use std::collections::HashMap;

use mirage_core::{ProcessTraffic, ProxyProcess, ServiceId, TrafficCounts, TrafficMark};

/// The counts as they were last read.
#[derive(Default)]
pub(super) struct Proxies {
    /// By process; a process that is gone is forgotten.
    known: HashMap<ProxyProcess, Known>,
    /// Whether they were read before: what was counted until then is nobody's.
    begun: bool,
    /// Client connections at the last reading.
    pub(super) connections: u64,
    /// Requests without a service since the first reading.
    pub(super) unrouted: u64,
}

struct Known {
    mark: u64,
    unrouted: u64,
    services: HashMap<ServiceId, TrafficCounts>,
}

impl Proxies {
    /// From where on the proxies are to answer.
    pub(super) fn marks(&self) -> Vec<TrafficMark> {
        self.known
            .iter()
            .map(|(process, known)| TrafficMark { process: *process, mark: known.mark })
            .collect()
    }

    /// How many processes answered last time.
    pub(super) fn count(&self) -> usize {
        self.known.len()
    }

    /// Takes what they answered: what was added, by service. A process that was not there before has
    /// counted from nothing, but for those of the first reading.
    pub(super) fn read(&mut self, processes: Vec<ProcessTraffic>) -> Vec<(ServiceId, TrafficCounts)> {
        let mut added = Vec::new();
        self.connections = processes.iter().map(|process| process.connections).sum();
        let living: Vec<_> = processes.iter().map(|process| process.process).collect();
        self.known.retain(|process, _| living.contains(process));
        for process in processes {
            let fresh = || Known { mark: 0, unrouted: 0, services: HashMap::new() };
            let known = self.known.entry(process.process).or_insert_with(fresh);
            let unrouted = process.unrouted.saturating_sub(known.unrouted);
            (known.mark, known.unrouted) = (process.mark, process.unrouted);
            for service in process.services {
                let before = known.services.insert(service.service, service.counts).unwrap_or_default();
                added.push((service.service, service.counts.since(&before)));
            }
            self.unrouted += if self.begun { unrouted } else { 0 };
        }
        if !std::mem::replace(&mut self.begun, true) {
            added.clear();
        }
        added
    }

    /// Forgets services that are no more.
    pub(super) fn retain(&mut self, keep: impl Fn(&ServiceId) -> bool) {
        for known in self.known.values_mut() {
            known.services.retain(|service, _| keep(service));
        }
    }
}

#[cfg(test)]
mod tests {
    use mirage_core::ServiceTraffic;

    use super::*;

    fn process(pid: u32, ok: u64) -> ProcessTraffic {
        let counts = TrafficCounts { classes: [0, ok, 0, 0, 0], ..TrafficCounts::default() };
        let service = ServiceId::from_random([1; 16]);
        ProcessTraffic {
            process: ProxyProcess { pid, nonce: 0 },
            mark: ok,
            connections: 1,
            unrouted: ok,
            services: vec![ServiceTraffic { service, counts }],
        }
    }

    #[test]
    fn a_proxy_that_takes_over_is_counted_from_nothing_and_none_is_counted_twice() {
        let mut proxies = Proxies::default();
        let mut read = |processes: &[(u32, u64)]| -> u64 {
            let processes = processes.iter().map(|(pid, ok)| process(*pid, *ok)).collect();
            proxies.read(processes).iter().map(|(_, counts)| counts.requests()).sum()
        };
        assert_eq!(read(&[(1, 50)]), 0, "from before the control process was there");
        assert_eq!(read(&[(1, 53)]), 3);
        assert_eq!(read(&[(1, 54), (2, 10)]), 11);
        assert_eq!(read(&[(1, 54), (2, 10)]), 0);
        assert_eq!(read(&[(2, 12)]), 2);
        assert_eq!(read(&[(1, 7)]), 7, "the same number again is another process");
        assert_eq!(proxies.unrouted, 23);
        assert_eq!(proxies.marks().len(), 1);
    }
}
