//! The endpoints, one a file: request, handler, description.

pub(super) mod cancel_deployment;
pub(super) mod create_service;
pub(super) mod deploy;
pub(super) mod doctor;
pub(super) mod events;
pub(super) mod get_deployment;
pub(super) mod get_service;
pub(super) mod healthz;
pub(super) mod image_config;
pub(super) mod inspect_image;
pub(super) mod list_deployments;
pub(super) mod list_services;
pub(super) mod logs;
pub(super) mod readyz;
pub(super) mod redeploy;
pub(super) mod remove_service;
pub(super) mod restart;
pub(super) mod rollback;
pub(super) mod update_service;
