use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use mirage_core::port::Registry;
use mirage_core::{Code, Reference, TagListing};

use crate::client::script::{DebianRegistry, Script, TestImage, client, problem, push};

async fn tags(reference: &Reference) -> mirage_core::Result<TagListing> {
    client().tags(reference, None).await
}

fn names(listing: &TagListing) -> Vec<&str> {
    listing.tags.iter().map(|tag| tag.as_str()).collect()
}

/// A page of tags, and the address of the next one.
fn page(tags: &[&str], next: Option<&str>) -> Response {
    let body = format!(r#"{{"name":"acme/web","tags":{tags:?}}}"#);
    match next {
        Some(next) => ([("link", format!("<{next}>; rel=\"next\""))], body).into_response(),
        None => body.into_response(),
    }
}

#[tokio::test]
async fn the_tags_of_a_real_registry_are_listed_with_the_newest_first() {
    let Some(registry) =
        DebianRegistry::start("the_tags_of_a_real_registry_are_listed_with_the_newest_first")
    else {
        return;
    };
    let image = TestImage::new("amd64", vec![]);
    for tag in ["1.9", "1.27", "latest", "edge"] {
        push(&image, &registry.reference(&format!("acme/web:{tag}")), &[]);
    }
    let found = tags(&registry.reference("acme/web:1.9")).await.unwrap();
    assert_eq!((names(&found), found.more), (vec!["latest", "1.27", "1.9", "edge"], false));
    let error = tags(&registry.reference("acme/nothing")).await.unwrap_err();
    assert_eq!(error.code(), Code::ImageNotFound);
}

#[tokio::test]
async fn a_long_list_is_read_page_by_page_from_the_registry_itself() {
    let script = Script::start(|seen| match (seen.path.as_str(), seen.query.as_str()) {
        ("/v2/acme/web/tags/list", "n=1000") => page(&["1", "2"], Some("/v2/acme/web/tags/list?last=2&n=2")),
        ("/v2/acme/web/tags/list", "n=1000&last=2") => {
            page(&["3"], Some("https://evil.test/v2/other/tags/list?last=3%2F&n=9"))
        }
        ("/v2/acme/web/tags/list", "n=1000&last=3%2F") => page(&["4"], None),
        _ => problem(404, "NAME_UNKNOWN"),
    })
    .await;
    let found = tags(&script.reference("acme/web")).await.unwrap();
    assert_eq!((names(&found), found.more), (vec!["4", "3", "2", "1"], false));
    assert_eq!(script.requests().len(), 3);
}

#[tokio::test]
async fn a_registry_that_never_ends_its_list_is_not_heard_to_the_end() {
    let script = Script::start(|seen| {
        let next = format!("/v2/acme/web/tags/list?last={}", seen.nth);
        page(&[&seen.nth.to_string()], Some(&next))
    })
    .await;
    let found = tags(&script.reference("acme/web")).await.unwrap();
    assert_eq!((found.tags.len(), found.more), (20, true));

    // One that names the same place again and again is believed once.
    let circle = Script::start(|_| page(&["1"], Some("/v2/acme/web/tags/list?last=1"))).await;
    let found = tags(&circle.reference("acme/web")).await.unwrap();
    assert_eq!((names(&found), found.more, circle.requests().len()), (vec!["1"], true, 2));
}

#[tokio::test]
async fn what_cannot_be_a_tag_is_not_offered_and_what_cannot_be_read_is_an_error() {
    let odd =
        Script::start(|_| page(&["<script>", "", "a b", "-x", "ok"], Some("javascript:alert(1)"))).await;
    let found = tags(&odd.reference("acme/web")).await.unwrap();
    assert_eq!(
        (names(&found), found.more),
        (vec!["ok"], true),
        "a page that cannot be asked for is there too"
    );

    let none = Script::start(|_| r#"{"name":"acme/web","tags":null}"#.into_response()).await;
    assert_eq!(tags(&none.reference("acme/web")).await.unwrap(), TagListing::default());

    let broken = Script::start(|_| "{".into_response()).await;
    assert_eq!(tags(&broken.reference("acme/web")).await.unwrap_err().code(), Code::ImagePullError);
    let page = Script::start(|_| ([("content-type", "text/html")], "<html>").into_response()).await;
    assert!(tags(&page.reference("acme/web")).await.is_err());
    let closed = Script::start(|_| StatusCode::FORBIDDEN.into_response()).await;
    assert_eq!(tags(&closed.reference("acme/web")).await.unwrap_err().code(), Code::RegistryAuthError);
    let long = Script::start(|_| "x".repeat(3 << 20).into_response()).await;
    assert!(tags(&long.reference("acme/web")).await.is_err());
}
