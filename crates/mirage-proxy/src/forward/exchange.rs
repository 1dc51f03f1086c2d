//! A request to a backend over HTTP/1.1, and its response.

use std::borrow::Cow;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use http::request::Parts;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::body::ProxyBody;
use super::failure::Failure;
use super::upgrade::Upgrade;
use super::{Answered, Destination, headers, host};
use crate::backend::{
    ConnectError, Http1, Http1Error, InFlight, Pool, Progress, RequestHead, Upload, connect,
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
    destination: &Destination,
    request: Request<Incoming>,
    upgrade: Option<Upgrade>,
    busy: Busy,
) -> Answered {
    let (parts, body) = request.into_parts();
    let (upload, progress) = Upload::of(body, &destination.service);
    let exchange = Exchange { worker: &seat.worker, destination, service: &destination.service, progress };
    let mut about_client = Cow::Borrowed(&destination.about_client[..]);
    if upgrade.is_some() {
        about_client.to_mut().extend_from_slice(Upgrade::FIELD);
    }
    let head = RequestHead {
        method: &parts.method,
        target: parts.uri.path_and_query().map_or("/", |target| target.as_str()),
        host: &destination.host,
        headers: &parts.headers,
        more: &about_client,
    };
    let (mut response, connection, in_flight) = match exchange.run(&parts, &head, upload).await {
        Ok(exchanged) => exchanged,
        Err(failure) => return Err((failure, busy)),
    };
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return match upgrade {
            Some(upgrade) => Ok(upgrade.accept(seat, response, *connection, in_flight, busy)),
            // Nobody asked for it.
            None => Err((exchange.broken(), busy)),
        };
    }
    match headers::to_client(response.headers_mut()) {
        Ok(()) => Ok(response.map(|()| ProxyBody::http1(connection, in_flight, busy))),
        Err(_) => Err((exchange.broken(), busy)),
    }
}

/// A request that is being passed on.
pub(super) struct Exchange<'a> {
    pub(super) worker: &'a Worker,
    pub(super) destination: &'a Destination,
    pub(super) service: &'a Rc<RoutedService>,
    pub(super) progress: Option<Rc<Progress>>,
}

impl Exchange<'_> {
    async fn run(
        &self,
        parts: &Parts,
        head: &RequestHead<'_>,
        upload: Upload,
    ) -> Result<(Response<()>, Box<Http1>, InFlight), Failure> {
        let repeatable = self.progress.is_none() && parts.method.is_idempotent();
        let mut upload = Some(upload);
        let mut stale = 0;
        loop {
            let (in_flight, mut connection, reused) = self.connection(repeatable, stale < STALE).await?;
            let upload = upload.take().unwrap_or_else(Upload::none);
            let error = match self.in_time(connection.exchange(head, upload)).await? {
                Ok(response) => return Ok((response, connection, in_flight)),
                Err(error) => error,
            };
            tracing::debug!(%error, reused, service = self.service.name, "no response from a backend");
            match error {
                // A backend may close a connection at the very moment that it is used again. A
                // request that asks for nothing to be done can be asked once more.
                Http1Error::NoResponse(_) if reused && repeatable => {
                    in_flight.pool().forget_idle();
                    stale += 1;
                }
                Http1Error::Upload(_) => return Err(Failure::BadBody),
                _ => return Err(self.broken()),
            }
        }
    }

    /// A connection to the backend whose turn it is: a pooled one, else a new one.
    async fn connection(
        &self,
        repeatable: bool,
        pooled: bool,
    ) -> Result<(InFlight, Box<Http1>, bool), Failure> {
        let rested = if repeatable { u32::MAX } else { FRESH_BEATS };
        let mut tried = Vec::new();
        loop {
            let in_flight = self.pick(&tried).await?;
            let pool = in_flight.pool();
            if pooled && let Some(connection) = pool.take(self.worker.beat(), rested) {
                return Ok((in_flight, connection, true));
            }
            match self.dial(pool).await {
                Ok(stream) => return Ok((in_flight, Http1::new(stream, self.limits()), false)),
                Err(failure) => self.pass_over(in_flight, &mut tried, failure)?,
            }
        }
    }

    /// Chooses a backend and counts the request, without a pause in between: a drain misses nothing. Waits where the
    /// service has no instance now and is to have one soon.
    pub(super) async fn pick(&self, tried: &[Rc<Pool>]) -> Result<InFlight, Failure> {
        loop {
            let service = self.answering(tried);
            if let Some(pool) = service.pick(self.worker.beat(), tried) {
                return Ok(InFlight::begin(pool, Kind::Request));
            }
            let left = self.hold_left(&service);
            if left.is_zero() || timeout(left, self.worker.table_changed()).await.is_err() {
                let name = self.service.name.clone();
                let is_there = service.has_backend();
                return Err(if is_there { Failure::Unreachable(name) } else { Failure::NoBackend(name) });
            }
        }
    }

    /// How long the request may still wait for an instance.
    fn hold_left(&self, service: &RoutedService) -> Duration {
        match service.has_backend() {
            true => Duration::ZERO,
            false => service.hold.saturating_sub(self.destination.begun.elapsed()),
        }
    }

    /// Opens a connection, unless the backend leaves the table meanwhile: one whose machine side is gone does not
    /// even refuse, and somebody else may have taken its place.
    pub(super) async fn dial(&self, pool: &Pool) -> Result<TcpStream, ConnectError> {
        let limits = self.limits();
        tokio::select! {
            biased;
            connected = connect(pool.backend.address, limits.connect_time, limits.unacknowledged) => connected,
            () = pool.retirement() => Err(io::Error::from(io::ErrorKind::NotConnected).into()),
        }
    }

    /// Who answers: as it was when the request came, and where that failed or is over as it is now.
    fn answering(&self, tried: &[Rc<Pool>]) -> Rc<RoutedService> {
        if tried.is_empty() && self.service.has_backend() {
            return self.service.clone();
        }
        let now = || self.worker.routes().find(host::name(&self.destination.host).ok()?);
        now().unwrap_or_else(|| self.service.clone())
    }

    /// Notes a backend that did not take the connection; an error when that was the last try. The request is counted
    /// there no longer: while it waits for another instance, the drain of this one does not wait for it.
    pub(super) fn pass_over(
        &self,
        in_flight: InFlight,
        tried: &mut Vec<Rc<Pool>>,
        error: ConnectError,
    ) -> Result<(), Failure> {
        let pool = in_flight.pool();
        pool.avoid(self.worker.beat());
        tried.push(pool.clone());
        tracing::debug!(%error, service = self.service.name, address = %pool.backend.address, "no connection");
        let service = self.answering(tried);
        let another =
            || service.pick(self.worker.beat(), tried).is_some() || !self.hold_left(&service).is_zero();
        if tried.len() < BACKENDS_TRIED && another() {
            return Ok(());
        }
        let name = self.service.name.clone();
        Err(match error {
            ConnectError::TimedOut => Failure::ConnectTimedOut(name),
            ConnectError::Refused(_) => Failure::Unreachable(name),
        })
    }

    /// Waits for the head of a response for as long as it may take after the end of the request, and
    /// for the rest of the request while it goes on coming in.
    pub(super) async fn in_time<T>(&self, answer: impl Future<Output = T>) -> Result<T, Failure> {
        let mut answer = std::pin::pin!(answer);
        let mut wait = self.worker.wait(self.patience());
        poll_fn(|cx| {
            if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
                return Poll::Ready(Ok(answer));
            }
            while wait.poll(cx).is_ready() {
                match &self.progress {
                    Some(progress) if progress.has_moved() => wait.restart(self.patience()),
                    Some(progress) if !progress.is_done() => return Poll::Ready(Err(Failure::UploadStalled)),
                    _ => return Poll::Ready(Err(Failure::ResponseTimedOut(self.service.name.clone()))),
                }
            }
            Poll::Pending
        })
        .await
    }

    /// How long nothing may happen.
    fn patience(&self) -> Duration {
        match &self.progress {
            Some(progress) if !progress.is_done() => self.limits().upload_pause,
            _ => self.limits().response_time,
        }
    }

    pub(super) fn limits(&self) -> &Limits {
        self.worker.limits()
    }

    pub(super) fn broken(&self) -> Failure {
        Failure::Broken(self.service.name.clone())
    }
}
