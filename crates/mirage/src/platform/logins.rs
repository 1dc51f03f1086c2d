//! The logins with which the built-in registry reads others, answered by control.

use async_trait::async_trait;
use mirage_control::Control;
use mirage_control::access::Actor;
use mirage_core::{Login, Reference, Result};
use mirage_oci::registry::Logins;

/// Hands the registry the credentials that the default project and environment share.
pub(crate) struct SharedLogins {
    control: Control,
    /// The platform itself; whoever pulls has passed the gate.
    actor: Actor,
}

impl SharedLogins {
    pub(crate) fn new(control: Control, actor: Actor) -> Self {
        Self { control, actor }
    }
}

#[async_trait]
impl Logins for SharedLogins {
    async fn login(&self, image: &Reference) -> Result<Option<Login>> {
        self.control.shared_login(&self.actor, image).await
    }
}
