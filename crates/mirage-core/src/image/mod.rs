//! Images as the OCI specifications name them.

pub(crate) mod attachments;
pub(crate) mod digest;
mod expansion;
pub(crate) mod judge;
mod needs;
pub(crate) mod parts;
pub(crate) mod place;
pub(crate) mod platform;
pub(crate) mod quota;
pub(crate) mod reference;
pub(crate) mod resolved;
pub(crate) mod run;
pub(crate) mod stock;
pub(crate) mod tags;
pub(crate) mod verdict;
