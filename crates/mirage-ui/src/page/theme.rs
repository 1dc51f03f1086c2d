//! `/theme`: light, dark, or as the browser says.

use axum::response::{IntoResponse, Redirect, Response};
use http::header;

use crate::form::Sent;
use crate::link;
use crate::visitor::Theme;

/// `POST /theme`
pub(crate) async fn choose(Sent { fields, .. }: Sent) -> Response {
    let cookie = [(header::SET_COOKIE, Theme::kept(Theme::of(fields.text("theme"))))];
    (cookie, Redirect::to(link::next(fields.raw("back")))).into_response()
}
