//! The platform's API, seen from the command line.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use jiff::Timestamp;
use mirage_core::{Code, Error, Result};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{DATE, HeaderValue};
use reqwest::{Method, RequestBuilder, Response};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::token::Token;
use super::wire::Problem;
use crate::config::{self, env};

/// Where the API is unless somebody says otherwise.
pub(crate) const DEFAULT_URL: &str = "http://127.0.0.1:7070";

/// For how long a platform that has answered is asked again where it does not any more: an upgrade replaces it.
const AWAY: Duration = Duration::from_secs(30);

/// Between two such questions.
const PAUSE: Duration = Duration::from_millis(250);

/// Things of a list that are asked for at a time.
const PAGE: u32 = 500;

/// A client of the API.
#[derive(Clone)]
pub(crate) struct Api {
    http: reqwest::Client,
    base: String,
    token: Option<Token>,
    /// Where one is looked for where none is given.
    token_file: PathBuf,
}

impl Api {
    /// The platform at this address; the token is the one given, else the readable one of the data folder.
    ///
    /// # Errors
    /// `INVALID_REQUEST` where the address or the token is none.
    pub(crate) fn new(url: Option<String>, token: Option<Token>, data_dir: Option<PathBuf>) -> Result<Self> {
        let base = url.unwrap_or_else(|| DEFAULT_URL.to_owned()).trim_end_matches('/').to_owned();
        check(&base)?;
        let http = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(10))
            .no_proxy()
            .build()
            .map_err(|error| Error::internal("prepare an HTTP client", error))?;
        let token_file = config::data_dir(data_dir).join("admin.token");
        let token = token.or_else(|| std::fs::read_to_string(&token_file).ok()?.parse().ok());
        if token.as_ref().is_some_and(|token| HeaderValue::from_str(token.reveal()).is_err()) {
            return Err(Error::new(
                Code::InvalidRequest,
                "the token has characters that no header can carry",
            )
            .hint("check `--token` and MIRAGE_TOKEN; there is one in `admin.token` of the data folder"));
        }
        Ok(Self { http, base, token, token_file })
    }

    /// Whether there is a token to show.
    pub(crate) fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// The address of the platform.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// What is shown to it.
    pub(crate) fn token(&self) -> Option<&Token> {
        self.token.as_ref()
    }

    /// GET.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.call(self.request(Method::GET, path)).await
    }

    /// GET at a platform that has answered already: where it is away it is asked again, for half a minute.
    pub(crate) async fn get_again<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let start = Instant::now();
        loop {
            match self.get(path).await {
                Err(error) if error.code() == Code::TargetUnavailable && start.elapsed() < AWAY => {
                    tokio::time::sleep(PAUSE).await;
                }
                answered => return answered,
            }
        }
    }

    /// Every page of a list: each has its part under `field`, and where more follow a `next`.
    pub(crate) async fn all<T: DeserializeOwned>(&self, path: &str, field: &str) -> Result<Vec<T>> {
        let (mut all, mut after) = (Vec::new(), String::new());
        loop {
            let mut page: Value = self.get(&format!("{path}?limit={PAGE}{after}")).await?;
            let part: Vec<T> =
                serde_json::from_value(page.get_mut(field).map(Value::take).unwrap_or_default())
                    .map_err(|error| Error::internal("read a list of the platform", error))?;
            all.extend(part);
            match page["next"].as_str() {
                Some(next) => after = format!("&after={}", segment(next)),
                None => return Ok(all),
            }
        }
    }

    /// POST.
    pub(crate) async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T> {
        self.call(self.request(Method::POST, path).json(body)).await
    }

    /// PUT.
    pub(crate) async fn put<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T> {
        self.call(self.request(Method::PUT, path).json(body)).await
    }

    /// PATCH.
    pub(crate) async fn patch<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T> {
        self.call(self.request(Method::PATCH, path).json(body)).await
    }

    /// DELETE.
    pub(crate) async fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.call(self.request(Method::DELETE, path)).await
    }

    /// PUT of what is no JSON, in pieces.
    pub(crate) async fn upload<T: DeserializeOwned>(
        &self,
        path: &str,
        kind: &'static str,
        pieces: impl Stream<Item = std::io::Result<Vec<u8>>> + Send + 'static,
    ) -> Result<T> {
        let request = self.request(Method::PUT, path).header("content-type", kind);
        self.call(request.body(reqwest::Body::wrap_stream(pieces))).await
    }

    /// GET of what is no JSON, in pieces. One that is an error may come last.
    pub(crate) async fn download(
        &self,
        path: &str,
    ) -> Result<impl Stream<Item = Result<Bytes>> + Unpin + use<>> {
        let response = self.send(self.request(Method::GET, path)).await?;
        Ok(Box::pin(response.bytes_stream()).map(|piece| piece.map_err(broken_off)))
    }

    /// POST whose answer is a file.
    pub(crate) async fn download_posted(&self, path: &str, body: &impl Serialize) -> Result<Response> {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    /// GET whose answer has no end, as lines, and when the platform began to answer, by its own clock. A problem
    /// that ended it is an error.
    pub(crate) async fn lines(
        &self,
        path: &str,
    ) -> Result<(impl Stream<Item = Result<String>> + use<>, Option<Timestamp>)> {
        let request = self.request(Method::GET, path).header("accept", "application/x-ndjson");
        let response = self.send(request).await?;
        let date = response.headers().get(DATE).and_then(|date| date.to_str().ok());
        let date = date.and_then(|date| Some(jiff::fmt::rfc2822::parse(date).ok()?.timestamp()));
        Ok((split_lines(response.bytes_stream()).map(|line| line.and_then(no_problem)), date))
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token.reveal()),
            None => request,
        }
    }

    async fn call<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T> {
        let response = self.send(request).await?;
        let body = response.bytes().await.map_err(broken_off)?;
        serde_json::from_slice(&body).map_err(|error| {
            Error::new(Code::Internal, format!("`{}` answered something else than Mirage does", self.base))
                .hint(format!("check {}", env::URL))
                .because(error)
        })
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response> {
        let response = request.send().await.map_err(|error| self.unreachable(error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        match response.json::<Problem>().await {
            Ok(problem) => Err(self.told(problem.into_error())),
            // Whoever stands before the platform, and does not reach it.
            Err(error) if matches!(status.as_u16(), 502..=504) => {
                let what = format!("what answers at `{}` does not reach a platform ({status})", self.base);
                Err(Error::new(Code::TargetUnavailable, what)
                    .hint("check that `mirage serve` runs behind it")
                    .because(error))
            }
            Err(error) => Err(Error::new(Code::Internal, format!("`{}` answered {status}", self.base))
                .hint(format!("check that {} is the address of a Mirage platform", env::URL))
                .because(error)),
        }
    }

    fn unreachable(&self, error: reqwest::Error) -> Error {
        let at = &self.base;
        Error::new(Code::TargetUnavailable, format!("no platform answers at `{at}`"))
            .hint(format!("start one with `mirage serve`, or say where it is with `--url` or {}", env::URL))
            .because(root(error))
    }

    /// The same in the words of a terminal: who has no token to show cannot send a header.
    fn told(&self, error: Error) -> Error {
        if error.code() != Code::Unauthenticated || self.has_token() {
            return error;
        }
        let file = self.token_file.display();
        Error::new(Code::Unauthenticated, format!("`{}` wants a token, and there is none to show", self.base))
            .hint(format!(
                "`{file}` cannot be read; run this as a user who may, or set {} to what is in the `admin.token` of that platform's data folder",
                env::TOKEN
            ))
    }
}

/// Refuses what is not the address of a web server, before it reads like a platform that is down.
fn check(base: &str) -> Result<()> {
    match reqwest::Url::parse(base) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(()),
        _ => {
            let looks = match base.contains("://") {
                true => DEFAULT_URL.to_owned(),
                false => format!("http://{base}"),
            };
            Err(Error::new(Code::InvalidRequest, format!("`{base}` is not the address of a platform"))
                .hint(format!("`--url` and {} take one such as `{looks}`", env::URL)))
        }
    }
}

/// What was at the bottom of it: what is said above it is said already.
fn root(error: reqwest::Error) -> std::io::Error {
    let error = error.without_url();
    let mut bottom: &dyn std::error::Error = &error;
    while let Some(below) = bottom.source() {
        bottom = below;
    }
    std::io::Error::other(bottom.to_string())
}

/// Text as a segment of a path.
pub(crate) fn segment(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// An answer that was begun and ended too early.
pub(crate) fn broken_off(error: reqwest::Error) -> Error {
    Error::new(Code::TargetUnavailable, "the platform broke off its answer")
        .hint("it may have been restarted; ask again")
        .because(error)
}

fn split_lines(
    bytes: impl Stream<Item = reqwest::Result<Bytes>> + Send + 'static,
) -> impl Stream<Item = Result<String>> {
    let state = (Box::pin(bytes), Vec::<u8>::new());
    futures_util::stream::try_unfold(state, |(mut bytes, mut buffer)| async move {
        loop {
            if let Some(end) = buffer.iter().position(|b| *b == b'\n') {
                let line: Vec<u8> = buffer.drain(..=end).collect();
                let line = String::from_utf8_lossy(&line[..end]).into_owned();
                return Ok(Some((line, (bytes, buffer))));
            }
            match bytes.next().await {
                Some(Ok(more)) => buffer.extend_from_slice(&more),
                Some(Err(error)) => return Err(broken_off(error)),
                None => return Ok(None),
            }
        }
    })
}

/// The line, unless it says why there are no more.
fn no_problem(line: String) -> Result<String> {
    #[derive(Deserialize)]
    struct Ended {
        problem: Problem,
    }
    match serde_json::from_str::<Ended>(&line) {
        Ok(ended) => Err(ended.problem.into_error()),
        Err(_) => Ok(line),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// Answers one request after the other with these; nothing closes the connection without a word.
    pub(crate) async fn platform(answers: Vec<&'static str>) -> (Api, tokio::task::JoinHandle<()>) {
        // Set once for all tests of this process; each of them may be the first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let serving = tokio::spawn(async move {
            for body in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
                if !body.is_empty() {
                    let head = format!(
                        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                        body.len()
                    );
                    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
                }
            }
        });
        (Api::new(Some(url), None, Some("/nowhere".into())).unwrap(), serving)
    }

    #[test]
    fn what_cannot_be_a_token_is_said_to_be_none_and_not_quoted() {
        let token = "hunter2\nadmin.token".parse().ok();
        let error = Api::new(None, token, Some("/nowhere".into())).err().unwrap();
        assert_eq!(error.code(), Code::InvalidRequest);
        assert!(!format!("{error:?}").contains("hunter2"));
    }

    #[tokio::test]
    async fn a_platform_that_is_replaced_is_asked_again_by_those_it_has_answered() {
        let (api, serving) = platform(vec!["", "", "[1]"]).await;
        assert_eq!(api.get::<Vec<u8>>("/x").await.unwrap_err().code(), Code::TargetUnavailable);
        assert_eq!(api.get_again::<Vec<u8>>("/x").await.unwrap(), [1]);
        serving.await.unwrap();
    }

    #[tokio::test]
    async fn a_list_is_read_to_its_last_page() {
        let (api, serving) = platform(vec![r#"{"n":[1,2],"next":"a/b"}"#, r#"{"n":[3]}"#]).await;
        assert_eq!(api.all::<u8>("/n", "n").await.unwrap(), [1, 2, 3]);
        serving.await.unwrap();
    }

    #[tokio::test]
    async fn a_problem_that_ends_a_stream_is_told_as_what_it_is() {
        let (api, serving) = platform(vec![concat!(
            r#"{"text":"{\"problem\":1}"}"#,
            "\n",
            r#"{"problem":{"code":"NOT_FOUND","detail":"it is gone","hint":null}}"#,
            "\n"
        )])
        .await;
        let mut lines = Box::pin(api.lines("/x").await.unwrap().0);
        assert!(lines.next().await.unwrap().unwrap().contains("text"));
        let error = lines.next().await.unwrap().unwrap_err();
        assert_eq!((error.code(), error.message()), (Code::NotFound, "it is gone"));
        serving.await.unwrap();
    }
}
