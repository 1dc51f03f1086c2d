//! Who asks: a token as Bearer, or as the password of Basic where a client knows nothing else.

use axum::extract::FromRequestParts;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::request::Parts;
use http::{HeaderMap, header};
use mirage_control::{Actor, Control};
use mirage_core::{Code, Error, Result};

use super::error::Problem;

/// Somebody whose token was accepted. Every endpoint that takes one is closed to everybody else.
pub(crate) struct Caller(pub(crate) Actor);

impl FromRequestParts<Control> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, control: &Control) -> Result<Self, Problem> {
        let token = token(&parts.headers)?;
        Ok(Self(control.authenticate(&token)?))
    }
}

/// The token that a request shows, for routers beside this one.
pub fn token_of(headers: &HeaderMap) -> Option<String> {
    token(headers).ok()
}

/// The token in the `Authorization` header.
fn token(headers: &HeaderMap) -> Result<String> {
    let header = headers.get(header::AUTHORIZATION).ok_or_else(|| {
        Error::new(Code::Unauthenticated, "the request has no token")
            .hint("send `Authorization: Bearer …` with the content of `admin.token` in the data directory")
    })?;
    let header = header.to_str().map_err(|_| unreadable())?;
    let (scheme, rest) = header.split_once(' ').ok_or_else(unreadable)?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Ok(rest.to_owned());
    }
    if scheme.eq_ignore_ascii_case("basic") {
        let pair = STANDARD.decode(rest).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let pair = pair.ok_or_else(unreadable)?;
        return pair.split_once(':').map(|(_, password)| password.to_owned()).ok_or_else(unreadable);
    }
    Err(unreadable())
}

fn unreadable() -> Error {
    Error::new(Code::Unauthenticated, "the `Authorization` header is neither Bearer nor Basic")
        .hint("send `Authorization: Bearer …`, or Basic with the token as password")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_as_bearer_or_as_the_password_of_basic() {
        for (header, expected) in [
            ("Bearer abc", Some("abc")),
            ("bearer  abc ", Some("abc")),
            ("Basic dXNlcjphYmM=", Some("abc")),
            ("Basic dXNlcjphOmI=", Some("a:b")),
            ("Basic dXNlcg==", None),
            ("Basic !!!", None),
            ("Digest abc", None),
            ("abc", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, header.parse().unwrap());
            assert_eq!(token(&headers).ok().as_deref(), expected, "{header}");
        }
        assert!(token(&HeaderMap::new()).is_err());
    }
}
