//! One exchange with a registry: its address, the login it asks for, the redirects it sends.

use mirage_core::{Error, RegistryHost, Repository};
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue, LOCATION, RANGE};
use reqwest::{Method, Response, StatusCode, Url};
use tokio::time::timeout;

use super::answer;
use super::challenge::{BearerChallenge, bearer_challenge};
use super::fault::{Fault, Refusal, TlsFault};
use super::options::{MAX_ANSWER_BYTES, RegistryOptions};
use super::retry::Jitter;
use super::tokens::{Token, Tokens};
use super::transport::Transport;

const MAX_REDIRECTS: usize = 5;

/// The way to every registry. One for the process: it holds the connections and the tokens.
pub(crate) struct Link {
    transport: Transport,
    tokens: Tokens,
    jitter: Jitter,
}

/// What to ask a registry.
pub(crate) struct Question<'a> {
    /// `GET` or `HEAD`.
    pub(crate) method: Method,
    /// The registry.
    pub(crate) host: &'a RegistryHost,
    /// The image's path.
    pub(crate) repository: &'a Repository,
    /// What of the repository: `manifests/1.27`, `blobs/sha256:…`.
    pub(crate) item: String,
    /// The media types that are understood.
    pub(crate) accept: Option<&'static str>,
    /// From which byte on; 0 asks for all of it.
    pub(crate) from_byte: u64,
}

impl Link {
    /// Opens no connection yet. `seed` sets off the jitter of pauses.
    ///
    /// # Errors
    /// As [`Transport::new`].
    pub(crate) fn new(options: RegistryOptions, seed: u64) -> Result<Self, Error> {
        Ok(Self { transport: Transport::new(options)?, tokens: Tokens::default(), jitter: Jitter::new(seed) })
    }

    /// The settings.
    pub(crate) fn options(&self) -> &RegistryOptions {
        self.transport.options()
    }

    /// The chance in pauses.
    pub(crate) fn jitter(&self) -> &Jitter {
        &self.jitter
    }

    /// Asks once, logging in where the registry wants it. The answer has a success status and its
    /// body is still to be read.
    pub(crate) async fn ask(&self, question: &Question<'_>) -> Result<Response, Fault> {
        let (host, repository) = (question.host, question.repository);
        let mut token = self.tokens.current(host, repository);
        let mut response = self.send(question, token.as_ref()).await?;
        if response.status() == StatusCode::UNAUTHORIZED
            && let Some(challenge) = bearer_challenge(response.headers())
        {
            // The words of a 401 that asks for a login are of no interest; reading them keeps the connection.
            let _ = answer::body(response, "the error", MAX_ANSWER_BYTES, self.options()).await;
            token = Some(match self.tokens.turn(host, repository, token.as_ref()).await {
                Ok(token) => token,
                Err(turn) => turn.keep(self.fetch_token(question, &challenge).await?),
            });
            response = self.send(question, token.as_ref()).await?;
        }
        match response.status() {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT => Ok(response),
            _ => Err(answer::refusal(response, self.options()).await),
        }
    }

    /// Anonymous, as everything is that has no credential.
    async fn fetch_token(
        &self,
        question: &Question<'_>,
        challenge: &BearerChallenge,
    ) -> Result<Token, Fault> {
        let host = question.host;
        let mut url = Url::parse(&challenge.realm)
            .map_err(|_| Fault::Malformed("the registry's token service has no valid address".into()))?;
        self.check_scheme(host, &url)?;
        {
            let mut query = url.query_pairs_mut();
            if let Some(service) = &challenge.service {
                query.append_pair("service", service);
            }
            query.append_pair("scope", &format!("repository:{}:pull", question.repository));
        }
        let response = self.send_to(host, Method::GET, url, HeaderMap::new(), None).await?;
        if response.status() != StatusCode::OK {
            return Err(match answer::refusal(response, self.options()).await {
                Fault::Refused(refusal) => Fault::Refused(Refusal { by_token_service: true, ..refusal }),
                fault => fault,
            });
        }
        let body = answer::body(response, "the token", MAX_ANSWER_BYTES, self.options()).await?;
        Token::from_answer(&body)
    }

    async fn send(&self, question: &Question<'_>, token: Option<&Token>) -> Result<Response, Fault> {
        let scheme = if self.transport.is_plain(question.host) { "http" } else { "https" };
        let address = match question.host.is_docker_hub() {
            true => "registry-1.docker.io",
            false => question.host.as_str(),
        };
        let url = format!("{scheme}://{address}/v2/{}/{}", question.repository, question.item);
        let url =
            Url::parse(&url).map_err(|_| Fault::Malformed("the registry has no valid address".into()))?;
        let mut headers = HeaderMap::new();
        if let Some(accept) = question.accept {
            headers.insert(ACCEPT, HeaderValue::from_static(accept));
        }
        if question.from_byte > 0
            && let Ok(range) = HeaderValue::try_from(format!("bytes={}-", question.from_byte))
        {
            headers.insert(RANGE, range);
        }
        self.send_to(question.host, question.method.clone(), url, headers, token.map(Token::header)).await
    }

    /// Sends, and follows redirects. The token goes to the registry alone, never to another origin.
    async fn send_to(
        &self,
        host: &RegistryHost,
        method: Method,
        mut url: Url,
        headers: HeaderMap,
        token: Option<HeaderValue>,
    ) -> Result<Response, Fault> {
        let home = url.origin();
        for _ in 0..=MAX_REDIRECTS {
            let mut headers = headers.clone();
            if let Some(token) = token.as_ref().filter(|_| url.origin() == home) {
                headers.insert(AUTHORIZATION, token.clone());
            }
            let response = self.send_once(host, method.clone(), url.clone(), headers).await?;
            if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok(response);
            }
            url = self.redirected(host, &url, &response)?;
        }
        Err(Fault::Redirect("there are too many of them"))
    }

    async fn send_once(
        &self,
        host: &RegistryHost,
        method: Method,
        url: Url,
        headers: HeaderMap,
    ) -> Result<Response, Fault> {
        let tls = url.scheme() == "https";
        let chosen = self.transport.client(host, tls).await.map_err(Fault::Here)?;
        let patience = self.options().stall_timeout;
        let sending = chosen.client.request(method, url).headers(headers).send();
        match timeout(patience, sending).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(match Fault::from_http(error) {
                Fault::Tls(TlsFault::UnknownIssuer, cause) if !chosen.has_authorities => {
                    Fault::Tls(TlsFault::NoRoots, cause)
                }
                fault => fault,
            }),
            Err(_) => Err(Fault::Stalled(patience)),
        }
    }

    fn redirected(&self, host: &RegistryHost, from: &Url, response: &Response) -> Result<Url, Fault> {
        let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let location = location.ok_or(Fault::Redirect("it names no address"))?;
        let url = from.join(location).map_err(|_| Fault::Redirect("its address is not valid"))?;
        if from.scheme() == "https" && url.scheme() != "https" {
            return Err(Fault::Redirect("it leads away from HTTPS"));
        }
        self.check_scheme(host, &url)?;
        Ok(url)
    }

    /// A registry that is spoken to with TLS cannot send Mirage anywhere without.
    fn check_scheme(&self, host: &RegistryHost, url: &Url) -> Result<(), Fault> {
        match url.scheme() {
            "https" => Ok(()),
            "http" if self.transport.is_plain(host) => Ok(()),
            "http" => Err(Fault::Redirect("it leads away from HTTPS")),
            _ => Err(Fault::Redirect("it leads away from HTTP")),
        }
    }
}
