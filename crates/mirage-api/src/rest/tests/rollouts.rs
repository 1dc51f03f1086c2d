use std::sync::atomic::Ordering;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::app::{TestApp, web};

async fn patched(app: &TestApp, change: Value) -> Value {
    let answer = app.send(Method::PATCH, "/api/services/web", &change).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.json()
}

#[tokio::test]
async fn every_option_of_a_rollout_and_of_a_probe_reads_back_as_it_was_set() {
    let app = TestApp::new().await;
    let health = json!({
        "path": "/up", "port": 9000, "host": "shop.example", "status": "200-299", "intervalSeconds": 2,
        "timeoutSeconds": 0.5, "startTimeoutSeconds": 120, "threshold": 4,
    });
    let rollout = json!({"surge": 1, "overlapSeconds": 5, "drainSeconds": 7});
    let mut body = web();
    body["healthcheck"] = health.clone();
    body["rollout"] = rollout.clone();
    body["stopGraceSeconds"] = json!(9);
    app.running(body).await;
    let shown = app.get("/api/services/web").await.json();
    for (name, value) in health.as_object().unwrap() {
        let (is, was) = (&shown["healthcheck"][name], value);
        assert!(is == was || is.as_f64().is_some_and(|is| Some(is) == was.as_f64()), "{name}: {is}");
    }
    assert_eq!((&shown["rollout"], &shown["stopGraceSeconds"]), (&rollout, &json!(9)));

    let told = patched(&app, json!({"rollout": {"surge": null, "drainSeconds": 8}})).await;
    assert_eq!(told["rollout"], json!({"surge": null, "overlapSeconds": 5, "drainSeconds": 8}));
    let told = patched(&app, json!({"healthcheck": {"port": null, "host": null}})).await;
    assert_eq!((&told["healthcheck"]["port"], &told["healthcheck"]["host"]), (&Value::Null, &Value::Null));
    assert_eq!(told["healthcheck"]["path"], "/up");
    let told = patched(&app, json!({"rollout": null})).await;
    assert_eq!(told["rollout"], json!({"surge": null, "overlapSeconds": 0, "drainSeconds": 30}));
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_its_code_and_nothing_changes() {
    let app = TestApp::new().await;
    let mut body = web();
    body["healthcheck"] = json!({"startTimeoutSeconds": 0.05});
    app.running(body).await;
    let mut other = web();
    other["name"] = json!("other");
    let foreign = app.running(other).await;
    app.world.sick.store(true, Ordering::Relaxed);
    let failed = app.post("/api/services/web/deploy", json!({"imageTag": "2"})).await.json();
    let failed = failed["id"].as_str().unwrap().to_owned();
    app.becomes(&failed, "failed").await;
    app.world.sick.store(false, Ordering::Relaxed);

    let state = async || {
        let shown = app.get("/api/services/web").await.json();
        ["replicas", "ports", "healthcheck", "rollout", "revision", "activeDeployment", "candidateDeployment"]
            .map(|field| shown[field].clone())
    };
    let deployments = async || app.get("/api/services/web/deployments").await.json();
    let before = (state().await, deployments().await);
    for (change, problem) in [
        (json!({"replicas": 10_000}), "400 INVALID_REQUEST at replicas"),
        (json!({"ports": [70_000]}), "400 INVALID_REQUEST at ports[0]"),
        (json!({"healthcheck": {"port": 70_000}}), "400 INVALID_REQUEST at healthcheck.port"),
        (json!({"rollout": {"surge": 0}}), "400 INVALID_REQUEST at rollout.surge"),
        (json!({"rollout": {"drainSeconds": 3_601}}), "400 INVALID_REQUEST at rollout.drainSeconds"),
    ] {
        let refused = app.send(Method::PATCH, "/api/services/web", &change).await;
        assert_eq!(refused.problem(), problem, "{change}");
        let refused = app.post("/api/services/web/deploy", change.clone()).await;
        assert_eq!(refused.problem(), problem, "{change}");
    }
    for (back, problem) in [
        (json!({"revision": 7}), "404 NOT_FOUND at revision"),
        (json!({"revision": 2}), "409 CONFLICT at revision"),
        (json!({"deploymentId": failed}), "409 CONFLICT at revision"),
        (json!({"deploymentId": foreign}), "404 NOT_FOUND at deploymentId"),
    ] {
        assert_eq!(app.post("/api/services/web/rollback", back.clone()).await.problem(), problem, "{back}");
    }
    assert_eq!((state().await, deployments().await), before);
}

#[tokio::test]
async fn a_service_that_is_scaled_to_nothing_is_stopped_and_comes_back() {
    let app = TestApp::new().await;
    app.running(web()).await;
    patched(&app, json!({"replicas": 0})).await;
    let shown = async || app.get("/api/services/web").await.json();
    while shown().await["instances"] != json!([]) {
        tokio::task::yield_now().await;
    }
    assert_eq!(shown().await["status"], "stopped");
    patched(&app, json!({"replicas": 1})).await;
    while shown().await["status"] != "active" {
        tokio::task::yield_now().await;
    }
}
