//! Connections that leave HTTP, such as WebSockets: after the handshake, bytes both ways.

use std::rc::Rc;

use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, UPGRADE};
use http::{HeaderValue, Request, Response, Version};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncWriteExt, copy_bidirectional_with_sizes};
use tokio::net::TcpStream;

use super::body::ProxyBody;
use super::{headers, websocket};
use crate::backend::{Http1, InFlight};
use crate::load::Kind;
use crate::worker::{Busy, Seat};

/// Bytes under way in each direction.
const BUFFER: usize = 16 * 1024;

/// A client that wants to change the protocol of its connection.
pub(super) struct Upgrade(OnUpgrade);

/// Whether a request wants to change the protocol. `h2c` is not passed on: a backend that followed
/// it would answer requests that the proxy never saw.
pub(super) fn wanted<B>(request: &mut Request<B>) -> Option<Upgrade> {
    let protocol = request.headers().get(UPGRADE)?;
    let lists = |value: &HeaderValue, token: &str| {
        value.to_str().is_ok_and(|text| text.split(',').any(|part| part.trim().eq_ignore_ascii_case(token)))
    };
    let is_asked = request.headers().get_all(CONNECTION).iter().any(|value| lists(value, "upgrade"));
    let is_http11 = request.version() == Version::HTTP_11;
    (is_asked && is_http11 && !lists(protocol, "h2c")).then(|| Upgrade(hyper::upgrade::on(request)))
}

impl Upgrade {
    /// What a backend is told beside the `Upgrade` field, which the request still has.
    pub(super) const FIELD: &[u8] = b"connection: upgrade\r\n";

    /// The backend has agreed: the client is told so, and then both are left to themselves.
    pub(super) fn accept(
        self,
        seat: &Rc<Seat>,
        mut response: Response<()>,
        connection: Http1,
        in_flight: InFlight,
        busy: Busy,
    ) -> Response<ProxyBody> {
        let headers = response.headers_mut();
        let protocol = headers.get(UPGRADE).cloned();
        if headers::to_client(headers).is_err() {
            headers.clear();
        }
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        if let Some(protocol) = protocol {
            headers.insert(UPGRADE, protocol);
        }
        let is_websocket = headers
            .get(UPGRADE)
            .is_some_and(|protocol| protocol.as_bytes().eq_ignore_ascii_case(b"websocket"));
        let (stream, early) = connection.into_stream();
        let upgraded = InFlight::begin(in_flight.pool().clone(), Kind::Upgraded);
        tokio::task::spawn_local(tunnel(
            self.0,
            stream,
            early,
            is_websocket,
            upgraded,
            Busy::begin(seat.clone()),
        ));
        response.map(|()| ProxyBody::page(Bytes::new(), busy))
    }
}

/// Carries bytes both ways until both sides have ended or one has broken off.
async fn tunnel(
    client: OnUpgrade,
    mut backend: TcpStream,
    early: BytesMut,
    is_websocket: bool,
    upgraded: InFlight,
    _held: Busy,
) {
    let mut client = match client.await {
        Ok(client) => TokioIo::new(client),
        Err(error) => return tracing::debug!(%error, "upgrade was not completed"),
    };
    let carried = async {
        if is_websocket {
            return websocket::carry(client, backend, early, upgraded.load()).await;
        }
        client.write_all(&early).await?;
        copy_bidirectional_with_sizes(&mut client, &mut backend, BUFFER, BUFFER).await
    };
    match carried.await {
        Ok((sent, received)) => {
            upgraded.pool().came_in(sent);
            upgraded.pool().went_out(usize::try_from(received).unwrap_or(usize::MAX));
        }
        Err(error) => tracing::debug!(%error, "upgraded connection broke off"),
    }
}
