//! Pages that the proxy answers itself.

use bytes::Bytes;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Version};

use super::headers;

/// The most characters of a name that a page repeats.
const SHOWN: usize = 120;

/// gRPC's `UNAVAILABLE` and `INTERNAL`.
const GRPC_UNAVAILABLE: &str = "14";
const GRPC_INTERNAL: &str = "13";

/// What a page says.
pub(super) struct Page {
    pub(super) status: StatusCode,
    pub(super) title: &'static str,
    pub(super) detail: String,
}

/// In which form a client wants its page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Html,
    Json,
    Plain,
    Grpc,
}

impl Format {
    /// HTML for browsers, problem details for programs that ask for JSON, else plain text.
    pub(super) fn of<B>(request: &Request<B>) -> Self {
        if request.version() >= Version::HTTP_2 && headers::is_grpc(request.headers()) {
            return Self::Grpc;
        }
        Self::accepted(request.headers())
    }

    fn accepted(headers: &HeaderMap) -> Self {
        let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if accept.contains("text/html") {
            Self::Html
        } else if accept.contains("json") {
            Self::Json
        } else {
            Self::Plain
        }
    }
}

/// The page as a response.
pub(super) fn render(page: &Page, format: Format) -> Response<Bytes> {
    let shown = shorten(&page.detail);
    let (kind, text) = match format {
        Format::Html => ("text/html; charset=utf-8", html(page, &shown)),
        Format::Json => ("application/problem+json", json(page, &shown)),
        Format::Plain => ("text/plain; charset=utf-8", format!("{}: {shown}\n", page.title)),
        Format::Grpc => return grpc(page, &shown),
    };
    let mut response = Response::new(Bytes::from(text));
    *response.status_mut() = page.status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn shorten(detail: &str) -> String {
    match detail.char_indices().nth(SHOWN * 2) {
        Some((end, _)) => format!("{}…", &detail[..end]),
        None => detail.to_owned(),
    }
}

fn html(page: &Page, detail: &str) -> String {
    let (status, title, detail) = (page.status.as_u16(), page.title, escape(detail));
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{status} {title}</title>\
         <style>body{{font:16px/1.5 system-ui,sans-serif;max-width:34em;margin:20vh auto;padding:0 1em}}\
         small{{opacity:.6}}@media(prefers-color-scheme:dark){{body{{background:#111;color:#eee}}}}</style></head>\
         <body><h1>{title}</h1><p>{detail}.</p><small>{status} · Mirage proxy</small></body></html>\n"
    )
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

fn json(page: &Page, detail: &str) -> String {
    let body = serde_json::json!({
        "title": page.title,
        "detail": detail,
        "status": page.status.as_u16(),
    });
    format!("{body}\n")
}

/// gRPC clients read the failure from trailers; without a body these are header fields.
fn grpc(page: &Page, detail: &str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    let code = if page.status.is_client_error() { GRPC_INTERNAL } else { GRPC_UNAVAILABLE };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert("grpc-status", HeaderValue::from_static(code));
    let ascii: String = detail.chars().filter(|c| c.is_ascii_graphic() && *c != '%' || *c == ' ').collect();
    if let Ok(message) = HeaderValue::from_str(&ascii) {
        headers.insert("grpc-message", message);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(detail: &str) -> Page {
        Page { status: StatusCode::NOT_FOUND, title: "No such service", detail: detail.to_owned() }
    }

    #[test]
    fn browsers_get_html_programs_json_and_everybody_else_text() {
        for (accept, expected) in [
            ("text/html,application/xhtml+xml,*/*;q=0.8", Format::Html),
            ("application/json", Format::Json),
            ("application/problem+json", Format::Json),
            ("*/*", Format::Plain),
            ("", Format::Plain),
        ] {
            let request = Request::get("/").header(ACCEPT, accept).body(()).unwrap();
            assert_eq!(Format::of(&request), expected, "{accept}");
        }
    }

    #[test]
    fn what_a_page_repeats_cannot_become_markup() {
        let hostile = page("No service answers at <script>alert('1')</script>&\"");
        let html = String::from_utf8(render(&hostile, Format::Html).into_body().to_vec()).unwrap();
        assert!(html.contains("&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;&quot;"));
        assert!(!html.contains("<script"));
        let json = render(&hostile, Format::Json).into_body();
        let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(json["detail"], hostile.detail);
    }

    #[test]
    fn a_page_repeats_only_the_beginning_of_a_long_name() {
        let body = render(&page(&"é".repeat(10_000)), Format::Plain).into_body();
        assert!(body.len() < 600);
    }
}
