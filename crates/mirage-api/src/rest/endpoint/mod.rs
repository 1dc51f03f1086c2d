//! The endpoints, one a file: request, handler, description.

pub(super) mod backup;
pub(super) mod cancel_deployment;
pub(super) mod certificate;
pub(super) mod create_service;
pub(super) mod create_token;
pub(super) mod create_volume;
pub(super) mod deploy;
pub(super) mod doctor;
pub(super) mod domains;
pub(super) mod events;
pub(super) mod exposition;
pub(super) mod get_deployment;
pub(super) mod get_service;
pub(super) mod healthz;
pub(super) mod image_config;
pub(super) mod image_tags;
pub(super) mod inspect_image;
pub(super) mod list_credentials;
pub(super) mod list_deployments;
pub(super) mod list_services;
pub(super) mod list_tokens;
pub(super) mod list_volumes;
pub(super) mod logs;
pub(super) mod metrics;
pub(super) mod readyz;
pub(super) mod redeploy;
pub(super) mod remove_credential;
pub(super) mod remove_domain;
pub(super) mod remove_service;
pub(super) mod remove_token;
pub(super) mod repositories;
pub(super) mod reset_vault;
pub(super) mod restart;
pub(super) mod rollback;
pub(super) mod rotate_vault;
pub(super) mod set_credential;
pub(super) mod shared_variables;
pub(super) mod test_credential;
pub(super) mod update_service;
pub(super) mod volume;
pub(super) mod volume_backup;

use mirage_control::{ServicePatch, ServiceView};
use mirage_core::{Code, Result};

use super::wire::change::ServiceChange;

/// How often a change is made anew because somebody else made one at the same time.
const TRIES: u32 = 5;

/// Makes a change for the service as it is `now`, and does `attempt` with it; again, where somebody else
/// changed the service in between. A part of a health check is given, the whole is written: without
/// this, one of two changes at once would be lost.
async fn changing<T, N, A>(
    change: ServiceChange,
    now: impl Fn() -> N + Send + Sync,
    attempt: impl Fn(ServicePatch) -> A + Send + Sync,
) -> Result<T>
where
    N: Future<Output = Result<ServiceView>> + Send,
    A: Future<Output = Result<T>> + Send,
{
    let mut tries = 0;
    loop {
        let service = now().await?.service;
        let patch = change.clone().against(&service.spec, service.updated_at)?;
        match attempt(patch).await {
            // A conflict about a field is with something else than the service itself.
            Err(error) if error.code() == Code::Conflict && error.at_field().is_none() && tries < TRIES => {
                tries += 1;
            }
            result => return result,
        }
    }
}
