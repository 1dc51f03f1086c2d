//! A part of a long list, as a query asks for it.

use mirage_core::{Code, Error, Result};
use serde::Deserialize;
use utoipa::IntoParams;

use super::input::limit;

/// Which part of the list.
#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Part {
    /// At most so many; 100 by default, 500 at most.
    #[param(value_type = Option<u32>)]
    limit: Option<String>,
    /// Go on after a page: its `next`.
    after: Option<String>,
}

impl Part {
    /// How many.
    ///
    /// # Errors
    /// `INVALID_REQUEST` where that is no number.
    pub(crate) fn limit(&self) -> Result<u32> {
        limit(self.limit.as_deref(), 100, 500)
    }

    /// The place in the list of these things that it goes on after.
    ///
    /// # Errors
    /// As [`place`].
    pub(crate) fn after<T>(&self, what: &str, read: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>> {
        self.after.as_deref().map(|text| place(text, what, read)).transpose()
    }
}

/// A place in the list of these things, which was the `next` of a page.
///
/// # Errors
/// `INVALID_REQUEST` for what never was one.
pub(crate) fn place<T>(text: &str, what: &str, read: impl FnOnce(&str) -> Option<T>) -> Result<T> {
    read(text).ok_or_else(|| {
        Error::new(Code::InvalidRequest, format!("`after` is no place in the list of {what}"))
            .field("after")
            .hint("send the `next` of the page before")
    })
}
