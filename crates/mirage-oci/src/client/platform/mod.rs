//! The registry of a platform, pushed to with the platform's token.
//!
//! It is on the address of the API, takes the token as a password, and redirects nowhere, so that there is
//! no login to find out about and the token never goes to another origin. The words are those of the OCI
//! distribution specification: it could be any registry.

mod content;
mod push;
#[cfg(test)]
mod tests;
mod words;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mirage_core::{
    Code, CredentialOwner, Digest, Error, Login, Reference, RegistryHost, Repository, Result, Secret, Tag,
};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Body, Method, Response, StatusCode, Url};
use tokio::time::sleep;

pub use content::Content;

use super::answer;
use super::fault::Fault;
use super::options::RegistryOptions;
use super::retry::{Jitter, Tries};
use super::transport::Transport;

/// Any user name will do.
const USER: &str = "mirage";

/// How long the registry may take for its answer once it has every byte: it brings them to its disk.
const FINISHING: Duration = Duration::from_secs(300);

/// The registry of a platform.
pub struct PlatformRegistry {
    base: Url,
    host: RegistryHost,
    login: Option<HeaderValue>,
    transport: Transport,
    jitter: Jitter,
}

/// What is sent.
struct Request<'a> {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Option<(&'a Content, &'a Arc<AtomicU64>)>,
}

impl PlatformRegistry {
    /// The registry at the address of a platform's API; opens no connection yet. `seed` sets off the
    /// jitter of its pauses.
    ///
    /// # Errors
    /// `INVALID_REQUEST` where the address is none, or the file of an authority cannot be read.
    pub fn new(url: &str, token: Option<&Secret>, options: RegistryOptions, seed: u64) -> Result<Self> {
        let none = || {
            Error::new(Code::InvalidRequest, format!("`{url}` is not the address of a platform"))
                .hint("it looks like `http://127.0.0.1:7070`")
        };
        let base = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let base = base.ok_or_else(none)?;
        let host = host_of(&base).ok_or_else(none)?;
        let login = token.map(|token| header(token).ok_or_else(none)).transpose()?;
        Ok(Self { base, host, login, transport: Transport::new(options)?, jitter: Jitter::new(seed) })
    }

    /// What its images are called after.
    pub fn host(&self) -> &RegistryHost {
        &self.host
    }

    /// The token as a login, for fetching an image from here.
    pub fn login(&self, token: &Secret) -> Login {
        let owner = CredentialOwner { host: self.host.clone(), username: USER.to_owned() };
        Login { owner, password: token.clone() }
    }

    /// Whether an image with this host is one of its: names of this machine are all the same.
    pub fn is_called(&self, host: &RegistryHost) -> bool {
        let port = |host: &RegistryHost| host.as_str().rsplit_once(':').map(|(_, port)| port.to_owned());
        *host == self.host
            || (host.is_loopback() && self.host.is_loopback() && port(host) == port(&self.host))
    }

    /// The reference of an image here.
    pub fn reference(&self, repository: &Repository, tag: Option<&Tag>, digest: &Digest) -> Reference {
        let digest = tag.is_none().then(|| digest.clone());
        Reference::new(self.host.clone(), repository.clone(), tag.cloned(), digest)
    }

    /// Address of something of a repository: `manifests/1.27`, `blobs/sha256:…`.
    fn address(&self, repository: &Repository, item: &str) -> Result<Url, Fault> {
        let base = self.base.as_str().trim_end_matches('/');
        Url::parse(&format!("{base}/v2/{repository}/{item}"))
            .map_err(|_| Fault::Malformed("the registry has no valid address".into()))
    }

    fn options(&self) -> &RegistryOptions {
        self.transport.options()
    }

    fn tries(&self) -> Tries<'_> {
        Tries::brisk(&self.options().retry, &self.jitter)
    }

    /// Asks once. An answer with one of `expected` is given back, every other one is a fault.
    async fn ask(&self, request: Request<'_>, expected: &[StatusCode]) -> Result<Response, Fault> {
        let chosen = self.transport.client(&self.host, request.url.scheme() == "https").await;
        let mut builder = chosen.map_err(Fault::Here)?.client.request(request.method, request.url);
        builder = builder.headers(request.headers);
        if let Some(login) = &self.login {
            builder = builder.header(AUTHORIZATION, login.clone());
        }
        let response = match request.body {
            None => self.patiently(builder.send(), None).await?,
            Some((content, sent)) => {
                sent.store(0, Ordering::Relaxed);
                let body = Body::wrap_stream(content.stream(Arc::clone(sent)));
                self.patiently(builder.body(body).send(), Some((content.size(), sent))).await?
            }
        };
        match expected.contains(&response.status()) {
            true => Ok(response),
            false => Err(answer::refusal(response, None, self.options()).await),
        }
    }

    /// Waits for an answer as long as bytes keep leaving, and a while after the last one.
    async fn patiently(
        &self,
        sending: impl Future<Output = reqwest::Result<Response>>,
        body: Option<(u64, &Arc<AtomicU64>)>,
    ) -> Result<Response, Fault> {
        let mut sending = std::pin::pin!(sending);
        let left = || body.map_or(0, |(_, sent)| sent.load(Ordering::Relaxed));
        loop {
            let before = left();
            let patience = match body {
                Some((size, _)) if before >= size => FINISHING.max(self.options().stall_timeout),
                _ => self.options().stall_timeout,
            };
            tokio::select! {
                answer = &mut sending => return answer.map_err(Fault::from_http),
                () = sleep(patience) => {
                    if left() == before {
                        return Err(Fault::Stalled(patience));
                    }
                }
            }
        }
    }

    fn report(&self, fault: Fault, doing: &str) -> Error {
        words::report(fault, self.base.as_str().trim_end_matches('/'), doing)
    }
}

/// The registry's part of a reference; with a port wherever it could be taken for a repository without one.
fn host_of(url: &Url) -> Option<RegistryHost> {
    let name = url.host_str()?;
    let port = match (url.port(), url.scheme()) {
        (Some(port), _) => format!(":{port}"),
        (None, "http") => ":80".to_owned(),
        (None, _) if name.contains('.') || name.contains(':') => String::new(),
        (None, _) => ":443".to_owned(),
    };
    format!("{name}{port}").parse().ok()
}

fn header(token: &Secret) -> Option<HeaderValue> {
    let pair = STANDARD.encode(format!("{USER}:{}", token.reveal()));
    let mut value = HeaderValue::try_from(format!("Basic {pair}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}
