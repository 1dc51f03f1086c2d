//! The tags of a repository (OCI distribution-spec, "Listing Tags").

use std::time::Duration;

use mirage_core::{Tag, TagListing};
use reqwest::Method;
use reqwest::header::{HeaderMap, LINK};
use serde::Deserialize;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};

use super::answer::{body, is_web_page};
use super::documents::Documents;
use super::fault::Fault;
use super::link::Question;
use super::options::MAX_TAGS_BYTES;
use super::remote::RemoteImage;
use super::resolve::RegistryClient;

/// Tags that are asked for at once. Registries give fewer where they like.
const PAGE: usize = 1_000;
/// The most tags that are read.
const TAGS_MAX: usize = 5_000;
/// The most questions for them.
const PAGES_MAX: usize = 20;
/// Longer than this nobody waits for more of a list.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Deserialize)]
struct Page {
    /// `null` where there are none.
    #[serde(default)]
    tags: Option<Vec<String>>,
}

impl RegistryClient {
    /// The tags of the image's repository, as far as they can be read in a few seconds.
    pub(super) async fn list(&self, image: RemoteImage<'_>) -> Result<TagListing, Fault> {
        let documents = self.documents();
        if documents.own_registry(image.reference).is_some() {
            return documents.own_tags(image).await;
        }
        documents.listed_tags(image).await
    }
}

impl Documents {
    async fn own_tags(&self, image: RemoteImage<'_>) -> Result<TagListing, Fault> {
        let (Some(own), repository) =
            (self.own_registry(image.reference).cloned(), image.reference.repository().clone())
        else {
            return Ok(TagListing::default());
        };
        let read = spawn_blocking(move || own.repositories.tags(&repository)).await;
        let mut tags =
            read.ok().transpose().map_err(Fault::Here)?.flatten().ok_or_else(super::documents::missing)?;
        let more = tags.len() > TAGS_MAX;
        tags.truncate(TAGS_MAX);
        Ok(TagListing::new(tags, more))
    }

    async fn listed_tags(&self, image: RemoteImage<'_>) -> Result<TagListing, Fault> {
        let until = Instant::now() + PATIENCE;
        let mut found: Vec<Tag> = Vec::new();
        let mut last: Option<String> = None;
        for page in 0..PAGES_MAX {
            let asked = timeout_at(until, self.tag_page(image, last.as_deref())).await;
            let (tags, next) = match asked {
                Ok(Ok(read)) => read,
                // What was read is good to know without the rest.
                Ok(Err(fault)) if page == 0 => return Err(fault),
                Err(_) if page == 0 => return Err(Fault::Stalled(PATIENCE)),
                _ => return Ok(TagListing::new(found, true)),
            };
            // What cannot be a tag cannot be deployed.
            found.extend(tags.iter().filter_map(|tag| tag.parse().ok()));
            let more = next != Next::Nothing || found.len() > TAGS_MAX;
            let next = match next {
                Next::After(tag) if found.len() < TAGS_MAX && last.as_deref() != Some(tag.as_str()) => tag,
                _ => {
                    found.truncate(TAGS_MAX);
                    return Ok(TagListing::new(found, more));
                }
            };
            last = Some(next);
        }
        Ok(TagListing::new(found, true))
    }

    /// One page of tags, and after which one the next begins where there is more.
    async fn tag_page(
        &self,
        image: RemoteImage<'_>,
        last: Option<&str>,
    ) -> Result<(Vec<String>, Next), Fault> {
        let item = match last {
            Some(last) => format!("tags/list?n={PAGE}&last={last}"),
            None => format!("tags/list?n={PAGE}"),
        };
        // A mirror knows the tags that somebody asked it for, and not those that there are.
        let past = self.link.mirror_count(image);
        let question = Question { accept: None, past, ..self.question(Method::GET, image, item) };
        let response = self.link.ask(&question).await?.response;
        if is_web_page(response.headers()) {
            return Err(Fault::WebPage);
        }
        let next = next(response.headers());
        let bytes = body(response, "the list of tags", MAX_TAGS_BYTES, self.link.options()).await?;
        let page: Page = serde_json::from_slice(&bytes)
            .map_err(|_| Fault::Malformed("the list of its tags cannot be read".into()))?;
        Ok((page.tags.unwrap_or_default(), next))
    }
}

/// What follows a page.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Nothing,
    /// The page that begins after this tag.
    After(String),
    /// A page that is not asked for in a way that is known.
    Unknown,
}

/// After which tag the next page begins: `</v2/…/tags/list?n=1000&last=1.27>; rel="next"`. Only that is taken from
/// the address, which is never followed.
fn next(headers: &HeaderMap) -> Next {
    let link = headers.get(LINK).map(|link| link.to_str().unwrap_or_default());
    match link {
        Some(link) if link.contains("rel=\"next\"") || link.contains("rel=next") => {
            last_of(link).map_or(Next::Unknown, Next::After)
        }
        _ => Next::Nothing,
    }
}

fn last_of(link: &str) -> Option<String> {
    let (address, _) = link.trim().strip_prefix('<')?.split_once('>')?;
    let (_, query) = address.split_once('?')?;
    let last = query.split('&').find_map(|pair| pair.strip_prefix("last="))?;
    // A tag, percent-encoded at most; whatever else stands there would change the question.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._%".contains(&byte);
    (!last.is_empty() && last.len() <= 400 && last.bytes().all(plain)).then(|| last.to_owned())
}
