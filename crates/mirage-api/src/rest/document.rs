//! The description of this face, generated from the endpoints.

use axum::routing::{MethodRouter, get};
use bytes::Bytes;
use http::header;
use mirage_control::Control;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};

/// What is said about the face as a whole.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Mirage",
        description = "From a container image to a running, verified, reachable service.\n\nErrors are \
                       `application/problem+json` with a stable `code`. A `{service}` in a path is an id, a name \
                       that only one service has, or `project/environment/name` with its slashes as `%2F`.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    modifiers(&Access),
    security(("bearer" = []), ("basic" = [])),
    tags(
        (name = "images", description = "What an image is, before anything runs"),
        (name = "services", description = "What runs"),
        (name = "deployments", description = "Attempts to make a revision live"),
        (name = "credentials", description = "Who pulls from which registry"),
        (name = "domains", description = "Where services answer beside their own address, and with which certificates"),
        (name = "tokens", description = "Who may use the images of a project"),
        (name = "variables", description = "What the services of an environment share"),
        (name = "platform", description = "The platform itself")
    )
)]
struct Frame;

struct Access;

impl Modify for Access {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let components = api.components.get_or_insert_default();
        let schemes = [("bearer", HttpAuthScheme::Bearer), ("basic", HttpAuthScheme::Basic)];
        for (name, scheme) in schemes {
            components.add_security_scheme(name, SecurityScheme::Http(Http::new(scheme)));
        }
    }
}

/// The description without endpoints.
pub(super) fn frame() -> utoipa::openapi::OpenApi {
    Frame::openapi()
}

/// The description as text.
pub(super) fn text(api: &utoipa::openapi::OpenApi) -> String {
    // Maps with text as keys and plain values always have a JSON form.
    api.to_pretty_json().unwrap_or_default()
}

/// `GET /api/openapi.json`, written once.
pub(super) fn serve(api: &utoipa::openapi::OpenApi) -> MethodRouter<Control> {
    let text = Bytes::from(text(api));
    get(async move || ([(header::CONTENT_TYPE, "application/json")], text.clone()))
}
