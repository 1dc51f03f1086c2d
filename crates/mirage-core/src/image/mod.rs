//! Images as the OCI specifications name them.

pub(crate) mod digest;
pub(crate) mod platform;
pub(crate) mod reference;
pub(crate) mod resolved;
