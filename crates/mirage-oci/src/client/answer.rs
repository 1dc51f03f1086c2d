//! Reading a registry's answers: bounded bodies, and refusals in its own words.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use mirage_core::Login;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Response;
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, HeaderName, RETRY_AFTER};
use serde::Deserialize;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::fault::{Fault, Refusal};
use super::options::{MAX_ANSWER_BYTES, RegistryOptions};

const MAX_MESSAGE_CHARS: usize = 200;
const MAX_CODE_CHARS: usize = 40;

/// The whole body, refused before and while reading once it passes `limit` bytes.
///
/// # Errors
/// [`Fault::TooLarge`] names `what`; a body that takes longer than the answer timeout is stalled.
pub(crate) async fn body(
    mut response: Response,
    what: &'static str,
    limit: u64,
    options: &RegistryOptions,
) -> Result<Bytes, Fault> {
    let announced = response.content_length();
    if announced.is_some_and(|length| length > limit) {
        return Err(Fault::TooLarge { what, bytes: announced, limit });
    }
    let read = async {
        let mut body = BytesMut::with_capacity(announced.unwrap_or_default() as usize);
        while let Some(chunk) = next_chunk(&mut response, options.stall_timeout).await? {
            if (body.len() + chunk.len()) as u64 > limit {
                return Err(Fault::TooLarge { what, bytes: None, limit });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    };
    timeout(options.answer_timeout, read).await.unwrap_or(Err(Fault::Stalled(options.answer_timeout)))
}

/// The next piece of a body, or `None` at its end.
pub(crate) async fn next_chunk(response: &mut Response, patience: Duration) -> Result<Option<Bytes>, Fault> {
    match timeout(patience, response.chunk()).await {
        Ok(chunk) => chunk.map_err(Fault::from_http),
        Err(_) => Err(Fault::Stalled(patience)),
    }
}

/// What a registry says with a status that is no success. Words that repeat the password of `login`, which it
/// was shown, are left out.
pub(crate) async fn refusal(response: Response, login: Option<&Login>, options: &RegistryOptions) -> Fault {
    let status = response.status();
    let retry_after = retry_after(response.headers());
    let web_page = is_web_page(response.headers());
    // Whether the words arrive or not, the status is the answer.
    let body = body(response, "the error", MAX_ANSWER_BYTES, options).await.unwrap_or_default();
    let first =
        serde_json::from_slice::<Errors>(&body).ok().and_then(|errors| errors.errors.into_iter().next());
    let passing = status.is_server_error() || matches!(status.as_u16(), 401 | 403 | 408 | 429);
    if first.is_none() && web_page && !passing {
        return Fault::WebPage;
    }
    let first = first.unwrap_or_default();
    let harmless = |text: &String| login.is_none_or(|login| !tells(text, login));
    let code = first
        .code
        .filter(harmless)
        .map(|code| printable(&code, MAX_CODE_CHARS))
        .filter(|code| !code.is_empty());
    let message = first
        .message
        .filter(harmless)
        .map(|text| printable(&text, MAX_MESSAGE_CHARS))
        .filter(|text| !text.is_empty());
    Fault::Refused(Refusal { status, code, message, retry_after, by_token_service: false })
}

/// Whether the password is in a text: as it is, as Basic writes it, or as a form does.
fn tells(text: &str, login: &Login) -> bool {
    let password = login.password.reveal();
    let pair = Zeroizing::new(format!("{}:{password}", login.owner.username));
    let basic = Zeroizing::new(STANDARD_NO_PAD.encode(pair.as_bytes()));
    let form = Zeroizing::new(utf8_percent_encode(password, NON_ALPHANUMERIC).to_string());
    [password, &basic, &form].iter().any(|written| !written.is_empty() && text.contains(*written))
}

/// Whether an answer is meant for a browser.
pub(crate) fn is_web_page(headers: &HeaderMap) -> bool {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    media_type.trim_start().to_ascii_lowercase().starts_with("text/html")
}

/// Text of others, fit for a terminal: shortened, without control characters and backticks.
pub(crate) fn printable(text: &str, most: usize) -> String {
    let harmless = |c: char| if c.is_control() || c == '`' || is_bidi(c) { ' ' } else { c };
    let mut shown: String = text.chars().map(harmless).take(most).collect();
    if text.chars().nth(most).is_some() {
        shown.push('…');
    }
    shown.trim_start().trim_end_matches([' ', '.']).to_owned()
}

/// Characters that turn the direction of text, with which a message could disguise itself.
fn is_bidi(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[derive(Deserialize)]
struct Errors {
    errors: Vec<ErrorEntry>,
}

#[derive(Deserialize, Default)]
struct ErrorEntry {
    code: Option<String>,
    message: Option<String>,
}

/// `Retry-After` in seconds, or as a date relative to the answer's own `Date` (RFC 9110, 10.2.3).
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    let (then, now) = (date(headers, RETRY_AFTER)?, date(headers, DATE)?);
    Some(then.duration_since(now).try_into().unwrap_or_default())
}

/// The time in a header (RFC 9110, 5.6.7).
pub(crate) fn date(headers: &HeaderMap, name: HeaderName) -> Option<Timestamp> {
    let parser = rfc2822::DateTimeParser::new().relaxed_weekday(true);
    parser.parse_timestamp(headers.get(name)?.to_str().ok()?.trim()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    #[test]
    fn a_wait_is_read_in_seconds_and_as_a_date() {
        let mut headers = HeaderMap::new();
        assert_eq!(retry_after(&headers), None);
        headers.insert(RETRY_AFTER, HeaderValue::from_static("120"));
        assert_eq!(retry_after(&headers), Some(Duration::from_secs(120)));
        headers.insert(RETRY_AFTER, HeaderValue::from_static("Sat, 21 Nov 2026 10:00:30 GMT"));
        assert_eq!(retry_after(&headers), None, "a date alone says nothing about how long to wait");
        headers.insert(DATE, HeaderValue::from_static("Sat, 21 Nov 2026 10:00:00 GMT"));
        assert_eq!(retry_after(&headers), Some(Duration::from_secs(30)));
        headers.insert(DATE, HeaderValue::from_static("Sat, 21 Nov 2026 11:00:00 GMT"));
        assert_eq!(retry_after(&headers), Some(Duration::ZERO));
    }

    #[test]
    fn a_registrys_words_cannot_draw_on_the_terminal() {
        assert_eq!(printable("no \x1b[31mway`\u{202e}.\n", 100), "no  [31mway");
        assert_eq!(printable("abcdef", 3), "abc…");
    }
}
