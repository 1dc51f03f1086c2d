//! `/v2/<name>/tags/list` and `/v2/_catalog`: names in the order of the specification, page by page.

use axum::response::Response;
use http::header;
use mirage_core::Repository;
use serde::Deserialize;
use serde_json::json;

use super::fault::{Fault, FaultCode};
use super::{Call, header_value, json as answer_json, on_disk};

/// The most names in one answer; the rest follows by the `Link` header.
const MAX_PAGE: usize = 10_000;

#[derive(Deserialize)]
struct Page {
    n: Option<String>,
    last: Option<String>,
}

/// `GET /v2/<name>/tags/list`.
pub(super) async fn tags(call: Call, repository: Repository) -> Result<Response, Fault> {
    let page: Page = call.query()?;
    let (repositories, name) = (call.state.repositories, repository.clone());
    let tags = on_disk(move || repositories.tags(&name)?.ok_or_else(|| Fault::name_unknown(&name))).await?;
    let (tags, next) = page.cut(tags.iter().map(ToString::to_string).collect())?;
    let response = answer_json(json!({ "name": repository.as_str(), "tags": tags }).to_string());
    with_next(response, &format!("/v2/{repository}/tags/list"), next)
}

/// `GET /v2/_catalog`.
pub(super) async fn catalog(call: Call) -> Result<Response, Fault> {
    let page: Page = call.query()?;
    let repositories = call.state.repositories;
    let names = on_disk(move || Ok(repositories.list()?)).await?;
    let (names, next) = page.cut(names.iter().map(ToString::to_string).collect())?;
    with_next(answer_json(json!({ "repositories": names }).to_string()), "/v2/_catalog", next)
}

impl Page {
    /// The names of this page, and the query of the next one where there is more.
    fn cut(&self, mut sorted: Vec<String>) -> Result<(Vec<String>, Option<String>), Fault> {
        sorted.sort_unstable_by(|one, two| order(one).cmp(&order(two)));
        let wanted = match &self.n {
            None => MAX_PAGE,
            Some(n) => n.parse::<usize>().map_err(|_| {
                Fault::bad_request(
                    FaultCode::PaginationNumberInvalid,
                    "the query parameter `n` is not a number",
                )
            })?,
        };
        let count = wanted.min(MAX_PAGE);
        let start =
            self.last.as_ref().map_or(0, |last| sorted.partition_point(|name| order(name) <= order(last)));
        let more = count > 0 && sorted.len() - start > count;
        let names: Vec<String> = sorted.into_iter().skip(start).take(count).collect();
        // Repository names and tags need no percent signs within a query.
        let next = names.last().filter(|_| more).map(|last| format!("n={count}&last={last}"));
        Ok((names, next))
    }
}

/// Case does not matter ("lexical order (i.e. case-insensitive alphanumeric order)"), but for names that differ in
/// nothing else.
fn order(name: &str) -> (String, &str) {
    (name.to_ascii_lowercase(), name)
}

/// Adds the address of the next page.
pub(super) fn with_next(
    mut response: Response,
    address: &str,
    query: Option<String>,
) -> Result<Response, Fault> {
    if let Some(query) = query {
        let link = header_value(format!("<{address}?{query}>; rel=\"next\""))?;
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(n: Option<&str>, last: Option<&str>) -> (Vec<String>, Option<String>) {
        let page = Page { n: n.map(str::to_owned), last: last.map(str::to_owned) };
        page.cut(["a", "b", "c", "d"].map(str::to_owned).into()).unwrap()
    }

    #[test]
    fn pages_follow_each_other_without_gap_or_overlap() {
        assert_eq!(cut(None, None), (vec!["a".into(), "b".into(), "c".into(), "d".into()], None));
        assert_eq!(cut(Some("3"), None).1.as_deref(), Some("n=3&last=c"));
        assert_eq!(cut(Some("3"), Some("c")), (vec!["d".into()], None));
        assert_eq!(cut(Some("4"), None).1, None);
        assert_eq!(cut(Some("2"), Some("aa")), (vec!["b".into(), "c".into()], Some("n=2&last=c".into())));
        assert_eq!(cut(Some("2"), Some("z")), (vec![], None));
        assert_eq!(cut(Some("0"), None), (vec![], None));
        assert_eq!(cut(Some("0"), Some("b")), (vec![], None));
    }

    #[test]
    fn case_does_not_matter_and_every_name_comes_once() {
        let names = ["b", "A", "a", "B", "_", "10", "9"].map(str::to_owned);
        let mut seen = Vec::new();
        let mut last = None;
        loop {
            let (mut page, next) = Page { n: Some("2".into()), last }.cut(names.clone().into()).unwrap();
            last = page.last().cloned();
            seen.append(&mut page);
            if next.is_none() {
                break;
            }
        }
        assert_eq!(seen, ["10", "9", "_", "A", "a", "B", "b"]);
    }
}
