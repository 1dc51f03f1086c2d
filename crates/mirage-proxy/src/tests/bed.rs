//! What the stories stand on.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use mirage_core::port::{Randomness, Router};
use mirage_core::{Backend, InstanceId, NameRecord, Route, RouteTable, ServiceId, Zone};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;

use crate::{ProxyConfig, ProxyHandle};

/// The host that the stories' service answers at.
pub(super) const HOST: &str = "web-production.localhost";

/// Long enough for anything that is not stuck.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// A running proxy.
pub(super) struct Bed {
    pub(super) address: SocketAddr,
    pub(super) handle: ProxyHandle,
    folder: Arc<TempDir>,
    thread: Option<JoinHandle<mirage_core::Result<()>>>,
}

impl Bed {
    pub(super) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(super) async fn start_with(adjust: impl FnOnce(&mut ProxyConfig)) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        Self::start_in(folder, "127.0.0.1:0".parse().unwrap(), adjust).await
    }

    /// Starts another proxy in the folder and on the address of this one.
    pub(super) async fn start_successor(&self) -> Self {
        self.start_successor_with(|_| {}).await
    }

    pub(super) async fn start_successor_with(&self, adjust: impl FnOnce(&mut ProxyConfig)) -> Self {
        let table = self.handle.table().await.unwrap();
        let successor = Self::start_in(self.folder.clone(), self.address, adjust).await;
        assert_eq!(successor.handle.table().await.unwrap(), table);
        successor
    }

    pub(super) async fn start_in(
        folder: Arc<TempDir>,
        listen: SocketAddr,
        adjust: impl FnOnce(&mut ProxyConfig),
    ) -> Self {
        let run = folder.path().join("run");
        let before = std::fs::read_link(run.join("proxy.sock")).ok();
        let mut config = ProxyConfig::new(vec![listen], run.clone(), Arc::new(Urandom));
        config.workers = Some(2);
        config.names.port = 0;
        adjust(&mut config);
        let thread = std::thread::spawn(move || crate::run(config));
        let handle = ProxyHandle::new(&run);
        until(|| std::fs::read_link(run.join("proxy.sock")).ok() != before || thread.is_finished()).await;
        if thread.is_finished() {
            panic!("the proxy ended: {:?}", thread.join().unwrap());
        }
        let address = handle.ready(PATIENCE).await.unwrap().listen[0];
        Self { address, handle, folder, thread: Some(thread) }
    }

    pub(super) fn run(&self) -> std::path::PathBuf {
        self.folder.path().join("run")
    }

    /// Publishes one service at [`HOST`] with these backends.
    pub(super) async fn deploy(&self, generation: u64, backends: &[Backend]) {
        self.handle.publish(&table(generation, backends)).await.unwrap();
    }

    pub(super) async fn connect(&self) -> Client {
        Client::connect(self.address).await
    }

    pub(super) async fn get(&self, host: &str, path: &str) -> Answer {
        let request = Request::get(path).header("host", host).body(empty()).unwrap();
        self.connect().await.send(request).await
    }

    /// Says bytes and returns everything that comes back until the proxy closes.
    pub(super) async fn say(&self, text: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _ =
            tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("the proxy closes");
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Waits for the end of a process that was replaced or told to end.
    pub(super) async fn ended(mut self) -> mirage_core::Result<()> {
        let thread = self.thread.take().unwrap();
        until(|| thread.is_finished()).await;
        thread.join().unwrap()
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        let handle = self.handle.clone();
        let stop = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let _ = runtime.block_on(handle.shutdown(Duration::ZERO));
        });
        let _ = stop.join();
        if !std::thread::panicking() {
            thread.join().unwrap().unwrap();
        }
    }
}

/// One keep-alive connection to the proxy.
pub(super) struct Client(SendRequest<BoxBody<Bytes, hyper::Error>>);

/// A whole response.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

impl Client {
    pub(super) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self(sender)
    }

    pub(super) async fn try_send(
        &mut self,
        request: Request<BoxBody<Bytes, hyper::Error>>,
    ) -> hyper::Result<Answer> {
        self.0.ready().await?;
        let (head, body) = self.0.send_request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Answer { status: head.status, headers: head.headers, body })
    }

    pub(super) async fn send(&mut self, request: Request<BoxBody<Bytes, hyper::Error>>) -> Answer {
        self.try_send(request).await.unwrap()
    }

    pub(super) async fn stream(
        &mut self,
        request: Request<BoxBody<Bytes, hyper::Error>>,
    ) -> Response<Incoming> {
        self.0.ready().await.unwrap();
        self.0.send_request(request).await.unwrap()
    }

    pub(super) async fn get(&mut self, path: &str) -> Answer {
        self.send(Request::get(path).header("host", HOST).body(empty()).unwrap()).await
    }
}

/// A backend that answers over HTTP/1.1 and HTTP/2.
pub(super) struct Instance {
    pub(super) backend: Backend,
    pub(super) connections: Arc<AtomicUsize>,
    task: AbortHandle,
}

impl Instance {
    /// Answers every request with a function.
    pub(super) async fn answering<F, R>(answer: F) -> Self
    where
        F: Fn(Request<Incoming>) -> R + Clone + Send + Sync + 'static,
        R: Future<Output = Response<BoxBody<Bytes, hyper::Error>>> + Send + 'static,
    {
        let connections = Arc::<AtomicUsize>::default();
        let count = connections.clone();
        Self::listening(connections, move |stream| {
            count.fetch_add(1, SeqCst);
            let answer = answer.clone();
            let service = service_fn(move |request| {
                let response = answer(request);
                async move { Ok::<_, Infallible>(response.await) }
            });
            async move {
                let _ = auto::Builder::new(TokioExecutor::new())
                    .serve_connection_with_upgrades(TokioIo::new(stream), service)
                    .await;
            }
        })
        .await
    }

    /// Answers each request with a text once the gate has let it through.
    pub(super) async fn held(gate: &Arc<Semaphore>, text: &'static str) -> Self {
        let gate = gate.clone();
        Self::answering(move |_| {
            let gate = gate.clone();
            async move {
                gate.acquire().await.unwrap().forget();
                Response::new(full(text))
            }
        })
        .await
    }

    /// Answers every request with a text.
    pub(super) async fn saying(text: &'static str) -> Self {
        Self::answering(move |_| async move { Response::new(full(text)) }).await
    }

    /// Does with each connection what it likes.
    pub(super) async fn raw<F, R>(attend: F) -> Self
    where
        F: Fn(TcpStream) -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let connections = Arc::<AtomicUsize>::default();
        let count = connections.clone();
        Self::listening(connections, move |stream| {
            count.fetch_add(1, SeqCst);
            attend(stream)
        })
        .await
    }

    async fn listening<F, R>(connections: Arc<AtomicUsize>, attend: F) -> Self
    where
        F: Fn(TcpStream) -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let backend = backend(listener.local_addr().unwrap());
        let task = tokio::spawn(async move {
            let mut attended = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                attended.spawn(attend(stream));
            }
        });
        Self { backend, connections, task: task.abort_handle() }
    }

    /// How many connections it has accepted.
    pub(super) fn accepted(&self) -> usize {
        self.connections.load(SeqCst)
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Reads the head of a request, and whatever came with it.
pub(super) async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut piece = [0; 4096];
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => break,
            Ok(length) => head.extend_from_slice(&piece[..length]),
        }
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// A table with one service at [`HOST`].
pub(super) fn table(generation: u64, backends: &[Backend]) -> RouteTable {
    RouteTable { generation, routes: vec![route(HOST, "web", backends)], zones: Vec::new() }
}

pub(super) fn route(host: &str, name: &str, backends: &[Backend]) -> Route {
    Route {
        host: host.to_owned(),
        service: ServiceId::from_random([7; 16]),
        service_name: name.to_owned(),
        backends: backends.to_vec(),
        hold_millis: 0,
        domain: None,
    }
}

pub(super) fn zone(resolver: &str, records: &[(&str, &[&str])]) -> Zone {
    let record = |(name, addresses): &(&str, &[&str])| NameRecord {
        name: (*name).to_owned(),
        addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
    };
    Zone { resolver: resolver.parse().unwrap(), records: records.iter().map(record).collect() }
}

pub(super) fn backend(address: SocketAddr) -> Backend {
    Backend { instance: InstanceId::from_random(Urandom.bytes16()), address }
}

/// An address on which nothing listens.
pub(super) async fn nowhere() -> Backend {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    backend(listener.local_addr().unwrap())
}

pub(super) fn empty() -> BoxBody<Bytes, hyper::Error> {
    full("")
}

pub(super) fn full(text: impl Into<Bytes>) -> BoxBody<Bytes, hyper::Error> {
    Full::new(text.into()).map_err(|never| match never {}).boxed()
}

/// Waits until something is so. For what has no event of its own.
pub(super) async fn until(condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("it comes true");
}

/// Names of the files in the run folder.
pub(super) fn files(run: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(run) else { return Vec::new() };
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Randomness of the machine.
pub(super) struct Urandom;

impl Randomness for Urandom {
    fn bytes32(&self) -> [u8; 32] {
        use std::io::Read;
        let mut bytes = [0; 32];
        std::fs::File::open("/dev/urandom").unwrap().read_exact(&mut bytes).unwrap();
        bytes
    }
}
