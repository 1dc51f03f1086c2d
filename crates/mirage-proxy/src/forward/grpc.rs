//! gRPC, which needs HTTP/2 all the way: its status comes in trailers, and its streams go both ways
//! at once.

use std::rc::Rc;

use http::uri::{PathAndQuery, Scheme};
use http::{HeaderValue, Request, Response, Uri, Version};
use hyper::body::Incoming;

use super::body::ProxyBody;
use super::exchange::Exchange;
use super::failure::Failure;
use super::{Answered, Destination, headers};
use crate::backend::{Http2Sender, InFlight, Upload, send_http2};
use crate::worker::{Busy, Seat};

/// How often a request is tried that a closing connection did not take.
const TRIES: usize = 3;

/// Passes a request on over HTTP/2 and brings the response back.
pub(super) async fn forward(
    seat: &Rc<Seat>,
    destination: &Destination,
    request: Request<Incoming>,
    busy: Busy,
) -> Answered {
    let (parts, body) = request.into_parts();
    let (upload, progress) = Upload::of(body, &destination.service);
    let mut request = Request::from_parts(parts, upload);
    address(&mut request, &destination.host);
    if !destination.about_client.is_empty() {
        request.headers_mut().extend(seat.client.origin.fields(&destination.host));
    }
    let exchange = Exchange { worker: &seat.worker, destination, service: &destination.service, progress };
    match run(&exchange, request).await {
        Ok((response, in_flight)) => Ok(response.map(|body| ProxyBody::http2(body, in_flight, busy))),
        Err(failure) => Err((failure, busy)),
    }
}

async fn run(
    exchange: &Exchange<'_>,
    mut request: Request<Upload>,
) -> Result<(Response<Incoming>, InFlight), Failure> {
    for _ in 0..TRIES {
        let (in_flight, sender) = sender(exchange).await?;
        match exchange.in_time(send_http2(sender, request)).await? {
            Ok(mut response) => {
                headers::to_client(response.headers_mut()).map_err(|_| exchange.broken())?;
                return Ok((response, in_flight));
            }
            Err((Some(unsent), _)) => request = unsent,
            Err((None, error)) => {
                tracing::debug!(%error, service = exchange.service.name, "no response from a backend");
                break;
            }
        }
    }
    Err(exchange.broken())
}

/// The shared connection to the backend whose turn it is.
async fn sender(exchange: &Exchange<'_>) -> Result<(InFlight, Http2Sender), Failure> {
    let mut tried = Vec::new();
    loop {
        let in_flight = exchange.pick(&tried).await?;
        let pool = in_flight.pool();
        if let Some(sender) = pool.http2() {
            return Ok((in_flight, sender));
        }
        match exchange.dial(pool).await {
            Ok(stream) => {
                let opened = pool.open_http2(stream, exchange.limits()).await;
                return opened.map(|sender| (in_flight, sender)).map_err(|_| exchange.broken());
            }
            Err(failure) => exchange.pass_over(in_flight, &mut tried, failure)?,
        }
    }
}

/// HTTP/2 wants scheme and host in the target; the host is the one that the client named.
fn address(request: &mut Request<Upload>, host: &HeaderValue) {
    request.headers_mut().remove(http::header::HOST);
    let path = request.uri().path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
    let builder = Uri::builder().scheme(Scheme::HTTP).authority(host.as_bytes()).path_and_query(path);
    if let Ok(uri) = builder.build() {
        *request.uri_mut() = uri;
    }
    *request.version_mut() = Version::HTTP_2;
}
