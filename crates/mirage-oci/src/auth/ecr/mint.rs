//! One exchange with AWS: an access key in, a password out (Amazon ECR API, `GetAuthorizationToken`).

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use mirage_core::Secret;
use reqwest::header::{DATE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Response, StatusCode, Url};
use serde::Deserialize;
use tokio::time::timeout;

use super::Minted;
use crate::auth::sigv4::{AccessKey, Request, Scope};
use crate::client::answer::{body, date, printable};
use crate::client::options::MAX_ANSWER_BYTES;
use crate::client::{Fault, Refusal, RegistryOptions};

const TARGET: &str = "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken";
/// No password is trusted longer: it is what AWS promises.
const LONGEST_LIFE: Duration = Duration::from_secs(12 * 3600);
const MAX_MESSAGE_CHARS: usize = 300;
const MAX_CODE_CHARS: usize = 60;

/// Asks AWS for a password. `now` goes into the signature, which AWS takes for a few minutes.
pub(super) async fn mint(
    client: &reqwest::Client,
    endpoint: &Url,
    region: &str,
    key: &AccessKey,
    now: Timestamp,
    options: &RegistryOptions,
) -> Result<Minted, Fault> {
    let mut url = endpoint.clone();
    url.set_path("/");
    url.set_query(None);
    let host = match (url.host_str().unwrap_or_default(), url.port()) {
        (name, Some(port)) => format!("{name}:{port}"),
        (name, None) => name.to_owned(),
    };
    let content_type = "application/x-amz-json-1.1".to_owned();
    let headers = vec![("content-type", content_type), ("host", host), ("x-amz-target", TARGET.to_owned())];
    let mut request = Request { method: "POST", path: "/", headers, body: b"{}" };
    request.sign(key, &Scope { region, service: "ecr" }, now);
    let sending = client.post(url).headers(sealed(&request)?).body("{}").send();
    let sent = timeout(options.stall_timeout, sending).await;
    let response = sent.map_err(|_| Fault::Stalled(options.stall_timeout))?.map_err(Fault::from_http)?;
    if response.status() != StatusCode::OK {
        return Err(refusal(response, now, options).await);
    }
    let answer = body(response, "the password", MAX_ANSWER_BYTES, options).await?;
    read(&answer, now)
}

/// The headers as they are sent, which no log is to show. `host` is the client's to send.
fn sealed(request: &Request<'_>) -> Result<HeaderMap, Fault> {
    let forbidden = |_| Fault::Malformed("the key has a character that no header can carry".into());
    let mut headers = HeaderMap::new();
    for (name, value) in request.headers.iter().filter(|(name, _)| *name != "host") {
        let mut value = HeaderValue::from_str(value).map_err(forbidden)?;
        value.set_sensitive(true);
        if let Ok(name) = HeaderName::from_bytes(name.as_bytes()) {
            headers.insert(name, value);
        }
    }
    Ok(headers)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    authorization_data: Vec<Authorization>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Authorization {
    authorization_token: Secret,
    /// Seconds since 1970, with a fraction.
    expires_at: Option<f64>,
}

/// Reads `user:password` in Base64. Without a time until which it is good, it is used once.
fn read(answer: &[u8], now: Timestamp) -> Result<Minted, Fault> {
    let malformed = |why: &str| Fault::Malformed(format!("its answer {why}"));
    let answer: Answer = serde_json::from_slice(answer).map_err(|_| malformed("is not the one of ECR"))?;
    let first = answer.authorization_data.into_iter().next().ok_or_else(|| malformed("has no password"))?;
    let text = BASE64_STANDARD.decode(first.authorization_token.reveal());
    let text = text.map_err(|_| malformed("has a password that is not in Base64"))?;
    let text = String::from_utf8(text).map_err(|_| malformed("has a password that is no text"))?;
    let text = Secret::from(text);
    let (username, password) = match text.reveal().split_once(':') {
        Some((username, password)) if !username.is_empty() && !password.is_empty() => (username, password),
        _ => return Err(malformed("has a password without a user")),
    };
    let seconds = first.expires_at.unwrap_or_default() - now.as_millisecond() as f64 / 1e3;
    let life = Duration::try_from_secs_f64(seconds.clamp(0.0, LONGEST_LIFE.as_secs_f64()));
    let until = now + life.unwrap_or_default();
    Ok(Minted { username: username.to_owned(), password: Secret::from(password.to_owned()), until })
}

#[derive(Deserialize, Default)]
struct Problem {
    #[serde(rename = "__type")]
    kind: Option<String>,
    #[serde(alias = "Message")]
    message: Option<String>,
}

/// What AWS says with a status that is no success (Smithy, "AWS JSON 1.1 protocol", errors).
async fn refusal(response: Response, now: Timestamp, options: &RegistryOptions) -> Fault {
    let status = response.status();
    let header = response.headers().get("x-amzn-errortype").and_then(|value| value.to_str().ok());
    let (header, theirs) = (header.map(str::to_owned), date(response.headers(), DATE));
    // Whether the words arrive or not, the status is the answer.
    let body = body(response, "the error", MAX_ANSWER_BYTES, options).await.unwrap_or_default();
    let problem: Problem = serde_json::from_slice(&body).unwrap_or_default();
    let kind = problem.kind.or(header).unwrap_or_default();
    // `com.amazon.coral.service#AccessDeniedException:http://…`
    let kind = kind.split(':').next().unwrap_or_default();
    let kind = kind.rsplit('#').next().unwrap_or_default();
    let said = problem.message.unwrap_or_default();
    let message = match kind {
        // It may quote the request, and with it the session token; what it says of clocks is said in
        // words of our own.
        "InvalidSignatureException" | "SignatureDoesNotMatch" | "RequestExpired" => {
            let about_clocks = said.starts_with("Signature expired") || said.starts_with("Signature not yet");
            (about_clocks || kind == "RequestExpired").then(|| skew(now, theirs))
        }
        _ => Some(printable(&said, MAX_MESSAGE_CHARS)),
    };
    let code = Some(printable(kind, MAX_CODE_CHARS)).filter(|code| !code.is_empty());
    let message = message.filter(|text| !text.is_empty());
    Fault::Refused(Refusal { status, code, message, retry_after: None, by_token_service: true })
}

/// How far the clocks are apart.
fn skew(ours: Timestamp, theirs: Option<Timestamp>) -> String {
    let Some(theirs) = theirs else { return "the clock of this machine is wrong".to_owned() };
    let minutes = ours.duration_since(theirs).as_mins();
    match minutes {
        ..=-1 => format!("the clock of this machine is {} min behind that of AWS", -minutes),
        1.. => format!("the clock of this machine is {minutes} min ahead of that of AWS"),
        0 => "the clock of this machine is wrong, or the way to AWS takes minutes".to_owned(),
    }
}
