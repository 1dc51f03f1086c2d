//! Header fields that end at the proxy, and those it adds.

use http::header::{
    CONNECTION, CONTENT_TYPE, COOKIE, EXPECT, FORWARDED, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE,
    TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Version};

use super::failure::Failure;
use super::origin::{Origin, X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PORT, X_FORWARDED_PROTO};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
/// Read by CGI programs as the variable `HTTP_PROXY` (CVE-2016-5385).
const PROXY: HeaderName = HeaderName::from_static("proxy");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// The most fields that a `Connection` header may name.
const NAMED: usize = 32;

/// The longest list of earlier hops that is passed on.
const HOPS_BYTES: usize = 2048;

/// Prepares the fields of a request: what concerns only this hop goes (RFC 9110, 7.6.1), and so
/// does what the client claims to be. A trusted proxy's claims are continued instead; then the answer
/// is true, and nothing more is to be said about the client. An upgrade keeps its `Upgrade` field.
pub(super) fn to_backend<B>(
    request: &mut Request<B>,
    origin: &Origin,
    authority: &HeaderValue,
    is_upgrade: bool,
) -> Result<bool, Failure> {
    let is_http2 = request.version() >= Version::HTTP_2;
    let headers = request.headers_mut();
    let found = Found::look(headers);
    if found.hop || found.connection {
        remove_hop(headers, &found)?;
        if !is_upgrade {
            headers.remove(UPGRADE);
        }
    }
    if found.spoofable {
        remove_lookalikes(headers, origin);
    }
    if is_http2 {
        join_cookies(headers);
    }
    if found.forwarding && origin.trusted {
        continue_origin(headers, origin, authority);
        return Ok(true);
    }
    if found.forwarding {
        remove_claims(headers);
    }
    Ok(false)
}

/// Prepares the head of a response for the client.
pub(super) fn to_client(headers: &mut HeaderMap) -> Result<(), Failure> {
    let found = Found::look(headers);
    if found.hop || found.connection {
        remove_hop(headers, &found)?;
        headers.remove(UPGRADE);
    }
    Ok(())
}

/// Whether a message is gRPC.
pub(super) fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

/// What one pass over the names has seen; most messages have none of it.
#[derive(Default)]
struct Found {
    connection: bool,
    hop: bool,
    forwarding: bool,
    spoofable: bool,
}

impl Found {
    fn look(headers: &HeaderMap) -> Self {
        let mut found = Self::default();
        for name in headers.keys() {
            match *name {
                CONNECTION => found.connection = true,
                TE | TRANSFER_ENCODING | UPGRADE | EXPECT | PROXY_AUTHENTICATE | PROXY_AUTHORIZATION => {
                    found.hop = true;
                }
                FORWARDED => found.forwarding = true,
                _ => found.look_at_custom(name.as_str()),
            }
        }
        found
    }

    fn look_at_custom(&mut self, name: &str) {
        match name.as_bytes().first() {
            Some(b'k' | b'p' | b'h') => {
                self.hop |=
                    [KEEP_ALIVE, PROXY_CONNECTION, PROXY, HTTP2_SETTINGS].iter().any(|hop| *hop == *name);
            }
            Some(b'x') => {
                self.forwarding |= name.starts_with("x-forwarded-");
                self.spoofable |= *name == X_REAL_IP;
            }
            _ => {}
        }
        self.spoofable |= name.contains('_');
    }
}

fn remove_hop(headers: &mut HeaderMap, found: &Found) -> Result<(), Failure> {
    if !found.hop && names_nothing(headers) {
        headers.remove(CONNECTION);
        return Ok(());
    }
    let wants_trailers = headers.get_all(TE).iter().any(|value| {
        value
            .to_str()
            .is_ok_and(|text| text.split(',').any(|part| part.trim().eq_ignore_ascii_case("trailers")))
    });
    for name in named_by_connection(headers)? {
        headers.remove(name);
    }
    for name in [
        CONNECTION,
        KEEP_ALIVE,
        PROXY_CONNECTION,
        PROXY_AUTHENTICATE,
        PROXY_AUTHORIZATION,
        TE,
        TRANSFER_ENCODING,
        HTTP2_SETTINGS,
        PROXY,
        EXPECT,
    ] {
        headers.remove(name);
    }
    if wants_trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    Ok(())
}

/// Whether `Connection` is the usual single word.
fn names_nothing(headers: &HeaderMap) -> bool {
    let usual =
        |value: &[u8]| value.eq_ignore_ascii_case(b"keep-alive") || value.eq_ignore_ascii_case(b"close");
    headers.get_all(CONNECTION).iter().all(|value| usual(value.as_bytes()))
}

/// The fields that `Connection` names. `Upgrade` is left to the code that knows upgrades.
fn named_by_connection(headers: &HeaderMap) -> Result<Vec<HeaderName>, Failure> {
    let mut names = Vec::new();
    for value in headers.get_all(CONNECTION) {
        let text = value.to_str().map_err(|_| Failure::BadHead)?;
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let name: HeaderName = part.parse().map_err(|_| Failure::BadHead)?;
            if names.len() == NAMED {
                return Err(Failure::BadHead);
            }
            if name != UPGRADE {
                names.push(name);
            }
        }
    }
    Ok(names)
}

/// Fields that an application may take for ours: CGI-like interfaces do not tell `_` from `-`, and
/// `X-Real-IP` is believed by many.
fn remove_lookalikes(headers: &mut HeaderMap, origin: &Origin) {
    let looks_like_ours = |name: &HeaderName| {
        let name = name.as_str().replace('_', "-");
        name.starts_with("x-forwarded-") || ["forwarded", "x-real-ip", "host"].contains(&name.as_str())
    };
    let lookalikes: Vec<HeaderName> =
        headers.keys().filter(|name| name.as_str().contains('_') && looks_like_ours(name)).cloned().collect();
    for name in lookalikes {
        headers.remove(name);
    }
    if !origin.trusted && headers.contains_key(X_REAL_IP) {
        headers.insert(X_REAL_IP, origin.address.clone());
    }
}

/// HTTP/2 may send a cookie in pieces; HTTP/1.1 has one field (RFC 9113, 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let mut pieces = headers.get_all(COOKIE).iter();
    if pieces.next().is_none() || pieces.next().is_none() {
        return;
    }
    let joined =
        headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect::<Vec<_>>().join(&b"; "[..]);
    if let Ok(joined) = HeaderValue::from_bytes(&joined) {
        headers.insert(COOKIE, joined);
    }
}

/// Removes what an untrusted client says about itself.
fn remove_claims(headers: &mut HeaderMap) {
    let is_claim = |name: &&HeaderName| **name == FORWARDED || name.as_str().starts_with("x-forwarded-");
    let claims: Vec<HeaderName> = headers.keys().filter(is_claim).cloned().collect();
    for name in claims {
        headers.remove(name);
    }
}

/// Adds this hop to what a trusted proxy says.
fn continue_origin(headers: &mut HeaderMap, origin: &Origin, authority: &HeaderValue) {
    append_hop(headers, X_FORWARDED_FOR, &origin.address);
    append_hop(headers, FORWARDED, &origin.forwarded(authority));
    for (name, value) in origin.fields(authority) {
        if [X_FORWARDED_PROTO, X_FORWARDED_HOST, X_FORWARDED_PORT].contains(&name) {
            headers.entry(name).or_insert(value);
        }
    }
}

fn append_hop(headers: &mut HeaderMap, name: HeaderName, hop: &HeaderValue) {
    let mut hops: Vec<&[u8]> = headers.get_all(&name).iter().map(HeaderValue::as_bytes).collect();
    hops.push(hop.as_bytes());
    let joined = hops.join(&b", "[..]);
    let value = if joined.len() > HOPS_BYTES { None } else { HeaderValue::from_bytes(&joined).ok() };
    headers.insert(name, value.unwrap_or_else(|| hop.clone()));
}

#[cfg(test)]
mod tests;
