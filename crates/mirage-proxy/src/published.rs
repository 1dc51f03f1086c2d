//! A route table on its way to the worker threads.

use std::collections::HashMap;
use std::sync::Arc;

use mirage_core::{Backend, RouteTable};

use crate::load::Load;

/// A table, and the counters of every backend in it.
pub(crate) struct Published {
    /// What control has decided.
    pub(crate) table: RouteTable,
    /// Counters that all worker threads share.
    pub(crate) loads: HashMap<Backend, Arc<Load>>,
}

impl Published {
    /// Joins a table with counters: those of backends that were known stay the same ones.
    pub(crate) fn new(table: RouteTable, known: &HashMap<Backend, Arc<Load>>, workers: usize) -> Self {
        let backends = table.routes.iter().flat_map(|route| &route.backends);
        let loads = backends
            .map(|backend| {
                let load = known.get(backend).cloned().unwrap_or_else(|| Arc::new(Load::new(workers)));
                (backend.clone(), load)
            })
            .collect();
        Self { table, loads }
    }
}
