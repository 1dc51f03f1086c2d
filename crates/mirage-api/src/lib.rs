//! The faces: what clients see of [`mirage_control::Control`]. A face translates, it never decides.
//!
//! `/api` is Mirage's own REST face, with `/healthz` and `/readyz` beside it.

mod rest;

use axum::Router;
use axum::response::Response;
use mirage_control::Control;
use mirage_core::Error;

pub use rest::{inspection, openapi, token_of};

/// Everything behind one address, with what holds for all of it: a browser is not answered what it asks
/// in the name of another site's page.
pub fn guarded(app: Router) -> Router {
    rest::guarded(app, None)
}

/// The same beside pages: somebody at a browser reads the refusal as `page` shows it.
pub fn guarded_with_pages(app: Router, page: fn(Error) -> Response) -> Router {
    rest::guarded(app, Some(page))
}

/// All faces as one router, to be merged into a larger one. It has no fallback of its own.
pub fn router(control: Control) -> Router {
    rest::router(control)
}
