//! What the built-in registry holds.

use http::{Method, StatusCode};
use mirage_core::Digest;
use mirage_core::port::{HeldRepository, HeldTag};

use super::app::TestApp;
use super::hand::Hand;
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
async fn a_repository_has_a_page_with_all_its_tags() {
    let app = TestApp::new().await;
    *app.world.held.lock().unwrap() = vec![held("shop/web", 70)];
    let list = app.page("/images").await;
    assert_eq!(list.link("65 more tags of shop/web"), "/images/repository?name=shop%2Fweb");
    let page = app.page(list.link("shop/web")).await;
    assert_eq!(page.faults(), Vec::<String>::new());
    assert_eq!((page.only("h1"), page.table("Tags").len()), ("shop/web", 51));
    assert!(page.text().contains("70 tags used by no service"), "{}", page.text());
    let next = app.page(page.link("More tags")).await;
    assert_eq!(next.table("Tags").len(), 21);
    assert!(!next.text().contains("More tags"));
    *app.world.held.lock().unwrap() = vec![held("shop/web", 50)];
    let all = app.page("/images/repository?name=shop/web").await;
    assert!(!all.text().contains("More tags"), "none follow");
    let gone = app.get("/images/repository?name=shop/other").await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
    for wrong in ["/images/repository", "/images/repository?name=Shop", "/images/remove?name=shop/web@x"] {
        assert_eq!(app.get(wrong).await.status, StatusCode::BAD_REQUEST, "{wrong}");
    }
}

#[tokio::test]
async fn a_tag_is_removed_after_a_look_at_who_uses_it() {
    let app = TestApp::new().await;
    let mut web = held("shop/web", 2);
    // What the world says that this tag means.
    web.tags[1].digest = Digest::sha256([b'1'; 32]);
    *app.world.held.lock().unwrap() = vec![web];
    app.deploy("production", "web", "127.0.0.1:7070/shop/web:1.1").await;

    let mut hand = Hand::at(&app, "/images").await;
    hand.follow("Remove shop/web:1.2").await;
    assert_eq!(hand.page.faults(), Vec::<String>::new());
    assert_eq!(hand.page.only("h1"), "Remove shop/web:1.2");
    assert!(hand.page.text().contains("No service is set to it."), "{}", hand.page.text());
    hand.press("Remove").await;
    assert_eq!(hand.path, "/images/repository?name=shop%2Fweb");

    // Of one that is used, the page says by whom; only whoever saw that removes it.
    hand.open("/images/remove?name=127.0.0.1:7070/shop/web:1.1").await;
    let text = hand.page.text();
    assert!(text.contains("The next deploy of these services finds no image."), "{text}");
    assert!(text.contains("web revision 1 default/production"), "{text}");
    assert_eq!(hand.page.link("web"), "/projects/default/production/web");
    let refused = app.send_form("/images/remove", "name=shop/web:1.1").await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(Document::parse(&refused.text).text().contains("Remove it all the same"));
    // Who uses it since the page was made was not seen by whoever confirms.
    app.deploy("production", "late", "127.0.0.1:7070/shop/web:1.1").await;
    hand.press("Remove it all the same").await;
    let text = hand.page.text();
    assert!(text.contains("who uses shop/web:1.1 has changed since this page was made"), "{text}");
    assert_eq!(hand.page.link("late"), "/projects/default/production/late");
    hand.press("Remove it all the same").await;
    assert_eq!(hand.path, "/images");
    let page = app.page("/events").await;
    assert!(page.text().contains("removed the image shop/web:1.1"), "{}", page.text());
}

#[tokio::test]
async fn what_is_read_through_this_registry_comes_back_from_its_own() {
    let app = TestApp::new().await;
    *app.world.held.lock().unwrap() = vec![held("shop/web", 1), held("docker.io/library/nginx", 1)];
    let own = app.page("/images/remove?name=shop/web:1.1").await;
    assert!(own.text().contains("nobody can bring it back but by pushing it again."), "{}", own.text());
    let through = app.page("/images/remove?name=docker.io/library/nginx:1.1").await;
    assert!(through.text().contains("the next pull fetches it from docker.io again."), "{}", through.text());
    assert!(!through.text().contains("pushing"));
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
    assert_eq!(rows[2], "shop/web used by web 1.3 030303030303 not for this machine Remove shop/web:1.3");
    assert_eq!(rows[3], "1.2 020202020202 2.0 MiB Deploy shop/web:1.2 Remove shop/web:1.2");
    assert!(rows[5].starts_with("shop/worker used by no service 1.9"), "{rows:?}");
    assert_eq!(rows[10], "4 more tags of shop/worker");
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
