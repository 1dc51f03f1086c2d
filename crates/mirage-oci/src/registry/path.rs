//! Addresses of the distribution API. Repository names contain slashes, so an address is read from
//! its end, and every part must satisfy its grammar: nothing else ever becomes a file name.

use std::fmt;

use http::Method;
use mirage_core::{Digest, Repository, Tag};
use percent_encoding::percent_decode_str;

use super::fault::{Fault, FaultCode};

/// What a request is about.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    /// `/v2/`
    Base,
    /// `/v2/_catalog`
    Catalog,
    /// `/v2/<name>/tags/list`
    Tags(Repository),
    /// `/v2/<name>/manifests/<tag or digest>`
    Manifest(Repository, ManifestName),
    /// `/v2/<name>/blobs/<digest>`
    Blob(Repository, Digest),
    /// `/v2/<name>/blobs/uploads/`
    Uploads(Repository),
    /// `/v2/<name>/blobs/uploads/<id>`
    Upload(Repository, UploadId),
    /// `/v2/<name>/referrers/<digest>`
    Referrers(Repository, Digest),
}

/// How a manifest is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ManifestName {
    /// By tag.
    Tag(Tag),
    /// By content.
    Digest(Digest),
}

/// The name of an upload in progress: 32 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct UploadId(String);

impl UploadId {
    /// The name whose value is `bytes`.
    pub(super) fn new(bytes: [u8; 16]) -> Self {
        Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    fn parse(text: &str) -> Option<Self> {
        let fine = text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        fine.then(|| Self(text.to_owned()))
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Reads the path of a request below `/v2`.
pub(super) fn endpoint(method: &Method, path: &str) -> Result<Endpoint, Fault> {
    let below = path.strip_prefix("/v2").ok_or_else(|| no_such_address(path))?;
    let below = match below.strip_prefix('/') {
        Some(rest) => rest,
        None if below.is_empty() => "",
        None => return Err(no_such_address(path)),
    };
    let parts = decoded_parts(below).ok_or_else(|| no_such_address(path))?;
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    match parts.as_slice() {
        [""] => Ok(Endpoint::Base),
        ["_catalog"] => Ok(Endpoint::Catalog),
        [name @ .., "tags", "list"] => Ok(Endpoint::Tags(repository(name)?)),
        [name @ .., "blobs", "uploads"] | [name @ .., "blobs", "uploads", ""] => {
            Ok(Endpoint::Uploads(repository(name)?))
        }
        [name @ .., "blobs", "uploads", id] => {
            let id = UploadId::parse(id).ok_or_else(|| Fault::upload_unknown(id))?;
            Ok(Endpoint::Upload(repository(name)?, id))
        }
        [name @ .., "blobs", content] => Ok(Endpoint::Blob(repository(name)?, digest(content)?)),
        [name @ .., "referrers", content] => Ok(Endpoint::Referrers(repository(name)?, digest(content)?)),
        [name @ .., "manifests", reference] => {
            Ok(Endpoint::Manifest(repository(name)?, manifest_name(method, reference)?))
        }
        _ => Err(no_such_address(path)),
    }
}

/// Reads a digest from a path or a query.
pub(super) fn digest(text: &str) -> Result<Digest, Fault> {
    text.parse()
        .map_err(|error: mirage_core::Error| Fault::bad_request(FaultCode::DigestInvalid, error.message()))
}

/// The parts between the slashes, without percent signs. A slash that was written as `%2F` would
/// give one address two readings, so it is refused.
fn decoded_parts(path: &str) -> Option<Vec<String>> {
    path.split('/')
        .map(|part| {
            let part = percent_decode_str(part).decode_utf8().ok()?;
            (!part.contains('/')).then(|| part.into_owned())
        })
        .collect()
}

fn repository(parts: &[&str]) -> Result<Repository, Fault> {
    let name = parts.join("/");
    name.parse()
        .map_err(|error: mirage_core::Error| Fault::bad_request(FaultCode::NameInvalid, error.message()))
}

/// A tag outside the grammar cannot exist: reading it finds nothing, writing it is refused.
fn manifest_name(method: &Method, text: &str) -> Result<ManifestName, Fault> {
    if text.contains(':') {
        return digest(text).map(ManifestName::Digest);
    }
    match text.parse::<Tag>() {
        Ok(tag) => Ok(ManifestName::Tag(tag)),
        Err(error) if *method == Method::PUT => {
            Err(Fault::bad_request(FaultCode::TagInvalid, error.message()))
        }
        Err(_) => Err(Fault::manifest_unknown(text)),
    }
}

fn no_such_address(path: &str) -> Fault {
    let shown: String = path.chars().take(200).collect();
    Fault::new(
        http::StatusCode::NOT_FOUND,
        FaultCode::Unsupported,
        format!("`{shown}` is no address of the distribution API"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn read(path: &str) -> Result<Endpoint, String> {
        endpoint(&Method::GET, path).map_err(|fault| fault.code().as_str().to_owned())
    }

    fn repository(name: &str) -> Repository {
        name.parse().unwrap()
    }

    #[test]
    fn repository_names_may_contain_the_words_of_the_api() {
        let digest: Digest = format!("sha256:{HEX}").parse().unwrap();
        assert_eq!(read("/v2"), Ok(Endpoint::Base));
        assert_eq!(read("/v2/"), Ok(Endpoint::Base));
        assert_eq!(read("/v2/_catalog"), Ok(Endpoint::Catalog));
        assert_eq!(read("/v2/acme/web/tags/list"), Ok(Endpoint::Tags(repository("acme/web"))));
        assert_eq!(read("/v2/tags/list/tags/list"), Ok(Endpoint::Tags(repository("tags/list"))));
        assert_eq!(
            read("/v2/a/blobs/uploads/manifests/1"),
            Ok(Endpoint::Manifest(repository("a/blobs/uploads"), ManifestName::Tag("1".parse().unwrap())))
        );
        assert_eq!(
            read(&format!("/v2/a/manifests/b/blobs/sha256%3a{HEX}")),
            Ok(Endpoint::Blob(repository("a/manifests/b"), digest.clone()))
        );
        assert_eq!(
            read(&format!("/v2/a/referrers/sha256:{HEX}")),
            Ok(Endpoint::Referrers(repository("a"), digest))
        );
        assert_eq!(read("/v2/a/blobs/uploads"), Ok(Endpoint::Uploads(repository("a"))));
        assert_eq!(read("/v2/a/blobs/uploads/"), Ok(Endpoint::Uploads(repository("a"))));
    }

    #[test]
    fn path_tricks_are_refused() {
        for (path, code) in [
            ("/v2/../etc/tags/list", "NAME_INVALID"),
            ("/v2/a/./b/tags/list", "NAME_INVALID"),
            ("/v2/a//b/tags/list", "NAME_INVALID"),
            ("/v2//tags/list", "NAME_INVALID"),
            ("/v2/tags/list", "NAME_INVALID"),
            ("/v2/a%2fb/tags/list", "UNSUPPORTED"),
            ("/v2/a/..%2f..%2fb/tags/list", "UNSUPPORTED"),
            ("/v2/a%00/tags/list", "NAME_INVALID"),
            ("/v2/a%ff/tags/list", "UNSUPPORTED"),
            ("/v2/_tags/x/tags/list", "NAME_INVALID"),
            ("/v2/Acme/tags/list", "NAME_INVALID"),
            ("/v2/a/manifests/..", "MANIFEST_UNKNOWN"),
            ("/v2/a/manifests/.hidden", "MANIFEST_UNKNOWN"),
            ("/v2/a/manifests/sha256:../../x", "UNSUPPORTED"),
            ("/v2/a/manifests/sha256:12", "DIGEST_INVALID"),
            ("/v2/a/blobs/sha256:short", "DIGEST_INVALID"),
            ("/v2/a/blobs/md5:d41d8cd98f00b204e9800998ecf8427e", "DIGEST_INVALID"),
            ("/v2/a/blobs/uploads/../../x", "UNSUPPORTED"),
            ("/v2/a/blobs/uploads/..", "BLOB_UPLOAD_UNKNOWN"),
            ("/v2/a/blobs/uploads/0123", "BLOB_UPLOAD_UNKNOWN"),
            ("/v2/a", "UNSUPPORTED"),
            ("/v2x/a", "UNSUPPORTED"),
        ] {
            assert_eq!(read(path), Err(code.to_owned()), "{path}");
        }
        let put = endpoint(&Method::PUT, "/v2/a/manifests/.hidden");
        assert_eq!(put.map_err(|fault| fault.code().as_str()), Err("TAG_INVALID"));
    }
}
