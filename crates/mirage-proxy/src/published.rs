//! A route table on its way to the worker threads.

use std::collections::HashMap;
use std::sync::Arc;

use mirage_core::{Backend, RouteTable, ServiceId};

use crate::load::Load;
use crate::tally::Tally;

/// A table, and the counters of every backend in it.
pub(crate) struct Published {
    /// What control has decided.
    pub(crate) table: RouteTable,
    /// Counters that all worker threads share.
    pub(crate) loads: HashMap<Backend, Arc<Load>>,
    /// What is counted of each service, also by all of them.
    pub(crate) tallies: HashMap<ServiceId, Arc<Tally>>,
}

impl Published {
    /// Joins a table with counters: those of backends and services that were in the table `before`, or
    /// that `loads` still knows, stay the same ones.
    pub(crate) fn new(
        table: RouteTable,
        loads: &HashMap<Backend, Arc<Load>>,
        before: &HashMap<ServiceId, Arc<Tally>>,
        workers: usize,
    ) -> Self {
        let backends = table.routes.iter().flat_map(|route| &route.backends);
        let loads = backends
            .map(|backend| {
                let load = loads.get(backend).cloned().unwrap_or_else(|| Arc::new(Load::new(workers)));
                (backend.clone(), load)
            })
            .collect();
        let mut tallies = HashMap::new();
        for route in &table.routes {
            let fresh = || Arc::new(Tally::new(workers));
            let known = || before.get(&route.service).cloned().unwrap_or_else(fresh);
            tallies.entry(route.service).or_insert_with(known);
        }
        Self { table, loads, tallies }
    }
}
