//! An error, as `application/problem+json` (RFC 9457).

use mirage_core::{Code, Error};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What went wrong, and what to do next.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// Stable, for programs: `IMAGE_NOT_FOUND`.
    #[schema(value_type = String, example = "IMAGE_NOT_FOUND")]
    pub code: Code,
    /// The code in words.
    pub title: String,
    /// One sentence that names the thing.
    pub detail: String,
    /// The next thing to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The HTTP status.
    pub status: u16,
    /// The field of the request that is at fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}

impl Problem {
    /// The error as it goes out with this HTTP status.
    pub fn new(error: &Error, status: u16) -> Self {
        Self {
            code: error.code(),
            title: title(error.code()),
            detail: error.message().to_owned(),
            hint: error.next_step().map(str::to_owned),
            status,
            field: error.at_field().map(str::to_owned),
        }
    }

    /// The error as it was before it went out.
    pub fn into_error(self) -> Error {
        let error = Error::new(self.code, self.detail);
        let error = self.hint.into_iter().fold(error, Error::hint);
        self.field.into_iter().fold(error, Error::field)
    }
}

/// `IMAGE_NOT_FOUND` as `Image not found`.
fn title(code: Code) -> String {
    let words = code.as_str().to_lowercase().replace('_', " ");
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
