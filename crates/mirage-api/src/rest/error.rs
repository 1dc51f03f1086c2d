//! Errors on the wire: `application/problem+json` (RFC 9457) with the product's code.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use mirage_core::{Code, Error};
use serde::Serialize;
use utoipa::ToSchema;

/// Why a request was refused or could not be fulfilled.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Problem {
    /// For programs; the spelling is stable.
    #[schema(example = "IMAGE_NOT_FOUND")]
    code: &'static str,
    /// The code in words.
    #[schema(example = "Image not found")]
    title: &'static str,
    /// What happened, with the thing named in backticks.
    #[schema(example = "`127.0.0.1:5000/acme/web` has no tag `2`")]
    detail: String,
    /// The next thing to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    /// The HTTP status, once more.
    #[schema(example = 404)]
    status: u16,
    /// The field of the request that is at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
}

impl Problem {
    /// The same refusal with another status, where HTTP has a more exact one.
    #[must_use]
    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status.as_u16();
        self
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        if let Some(cause) = error.cause() {
            match error.code() {
                Code::Internal => tracing::error!(code = %error.code(), cause, "api: {}", error.message()),
                _ => tracing::debug!(code = %error.code(), cause, "api: {}", error.message()),
            }
        }
        Self {
            code: error.code().as_str(),
            title: title(error.code()),
            detail: error.message().to_owned(),
            hint: error.next_step().map(str::to_owned),
            status: status(error.code()).as_u16(),
            field: error.at_field().map(str::to_owned),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, axum::Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            // Basic is understood and not asked for: a browser would remember it, and send it along with
            // whatever another site's page has it ask.
            headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"mirage\""));
        }
        response
    }
}

/// The status of a code. What another registry or the machine did wrong is no fault of the request,
/// so those have statuses of their own; 401 is kept for the caller's own token.
fn status(code: Code) -> StatusCode {
    match code {
        Code::InvalidImageReference | Code::CredentialIncomplete | Code::InvalidRequest => {
            StatusCode::BAD_REQUEST
        }
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::Forbidden => StatusCode::FORBIDDEN,
        Code::ImageNotFound | Code::NotFound => StatusCode::NOT_FOUND,
        Code::NameTaken | Code::RouteConflict | Code::Conflict => StatusCode::CONFLICT,
        Code::RegistryAuthError
        | Code::NoMatchingPlatform
        | Code::ImageTooLarge
        | Code::ProbeFailed
        | Code::StartFailed
        | Code::BuildFailed => StatusCode::UNPROCESSABLE_ENTITY,
        Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        Code::ImagePullError | Code::RegistryUnreachable | Code::RegistryTlsError => StatusCode::BAD_GATEWAY,
        Code::RegistryRateLimited | Code::TargetUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        Code::DiskFull => StatusCode::INSUFFICIENT_STORAGE,
    }
}

fn title(code: Code) -> &'static str {
    match code {
        Code::InvalidImageReference => "Invalid image reference",
        Code::ImageNotFound => "Image not found",
        Code::RegistryAuthError => "Registry credentials refused or missing",
        Code::ImagePullError => "Image could not be transferred",
        Code::NoMatchingPlatform => "No image for this platform",
        Code::ImageTooLarge => "Image too large",
        Code::RegistryRateLimited => "Registry rate limit",
        Code::RegistryUnreachable => "Registry unreachable",
        Code::RegistryTlsError => "Registry certificate not accepted",
        Code::CredentialIncomplete => "Credential incomplete",
        Code::NameTaken => "Name taken",
        Code::RouteConflict => "Address taken",
        Code::NotFound => "Not found",
        Code::Forbidden => "Forbidden",
        Code::Unauthenticated => "Not authenticated",
        Code::InvalidRequest => "Invalid request",
        Code::ProbeFailed => "Health check failed",
        Code::StartFailed => "Start failed",
        Code::DeadlineExceeded => "Deadline exceeded",
        Code::DiskFull => "Disk full",
        Code::TargetUnavailable => "Target unavailable",
        Code::BuildFailed => "Build failed",
        Code::Conflict => "Conflict",
        Code::Internal => "Internal error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_status_that_says_whose_fault_it_is() {
        let mut table = String::new();
        for code in Code::ALL {
            table += &format!("{} {code}\n", status(*code).as_u16());
        }
        assert_eq!(
            table,
            "400 INVALID_IMAGE_REFERENCE\n404 IMAGE_NOT_FOUND\n422 REGISTRY_AUTH_ERROR\n502 IMAGE_PULL_ERROR\n\
             422 NO_MATCHING_PLATFORM\n422 IMAGE_TOO_LARGE\n503 REGISTRY_RATE_LIMITED\n502 REGISTRY_UNREACHABLE\n\
             502 REGISTRY_TLS_ERROR\n400 CREDENTIAL_INCOMPLETE\n409 NAME_TAKEN\n409 ROUTE_CONFLICT\n\
             404 NOT_FOUND\n403 FORBIDDEN\n401 UNAUTHENTICATED\n400 INVALID_REQUEST\n422 PROBE_FAILED\n\
             422 START_FAILED\n504 DEADLINE_EXCEEDED\n507 DISK_FULL\n503 TARGET_UNAVAILABLE\n422 BUILD_FAILED\n\
             409 CONFLICT\n500 INTERNAL\n"
        );
    }

    #[test]
    fn the_cause_does_not_leave_the_house() {
        let problem =
            Problem::from(Error::internal("read the database", std::io::Error::other("/secret/path")));
        assert!(!serde_json::to_string(&problem).unwrap().contains("secret"));
    }
}
