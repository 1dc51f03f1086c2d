//! Which host a request is for.

use http::header::HOST;
use http::{HeaderValue, Request};

use super::failure::Failure;

/// The longest DNS name.
const LONGEST: usize = 253;

/// Host and port as the client wrote them: of the target where it has them (absolute form, HTTP/2),
/// else of the one `Host` header (RFC 9112, 3.2).
pub(super) fn authority<B>(request: &Request<B>) -> Result<HeaderValue, Failure> {
    if let Some(authority) = request.uri().authority() {
        return HeaderValue::from_str(authority.as_str()).map_err(|_| Failure::BadHost);
    }
    let mut hosts = request.headers().get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => Ok(host.clone()),
        _ => Err(Failure::BadHost),
    }
}

/// The name alone: without port, and without the dot that makes it absolute.
pub(super) fn name(authority: &HeaderValue) -> Result<&str, Failure> {
    let text = authority.to_str().map_err(|_| Failure::BadHost)?;
    let (name, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, rest))
            if address.bytes().all(|byte| byte.is_ascii_hexdigit() || b":.".contains(&byte)) =>
        {
            (&text[..address.len() + 2], rest)
        }
        Some(_) => return Err(Failure::BadHost),
        None => {
            let end = text.find(':').unwrap_or(text.len());
            let name = text[..end].strip_suffix('.').unwrap_or(&text[..end]);
            if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)) {
                return Err(Failure::BadHost);
            }
            (name, &text[end..])
        }
    };
    let port_is_fine = match port.strip_prefix(':') {
        Some(digits) => digits.len() <= 5 && digits.bytes().all(|byte| byte.is_ascii_digit()),
        None => port.is_empty(),
    };
    if name.is_empty() || name.len() > LONGEST || !port_is_fine {
        return Err(Failure::BadHost);
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_the_host_without_port_and_final_dot() {
        for (authority, expected) in [
            ("web-production.localhost", "web-production.localhost"),
            ("web-production.localhost:8080", "web-production.localhost"),
            ("Web.Example.com.:80", "Web.Example.com"),
            ("127.0.0.1:8080", "127.0.0.1"),
            ("[::1]:8080", "[::1]"),
            ("[::1]", "[::1]"),
            ("a_b.example", "a_b.example"),
            ("a:", "a"),
        ] {
            let value = HeaderValue::from_static(authority);
            assert_eq!(name(&value).ok(), Some(expected), "{authority}");
        }
    }

    #[test]
    fn what_is_not_a_host_is_refused() {
        for authority in [
            "", ".", ":80", "a b", "a/b", "user@a", "a:80:80", "a:x", "[::1", "[::1]x", "[g]", "a,b",
            "a:123456", "<a>",
        ] {
            let value = HeaderValue::from_static(authority);
            assert!(name(&value).is_err(), "{authority}");
        }
        let long = HeaderValue::from_str(&"a".repeat(254)).unwrap();
        assert!(name(&long).is_err());
    }

    #[test]
    fn the_target_counts_more_than_the_header_and_two_headers_count_as_none() {
        let absolute = Request::get("http://a.example:81/x").header(HOST, "b.example").body(()).unwrap();
        assert_eq!(authority(&absolute).unwrap(), "a.example:81");
        let twice = Request::get("/x").header(HOST, "a").header(HOST, "b").body(()).unwrap();
        assert!(authority(&twice).is_err());
        assert!(authority(&Request::get("/x").body(()).unwrap()).is_err());
    }
}
