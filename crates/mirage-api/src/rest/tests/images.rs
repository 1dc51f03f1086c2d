use http::{Method, StatusCode};
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
        for method in [Method::GET, Method::DELETE] {
            let answer = app.send(method, &path, &Value::Null).await;
            assert_eq!(answer.problem(), "404 NOT_FOUND at image", "{name}: {answer:?}");
        }
    }
    let wrong = app.send(Method::DELETE, "/api/repositories/Acme", &Value::Null).await;
    assert_eq!(wrong.problem(), "400 INVALID_IMAGE_REFERENCE at image");
    let wrong = app.send(Method::DELETE, "/api/repositories/acme?force=perhaps", &Value::Null).await;
    assert_eq!(wrong.problem(), "400 INVALID_REQUEST at force");
}
