use http::{Method, StatusCode};
use mirage_core::Digest;
use mirage_core::port::{HeldRepository, HeldTag};
use serde_json::{Value, json};

use super::app::TestApp;

#[tokio::test]
async fn the_tags_of_an_image_are_those_of_its_registry() {
    let app = TestApp::new().await;
    let answer = app.post("/api/images/tags", json!({"image": "registry.test/acme/web"})).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(answer.json()["more"], json!(false));
    assert!(answer.json()["tags"].as_array().is_some(), "{answer:?}");
    for (body, field) in [
        (json!({"image": "Not A Reference"}), "image"),
        (json!({"image": "web", "project": "No!"}), "project"),
        (json!({"image": "web", "colour": 1}), "colour"),
    ] {
        let answer = app.post("/api/images/tags", body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{answer:?}");
        assert_eq!(answer.json()["field"], json!(field));
    }
}

#[tokio::test]
async fn what_the_built_in_registry_does_not_hold_cannot_be_shown_or_removed() {
    let app = TestApp::new().await;
    assert_eq!(app.get("/api/repositories").await.json(), json!({"repositories": []}));
    for name in ["acme%2Fweb", "acme%2Fweb%3A1", "127.0.0.1%3A7070%2Facme%2Fweb%3A1"] {
        let path = format!("/api/repositories/{name}");
        let answer = app.send(Method::DELETE, &path, &Value::Null).await;
        assert_eq!(answer.problem(), "404 NOT_FOUND at image", "{name}: {answer:?}");
        let shown = match name.contains("%3A1") {
            true => "400 INVALID_IMAGE_REFERENCE at image",
            false => "404 NOT_FOUND at image",
        };
        assert_eq!(app.get(&path).await.problem(), shown, "{name}: a repository is shown, and no tag");
    }
    let wrong = app.send(Method::DELETE, "/api/repositories/Acme", &Value::Null).await;
    assert_eq!(wrong.problem(), "400 INVALID_IMAGE_REFERENCE at image");
    let wrong = app.send(Method::DELETE, "/api/repositories/acme?force=perhaps", &Value::Null).await;
    assert_eq!(wrong.problem(), "400 INVALID_REQUEST at force");
}

fn held(name: &str, tags: u8) -> HeldRepository {
    // What the world says that a tag means: the last letter of its name.
    let tag = |number: u8| HeldTag {
        tag: number.to_string().parse().unwrap(),
        digest: Digest::sha256([b'0' + number; 32]),
        size_bytes: Some(2 << 20),
    };
    let all: Vec<_> = (1..=tags).rev().map(tag).collect();
    HeldRepository { repository: name.parse().unwrap(), tag_count: all.len(), tags: all }
}

#[tokio::test]
async fn what_the_built_in_registry_holds_comes_page_by_page() {
    let app = TestApp::new().await;
    *app.world.held.lock().unwrap() = vec![held("acme/api", 1), held("acme/web", 4)];
    let first = app.get("/api/repositories?limit=1").await.json();
    assert_eq!((&first["repositories"][0]["name"], &first["next"]), (&json!("acme/api"), &json!("acme/api")));
    let last = app.get("/api/repositories?limit=1&after=acme%2Fapi").await.json();
    assert_eq!((&last["repositories"][0]["name"], last.get("next")), (&json!("acme/web"), None));

    let names = |page: &Value| {
        let tags = page["tags"].as_array().unwrap().iter();
        tags.map(|tag| tag["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
    };
    let (mut path, mut seen) = ("/api/repositories/acme%2Fweb?limit=2".to_owned(), Vec::new());
    loop {
        let page = app.get(&path).await.json();
        assert_eq!(page["tagCount"], 4);
        seen.push(names(&page));
        let Some(next) = page.get("next") else { break };
        path = format!("/api/repositories/acme%2Fweb?limit=2&after={}", next.as_str().unwrap());
    }
    assert_eq!(seen, ["4 3", "2 1"], "no page is empty");
}

#[tokio::test]
async fn an_image_that_is_used_is_removed_by_force_and_the_answer_says_by_whom() {
    let app = TestApp::new().await;
    *app.world.held.lock().unwrap() = vec![held("acme/web", 2)];
    app.running(json!({"image": "127.0.0.1:7070/acme/web:1"})).await;
    let free = app.send(Method::DELETE, "/api/repositories/acme%2Fweb%3A2", &Value::Null).await;
    assert_eq!(free.status, StatusCode::OK, "{free:?}");
    assert_eq!(free.json(), json!({"name": "acme/web:2", "manifests": 1, "usedBy": [], "kept": []}));

    let path = "/api/repositories/127.0.0.1%3A7070%2Facme%2Fweb%3A1";
    let refused = app.send(Method::DELETE, path, &Value::Null).await;
    assert!(refused.problem().starts_with("409 CONFLICT"), "{refused:?}");
    let made = app.post("/api/tokens", json!({"name": "ci", "project": "acme", "push": true})).await;
    let bearer = format!("Bearer {}", made.json()["token"].as_str().unwrap());
    let forced = format!("{path}?force=true");
    let foreign = app.send_raw(Method::DELETE, &forced, &[("authorization", &bearer)], "").await;
    assert!(foreign.problem().starts_with("403 FORBIDDEN"), "it may not hear of services: {foreign:?}");

    let done = app.send(Method::DELETE, &forced, &Value::Null).await;
    assert_eq!(done.status, StatusCode::OK, "{done:?}");
    let web = "default/production/web";
    assert_eq!(
        done.json(),
        json!({"name": "acme/web:1", "manifests": 1, "usedBy": [web], "kept": [{"service": web, "revision": 1}]})
    );
    assert_eq!(app.get("/api/repositories").await.json(), json!({"repositories": []}));
}
