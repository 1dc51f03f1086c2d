//! Bringing traces to a collector, without anybody waiting for it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mirage_core::port::TraceSink;
use mirage_core::{Error, Result, Span};
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::encode;
use super::endpoint::Endpoint;

/// Deployments that may wait to be told; more are lost.
const QUEUE: usize = 256;
/// Spans that are told at once.
const BATCH: usize = 512;

/// How patient an exporter is.
#[derive(Clone, Debug)]
pub(super) struct Patience {
    /// How long an answer may take, connection included.
    pub(super) answer: Duration,
    /// Before each further attempt.
    pub(super) pauses: Vec<Duration>,
    /// How long the end of the process waits for what has not been told yet.
    pub(super) farewell: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            answer: Duration::from_secs(10),
            pauses: [1, 4, 15].map(Duration::from_secs).into(),
            farewell: Duration::from_secs(1),
        }
    }
}

/// Brings spans to a collector, one request after the other.
pub(crate) struct Exporter {
    queue: mpsc::Sender<Vec<Span>>,
    overflow: Arc<AtomicU64>,
    closing: Arc<Notify>,
    farewell: Duration,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Exporter {
    /// Begins to wait for spans. Opens no connection yet.
    ///
    /// # Errors
    /// `INTERNAL` where TLS cannot be set up.
    pub(crate) async fn start(endpoint: &Endpoint) -> Result<Self> {
        Self::with(endpoint, Patience::default()).await
    }

    pub(super) async fn with(endpoint: &Endpoint, patience: Patience) -> Result<Self> {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let (overflow, closing) = (Arc::<AtomicU64>::default(), Arc::<Notify>::default());
        let courier = Courier {
            client: client(endpoint.is_secure(), patience.answer).await?,
            url: endpoint.traces(),
            pauses: patience.pauses,
            overflow: Arc::clone(&overflow),
            well: true,
            lost: 0,
        };
        let task = tokio::spawn(courier.run(waiting, Arc::clone(&closing)));
        Ok(Self { queue, overflow, closing, farewell: patience.farewell, task: Mutex::new(Some(task)) })
    }

    /// Ends. What waits is told if that is done in a moment.
    pub(crate) async fn stop(&self) {
        self.closing.notify_one();
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut task) = task
            && timeout(self.farewell, &mut task).await.is_err()
        {
            task.abort();
        }
    }
}

impl TraceSink for Exporter {
    fn accept(&self, spans: Vec<Span>) {
        let count = spans.len() as u64;
        if self.queue.try_send(spans).is_err() {
            self.overflow.fetch_add(count, Ordering::Relaxed);
        }
    }
}

struct Courier {
    client: Client,
    url: Url,
    pauses: Vec<Duration>,
    /// Spans for which there was no room since somebody last looked.
    overflow: Arc<AtomicU64>,
    /// Whether everything was taken; a line is logged when that changes.
    well: bool,
    /// Spans that were lost since it was.
    lost: u64,
}

/// Why something was not taken.
struct Refusal {
    why: String,
    /// Whether it may be taken later.
    passing: bool,
}

impl Courier {
    async fn run(mut self, mut waiting: mpsc::Receiver<Vec<Span>>, closing: Arc<Notify>) {
        loop {
            let first = tokio::select! {
                first = waiting.recv() => first,
                () = closing.notified() => {
                    waiting.close();
                    waiting.recv().await
                }
            };
            let Some(mut batch) = first else { return };
            while batch.len() < BATCH
                && let Ok(more) = waiting.try_recv()
            {
                batch.extend(more);
            }
            self.deliver(&batch).await;
        }
    }

    async fn deliver(&mut self, batch: &[Span]) {
        let body = encode::request(batch).to_string();
        let mut pauses = self.pauses.clone().into_iter();
        let refusal = loop {
            let Err(refusal) = self.post(body.clone()).await else { return self.is_well() };
            match pauses.next() {
                Some(pause) if refusal.passing => sleep(pause).await,
                _ => break refusal,
            }
        };
        self.lost += batch.len() as u64;
        self.is_unwell(&refusal.why);
    }

    fn is_well(&mut self) {
        let overflow = self.overflow.swap(0, Ordering::Relaxed);
        self.lost += overflow;
        if overflow > 0 {
            self.is_unwell("takes them too slowly");
        } else if !std::mem::replace(&mut self.well, true) {
            let lost = std::mem::take(&mut self.lost);
            info!(lost, "the collector at `{}` takes traces of deployments again", self.url);
        }
    }

    fn is_unwell(&mut self, why: &str) {
        if std::mem::replace(&mut self.well, false) {
            warn!("traces of deployments are lost, for the collector at `{}` {why}", self.url);
        }
    }

    /// Only whether it was taken is looked at: what the collector has to say beside that is not read.
    async fn post(&self, body: String) -> Result<(), Refusal> {
        let request = self.client.post(self.url.clone()).header("content-type", "application/json");
        let answer = request.body(body).send().await.map_err(|error| Refusal {
            why: format!("could not be asked: {}", reason(error)),
            passing: true,
        })?;
        let status = answer.status();
        match status.is_success() {
            true => Ok(()),
            false => Err(Refusal {
                why: format!("answered {status}"),
                passing: status.is_server_error() || matches!(status.as_u16(), 408 | 429),
            }),
        }
    }
}

/// The innermost cause, which is the one that says something.
fn reason(error: reqwest::Error) -> String {
    if error.is_timeout() {
        return "it took too long".into();
    }
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string().chars().filter(|c| !c.is_control()).take(200).collect()
}

/// No redirects, no proxy, no attempts of its own; believes the authorities of the machine.
async fn client(secure: bool, answer: Duration) -> Result<Client> {
    let setting_up = "set up TLS for traces";
    let roots = match secure {
        true => tokio::task::spawn_blocking(machine_roots)
            .await
            .map_err(|cause| Error::internal(setting_up, cause))?,
        false => RootCertStore::empty(),
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|cause| Error::internal(setting_up, cause))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Client::builder()
        .tls_backend_preconfigured(tls)
        .user_agent(concat!("mirage/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .referer(false)
        .timeout(answer)
        .build()
        .map_err(|cause| Error::internal(setting_up, cause))
}

fn machine_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}
