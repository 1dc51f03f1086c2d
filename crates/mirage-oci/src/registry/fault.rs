//! Refusals in the shape of the distribution specification: `{"errors": [{code, message, detail}]}`.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use mirage_core::{Code, Digest, Repository};
use serde_json::{Value, json};

/// The codes of the specification, and the three that the distribution project adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FaultCode {
    BlobUnknown,
    BlobUploadInvalid,
    BlobUploadUnknown,
    Denied,
    DigestInvalid,
    ManifestBlobUnknown,
    ManifestInvalid,
    ManifestUnknown,
    NameInvalid,
    NameUnknown,
    PaginationNumberInvalid,
    RangeInvalid,
    SizeInvalid,
    TagInvalid,
    TooManyRequests,
    Unauthorized,
    Unknown,
    Unsupported,
}

impl FaultCode {
    /// The spelling on the wire.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::BlobUnknown => "BLOB_UNKNOWN",
            Self::BlobUploadInvalid => "BLOB_UPLOAD_INVALID",
            Self::BlobUploadUnknown => "BLOB_UPLOAD_UNKNOWN",
            Self::Denied => "DENIED",
            Self::DigestInvalid => "DIGEST_INVALID",
            Self::ManifestBlobUnknown => "MANIFEST_BLOB_UNKNOWN",
            Self::ManifestInvalid => "MANIFEST_INVALID",
            Self::ManifestUnknown => "MANIFEST_UNKNOWN",
            Self::NameInvalid => "NAME_INVALID",
            Self::NameUnknown => "NAME_UNKNOWN",
            Self::PaginationNumberInvalid => "PAGINATION_NUMBER_INVALID",
            Self::RangeInvalid => "RANGE_INVALID",
            Self::SizeInvalid => "SIZE_INVALID",
            Self::TagInvalid => "TAG_INVALID",
            Self::TooManyRequests => "TOOMANYREQUESTS",
            Self::Unauthorized => "UNAUTHORIZED",
            Self::Unknown => "UNKNOWN",
            Self::Unsupported => "UNSUPPORTED",
        }
    }
}

/// A refused request.
#[derive(Debug)]
pub(super) struct Fault {
    status: StatusCode,
    code: FaultCode,
    message: String,
    detail: Value,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Fault {
    /// A refusal with its sentence.
    pub(super) fn new(status: StatusCode, code: FaultCode, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), detail: Value::Null, headers: Vec::new() }
    }

    /// The request itself is wrong.
    pub(super) fn bad_request(code: FaultCode, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// The repository does not have this blob.
    pub(super) fn blob_unknown(digest: &Digest) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            FaultCode::BlobUnknown,
            format!("the repository has no blob `{digest}`"),
        )
        .detail(json!({ "digest": digest }))
    }

    /// The repository does not have this manifest, named by tag or digest.
    pub(super) fn manifest_unknown(name: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            FaultCode::ManifestUnknown,
            format!("the repository has no manifest `{name}`"),
        )
    }

    /// There is no such repository.
    pub(super) fn name_unknown(repository: &Repository) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            FaultCode::NameUnknown,
            format!("there is no repository `{repository}`"),
        )
        .detail(json!({ "name": repository.as_str() }))
    }

    /// The upload is not, or no longer, in progress.
    pub(super) fn upload_unknown(id: impl std::fmt::Display) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            FaultCode::BlobUploadUnknown,
            format!("there is no upload `{id}` in this repository, start a new one"),
        )
    }

    /// Somebody has to say who they are.
    pub(super) fn unauthenticated() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, FaultCode::Unauthorized, "a user name and a token are required")
            .header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"mirage\""))
    }

    /// Adds what a program may want to know.
    #[must_use]
    pub(super) fn detail(mut self, detail: Value) -> Self {
        self.detail = detail;
        self
    }

    /// Adds a header to the answer.
    #[must_use]
    pub(super) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The sentence alone.
    pub(super) fn into_message(self) -> String {
        self.message
    }

    /// The code, for tests.
    #[cfg(test)]
    pub(super) fn code(&self) -> FaultCode {
        self.code
    }
}

/// A fault of the store: told apart for a full disk, otherwise for the log alone.
impl From<mirage_core::Error> for Fault {
    fn from(error: mirage_core::Error) -> Self {
        tracing::error!(code = %error.code(), cause = error.cause(), "registry: {}", error.message());
        match error.code() {
            Code::DiskFull => Self::new(
                StatusCode::INSUFFICIENT_STORAGE,
                FaultCode::Unknown,
                "the disk of the registry is full",
            ),
            _ => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                FaultCode::Unknown,
                "the registry met a fault of its own, the log of `mirage serve` has the cause",
            ),
        }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let mut one = json!({ "code": self.code.as_str(), "message": self.message });
        if !self.detail.is_null() {
            one["detail"] = self.detail;
        }
        let mut response = Response::new(Body::from(json!({ "errors": [one] }).to_string()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in self.headers {
            headers.insert(name, value);
        }
        response
    }
}
