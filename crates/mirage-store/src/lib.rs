//! What Mirage remembers, in SQLite.
//!
//! Reads are methods of [`Store`]; everything that changes is a method of [`Tx`], so that one
//! decision is one transaction: the rows and the events that tell of them, or neither. Secrets are sealed
//! by the [`Vault`], whose key is kept elsewhere.

mod certificate;
mod column;
mod copy;
mod credential;
mod deployment;
mod domain;
mod draft;
mod event;
mod facts;
mod grant;
mod instance;
mod metric;
mod overview;
mod project;
mod revision;
mod schema;
mod search;
mod service;
mod setting;
mod store;
#[cfg(test)]
mod tests;
mod variable;
mod vault;
mod volume;

pub use certificate::CertificateRecord;
pub use copy::CopyFacts;
pub use credential::{CredentialPosition, ListedCredential};
pub use deployment::NewDeployment;
pub use domain::ListedDomain;
pub use draft::DraftRecord;
pub use event::EventFilter;
pub use facts::{Facts, ServiceFacts};
pub use grant::TokenHash;
pub use metric::{METRICS_BYTES_MAX, Sample};
pub use overview::{ImageUser, KeptImage, ServicePath};
pub use schema::schema;
pub use search::SEARCH_WORDS;
pub use service::{Page, ServiceFilter};
pub use store::{Store, Tx};
pub use vault::{GivenUp, KeySource, Vault};
pub use volume::VolumePage;
