//! The REST face: `/api`, `/healthz`, `/readyz`. One file an endpoint, described where it is written.

mod auth;
mod document;
mod endpoint;
mod error;
mod guard;
mod input;
mod part;
mod stream;
mod wire;

pub use auth::token_of;
use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::any;
pub use endpoint::inspect_image::inspection;
use mirage_control::Control;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The REST face as a router without fallback.
pub(crate) fn router(control: Control) -> Router {
    let (router, api) = endpoints().split_for_parts();
    router
        .route("/api/openapi.json", document::serve(&api))
        .route("/api", any(guard::no_such_address))
        .route("/api/", any(guard::no_such_address))
        .route("/api/{*rest}", any(guard::no_such_address))
        .method_not_allowed_fallback(guard::wrong_method)
        .layer(from_fn(guard::deadline))
        .layer(from_fn(guard::headers))
        .with_state(control)
}

/// See [`crate::guarded`] and [`crate::guarded_with_pages`].
pub(crate) fn guarded(app: Router, page: Option<guard::Page>) -> Router {
    app.layer(from_fn_with_state(page, guard::same_site))
}

/// The description of this face as OpenAPI 3.1, in JSON.
pub fn openapi() -> String {
    document::text(endpoints().get_openapi())
}

/// Every endpoint: one line each.
fn endpoints() -> OpenApiRouter<Control> {
    OpenApiRouter::with_openapi(document::frame())
        .routes(routes!(endpoint::inspect_image::inspect_image))
        .routes(routes!(endpoint::image_tags::image_tags))
        .routes(routes!(endpoint::repositories::list_repositories))
        .routes(routes!(endpoint::repositories::get_repository, endpoint::repositories::remove_images))
        .routes(routes!(endpoint::create_service::create_service))
        .routes(routes!(endpoint::list_services::list_services))
        .routes(routes!(
            endpoint::get_service::get_service,
            endpoint::update_service::update_service,
            endpoint::remove_service::remove_service
        ))
        .routes(routes!(endpoint::image_config::image_config))
        .routes(routes!(endpoint::deploy::deploy))
        .routes(routes!(endpoint::redeploy::redeploy))
        .routes(routes!(endpoint::restart::restart))
        .routes(routes!(endpoint::rollback::rollback))
        .routes(routes!(endpoint::list_deployments::list_deployments))
        .routes(routes!(endpoint::get_deployment::get_deployment))
        .routes(routes!(endpoint::cancel_deployment::cancel_deployment))
        .routes(routes!(
            endpoint::list_credentials::list_credentials,
            endpoint::set_credential::set_credential
        ))
        .routes(routes!(endpoint::remove_credential::remove_credential))
        .routes(routes!(endpoint::test_credential::test_credential))
        .routes(routes!(
            endpoint::shared_variables::list_shared_variables,
            endpoint::shared_variables::change_shared_variables
        ))
        .routes(routes!(endpoint::domains::list_domains))
        .routes(routes!(endpoint::domains::list_service_domains, endpoint::domains::add_domain))
        .routes(routes!(endpoint::remove_domain::remove_domain))
        .routes(routes!(endpoint::certificate::set_certificate))
        .routes(routes!(endpoint::certificate::renew_certificate))
        .routes(routes!(endpoint::list_tokens::list_tokens, endpoint::create_token::create_token))
        .routes(routes!(endpoint::remove_token::remove_token))
        .routes(routes!(endpoint::list_volumes::list_volumes, endpoint::create_volume::create_volume))
        .routes(routes!(endpoint::volume::get_volume, endpoint::volume::remove_volume))
        .routes(routes!(endpoint::volume::restore_volume))
        .routes(routes!(endpoint::volume_backup::back_up_volume, endpoint::volume_backup::fill_volume))
        .routes(routes!(endpoint::rotate_vault::rotate_vault))
        .routes(routes!(endpoint::reset_vault::reset_vault))
        .routes(routes!(endpoint::backup::make_backup))
        .routes(routes!(endpoint::logs::logs))
        .routes(routes!(endpoint::logs::all_logs))
        .routes(routes!(endpoint::metrics::metrics))
        .routes(routes!(endpoint::exposition::exposition))
        .routes(routes!(endpoint::events::events))
        .routes(routes!(endpoint::doctor::doctor))
        .routes(routes!(endpoint::healthz::healthz))
        .routes(routes!(endpoint::readyz::readyz))
}

#[cfg(test)]
mod tests;
