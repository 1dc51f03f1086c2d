//! A request to a backend and its response.

use std::rc::Rc;
use std::time::Instant;

use http::header::HOST;
use http::uri::{PathAndQuery, Scheme};
use http::{Method, Request, Response, StatusCode, Uri, Version};
use hyper::body::Incoming;
use tokio::time::{Sleep, sleep};

use super::body::ProxyBody;
use super::failure::Failure;
use super::headers;
use crate::backend::{
    Answered, ConnectError, Http1, InFlight, Pool, Progress, SendFailure, Upload, connect, send_http2,
};
use crate::config::Limits;
use crate::load::Kind;
use crate::worker::{Busy, RoutedService, Seat, Worker};

/// How many backends are asked before a request is given up. Only those that did not take the
/// connection are passed over, so nothing is done twice.
const BACKENDS_TRIED: usize = 3;

/// How many connections of the pool may turn out to be closed for one request.
const STALE: usize = 2;

/// Beats for which a pooled connection may have rested to be given a request that cannot be repeated.
const FRESH_BEATS: u32 = 1;

/// Passes a request on and brings the response back.
pub(super) async fn forward(
    seat: &Rc<Seat>,
    service: &RoutedService,
    request: Request<Incoming>,
    busy: Busy,
) -> Result<Response<ProxyBody>, (Failure, Busy)> {
    let speaks_http2 = request.version() >= Version::HTTP_2 && headers::is_grpc(request.headers());
    let (parts, body) = request.into_parts();
    let (upload, progress) = Upload::of(body);
    let mut request = Request::from_parts(parts, upload);
    let exchange = Exchange { worker: &seat.worker, service, progress };
    let result = if speaks_http2 {
        exchange.over_http2(request).await
    } else {
        *request.version_mut() = Version::HTTP_11;
        exchange.over_http1(request).await
    };
    match result {
        Ok((response, Carrier::Http1(connection), in_flight)) => {
            Ok(response.map(|body| ProxyBody::http1(body, connection, in_flight, busy)))
        }
        Ok((response, Carrier::Http2, in_flight)) => {
            Ok(response.map(|body| ProxyBody::driven(body, in_flight, busy)))
        }
        Err(failure) => Err((failure, busy)),
    }
}

/// What the body of a response comes over.
enum Carrier {
    Http1(Box<Http1>),
    Http2,
}

type Exchanged = (Response<Incoming>, Carrier, InFlight);

struct Exchange<'a> {
    worker: &'a Worker,
    service: &'a RoutedService,
    progress: Option<Rc<Progress>>,
}

impl Exchange<'_> {
    async fn over_http1(&self, mut request: Request<Upload>) -> Result<Exchanged, Failure> {
        let repeatable = self.is_repeatable(request.method());
        let mut stale = 0;
        loop {
            let (in_flight, connection, reused) = self.connection(repeatable, stale < STALE).await?;
            let copy = (reused && repeatable).then(|| copy_of(&request));
            match self.in_time(connection.send(request)).await? {
                Ok(Answered { mut response, connection }) => {
                    self.check(&mut response)?;
                    return Ok((response, Carrier::Http1(connection), in_flight));
                }
                Err(SendFailure { unsent, error }) => {
                    tracing::debug!(%error, reused, service = self.service.name, "no response from a backend");
                    if reused {
                        in_flight.pool().forget_idle();
                        stale += 1;
                    }
                    // A backend may close a connection at the very moment that it is used again.
                    // What was not sent, or asks for nothing to be done, can be asked once more.
                    request = match (unsent, copy) {
                        (Some(unsent), _) if reused => unsent,
                        (None, Some(copy)) => copy,
                        _ => return Err(self.broken()),
                    };
                }
            }
        }
    }

    async fn over_http2(&self, mut request: Request<Upload>) -> Result<Exchanged, Failure> {
        absolute(&mut request);
        for _ in 0..=STALE {
            let (in_flight, sender) = self.http2_sender().await?;
            match self.in_time(send_http2(sender, request)).await? {
                Ok(mut response) => {
                    self.check(&mut response)?;
                    return Ok((response, Carrier::Http2, in_flight));
                }
                Err(SendFailure { unsent: Some(unsent), .. }) => request = unsent,
                Err(SendFailure { unsent: None, error }) => {
                    tracing::debug!(%error, service = self.service.name, "no response from a backend");
                    return Err(self.broken());
                }
            }
        }
        Err(self.broken())
    }

    /// A connection to the backend whose turn it is: a pooled one, else a new one.
    async fn connection(&self, repeatable: bool, pooled: bool) -> Result<(InFlight, Box<Http1>, bool), Failure> {
        let rested = if repeatable { u32::MAX } else { FRESH_BEATS };
        let mut tried = Vec::new();
        loop {
            let in_flight = self.pick(&tried)?;
            let pool = in_flight.pool();
            if pooled && let Some(connection) = pool.take(self.worker.beat(), rested) {
                return Ok((in_flight, connection, true));
            }
            match self.dial(pool).await {
                Ok(stream) => {
                    let connection = Http1::open(stream, self.limits()).await.map_err(|_| self.broken())?;
                    return Ok((in_flight, connection, false));
                }
                Err(failure) => self.pass_over(&in_flight, &mut tried, failure)?,
            }
        }
    }

    async fn http2_sender(&self) -> Result<(InFlight, crate::backend::Http2Sender), Failure> {
        let mut tried = Vec::new();
        loop {
            let in_flight = self.pick(&tried)?;
            let pool = in_flight.pool();
            if let Some(sender) = pool.http2() {
                return Ok((in_flight, sender));
            }
            match self.dial(pool).await {
                Ok(stream) => {
                    let sender = pool.open_http2(stream, self.limits()).await.map_err(|_| self.broken())?;
                    return Ok((in_flight, sender));
                }
                Err(failure) => self.pass_over(&in_flight, &mut tried, failure)?,
            }
        }
    }

    /// Chooses a backend and counts the request, without a pause in between: a drain misses nothing.
    fn pick(&self, tried: &[Rc<Pool>]) -> Result<InFlight, Failure> {
        let pool = self.service.pick(self.worker.beat(), tried);
        let pool = pool.ok_or_else(|| match tried {
            [] => Failure::NoBackend(self.service.name.clone()),
            _ => Failure::Unreachable(self.service.name.clone()),
        })?;
        Ok(InFlight::begin(pool, Kind::Request))
    }

    async fn dial(&self, pool: &Pool) -> Result<tokio::net::TcpStream, ConnectError> {
        let limits = self.limits();
        connect(pool.backend.address, limits.connect_time, limits.unacknowledged).await
    }

    /// Notes a backend that did not take the connection; an error when that was the last try.
    fn pass_over(&self, in_flight: &InFlight, tried: &mut Vec<Rc<Pool>>, error: ConnectError) -> Result<(), Failure> {
        let pool = in_flight.pool();
        pool.avoid(self.worker.beat());
        tried.push(pool.clone());
        tracing::debug!(%error, service = self.service.name, address = %pool.backend.address, "no connection");
        if tried.len() < BACKENDS_TRIED && self.service.pick(self.worker.beat(), tried).is_some() {
            return Ok(());
        }
        let name = self.service.name.clone();
        Err(match error {
            ConnectError::TimedOut => Failure::ConnectTimedOut(name),
            ConnectError::Refused(_) => Failure::Unreachable(name),
        })
    }

    /// Waits for the head of a response for as long as it may take after the end of the request.
    async fn in_time<T>(&self, answer: impl Future<Output = T>) -> Result<T, Failure> {
        let mut answer = std::pin::pin!(answer);
        let mut limit = std::pin::pin!(sleep(self.limits().response_time));
        loop {
            tokio::select! {
                biased;
                answer = &mut answer => return Ok(answer),
                () = &mut limit => self.extend(limit.as_mut())?,
            }
        }
    }

    /// The time is over; but a request that was still coming in a moment ago gets more.
    fn extend(&self, limit: std::pin::Pin<&mut Sleep>) -> Result<(), Failure> {
        let timed_out = || Failure::ResponseTimedOut(self.service.name.clone());
        let progress = self.progress.as_ref().ok_or_else(timed_out)?;
        let (pause, failure) = match progress.is_done() {
            true => (self.limits().response_time, timed_out()),
            false => (self.limits().upload_pause, Failure::UploadStalled),
        };
        let end = progress.last() + pause;
        if end <= Instant::now() {
            return Err(failure);
        }
        limit.reset(end.into());
        Ok(())
    }

    fn check(&self, response: &mut Response<Incoming>) -> Result<(), Failure> {
        // Nobody asked to switch protocols.
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Err(self.broken());
        }
        *response.version_mut() = Version::HTTP_11;
        headers::to_client(response.headers_mut()).map_err(|_| self.broken())
    }

    fn is_repeatable(&self, method: &Method) -> bool {
        method.is_idempotent() && self.progress.is_none()
    }

    fn limits(&self) -> &Limits {
        self.worker.limits()
    }

    fn broken(&self) -> Failure {
        Failure::Broken(self.service.name.clone())
    }
}

/// The same request once more; it has no body.
fn copy_of(request: &Request<Upload>) -> Request<Upload> {
    let mut copy = Request::new(Upload::none());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    copy
}

/// HTTP/2 wants scheme and host in the target; the host is the one that the client named.
fn absolute(request: &mut Request<Upload>) {
    let host = request.headers_mut().remove(HOST);
    let path = request.uri().path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
    let host = host.as_ref().and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    if let Ok(uri) = Uri::builder().scheme(Scheme::HTTP).authority(host).path_and_query(path).build() {
        *request.uri_mut() = uri;
    }
    *request.version_mut() = Version::HTTP_2;
}
