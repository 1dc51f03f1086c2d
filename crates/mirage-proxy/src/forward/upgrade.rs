//! Connections that leave HTTP, such as WebSockets: after the handshake, bytes both ways.

use std::rc::Rc;

use http::header::{CONNECTION, UPGRADE};
use http::{HeaderValue, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional_with_sizes;
use tokio::time::timeout;

use super::body::ProxyBody;
use super::failure::Failure;
use super::headers;
use crate::backend::{ConnectError, InFlight, Upload, connect, http1_builder};
use crate::load::Kind;
use crate::worker::{Busy, RoutedService, Seat};

/// Bytes under way in each direction.
const BUFFER: usize = 16 * 1024;

/// The protocol that a request wants to change to. `h2c` is not passed on: a backend that followed
/// it would answer requests that the proxy never saw.
pub(super) fn wanted<B>(request: &Request<B>) -> Option<HeaderValue> {
    let protocol = request.headers().get(UPGRADE)?;
    let lists = |value: &HeaderValue, token: &str| {
        value.to_str().is_ok_and(|text| text.split(',').any(|part| part.trim().eq_ignore_ascii_case(token)))
    };
    let is_asked = request.headers().get_all(CONNECTION).iter().any(|value| lists(value, "upgrade"));
    let is_http11 = request.version() == Version::HTTP_11;
    (is_asked && is_http11 && !lists(protocol, "h2c")).then(|| protocol.clone())
}

/// Passes the handshake on, and afterwards the bytes.
pub(super) async fn forward(
    seat: &Rc<Seat>,
    service: &RoutedService,
    mut request: Request<Incoming>,
    protocol: HeaderValue,
    busy: Busy,
) -> Result<Response<ProxyBody>, (Failure, Busy)> {
    let client = hyper::upgrade::on(&mut request);
    let (mut response, in_flight) = match handshake(seat, service, request, protocol).await {
        Ok(answered) => answered,
        Err(failure) => return Err((failure, busy)),
    };
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        if headers::to_client(response.headers_mut()).is_err() {
            return Err((Failure::Broken(service.name.clone()), busy));
        }
        return Ok(response.map(|body| ProxyBody::driven(body, in_flight, busy)));
    }
    let agreed = response.headers().get(UPGRADE).cloned();
    let backend = hyper::upgrade::on(&mut response);
    if headers::to_client(response.headers_mut()).is_err() {
        return Err((Failure::Broken(service.name.clone()), busy));
    }
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
    if let Some(agreed) = agreed {
        response.headers_mut().insert(UPGRADE, agreed);
    }
    let upgraded = InFlight::begin(in_flight.pool().clone(), Kind::Upgraded);
    let held = Busy::begin(seat.clone());
    tokio::task::spawn_local(tunnel(client, backend, upgraded, held));
    Ok(response.map(|_| ProxyBody::page(bytes::Bytes::new(), busy)))
}

/// Sends the request on a connection of its own and waits for the head of the response.
async fn handshake(
    seat: &Seat,
    service: &RoutedService,
    request: Request<Incoming>,
    protocol: HeaderValue,
) -> Result<(Response<Incoming>, InFlight), Failure> {
    let limits = seat.worker.limits();
    let name = || service.name.clone();
    let pool = service.pick(seat.worker.beat(), &[]).ok_or_else(|| Failure::NoBackend(name()))?;
    let in_flight = InFlight::begin(pool, Kind::Request);
    let pool = in_flight.pool();
    let stream = connect(pool.backend.address, limits.connect_time, limits.unacknowledged).await.map_err(|error| {
        pool.avoid(seat.worker.beat());
        match error {
            ConnectError::TimedOut => Failure::ConnectTimedOut(name()),
            ConnectError::Refused(_) => Failure::Unreachable(name()),
        }
    })?;
    let broken = |error: hyper::Error| {
        tracing::debug!(%error, service = service.name, "upgrade failed");
        Failure::Broken(name())
    };
    let (mut sender, connection) =
        http1_builder(limits).handshake(TokioIo::new(stream)).await.map_err(broken)?;
    tokio::task::spawn_local(connection.with_upgrades());
    let mut request = request.map(|body| Upload::of(body).0);
    request.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
    request.headers_mut().insert(UPGRADE, protocol);
    let answer = timeout(limits.response_time, sender.send_request(request)).await;
    let response = answer.map_err(|_| Failure::ResponseTimedOut(name()))?.map_err(broken)?;
    Ok((response, in_flight))
}

/// Carries bytes both ways until both sides have ended or one has broken off.
async fn tunnel(client: OnUpgrade, backend: OnUpgrade, _upgraded: InFlight, _held: Busy) {
    let (client, backend) = match tokio::try_join!(client, backend) {
        Ok((client, backend)) => (client, backend),
        Err(error) => return tracing::debug!(%error, "upgrade was not completed"),
    };
    let (mut client, mut backend) = (TokioIo::new(client), TokioIo::new(backend));
    let ended = copy_bidirectional_with_sizes(&mut client, &mut backend, BUFFER, BUFFER).await;
    if let Err(error) = ended {
        tracing::debug!(%error, "upgraded connection broke off");
    }
}
