//! As whom origins are asked.

use async_trait::async_trait;
use mirage_core::{Login, Reference, Result};

/// Knows the logins with which other registries are read on behalf of everybody who may pull here.
#[async_trait]
pub trait Logins: Send + Sync {
    /// The login for an image at its origin; `None` asks as anybody.
    ///
    /// # Errors
    /// Where there is one and it cannot be had now.
    async fn login(&self, image: &Reference) -> Result<Option<Login>>;
}
