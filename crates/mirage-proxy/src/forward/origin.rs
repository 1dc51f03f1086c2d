//! What backends are told about a client.

use std::cell::RefCell;
use std::fmt::Write;
use std::net::IpAddr;

use http::HeaderValue;

/// One client connection, in the words of the forwarding headers. Made once per connection, because
/// most of it is the same for all its requests.
pub(crate) struct Origin {
    /// Whether what the client says about others before it is believed.
    pub(crate) trusted: bool,
    /// Its address, as `X-Forwarded-For` has it.
    pub(crate) address: HeaderValue,
    /// The port at which it reached the proxy.
    pub(crate) port: HeaderValue,
    node: String,
    last: RefCell<Option<(HeaderValue, HeaderValue)>>,
}

impl Origin {
    pub(crate) fn new(peer: IpAddr, port: u16, trusted: bool) -> Self {
        let peer = peer.to_canonical();
        let node = match peer {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("\"[{address}]\""),
        };
        let value = |text: String| HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("unknown"));
        Self { trusted, address: value(peer.to_string()), port: HeaderValue::from(port), node, last: RefCell::new(None) }
    }

    /// The `Forwarded` element of this client for a host (RFC 7239).
    pub(crate) fn forwarded(&self, host: &HeaderValue) -> HeaderValue {
        let mut last = self.last.borrow_mut();
        if let Some((of, value)) = &*last
            && of == host
        {
            return value.clone();
        }
        let mut text = format!("for={};host=\"", self.node);
        // A host that got here has no quotation mark: `host::name` has looked at it.
        let _ = write!(text, "{}\";proto=http", host.to_str().unwrap_or_default());
        let value = HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("for=unknown"));
        *last = Some((host.clone(), value.clone()));
        value
    }
}
