//! The route table as one worker thread uses it.

use std::cell::Cell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use mirage_core::{Backend, DomainRoute};

use crate::backend::Pool;
use crate::published::Published;
use crate::tally::Tally;

/// A client waits no longer than this, whatever the table says.
const LONGEST_HOLD: Duration = Duration::from_secs(300);

/// Hosts and who answers for them.
#[derive(Default)]
pub(crate) struct Routes {
    hosts: HashMap<Box<str>, Rc<RoutedService>>,
    /// By what follows the `*`.
    wildcards: HashMap<Box<str>, Rc<RoutedService>>,
}

/// A service that answers for a host.
pub(crate) struct RoutedService {
    /// For messages.
    pub(crate) name: String,
    /// How long a request waits for an instance where there is none.
    pub(crate) hold: Duration,
    /// Set where the host is a domain of a user's own.
    pub(crate) domain: Option<DomainRoute>,
    pools: Vec<Rc<Pool>>,
    turn: Cell<usize>,
    tally: Arc<Tally>,
    worker: usize,
}

impl Routes {
    /// The table for this worker; `pools` is brought up to date and what left it is retired.
    pub(super) fn new(published: &Published, worker: usize, pools: &mut HashMap<Backend, Rc<Pool>>) -> Self {
        let mut kept = HashMap::new();
        let (mut hosts, mut wildcards) = (HashMap::new(), HashMap::new());
        for route in &published.table.routes {
            let Some(tally) = published.tallies.get(&route.service) else { continue };
            let backends = route.backends.iter().filter_map(|backend| {
                let load = published.loads.get(backend)?;
                let fresh = || Rc::new(Pool::new(backend.clone(), load.clone(), tally.clone(), worker));
                let pool = kept
                    .entry(backend.clone())
                    .or_insert_with(|| pools.remove(backend).unwrap_or_else(fresh));
                Some(pool.clone())
            });
            let service = RoutedService {
                name: route.service_name.clone(),
                hold: Duration::from_millis(route.hold_millis).min(LONGEST_HOLD),
                domain: route.domain,
                pools: backends.collect(),
                turn: Cell::new(worker),
                tally: tally.clone(),
                worker,
            };
            let key = host_key(&route.host);
            match key.strip_prefix('*') {
                Some(rest) => wildcards.insert(rest.into(), Rc::new(service)),
                None => hosts.insert(key, Rc::new(service)),
            };
        }
        for (_, gone) in pools.drain() {
            gone.retire();
        }
        *pools = kept;
        Self { hosts, wildcards }
    }

    /// Who answers for this host name, in whatever case it is written.
    pub(crate) fn find(&self, host: &str) -> Option<Rc<RoutedService>> {
        if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return self.find_key(&host.to_ascii_lowercase()).cloned();
        }
        self.find_key(host).cloned()
    }

    /// A name of its own counts more than a wildcard.
    fn find_key(&self, host: &str) -> Option<&Rc<RoutedService>> {
        let above = || {
            if self.wildcards.is_empty() {
                return None;
            }
            self.wildcards.get(&host[host.find('.').filter(|dot| *dot > 0)?..])
        };
        self.hosts.get(host).or_else(above)
    }
}

impl RoutedService {
    /// Whether there is an instance that takes requests.
    pub(crate) fn has_backend(&self) -> bool {
        self.pools.iter().any(|pool| !pool.is_retired())
    }

    /// Counts a response; `own` where the proxy made it because no instance answered.
    pub(crate) fn count(&self, status: StatusCode, took: Duration, own: bool) {
        self.tally.response(self.worker, status, took, own);
    }

    /// Counts bytes of a request body.
    pub(crate) fn came_in(&self, bytes: usize) {
        self.tally.came_in(self.worker, bytes as u64);
    }

    /// The backend for the next request: the one with the fewest open requests, in turn where they
    /// are equal, and one that failed just now only where there is no other. Those in `tried` are
    /// left out.
    pub(crate) fn pick(&self, beat: u32, tried: &[Rc<Pool>]) -> Option<Rc<Pool>> {
        let turn = self.turn.get();
        self.turn.set(turn.wrapping_add(1));
        let count = self.pools.len();
        let mut best: Option<(&Rc<Pool>, (bool, u64))> = None;
        for step in 0..count {
            let pool = &self.pools[(turn % count + step) % count];
            if pool.is_retired() || tried.iter().any(|tried| Rc::ptr_eq(tried, pool)) {
                continue;
            }
            let cost = (pool.is_avoided(beat), pool.open_here());
            if best.is_none_or(|(_, least)| cost < least) {
                best = Some((pool, cost));
            }
            if cost == (false, 0) {
                break;
            }
        }
        best.map(|(pool, _)| pool.clone())
    }
}

/// A host as it is looked up: lower-case, without the dot that makes it absolute.
fn host_key(host: &str) -> Box<str> {
    host.trim_end_matches('.').to_ascii_lowercase().into()
}
