//! The built-in registry: the OCI distribution specification 1.1 at `/v2/`, over the content store.
//!
//! Every request passes the [`Gate`] before anything of it is looked up. Blobs are shared by all
//! repositories in the content store, but a repository reads only those that were pushed into it
//! or mounted from one that the same user may read. A push is refused unless everything that the
//! manifest names is present, so whatever has a tag can be pulled.

mod blobs;
mod fault;
mod gate;
mod leftovers;
mod listing;
mod manifest;
mod manifests;
mod path;
mod range;
mod receive;
mod referrers;
mod removal;
mod repositories;
mod sessions;
mod through;
mod uploads;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Query, Request, State};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use mirage_core::{Digest, Error, Repository, Tag};
use serde::de::DeserializeOwned;

use crate::content::ContentStore;
use fault::{Fault, FaultCode};
pub use gate::{Access, Action, Decision, Gate};
pub use leftovers::drop_leftovers;
pub(crate) use manifest::{Descriptor, Manifest, Needs};
use path::Endpoint;
pub use removal::{doomed, take_away};
pub use repositories::{References, RegistrySnapshot, Repositories, RepositorySnapshot};
pub use sessions::{UploadLimits, Uploads};
pub(crate) use through::Origin;
pub use through::{Logins, PullThrough};

/// Hears of every push to a tag, after the tag has moved. Called in a thread that may block, but
/// the client waits for it: hand longer work to somebody else.
pub type OnPush = Arc<dyn Fn(&Repository, &Tag, &Digest) + Send + Sync>;

/// What the registry stands on.
#[derive(Clone)]
pub struct RegistryState {
    /// The bytes.
    pub store: ContentStore,
    /// What is in which repository.
    pub repositories: Repositories,
    /// Who may do what.
    pub gate: Arc<dyn Gate>,
    /// Uploads in progress.
    pub uploads: Uploads,
    /// Who hears of a push.
    pub on_push: Option<OnPush>,
    /// Other registries, read through this one; without, a repository that starts with a registry's name is like any
    /// other.
    pub through: Option<PullThrough>,
}

/// The registry as a router for `/v2` and everything below, to be merged into a larger one.
pub fn router(state: RegistryState) -> Router {
    let serve = axum::routing::any(serve);
    Router::new()
        .route("/v2", serve.clone())
        .route("/v2/", serve.clone())
        .route("/v2/{*rest}", serve)
        .with_state(state)
}

/// One request on its way through a handler; its body travels beside it.
struct Call {
    state: RegistryState,
    parts: Parts,
}

impl Call {
    /// Reads the query string.
    fn query<Q: DeserializeOwned>(&self) -> Result<Q, Fault> {
        Query::try_from_uri(&self.parts.uri)
            .map(|Query(query)| query)
            .map_err(|_| Fault::bad_request(FaultCode::Unsupported, "the query string cannot be read"))
    }

    /// A header as text.
    fn header(&self, name: &HeaderName) -> Option<&str> {
        self.parts.headers.get(name)?.to_str().ok()
    }

    /// The registry that this repository is read through to.
    fn origin(&self, repository: &Repository) -> Option<(PullThrough, Origin)> {
        let through = self.state.through.as_ref()?;
        Some((through.clone(), through.origin(repository)?))
    }

    /// Whether the gate lets the request do this.
    async fn may(&self, access: &Access) -> Decision {
        self.state.gate.decide(&self.parts.headers, access).await
    }
}

async fn serve(State(state): State<RegistryState>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let mut response = answer(Call { state, parts }, body).await.unwrap_or_else(IntoResponse::into_response);
    let version = HeaderValue::from_static("registry/2.0");
    response.headers_mut().insert("docker-distribution-api-version", version);
    response
}

async fn answer(call: Call, body: Body) -> Result<Response, Fault> {
    let endpoint = path::endpoint(&call.parts.method, call.parts.uri.path());
    let access = match &endpoint {
        Ok(endpoint) => access(&call.parts.method, endpoint)?,
        // Who is not let in does not hear what is wrong with the address either.
        Err(_) => Access::Base,
    };
    match call.may(&access).await {
        Decision::Allow => dispatch(call, body, endpoint?).await,
        Decision::Unauthenticated => Err(Fault::unauthenticated()),
        Decision::Denied => {
            Err(Fault::new(StatusCode::FORBIDDEN, FaultCode::Denied, "the token does not allow this"))
        }
    }
}

fn access(method: &Method, endpoint: &Endpoint) -> Result<Access, Fault> {
    let action = match *method {
        Method::GET | Method::HEAD => Action::Pull,
        Method::POST | Method::PATCH | Method::PUT => Action::Push,
        Method::DELETE => Action::Delete,
        _ => return Err(not_allowed("DELETE, GET, HEAD, PATCH, POST, PUT")),
    };
    Ok(match endpoint {
        Endpoint::Base => Access::Base,
        Endpoint::Catalog => Access::Catalog,
        // Looking after one's own upload, and giving it up, is part of pushing.
        Endpoint::Uploads(repository) | Endpoint::Upload(repository, _) => {
            Access::Repository(repository.clone(), Action::Push)
        }
        Endpoint::Tags(repository)
        | Endpoint::Manifest(repository, _)
        | Endpoint::Blob(repository, _)
        | Endpoint::Referrers(repository, _) => Access::Repository(repository.clone(), action),
    })
}

async fn dispatch(call: Call, body: Body, endpoint: Endpoint) -> Result<Response, Fault> {
    let method = call.parts.method.clone();
    if let Access::Repository(repository, Action::Push) = access(&method, &endpoint)?
        && let Some((_, origin)) = call.origin(&repository)
    {
        return Err(through::refuse_push(&origin));
    }
    match (endpoint, method) {
        (Endpoint::Base, Method::GET | Method::HEAD) => Ok(json("{}".to_owned())),
        (Endpoint::Catalog, Method::GET | Method::HEAD) => listing::catalog(call).await,
        (Endpoint::Tags(repository), Method::GET | Method::HEAD) => listing::tags(call, repository).await,
        (Endpoint::Referrers(repository, subject), Method::GET | Method::HEAD) => {
            referrers::list(call, repository, subject).await
        }
        (Endpoint::Manifest(repository, name), Method::GET | Method::HEAD) => {
            manifests::get(call, repository, name).await
        }
        (Endpoint::Manifest(repository, name), Method::PUT) => {
            manifests::put(call, body, repository, name).await
        }
        (Endpoint::Manifest(repository, name), Method::DELETE) => {
            manifests::delete(call, repository, name).await
        }
        (Endpoint::Blob(repository, digest), Method::GET | Method::HEAD) => {
            blobs::get(call, repository, digest).await
        }
        (Endpoint::Blob(repository, digest), Method::DELETE) => blobs::delete(call, repository, digest).await,
        (Endpoint::Uploads(repository), Method::POST) => uploads::start(call, body, repository).await,
        (Endpoint::Upload(repository, id), Method::GET | Method::HEAD) => {
            uploads::status(&call, &repository, &id)
        }
        (Endpoint::Upload(repository, id), Method::PATCH) => {
            uploads::append(call, body, repository, id).await
        }
        (Endpoint::Upload(repository, id), Method::PUT) => uploads::finish(call, body, repository, id).await,
        (Endpoint::Upload(repository, id), Method::DELETE) => uploads::cancel(call, repository, id).await,
        (Endpoint::Uploads(_), _) => Err(not_allowed("POST")),
        (Endpoint::Upload(..), _) => Err(not_allowed("DELETE, GET, HEAD, PATCH, PUT")),
        (Endpoint::Manifest(..), _) => Err(not_allowed("DELETE, GET, HEAD, PUT")),
        (Endpoint::Blob(..), _) => Err(not_allowed("DELETE, GET, HEAD")),
        (Endpoint::Base | Endpoint::Catalog | Endpoint::Tags(_) | Endpoint::Referrers(..), _) => {
            Err(not_allowed("GET, HEAD"))
        }
    }
}

fn not_allowed(allowed: &'static str) -> Fault {
    Fault::new(
        StatusCode::METHOD_NOT_ALLOWED,
        FaultCode::Unsupported,
        format!("this address answers to {allowed}"),
    )
    .header(header::ALLOW, HeaderValue::from_static(allowed))
}

/// Runs what waits for the disk where it holds up nobody else. The work is finished even when the
/// request is given up meanwhile.
async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(cause) => Err(Error::internal("finish a request to the registry", cause).into()),
    }
}

fn json(body: String) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// A header value of text that has passed a grammar: digests, names and numbers are plain ASCII.
fn header_value(text: impl ToString) -> Result<HeaderValue, Fault> {
    HeaderValue::try_from(text.to_string())
        .map_err(|cause| Error::internal("write an answer of the registry", cause).into())
}

const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

#[cfg(test)]
pub(crate) mod tests;
