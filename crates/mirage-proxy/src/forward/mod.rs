//! One request: whose it is, who answers it, and what is said about the client on the way.

mod body;
mod exchange;
mod failure;
mod headers;
mod host;
mod origin;
mod page;
mod upgrade;

use std::convert::Infallible;
use std::rc::Rc;

use http::header::{CONNECTION, HOST};
use http::{HeaderValue, Method, Request, Response, Version};
use hyper::body::Incoming;

use crate::worker::{Busy, RoutedService, Seat};
pub(crate) use body::ProxyBody;
use failure::Failure;
pub(crate) use origin::Origin;
use page::Format;

/// Answers a client's request. Never fails: what goes wrong becomes a page.
pub(crate) async fn handle(seat: Rc<Seat>, request: Request<Incoming>) -> Result<Response<ProxyBody>, Infallible> {
    let format = Format::of(&request);
    let version = request.version();
    let busy = Busy::begin(seat.clone());
    let mut response = match answer(&seat, request, busy).await {
        Ok(response) => response,
        Err(refusal) => refusal.failure.respond(format, refusal.busy),
    };
    if version < Version::HTTP_2 && seat.client.is_last() && response.status() != 101 {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

/// A request that gets a page of the proxy.
struct Refusal {
    failure: Failure,
    busy: Busy,
}

async fn answer(seat: &Rc<Seat>, mut request: Request<Incoming>, busy: Busy) -> Result<Response<ProxyBody>, Box<Refusal>> {
    let refuse = |failure, busy| Box::new(Refusal { failure, busy });
    let protocol = upgrade::wanted(&request);
    let service = match prepare(seat, &mut request, protocol.is_some()) {
        Ok(service) => service,
        Err(failure) => return Err(refuse(failure, busy)),
    };
    if let Some(protocol) = protocol {
        return upgrade::forward(seat, &service, request, protocol, busy)
            .await
            .map_err(|(failure, busy)| refuse(failure, busy));
    }
    exchange::forward(seat, &service, request, busy).await.map_err(|(failure, busy)| refuse(failure, busy))
}

/// Finds the service and makes the head of the request fit for a backend.
fn prepare(seat: &Seat, request: &mut Request<Incoming>, is_upgrade: bool) -> Result<Rc<RoutedService>, Failure> {
    if matches!(*request.method(), Method::CONNECT | Method::TRACE) {
        return Err(Failure::Method);
    }
    let authority = host::authority(request)?;
    let name = host::name(&authority)?;
    let Some(service) = seat.worker.routes().find(name) else {
        return Err(Failure::UnknownHost(name.to_owned()));
    };
    headers::to_backend(request, &seat.client.origin, &authority, is_upgrade)?;
    request.headers_mut().insert(HOST, authority);
    Ok(service)
}
