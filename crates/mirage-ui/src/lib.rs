//! The pages: what people see of [`mirage_control::Control`] in a browser. They work without any script, and
//! like every face they translate and never decide.
//!
//! A page is a function from what `Control` answered to markup; [`shell`] puts it into its frame. Text from outside
//! (names, references, log lines, errors) gets into markup by maud's escaping alone.

mod ansi;
mod asset;
mod badge;
mod chart;
mod copy;
mod fault;
mod field;
mod form;
mod guard;
mod keys;
mod link;
mod live;
mod navigation;
mod page;
mod prose;
mod registry;
mod shell;
mod visitor;
mod when;

#[cfg(test)]
mod tests;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};
use mirage_control::Control;
use mirage_core::Error;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, NotForContentType, Predicate};

/// The most bytes of a form of somebody who is not logged in.
const STRANGER_MAX: usize = 8 << 10;

/// The page about a request that was refused before it got to the pages, for somebody at a browser.
pub fn refusal(error: Error) -> Response {
    fault::refused(error)
}

/// The pages as one router, to be merged into a larger one. Its fallback answers to whatever is no address of the
/// platform, so the others must have none.
pub fn router(control: Control) -> Router {
    Router::new()
        .route("/login", get(page::login::ask).post(page::login::check))
        .layer(DefaultBodyLimit::max(STRANGER_MAX))
        .route("/", get(page::projects::first))
        .route("/logout", post(page::login::end))
        .route("/projects", get(page::projects::list))
        .route("/projects/{project}", get(page::services::of_project))
        .merge(page::services::routes())
        .merge(page::service::routes())
        .merge(page::wizard::routes())
        .merge(page::deployment::routes())
        .route("/projects/{project}/{environment}/{service}/logs", get(page::logs::page))
        .route("/projects/{project}/{environment}/{service}/logs/download", get(page::logs::download))
        .route("/live/projects/{project}/{environment}/{service}/logs", get(page::logs::follow))
        .route("/projects/{project}/{environment}/{service}/metrics", get(page::metrics::page))
        .route("/live/projects/{project}/{environment}/{service}/metrics", get(page::metrics::stream))
        .route("/events", get(page::events::list))
        .route("/live/events", get(page::events::stream))
        .route("/credentials", get(page::credentials::list).post(page::credentials::set))
        .route("/credentials/{credential}", get(page::credential::one))
        .route("/credentials/{credential}/test", post(page::credential::test))
        .route("/credentials/{credential}/remove", get(page::credential::ask).post(page::credential::remove))
        .route("/images", get(page::images::list))
        .route("/images/repository", get(page::image::one))
        .route("/images/remove", get(page::image::ask).post(page::image::remove))
        .route("/settings", get(page::settings::first))
        .route("/settings/about", get(page::settings::about::show))
        .route("/settings/tokens", get(page::settings::tokens::list).post(page::settings::tokens::create))
        .route("/settings/tokens/{token}/remove", post(page::settings::tokens::remove))
        .route("/settings/mirrors", get(page::settings::mirrors::show))
        .route("/settings/certificates", get(page::settings::certificates::list))
        .route("/settings/vault", get(page::settings::vault::show))
        .route("/settings/vault/rotate", post(page::settings::vault::rotate))
        .route("/settings/backup", get(page::settings::backup::show).post(page::settings::backup::make))
        .route("/theme", post(page::theme::choose))
        .route("/jump", get(page::jump::find))
        .route("/keys", get(page::keys::map))
        .route("/assets/{file}", get(asset::serve))
        .method_not_allowed_fallback(fault::wrong_method)
        .fallback(fault::no_such_page)
        .layer(DefaultBodyLimit::max(form::FORM_MAX))
        .layer(from_fn_with_state(control.clone(), fault::framed))
        .layer(from_fn(guard::headers))
        // A page has a token of its session in it, and text of others. That neither is sent in the name of another
        // site's page (`SameSite=Strict`) keeps the size of an answer from telling about the token.
        .layer(
            CompressionLayer::new().compress_when(
                // A backup is large, and most of what is in it is compressed already.
                DefaultPredicate::new()
                    .and(NotForContentType::const_new(page::settings::backup::KIND))
                    .and(NotForContentType::const_new("application/zstd")),
            ),
        )
        .with_state(control)
}
