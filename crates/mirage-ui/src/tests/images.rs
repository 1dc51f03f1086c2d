//! What the built-in registry holds.

use http::Method;
use mirage_core::Digest;
use mirage_core::port::{HeldRepository, HeldTag};

use super::app::TestApp;
use super::html::Document;

fn held(name: &str, tags: u8) -> HeldRepository {
    let tag = |number: u8| HeldTag {
        tag: format!("1.{number}").parse().unwrap(),
        digest: Digest::sha256([number; 32]),
        size_bytes: (number != 3).then_some(2 << 20),
    };
    let all: Vec<_> = (1..=tags).rev().map(tag).collect();
    HeldRepository { repository: name.parse().unwrap(), tag_count: all.len(), tags: all }
}

#[tokio::test]
async fn images_are_listed_with_their_tags_and_who_uses_them() {
    let app = TestApp::new().await;
    *app.world.held.lock().unwrap() =
        vec![held("shop/empty", 0), held("shop/web", 3), held("shop/worker", 9)];
    app.deploy("production", "web", "127.0.0.1:7070/shop/web:1.1").await;
    let page = app.page("/images").await;
    assert_eq!(page.faults(), Vec::<String>::new());
    let rows = page.table("Images");
    assert_eq!(rows[1], "shop/empty used by no service no tag");
    assert_eq!(rows[2], "shop/web used by web 1.3 030303030303 not for this machine");
    assert_eq!(rows[3], "1.2 020202020202 2.0 MiB Deploy shop/web:1.2");
    assert!(rows[5].starts_with("shop/worker used by no service 1.9"), "{rows:?}");
    assert_eq!(rows[10], "4 more");
    assert_eq!(page.link("web"), "/projects/default/production/web");
    let deploy = page.link("Deploy shop/web:1.2");
    assert_eq!(deploy, "/new?image=127%2E0%2E0%2E1%3A7070%2Fshop%2Fweb%3A1%2E2");
    assert!(page.text().contains("docker push 127.0.0.1:7070/default/web:1"));
}

#[tokio::test]
async fn many_repositories_come_by_screens() {
    let app = TestApp::new().await;
    *app.world.held.lock().unwrap() =
        (10..75).map(|number| held(&format!("shop/service-{number}"), 9)).collect();
    let (mut path, mut seen) = ("/images".to_owned(), 0);
    loop {
        let answer = app.get(&path).await;
        assert!(answer.text.len() <= 40_000, "{path} has {} bytes", answer.text.len());
        let page = Document::parse(&answer.text);
        seen += page.table("Images").iter().filter(|row| row.starts_with("shop/")).count();
        match page.all("a").find(|link| link.text == "More repositories") {
            Some(next) => path = next.get("href").unwrap().to_owned(),
            None => break,
        }
    }
    assert_eq!(seen, 65, "each is on one page");
}

#[tokio::test]
async fn an_empty_registry_says_how_to_push_by_the_address_of_the_page() {
    let app = TestApp::new().await;
    let cookie = app.log_in().await;
    for host in ["127.0.0.1:7070", "evil.test"] {
        let answer = app.send(Method::GET, "/images", &[("cookie", &cookie), ("host", host)], "").await;
        let page = Document::parse(&answer.text);
        assert!(page.text().contains("The built-in registry is empty."), "{}", page.text());
        assert!(page.text().contains("docker push 127.0.0.1:7070/default/web:1"), "{}", page.text());
        assert!(!page.text().contains("evil.test"));
    }
}
