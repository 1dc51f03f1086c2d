//! Volumes over the wire.

use http::Method;
use serde_json::{Value, json};

use super::app::{TOKEN, TestApp};

#[tokio::test]
async fn a_volume_is_made_filled_read_out_removed_and_taken_back() {
    let app = TestApp::new().await;
    let made = app.post("/api/volumes", json!({"name": "data"})).await;
    assert_eq!((made.status.as_u16(), &made.json()["sizeBytes"]), (201, &Value::Null));
    assert_eq!(app.get("/api/volumes/data/backup").await.json()["code"], "NOT_FOUND");
    let token = format!("Bearer {TOKEN}");
    let headers = [("authorization", token.as_str()), ("content-type", "application/zstd")];
    let path = "/api/volumes/default%2Fproduction%2Fdata/backup";
    let filled = app.send_raw(Method::PUT, path, &headers, "content").await;
    assert_eq!((filled.status.as_u16(), &filled.json()["sizeBytes"]), (200, &json!(7)));
    let archive = app.get(path).await;
    assert_eq!((archive.text.as_str(), archive.header("content-type")), ("content", "application/zstd"));
    assert_eq!(archive.header("content-disposition"), "attachment; filename=\"data.tar.zst\"");

    let removed = app.send(Method::DELETE, "/api/volumes/data", &Value::Null).await;
    assert!(removed.json()["removedAt"].is_string() && removed.json()["purgedAt"].is_string());
    assert_eq!(app.get("/api/volumes/data").await.status.as_u16(), 404);
    let listed = app.get("/api/volumes").await;
    assert_eq!(listed.json()["volumes"].as_array().unwrap().len(), 1);
    let back = app.post("/api/volumes/data/restore", json!({"name": "other"})).await;
    assert_eq!((&back.json()["name"], &back.json()["removedAt"]), (&json!("other"), &Value::Null));
}

#[tokio::test]
async fn lists_come_in_pages() {
    let app = TestApp::new().await;
    for name in ["a", "b", "c"] {
        app.post("/api/volumes", json!({"name": name})).await;
    }
    let first = app.get("/api/volumes?limit=2").await;
    assert_eq!(first.json()["volumes"][1]["name"], "b");
    let next = first.json()["next"].as_str().unwrap().to_owned();
    let second = app.get(&format!("/api/volumes?limit=2&after={next}")).await;
    assert_eq!((&second.json()["volumes"][0]["name"], &second.json()["next"]), (&json!("c"), &Value::Null));
    assert_eq!(app.get("/api/volumes?after=x").await.json()["field"], "after");
}

#[tokio::test]
async fn what_no_volume_can_be_is_refused_with_its_field() {
    let app = TestApp::new().await;
    let service = |volumes: Value, replicas: u32| {
        app.post(
            "/api/services/from-image",
            json!({"image": "registry.test/acme/web:1", "volumes": volumes, "replicas": replicas}),
        )
    };
    for (volumes, replicas, field) in [
        (json!([{"name": "data", "path": "data"}]), 1, "volumes[0].path"),
        (json!([{"name": "data", "path": "/data/../etc"}]), 1, "volumes[0].path"),
        (json!([{"name": "data", "path": "/proc/x"}]), 1, "volumes[0].path"),
        (json!([{"name": "a", "path": "/a"}, {"name": "My Data", "path": "/b"}]), 1, "volumes[1].name"),
        (json!([{"name": "a", "path": "/a"}, {"name": "b", "path": "/a/b"}]), 1, "volumes"),
        (json!([{"name": "a", "path": "/a", "size": 3}]), 1, "volumes[0].size"),
        (json!([{"name": "a", "path": "/a"}]), 2, "replicas"),
    ] {
        let refused = service(volumes.clone(), replicas).await;
        assert_eq!(refused.json()["code"], "INVALID_REQUEST", "{volumes}");
        assert_eq!(refused.json()["field"], field, "{volumes}");
    }
    assert_eq!(app.get("/api/volumes").await.json()["volumes"], json!([]));
}
