//! One request: whose it is, who answers it, and what is said about the client on the way.

mod body;
mod exchange;
mod failure;
mod grpc;
mod headers;
mod host;
mod origin;
mod own;
mod page;
mod upgrade;
mod websocket;

use std::convert::Infallible;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use bytes::Bytes;
use http::header::CONNECTION;
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;

use crate::worker::{Busy, RoutedService, Seat};
pub(crate) use body::ProxyBody;
use failure::Failure;
pub(crate) use origin::Origin;
use own::OwnAnswer;
use page::Format;

/// Answers a client's request. Never fails: what goes wrong becomes a page.
pub(crate) async fn handle(
    seat: Rc<Seat>,
    mut request: Request<Incoming>,
) -> Result<Response<ProxyBody>, Infallible> {
    let begun = Instant::now();
    let format = Format::of(&request);
    let version = request.version();
    let busy = Busy::begin(seat.clone());
    let upgrade = upgrade::wanted(&mut request);
    let (service, answered) = match prepare(&seat, &mut request, upgrade.is_some(), begun) {
        Ok(destination) => {
            let answered = match format {
                Format::Grpc => grpc::forward(&seat, &destination, request, busy).await,
                _ => exchange::forward(&seat, &destination, request, upgrade, busy).await,
            };
            (Some(destination.service), answered)
        }
        Err(Declined::Failed(failure)) => (None, Err((failure, busy))),
        Err(Declined::Answered(own, service)) => (service, Ok(own.respond(busy))),
    };
    let own = answered.is_err();
    let status = match &answered {
        Ok(response) => response.status(),
        // What gRPC is told with a status of 200 is a failure all the same.
        Err((failure, _)) => failure.status(),
    };
    match service {
        Some(service) => service.count(status, begun.elapsed(), own),
        None if own => drop(seat.worker.stats.unrouted.fetch_add(1, Relaxed)),
        None => {}
    }
    let mut response = answered.unwrap_or_else(|(failure, busy)| failure.respond(format, busy));
    if version < Version::HTTP_2
        && seat.client.is_last()
        && response.status() != StatusCode::SWITCHING_PROTOCOLS
    {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

/// The response, or why there is none; then the request still counts as under way.
type Answered = Result<Response<ProxyBody>, (Failure, Busy)>;

/// Where a request goes, and what is said there beside its own fields.
struct Destination {
    service: Rc<RoutedService>,
    host: HeaderValue,
    /// Fields about the client, as HTTP/1 writes them.
    about_client: Bytes,
    /// When the request came.
    begun: Instant,
}

/// Why a request is not passed on.
enum Declined {
    Failed(Failure),
    /// By the proxy, for this service if for any.
    Answered(OwnAnswer, Option<Rc<RoutedService>>),
}

impl From<Failure> for Declined {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Finds the service and makes the head of the request fit for a backend.
fn prepare(
    seat: &Seat,
    request: &mut Request<Incoming>,
    is_upgrade: bool,
    begun: Instant,
) -> Result<Destination, Declined> {
    if matches!(*request.method(), Method::CONNECT | Method::TRACE) {
        return Err(Failure::Method.into());
    }
    let host = host::authority(request)?;
    let name = host::name(&host)?;
    let found = seat.worker.routes().find(name);
    if let Some(answer) = OwnAnswer::of(seat, request, name, &host, found.as_deref()) {
        return Err(Declined::Answered(answer, found));
    }
    let Some(service) = found else {
        return Err(Failure::UnknownHost(name.to_owned()).into());
    };
    let origin = &seat.client.origin;
    let is_said = headers::to_backend(request, origin, &host, is_upgrade)?;
    let about_client = if is_said { Bytes::new() } else { origin.written(&host) };
    Ok(Destination { service, host, about_client, begun })
}
