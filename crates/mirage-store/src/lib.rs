//! What Mirage remembers, in SQLite.
//!
//! Reads are methods of [`Store`]; everything that changes is a method of [`Tx`], so that one
//! decision is one transaction: the rows and the events that tell of them, or neither. Secrets are sealed
//! by the [`Vault`], whose key is kept elsewhere.

mod certificate;
mod column;
mod credential;
mod deployment;
mod domain;
mod event;
mod grant;
mod instance;
mod project;
mod revision;
mod service;
mod setting;
mod store;
#[cfg(test)]
mod tests;
mod variable;
mod vault;

pub use certificate::CertificateRecord;
pub use deployment::NewDeployment;
pub use event::EventFilter;
pub use grant::TokenHash;
pub use service::{Page, ServiceFilter};
pub use store::{Store, Tx};
pub use vault::{GivenUp, KeySource, Vault};
