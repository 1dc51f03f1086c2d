//! What backends are told about a client.

use std::cell::RefCell;
use std::net::IpAddr;

use bytes::Bytes;
use http::header::FORWARDED;
use http::{HeaderName, HeaderValue};

use crate::backend::write_field;

pub(super) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(super) const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
pub(super) const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
pub(super) const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");

/// One client connection, in the words of the forwarding fields. Made once per connection, because
/// it says the same in all its requests.
pub(crate) struct Origin {
    /// Whether what the client says about others before it is believed.
    pub(super) trusted: bool,
    /// Its address.
    pub(super) address: HeaderValue,
    /// Whether it came over TLS.
    pub(super) tls: bool,
    /// The port at which it reached the proxy.
    port: HeaderValue,
    /// Its address as RFC 7239 writes it.
    node: String,
    /// The host of the last request, and the fields for it.
    last: RefCell<Option<(Box<[u8]>, Bytes)>>,
}

impl Origin {
    pub(crate) fn new(peer: IpAddr, port: u16, trusted: bool, tls: bool) -> Self {
        let peer = peer.to_canonical();
        let node = match peer {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("\"[{address}]\""),
        };
        let address = value(&peer.to_string());
        Self { trusted, address, tls, port: port.into(), node, last: RefCell::new(None) }
    }

    /// The fields for a request to this host.
    pub(super) fn fields(&self, host: &HeaderValue) -> [(HeaderName, HeaderValue); 5] {
        [
            (X_FORWARDED_FOR, self.address.clone()),
            (X_FORWARDED_PROTO, HeaderValue::from_static(self.scheme())),
            (X_FORWARDED_HOST, host.clone()),
            (X_FORWARDED_PORT, self.port.clone()),
            (FORWARDED, self.forwarded(host)),
        ]
    }

    fn scheme(&self) -> &'static str {
        if self.tls { "https" } else { "http" }
    }

    /// The same, as they are written in HTTP/1.
    pub(super) fn written(&self, host: &HeaderValue) -> Bytes {
        let mut last = self.last.borrow_mut();
        match &*last {
            Some((of, written)) if **of == *host.as_bytes() => written.clone(),
            _ => {
                let mut written = Vec::new();
                self.fields(host).iter().for_each(|(name, value)| write_field(&mut written, name, value));
                let written = Bytes::from(written);
                // A copy: the value itself would keep the client's read buffer.
                *last = Some((host.as_bytes().into(), written.clone()));
                written
            }
        }
    }

    /// The `Forwarded` element (RFC 7239). A host that got here has no quotation mark:
    /// `host::name` has looked at it.
    pub(super) fn forwarded(&self, host: &HeaderValue) -> HeaderValue {
        let host = host.to_str().unwrap_or_default();
        value(&format!("for={};host=\"{host}\";proto={}", self.node, self.scheme()))
    }
}

fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("unknown"))
}
