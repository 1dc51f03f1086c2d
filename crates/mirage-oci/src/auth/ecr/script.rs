//! What AWS does with `GetAuthorizationToken`, for tests: it checks the signature of every request.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use mirage_core::Secret;
use mirage_core::port::Clock;
use reqwest::Url;
use serde_json::json;

use crate::auth::sigv4::{AccessKey, Request, Scope};
use crate::client::script::{HandClock, Script, Seen};

pub(crate) const KEY: &str = "AKIAIOSFODNN7EXAMPLE";
pub(crate) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
/// A temporary key, with the same secret.
pub(crate) const TEMPORARY: &str = "ASIAIOSFODNN7EXAMPLE";
pub(crate) const SESSION: &str = "FwoGZXIvYXdzEBYaDEXAMPLE//////////==";
/// A key that may do nothing.
pub(crate) const POWERLESS: &str = "AKIAPOWERLESSEXAMPLE";
/// A temporary key that is over.
pub(crate) const OVER: &str = "ASIAOVEROVEREXAMPLE0";

const LIFE: Duration = Duration::from_secs(12 * 3600);
const TOLERANCE: i64 = 300;

/// The endpoint of one region, `eu-west-1`. Dropping it ends it.
pub(crate) struct FakeAws {
    pub(crate) url: Url,
    pub(crate) clock: Arc<HandClock>,
    minted: Arc<AtomicUsize>,
    script: Script,
}

impl FakeAws {
    pub(crate) async fn start(clock: Arc<HandClock>) -> Self {
        let minted = Arc::<AtomicUsize>::default();
        let (time, count) = (Arc::clone(&clock), Arc::clone(&minted));
        let script = Script::start(move |seen| answer(seen, time.now(), &count)).await;
        let url = format!("http://{}/", script.host).parse().unwrap();
        Self { url, clock, minted, script }
    }

    /// Passwords made so far.
    pub(crate) fn minted(&self) -> usize {
        self.minted.load(Ordering::Relaxed)
    }

    /// Requests so far, refused ones too.
    pub(crate) fn asked(&self) -> usize {
        self.script.requests().len()
    }
}

fn answer(seen: &Seen, now: Timestamp, minted: &AtomicUsize) -> Response {
    match verify(seen, now) {
        Ok(()) => {
            let number = minted.fetch_add(1, Ordering::Relaxed) + 1;
            let token = BASE64_STANDARD.encode(format!("AWS:password-{number}"));
            let expires = (now + LIFE).as_millisecond() as f64 / 1e3;
            let body = json!({ "authorizationData": [{
                "authorizationToken": token, "expiresAt": expires,
                "proxyEndpoint": "https://123456789012.dkr.ecr.eu-west-1.amazonaws.com",
            }]});
            ([("content-type", "application/x-amz-json-1.1")], body.to_string()).into_response()
        }
        Err((kind, message)) => {
            let date = now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
            let body = json!({ "__type": kind, "message": message }).to_string();
            (StatusCode::BAD_REQUEST, [("date", date)], body).into_response()
        }
    }
}

type Refused = (&'static str, String);

fn verify(seen: &Seen, now: Timestamp) -> Result<(), Refused> {
    let header = |name: &str| seen.header(name).unwrap_or_default().to_owned();
    let incomplete = || ("IncompleteSignatureException", "a part of the request is missing".to_owned());
    let target = "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken";
    if (&seen.method, seen.path.as_str(), seen.query.as_str()) != (&Method::POST, "/", "")
        || header("x-amz-target") != target
        || header("content-type") != "application/x-amz-json-1.1"
        || seen.body.as_ref() != b"{}"
    {
        return Err(("UnknownOperationException", String::new()));
    }
    let sent = header("authorization");
    let rest = sent.strip_prefix("AWS4-HMAC-SHA256 Credential=").ok_or_else(incomplete)?;
    let (credential, rest) = rest.split_once(", SignedHeaders=").ok_or_else(incomplete)?;
    let (names, _) = rest.split_once(", Signature=").ok_or_else(incomplete)?;
    let [id, _day, region, service, "aws4_request"] = credential.split('/').collect::<Vec<_>>()[..] else {
        return Err(incomplete());
    };
    let names: Vec<&str> = names.split(';').collect();
    if ["host", "x-amz-date", "x-amz-target"].iter().any(|name| !names.contains(name)) {
        return Err(incomplete());
    }
    let unknown = || {
        ("UnrecognizedClientException", "The security token included in the request is invalid.".to_owned())
    };
    let session = seen.header("x-amz-security-token");
    match (id, session) {
        (KEY | POWERLESS, None) | (TEMPORARY, Some(SESSION)) => {}
        (OVER, Some(_)) => return Err(("ExpiredTokenException", "The security token has expired".into())),
        _ => return Err(unknown()),
    }
    let time = DateTime::strptime("%Y%m%dT%H%M%SZ", header("x-amz-date")).unwrap();
    let time = time.to_zoned(TimeZone::UTC).unwrap().timestamp();
    let ahead = time.duration_since(now).as_secs();
    if ahead.abs() > TOLERANCE {
        let message = match ahead {
            ..0 => "Signature expired: … is now earlier than …",
            _ => "Signature not yet current: … is still later than …",
        };
        return Err(("InvalidSignatureException", message.into()));
    }
    let own = ["x-amz-date", "x-amz-security-token"];
    let signed = names.iter().filter(|name| !own.contains(name));
    let headers = signed.map(|name| (*name, header(name))).collect();
    let mut again = Request { method: seen.method.as_str(), path: &seen.path, headers, body: &seen.body };
    let secret = |text: &str| Secret::from(text.to_owned());
    let key = AccessKey { id: id.into(), secret: secret(SECRET), session: session.map(secret) };
    again.sign(&key, &Scope { region, service }, time);
    let expected = again.headers.iter().find(|(name, _)| *name == "authorization").unwrap();
    if (region, service) != ("eu-west-1", "ecr") || expected.1 != sent {
        let quoted = session.unwrap_or_default();
        let message =
            format!("The request signature we calculated does not match … x-amz-security-token:{quoted}");
        return Err(("InvalidSignatureException", message));
    }
    if id == POWERLESS {
        let message = "User: arn:aws:iam::123456789012:user/ci is not authorized to perform: ecr:GetAuthorizationToken on resource: *";
        return Err(("com.amazon.coral.service#AccessDeniedException", message.into()));
    }
    Ok(())
}
