use std::sync::atomic::Ordering;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::app::{TestApp, web};

#[tokio::test]
async fn another_tag_is_deployed_and_rolled_back() {
    let app = TestApp::new().await;
    let first = app.running(web()).await;
    let second = app.post("/api/services/web/deploy", json!({"imageTag": "2"})).await;
    assert_eq!(second.status, StatusCode::ACCEPTED, "{second:?}");
    let second = second.json()["id"].as_str().unwrap().to_owned();
    app.becomes(&second, "active").await;

    let shown = app.get(&format!("/api/deployments/{second}")).await.json();
    assert_eq!(
        (&shown["revision"], &shown["phase"], &shown["replaces"]),
        (&json!(2), &json!("active"), &json!(first))
    );
    let digest = |n: &str| json!(format!("sha256:{}", n.repeat(32)));
    assert_eq!((&shown["imageDigest"], &shown["previousImageDigest"]), (&digest("32"), &digest("31")));
    let steps = shown["steps"].as_array().unwrap();
    assert_eq!(steps[0]["kind"], "resolve");
    assert!(steps[0]["durationMillis"].is_u64(), "{shown}");

    let back = app.post("/api/services/web/rollback", Value::Null).await;
    assert_eq!(back.status, StatusCode::ACCEPTED, "{back:?}");
    let back = back.json()["id"].as_str().unwrap().to_owned();
    app.becomes(&back, "active").await;
    let service = app.get("/api/services/web").await.json();
    assert_eq!((&service["revision"], &service["imageDigest"]), (&json!(1), &digest("31")));

    let all = app.get("/api/services/web/deployments").await.json();
    let told: Vec<String> = all["deployments"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| format!("{} {} {}", it["trigger"], it["revision"], it["phase"]).replace('"', ""))
        .collect();
    assert_eq!(told, ["rollback 1 active", "deploy 2 superseded", "deploy 1 superseded"]);
    let newest = app.get("/api/services/web/deployments?limit=1").await.json();
    assert_eq!(newest["deployments"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_rollback_names_a_revision_or_a_deployment() {
    let app = TestApp::new().await;
    let first = app.running(web()).await;
    let path = "/api/services/web/rollback";
    assert_eq!(app.post(path, json!({"revision": 7})).await.problem(), "404 NOT_FOUND at revision");
    let unknown = json!({"deploymentId": "0b9f6c1e-55a1-4c55-9a3f-2a8f3f1f7d10"});
    assert_eq!(app.post(path, unknown).await.problem(), "404 NOT_FOUND at deploymentId");
    assert_eq!(
        app.post(path, json!({"deploymentId": "x"})).await.problem(),
        "400 INVALID_REQUEST at deploymentId"
    );
    let both = json!({"revision": 1, "deploymentId": first});
    assert_eq!(app.post(path, both).await.problem(), "400 INVALID_REQUEST at deploymentId");
    assert_eq!(app.post(path, json!({})).await.problem(), "409 CONFLICT");

    let again = app.post(path, json!({"deploymentId": first})).await;
    assert_eq!((again.status, &again.json()["trigger"]), (StatusCode::ACCEPTED, &json!("rollback")));
    app.becomes(again.json()["id"].as_str().unwrap(), "active").await;
}

#[tokio::test]
async fn redeploy_and_restart_keep_the_revision() {
    let app = TestApp::new().await;
    app.running(web()).await;
    let redeployed = app.post("/api/services/web/redeploy", Value::Null).await;
    assert_eq!((redeployed.status, &redeployed.json()["revision"]), (StatusCode::ACCEPTED, &json!(1)));
    app.becomes(redeployed.json()["id"].as_str().unwrap(), "active").await;

    let before = app.get("/api/services/web").await.json()["instances"][0]["id"].clone();
    let restarted = app.post("/api/services/web/restart", Value::Null).await;
    assert_eq!((restarted.status, &restarted.json()["revision"]), (StatusCode::ACCEPTED, &json!(1)));
    while app.get("/api/services/web").await.json()["instances"][0]["id"] == before {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_deployment_on_its_way_is_cancelled_and_no_other() {
    let app = TestApp::new().await;
    let first = app.running(web()).await;
    app.world.sick.store(true, Ordering::Relaxed);
    let second = app.post("/api/services/web/deploy", json!({"image": "registry.test/acme/web:2"})).await;
    let second = second.json()["id"].as_str().unwrap().to_owned();
    app.becomes(&second, "probing").await;
    let cancelled = app.post(&format!("/api/deployments/{second}/cancel"), Value::Null).await;
    assert_eq!(cancelled.status, StatusCode::ACCEPTED, "{cancelled:?}");
    app.becomes(&second, "cancelled").await;
    let again = app.post(&format!("/api/deployments/{first}/cancel"), Value::Null).await;
    assert_eq!(again.problem(), "409 CONFLICT");
    assert_eq!(app.get("/api/services/web").await.json()["activeDeployment"]["id"], json!(first));
}

#[tokio::test]
async fn a_refused_deploy_changes_nothing() {
    let app = TestApp::new().await;
    app.running(web()).await;
    let change = json!({"imageTag": "missing", "environmentVariables": {"A": "1"}});
    assert_eq!(app.post("/api/services/web/deploy", change).await.problem(), "404 IMAGE_NOT_FOUND");
    let service = app.get("/api/services/web").await.json();
    assert_eq!((&service["imageTag"], &service["environmentVariables"]), (&json!("1"), &json!({})));
    assert_eq!(
        app.send(Method::POST, "/api/services/none/deploy", &Value::Null).await.problem(),
        "404 NOT_FOUND"
    );
}
