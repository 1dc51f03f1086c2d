use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::app::{TestApp, web};

#[tokio::test]
async fn a_service_is_made_from_an_image_and_shown_with_its_settings() {
    let app = TestApp::new().await;
    let body = json!({
        "imageRegistry": "registry.test", "imageName": "acme/web", "imageTag": "1",
        "environmentVariables": {"GREETING": "hello"},
        "healthcheck": {"path": "/healthz", "intervalSeconds": 1.5},
        "resources": {"memory": "256MiB", "cpu": 0.5},
        "restartPolicy": "ALWAYS",
        "command": ["/web", "--loud"],
    });
    let answer = app.post("/api/services/from-image", body).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
    let deployment = answer.json()["deployment"]["id"].as_str().unwrap().to_owned();
    assert_eq!(answer.header("location"), format!("/api/deployments/{deployment}"));
    app.becomes(&deployment, "active").await;
    let service = app.get("/api/services/default%2Fproduction%2Fweb").await.json();
    assert_eq!(service["latestDeployment"], service["activeDeployment"]);
    insta::assert_json_snapshot!(service, {
        ".latestDeployment" => "[the same]",
        ".**.id" => "[id]", ".**.service" => "[id]", ".**.deployment" => "[id]",
        ".**.createdAt" => "[time]", ".**.updatedAt" => "[time]", ".**.startedAt" => "[time]",
        ".**.finishedAt" => "[time]", ".**.runningSince" => "[time]", ".**.durationMillis" => "[millis]",
    }, @r#"
    {
      "activeDeployment": {
        "createdAt": "[time]",
        "finishedAt": "[time]",
        "id": "[id]",
        "phase": "active",
        "requestedBy": "admin",
        "revision": 1,
        "service": "[id]",
        "steps": [
          {
            "durationMillis": "[millis]",
            "failed": false,
            "finishedAt": "[time]",
            "kind": "resolve",
            "startedAt": "[time]",
            "summary": "registry.test/acme/web:1 → 313131313131  linux/amd64, 2.0 MiB"
          },
          {
            "durationMillis": "[millis]",
            "failed": false,
            "finishedAt": "[time]",
            "kind": "start",
            "startedAt": "[time]",
            "summary": "web #1 on local"
          },
          {
            "durationMillis": "[millis]",
            "failed": false,
            "finishedAt": "[time]",
            "kind": "probe",
            "startedAt": "[time]",
            "summary": "GET /healthz answered"
          },
          {
            "durationMillis": "[millis]",
            "failed": false,
            "finishedAt": "[time]",
            "kind": "route",
            "startedAt": "[time]",
            "summary": "web-production.localhost"
          }
        ],
        "trigger": "deploy"
      },
      "allowNewPrivileges": false,
      "autoDeploy": false,
      "autoDeployPaused": false,
      "candidateDeployment": null,
      "command": [
        "/web",
        "--loud"
      ],
      "createdAt": "[time]",
      "deploymentType": "docker_image",
      "dockerImage": "registry.test/acme/web:1",
      "domains": [],
      "environment": "production",
      "environmentVariables": {
        "GREETING": "hello"
      },
      "healthcheck": {
        "check": "GET /healthz on port 8080 (200-399)",
        "host": null,
        "intervalSeconds": 1.5,
        "kind": "http",
        "path": "/healthz",
        "port": null,
        "startTimeoutSeconds": 60,
        "status": null,
        "threshold": 3,
        "timeoutSeconds": 2
      },
      "id": "[id]",
      "imageAuthRequired": false,
      "imageDigest": "sha256:3131313131313131313131313131313131313131313131313131313131313131",
      "imageName": "acme/web",
      "imageRegistry": "registry.test",
      "imageTag": "1",
      "instances": [
        {
          "address": "127.0.0.1",
          "deployment": "[id]",
          "exit": null,
          "health": "healthy",
          "healthFailure": null,
          "id": "[id]",
          "ordinal": 0,
          "pid": 1,
          "runningSince": "[time]",
          "state": "running"
        }
      ],
      "latestDeployment": "[the same]",
      "name": "web",
      "ports": [
        8080
      ],
      "project": "default",
      "registryUsername": null,
      "replicas": 1,
      "resources": {
        "cpu": 0.5,
        "memory": 268435456,
        "pids": 4096
      },
      "restartPolicy": "ALWAYS",
      "revision": 1,
      "revisionImage": "registry.test/acme/web:1",
      "rollout": {
        "drainSeconds": 30,
        "overlapSeconds": 0,
        "surge": null
      },
      "sealedVariables": [],
      "status": "active",
      "stopGraceSeconds": 10,
      "updatedAt": "[time]",
      "url": "http://web-production.localhost:8080",
      "volumes": []
    }
    "#);
}

#[tokio::test]
async fn a_service_is_found_by_id_name_and_path() {
    let app = TestApp::new().await;
    app.running(web()).await;
    let id = app.get("/api/services/web").await.json()["id"].as_str().unwrap().to_owned();
    for name in [id.as_str(), "web", "default%2Fproduction%2Fweb", "default%2fproduction%2fweb"] {
        assert_eq!(app.get(&format!("/api/services/{name}")).await.json()["id"], json!(id));
    }
    assert_eq!(app.get("/api/services/other").await.problem(), "404 NOT_FOUND");
    assert_eq!(app.post("/api/services/from-image", web()).await.problem(), "409 NAME_TAKEN at name");

    let elsewhere = json!({"image": "registry.test/acme/web:1", "environment": "staging"});
    app.running(elsewhere).await;
    assert_eq!(app.get("/api/services/web").await.problem(), "409 CONFLICT");
    let staging = app.get("/api/services/default%2Fstaging%2Fweb").await.json();
    assert_eq!(staging["url"], "http://web-staging.localhost:8080");
}

#[tokio::test]
async fn services_are_listed_page_by_page() {
    let app = TestApp::new().await;
    for name in ["c", "a", "b"] {
        app.running(json!({"image": "registry.test/acme/web:1", "name": name})).await;
    }
    let mut path = "/api/services?limit=2".to_owned();
    let mut pages = Vec::new();
    loop {
        let page = app.get(&path).await.json();
        let names: Vec<Value> =
            page["services"].as_array().unwrap().iter().map(|it| it["name"].clone()).collect();
        pages.push(names);
        match page["next"].as_str() {
            Some(next) => path = format!("/api/services?limit=2&after={next}"),
            None => break,
        }
    }
    assert_eq!(json!(pages), json!([["a", "b"], ["c"]]));
    let one = app.get("/api/services?name=b").await.json();
    assert_eq!(one["services"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_change_keeps_what_it_does_not_name() {
    let app = TestApp::new().await;
    app.running(json!({
        "image": "registry.test/acme/web:1",
        "environmentVariables": {"A": "1", "B": "2"},
        "healthcheck": {"path": "/healthz", "threshold": 5},
    }))
    .await;
    let change = json!({
        "environmentVariables": {"B": null, "C": "3"},
        "healthcheck": {"timeoutSeconds": 1},
        "resources": {"memory": "1g"},
        "replicas": 2,
    });
    let changed = app.send(Method::PATCH, "/api/services/web", &change).await;
    assert_eq!(changed.status, StatusCode::OK, "{changed:?}");
    let service = changed.json();
    assert_eq!(service["environmentVariables"], json!({"A": "1", "C": "3"}));
    assert_eq!(service["healthcheck"]["path"], "/healthz");
    assert_eq!(
        (&service["healthcheck"]["threshold"], &service["healthcheck"]["timeoutSeconds"]),
        (&json!(5), &json!(1))
    );
    assert_eq!((&service["resources"]["memory"], &service["replicas"]), (&json!(1_u64 << 30), &json!(2)));

    let back = json!({"healthcheck": null, "resources": {"memory": null}});
    let service = app.send(Method::PATCH, "/api/services/web", &back).await.json();
    assert_eq!(
        (&service["healthcheck"]["path"], &service["resources"]["memory"]),
        (&Value::Null, &Value::Null)
    );
    let wrong = app.send(Method::PATCH, "/api/services/web", &json!({"name": "other"})).await;
    assert_eq!(wrong.problem(), "400 INVALID_REQUEST at name");
}

#[tokio::test]
async fn the_image_of_a_service_is_shown_without_any_password() {
    let app = TestApp::new().await;
    app.running(web()).await;
    let config = app.get("/api/services/web/image-config").await;
    assert_eq!(config.json()["imageDigest"], format!("sha256:{}", "31".repeat(32)));
    assert_eq!(config.json()["config"]["exposedPorts"], json!([8080]));
    assert_eq!(
        (&config.json()["imageAuthRequired"], &config.json()["registryUsername"]),
        (&json!(false), &Value::Null)
    );
    assert!(!config.text.to_lowercase().contains("password"));
}

#[tokio::test]
async fn a_removed_service_is_gone() {
    let app = TestApp::new().await;
    app.running(web()).await;
    let mut events = app.listen("/api/events", &[]).await;
    let removed = app.send(Method::DELETE, "/api/services/web", &Value::Null).await;
    assert_eq!((removed.status, &removed.json()["status"]), (StatusCode::ACCEPTED, &json!("removing")));
    events.until("event: serviceRemoved").await;
    while app.get("/api/services/web").await.status != StatusCode::NOT_FOUND {
        tokio::task::yield_now().await;
    }
    assert_eq!(app.send(Method::DELETE, "/api/services/web", &Value::Null).await.problem(), "404 NOT_FOUND");
}
