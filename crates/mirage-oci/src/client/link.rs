//! One exchange with a registry: its address, the login it asks for, the redirects it sends.

use std::sync::Arc;

use mirage_core::port::Clock;
use mirage_core::{Error, Login, RegistryHost};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, RANGE};
use reqwest::{Method, Response, StatusCode, Url};
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::answer::{self, is_web_page};
use super::challenge::{Challenge, challenge};
use super::fault::{Fault, TlsFault};
use super::login;
use super::mirror::{Answer, Mirrors};
use super::options::{MAX_ANSWER_BYTES, RegistryOptions};
use super::remote::RemoteImage;
use super::report::report;
use super::retry::Jitter;
use super::tokens::{Token, Tokens};
use super::transport::Transport;
use crate::auth::ecr::{Ecr, EcrRegistry};

const MAX_REDIRECTS: usize = 5;

/// The way to every registry. One for the process: it holds the connections and the tokens.
pub(crate) struct Link {
    transport: Transport,
    mirrors: Mirrors,
    tokens: Tokens,
    ecr: Ecr,
    jitter: Jitter,
}

/// What to ask a registry.
#[derive(Clone)]
pub(crate) struct Question<'a> {
    /// `GET` or `HEAD`.
    pub(crate) method: Method,
    /// The image, and as whom to ask for it.
    pub(crate) image: RemoteImage<'a>,
    /// What of the repository: `manifests/1.27`, `blobs/sha256:…`.
    pub(crate) item: String,
    /// The media types that are understood.
    pub(crate) accept: Option<&'static str>,
    /// From which byte on; 0 asks for all of it.
    pub(crate) from_byte: u64,
    /// So many of the registry's mirrors are not asked, the first ones.
    pub(crate) past: usize,
}

impl Link {
    /// Opens no connection yet. `seed` sets off the jitter of pauses.
    ///
    /// # Errors
    /// As [`Transport::new`].
    pub(crate) fn new(options: RegistryOptions, seed: u64, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let ecr = Ecr::new(options.clone(), seed, clock);
        let mirrors = Mirrors::new(&options.mirrors);
        let transport = Transport::new(options)?;
        Ok(Self { transport, mirrors, tokens: Tokens::default(), ecr, jitter: Jitter::new(seed) })
    }

    /// The settings.
    pub(crate) fn options(&self) -> &RegistryOptions {
        self.transport.options()
    }

    /// The chance in pauses.
    pub(crate) fn jitter(&self) -> &Jitter {
        &self.jitter
    }

    /// Asks the mirrors of the image's registry, one after another, and then the registry itself, which has the
    /// last word. The answer has a success status and its body is still to be read.
    ///
    /// # Errors
    /// What the registry itself answers.
    pub(crate) async fn ask(&self, question: &Question<'_>) -> Result<Answer, Fault> {
        let image = question.image.reference;
        for (place, mirror) in self.mirrors.of(image.host()).iter().enumerate().skip(question.past) {
            let Some(reference) = mirror.reference(image).filter(|_| self.mirrors.is_asked(mirror)) else {
                continue;
            };
            // A login is for the registry and goes to nobody else.
            let there = RemoteImage { reference: &reference, login: None };
            match self.ask_at(&Question { image: there, ..question.clone() }).await {
                Ok(response) if is_web_page(response.headers()) => {
                    self.mirrors.pass_over(mirror, &Fault::WebPage);
                }
                Ok(response) => return Ok(Answer { response, mirror: Some(place) }),
                Err(fault) => self.mirrors.pass_over(mirror, &fault),
            }
        }
        Ok(Answer { response: self.ask_at(question).await?, mirror: None })
    }

    /// What the registry says of a fault in an exchange with it or one of its mirrors: the mirror is not asked
    /// again by `question`, and the fault comes back only where it is the registry's own.
    pub(crate) fn unless_mirror(
        &self,
        question: &mut Question<'_>,
        mirror: Option<usize>,
        fault: Fault,
    ) -> Result<(), Fault> {
        let Some(place) = mirror else {
            // The next round may find a mirror that has come back.
            question.past = 0;
            return Err(fault);
        };
        question.past = place + 1;
        self.distrust(question.image, place, &fault);
        Ok(())
    }

    /// Passes over a mirror that turned out not to help after it had answered.
    pub(crate) fn distrust(&self, image: RemoteImage<'_>, place: usize, fault: &Fault) {
        if let Some(mirror) = self.mirrors.of(image.reference.host()).get(place) {
            self.mirrors.pass_over(mirror, fault);
        }
    }

    /// How many mirrors the image's registry has.
    pub(crate) fn mirror_count(&self, image: RemoteImage<'_>) -> usize {
        self.mirrors.of(image.reference.host()).len()
    }

    /// The user's error for a fault while an image was being read or pulled.
    pub(crate) fn report(&self, fault: Fault, image: RemoteImage<'_>) -> Error {
        self.mirrors.mention(report(fault, image), image.reference.host())
    }

    /// Asks once at one place, logging in where it wants that.
    async fn ask_at(&self, question: &Question<'_>) -> Result<Response, Fault> {
        let image = question.image;
        let token = self.tokens.current(image);
        let response = self.send(question, token.as_ref()).await?;
        let wanted = self.asks_for_login(image.reference.host(), &response);
        let response = match (wanted, image.login) {
            (Some(Challenge::Bearer(service)), _) => {
                // The words of a 401 that asks for a login are of no interest; reading them keeps the connection.
                let _ = answer::body(response, "the error", MAX_ANSWER_BYTES, self.options()).await;
                let token = match self.tokens.turn(image, token.as_ref()).await {
                    Ok(token) => token,
                    Err(turn) => turn.keep(login::token(self, image, &service).await?),
                };
                self.send(question, Some(&token)).await?
            }
            (Some(Challenge::Basic), Some(login)) => {
                let password = Token::basic(&self.taken(login).await?)?;
                if token.is_some_and(|refused| refused.header() == password.header()) {
                    return Err(answer::refusal(response, image.login, self.options()).await);
                }
                let _ = answer::body(response, "the error", MAX_ANSWER_BYTES, self.options()).await;
                let response = self.send(question, Some(&password)).await?;
                if response.status() != StatusCode::UNAUTHORIZED {
                    self.tokens.keep(image, password);
                }
                response
            }
            _ => response,
        };
        match response.status() {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT => Ok(response),
            _ => Err(answer::refusal(response, image.login, self.options()).await),
        }
    }

    /// The login that a registry asks for. Where it redirected to may not ask for one in its name.
    pub(super) fn asks_for_login(&self, host: &RegistryHost, response: &Response) -> Option<Challenge> {
        let home = self.address(host, "").ok()?.origin();
        let asks = response.status() == StatusCode::UNAUTHORIZED && response.url().origin() == home;
        if asks { challenge(response.headers()) } else { None }
    }

    async fn send(&self, question: &Question<'_>, token: Option<&Token>) -> Result<Response, Fault> {
        let (host, repository) = (question.image.reference.host(), question.image.reference.repository());
        let url = self.address(host, &format!("{repository}/{}", question.item))?;
        let mut headers = HeaderMap::new();
        if let Some(accept) = question.accept {
            headers.insert(ACCEPT, HeaderValue::from_static(accept));
        }
        if question.from_byte > 0
            && let Ok(range) = HeaderValue::try_from(format!("bytes={}-", question.from_byte))
        {
            headers.insert(RANGE, range);
        }
        self.get(host, question.method.clone(), url, headers, token.map(Token::header)).await
    }

    /// The address of something at a registry, below `/v2/`.
    pub(super) fn address(&self, host: &RegistryHost, path: &str) -> Result<Url, Fault> {
        let scheme = if self.is_plain(host) { "http" } else { "https" };
        let name = match host.is_docker_hub() {
            true => "registry-1.docker.io",
            false => host.as_str(),
        };
        Url::parse(&format!("{scheme}://{name}/v2/{path}"))
            .map_err(|_| Fault::Malformed("the registry has no valid address".into()))
    }

    /// The login that its registry takes: for Amazon's, a password is made of an access key first.
    pub(super) async fn taken(&self, login: &Login) -> Result<Login, Fault> {
        let Some(registry) = EcrRegistry::of(&login.owner.host) else { return Ok(login.clone()) };
        let endpoint = self.ecr.endpoint(&registry).map_err(Fault::Here)?;
        let chosen = self.transport.client(&login.owner.host, endpoint.scheme() == "https").await;
        let client = chosen.map_err(Fault::Here)?.client;
        self.ecr.login(&client, &registry, login).await.map_err(Fault::Here)
    }

    /// Whether this registry is spoken to without TLS.
    pub(super) fn is_plain(&self, host: &RegistryHost) -> bool {
        self.transport.is_plain(host)
    }

    /// Sends, and follows redirects. Token or password go to the address named, never to another origin.
    pub(super) async fn get(
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
            let response = self.send_once(host, method.clone(), url.clone(), headers, None).await?;
            if !is_redirect(&response) {
                return Ok(response);
            }
            url = self.redirected(host, &url, &response)?;
        }
        Err(Fault::Redirect("there are too many of them"))
    }

    /// Sends a form with a secret in it, and goes nowhere else with it.
    pub(super) async fn post_form(
        &self,
        host: &RegistryHost,
        url: Url,
        form: &Zeroizing<String>,
    ) -> Result<Response, Fault> {
        let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, form_type)]);
        let response = self.send_once(host, Method::POST, url, headers, Some(form.to_string())).await?;
        match is_redirect(&response) {
            true => Err(Fault::Redirect("a secret would go along")),
            false => Ok(response),
        }
    }

    async fn send_once(
        &self,
        host: &RegistryHost,
        method: Method,
        url: Url,
        headers: HeaderMap,
        body: Option<String>,
    ) -> Result<Response, Fault> {
        let tls = url.scheme() == "https";
        let chosen = self.transport.client(host, tls).await.map_err(Fault::Here)?;
        let patience = self.options().stall_timeout;
        let mut request = chosen.client.request(method, url).headers(headers);
        if let Some(body) = body {
            request = request.body(body);
        }
        match timeout(patience, request.send()).await {
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
    pub(super) fn check_scheme(&self, host: &RegistryHost, url: &Url) -> Result<(), Fault> {
        match url.scheme() {
            "https" => Ok(()),
            "http" if self.transport.is_plain(host) => Ok(()),
            "http" => Err(Fault::Redirect("it leads away from HTTPS")),
            _ => Err(Fault::Redirect("it leads away from HTTP")),
        }
    }
}

fn is_redirect(response: &Response) -> bool {
    matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308)
}
