//! The built-in registry's question who may do what, answered by control.

use async_trait::async_trait;
use http::HeaderMap;
use mirage_control::{Action, Control};
use mirage_oci::registry::{Access, Action as RegistryAction, Decision, Gate};

/// Hands the registry's questions to the one authorization function.
pub(crate) struct ControlGate {
    control: Control,
}

impl ControlGate {
    pub(crate) fn new(control: Control) -> Self {
        Self { control }
    }
}

#[async_trait]
impl Gate for ControlGate {
    async fn decide(&self, headers: &HeaderMap, access: &Access) -> Decision {
        let Some(token) = mirage_api::token_of(headers) else { return Decision::Unauthenticated };
        let Ok(actor) = self.control.authenticate(&token) else { return Decision::Unauthenticated };
        let action = match access {
            // Whoever has a token may know that a registry is here.
            Access::Base => return Decision::Allow,
            Access::Catalog => Action::ListImages,
            Access::Repository(repository, RegistryAction::Pull) => Action::PullImages(repository),
            Access::Repository(repository, RegistryAction::Push) => Action::PushImages(repository),
            Access::Repository(repository, RegistryAction::Delete) => Action::RemoveImages(repository),
        };
        match self.control.allow(&actor, action) {
            Ok(()) => Decision::Allow,
            Err(_) => Decision::Denied,
        }
    }
}
