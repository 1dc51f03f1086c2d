//! Those who are measured beside Mirage, started here and ended here.

pub(super) mod nginx;
pub(super) mod podman;
pub(crate) mod wrk;
