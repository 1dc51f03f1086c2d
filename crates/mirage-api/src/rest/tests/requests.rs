use axum::response::IntoResponse;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::app::{TOKEN, TestApp, web};

#[tokio::test]
async fn nothing_is_answered_without_the_token() {
    let app = TestApp::new().await;
    let described: Value = serde_json::from_str(&crate::openapi()).unwrap();
    let mut closed = 0;
    for (path, methods) in described["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let path = path.replace("{service}", "web").replace("{deployment}", &"0".repeat(32));
            let path = path
                .replace("{credential}", &"0".repeat(32))
                .replace("{project}", "p")
                .replace("{image}", "web");
            let path = path.replace("{environment}", "e").replace("{token}", &"0".repeat(32));
            let method: Method = method.to_uppercase().parse().unwrap();
            let open = operation["security"] == json!([{}]);
            let answer = app.send_raw(method, &path, &[("authorization", "Bearer wrong")], "").await;
            match open {
                true => assert_eq!(answer.status, StatusCode::OK, "{path}"),
                false => {
                    assert_eq!(answer.problem(), "401 UNAUTHENTICATED", "{path}");
                    closed += 1;
                }
            }
        }
    }
    assert_eq!(closed, 49);
    let answer = app.send_raw(Method::GET, "/api/services", &[], "").await;
    assert_eq!(answer.problem(), "401 UNAUTHENTICATED");
    let challenges: Vec<_> = answer.headers.get_all("www-authenticate").iter().collect();
    assert_eq!(challenges, ["Bearer realm=\"mirage\""], "a browser is not asked for a password to remember");
}

#[tokio::test]
async fn somebody_at_a_browser_reads_that_refusal_as_a_page_and_a_program_as_a_problem() {
    let page = |error: mirage_core::Error| {
        (StatusCode::FORBIDDEN, format!("<p>{}", error.message())).into_response()
    };
    let app = crate::guarded_with_pages(axum::Router::new(), page);
    for (path, accept, is_page) in [
        ("/login", "text/html,application/xhtml+xml", true),
        ("/login", "*/*", false),
        ("/api/services", "text/html", false),
        ("/v2/", "text/html", false),
    ] {
        let request =
            http::Request::post(path).header("accept", accept).header("sec-fetch-site", "cross-site");
        let answer = app.clone().oneshot(request.body(axum::body::Body::empty()).unwrap()).await.unwrap();
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
        let body = axum::body::to_bytes(answer.into_body(), 1 << 16).await.unwrap();
        assert_eq!(body.starts_with(b"<p>the request comes from"), is_page, "{path} {accept}");
    }
}

#[tokio::test]
async fn a_browser_asks_nothing_in_the_name_of_another_site() {
    let app = TestApp::new().await;
    let bearer = format!("Bearer {TOKEN}");
    for (site, expected) in [
        (Some("cross-site"), StatusCode::FORBIDDEN),
        (Some("same-site"), StatusCode::FORBIDDEN),
        (Some("same-origin"), StatusCode::OK),
        (Some("none"), StatusCode::OK),
        (None, StatusCode::OK),
    ] {
        let mut headers = vec![("authorization", bearer.as_str()), ("sec-fetch-mode", "no-cors")];
        headers.extend(site.map(|site| ("sec-fetch-site", site)));
        let answer = app.send_raw(Method::GET, "/api/services", &headers, "").await;
        assert_eq!(answer.status, expected, "{site:?}");
    }
    for (method, expected) in [(Method::GET, StatusCode::OK), (Method::POST, StatusCode::FORBIDDEN)] {
        let link = [
            ("authorization", bearer.as_str()),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "navigate"),
        ];
        let path = if method == Method::GET { "/api/services" } else { "/api/services/web/restart" };
        assert_eq!(app.send_raw(method, path, &link, "").await.status, expected, "{path}");
    }
}

#[tokio::test]
async fn the_token_may_come_as_a_password() {
    let app = TestApp::new().await;
    use base64::Engine;
    let pair = base64::engine::general_purpose::STANDARD.encode(format!("anybody:{TOKEN}"));
    let basic = format!("Basic {pair}");
    let answer = app.send_raw(Method::GET, "/api/services", &[("authorization", &basic)], "").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("cache-control"), "no-store");
}

#[tokio::test]
async fn a_wrong_request_hears_what_is_wrong_with_it() {
    let app = TestApp::new().await;
    let path = "/api/services/from-image";
    for (body, problem) in [
        (json!({}), "400 INVALID_REQUEST at image"),
        (json!({"image": "Nginx!"}), "400 INVALID_IMAGE_REFERENCE at image"),
        (json!({"imageName": "web", "imageTag": "-"}), "400 INVALID_IMAGE_REFERENCE at imageTag"),
        (json!({"image": "nginx", "imageTag": "1"}), "400 INVALID_REQUEST at image"),
        (json!({"image": "nginx", "color": "red"}), "400 INVALID_REQUEST at color"),
        (json!({"image": "nginx", "name": "My App"}), "400 INVALID_REQUEST at name"),
        (json!({"image": "nginx", "project": "-"}), "400 INVALID_REQUEST at project"),
        (json!({"image": "nginx", "ports": [0]}), "400 INVALID_REQUEST at ports[0]"),
        (json!({"image": "nginx", "ports": [80, 80]}), "400 INVALID_REQUEST at ports"),
        (json!({"image": "nginx", "replicas": -1}), "400 INVALID_REQUEST at replicas"),
        (json!({"image": "nginx", "replicas": 100_000}), "400 INVALID_REQUEST at replicas"),
        (
            json!({"image": "nginx", "resources": {"memory": "much"}}),
            "400 INVALID_REQUEST at resources.memory",
        ),
        (json!({"image": "nginx", "resources": {"memory": 1}}), "400 INVALID_REQUEST at resources.memory"),
        (json!({"image": "nginx", "healthcheck": {"path": "x"}}), "400 INVALID_REQUEST at healthcheck.path"),
        (json!({"image": "nginx", "healthcheck": {"speed": 1}}), "400 INVALID_REQUEST at healthcheck.speed"),
        (
            json!({"image": "nginx", "healthcheck": {"port": 70000}}),
            "400 INVALID_REQUEST at healthcheck.port",
        ),
        (
            json!({"image": "nginx", "healthcheck": {"status": "2xx"}}),
            "400 INVALID_REQUEST at healthcheck.status",
        ),
        (
            json!({"image": "nginx", "healthcheck": {"host": "a b"}}),
            "400 INVALID_REQUEST at healthcheck.host",
        ),
        (json!({"image": "nginx", "healthcheck": {"threshold": 0}}), "400 INVALID_REQUEST at healthcheck"),
        (json!({"image": "nginx", "restartPolicy": "maybe"}), "400 INVALID_REQUEST at restartPolicy"),
        (json!({"image": "nginx", "stopGraceSeconds": 9999}), "400 INVALID_REQUEST at stopGraceSeconds"),
        (
            json!({"image": "nginx", "environmentVariables": {"A B": "1"}}),
            "400 INVALID_REQUEST at environmentVariables.A B",
        ),
        (json!({"image": "registry.test/acme/web:missing"}), "404 IMAGE_NOT_FOUND"),
        (json!([]), "400 INVALID_REQUEST"),
    ] {
        assert_eq!(app.post(path, body.clone()).await.problem(), problem, "{body}");
    }
    assert_eq!(app.get("/api/services").await.json(), json!({"services": []}));
}

#[tokio::test]
async fn a_body_must_be_small_and_json() {
    let app = TestApp::new().await;
    let token = format!("Bearer {TOKEN}");
    let (path, authorization) = ("/api/images/inspect", ("authorization", token.as_str()));
    let json = ("content-type", "application/json; charset=utf-8");
    let form = ("content-type", "application/x-www-form-urlencoded");
    for (headers, body, problem) in [
        (vec![authorization, json], "{", "400 INVALID_REQUEST"),
        (vec![authorization, json], "{\"image\": \"a\"} x", "400 INVALID_REQUEST"),
        (vec![authorization, json], "{\"image\": \"a\", \"image\": \"b\"}", "400 INVALID_REQUEST at image"),
        (vec![authorization, form], "image=a", "415 INVALID_REQUEST"),
        (vec![authorization], "{\"image\": \"a\"}", "415 INVALID_REQUEST"),
        (
            vec![authorization, json],
            &format!("{{\"image\": \"{}\"}}", "a".repeat(1 << 20)),
            "413 INVALID_REQUEST",
        ),
        (vec![authorization, json], &"[".repeat(100_000), "400 INVALID_REQUEST"),
    ] {
        let answer = app.send_raw(Method::POST, path, &headers, body.to_owned()).await;
        assert_eq!(answer.problem(), problem);
    }
}

#[tokio::test]
async fn a_wrong_address_or_method_is_told_apart() {
    let app = TestApp::new().await;
    for path in ["/api", "/api/", "/api/nothing", "/api/services/web/nothing"] {
        assert_eq!(app.get(path).await.problem(), "404 NOT_FOUND", "{path}");
    }
    let wrong = app.send(Method::PUT, "/api/services", &Value::Null).await;
    assert_eq!(wrong.problem(), "405 INVALID_REQUEST");
    assert_eq!(app.get("/api/services?colour=red").await.problem(), "400 INVALID_REQUEST at colour");
    assert_eq!(app.get("/api/services?limit=many").await.problem(), "400 INVALID_REQUEST at limit");
    assert_eq!(app.get("/api/services?after=x").await.problem(), "400 INVALID_REQUEST at after");
    assert_eq!(app.get("/api/services/a%2Fb").await.problem(), "400 INVALID_REQUEST");
    assert_eq!(app.get("/api/services/%FF").await.problem(), "400 INVALID_REQUEST");
    assert_eq!(app.get("/api/deployments/x").await.problem(), "400 INVALID_REQUEST");
    let unknown = "/api/deployments/0b9f6c1e-55a1-4c55-9a3f-2a8f3f1f7d10";
    assert_eq!(app.get(unknown).await.problem(), "404 NOT_FOUND");
}

#[tokio::test]
async fn an_image_is_inspected_before_anything_runs() {
    let app = TestApp::new().await;
    let mut answer = app.post("/api/images/inspect", web()).await.json();
    answer["millis"] = json!("redacted");
    insta::assert_json_snapshot!(answer, @r#"
    {
      "attachments": {
        "provenance": "unknown",
        "sbom": "unknown",
        "signature": "absent"
      },
      "config": {
        "command": [
          "/web"
        ],
        "created": null,
        "entrypoint": [],
        "environment": [],
        "exposedPorts": [
          8080
        ],
        "healthCheck": "connection to port 8080",
        "healthCommand": [],
        "labels": {},
        "stopSignal": null,
        "user": "web",
        "volumes": [],
        "workingDirectory": ""
      },
      "dockerImage": "registry.test/acme/web:1",
      "findings": [
        {
          "code": "NOT_SIGNED",
          "hint": null,
          "message": "it has no signature",
          "refusal": null,
          "severity": "note"
        }
      ],
      "freeBytes": null,
      "imageDigest": "sha256:3131313131313131313131313131313131313131313131313131313131313131",
      "imageName": "acme/web",
      "imageRegistry": "registry.test",
      "imageTag": "1",
      "layers": 1,
      "manifestDigest": "sha256:3131313131313131313131313131313131313131313131313131313131313131",
      "millis": "redacted",
      "missingBytes": null,
      "platform": "linux/amd64",
      "platforms": [
        "linux/amd64"
      ],
      "present": true,
      "quota": {
        "limit": 100,
        "remaining": 76,
        "source": null,
        "windowSeconds": 21600
      },
      "runs": true,
      "sizeBytes": 2097152,
      "unpackedBytes": null,
      "verdict": "runs here"
    }
    "#);
    let careless = json!({"image": "registry.test/acme/careless:1"});
    let judged = app.post("/api/images/inspect", careless.clone()).await.json();
    insta::assert_json_snapshot!(json!([judged["runs"], judged["verdict"], judged["findings"]]), @r#"
    [
      false,
      "cannot run here: `$PORT` in its command is not expanded: no shell reads it",
      [
        {
          "code": "VARIABLE_NOT_EXPANDED",
          "hint": "give the command through a shell: `-- sh -c 'exec /web $PORT'`; or write the value itself",
          "message": "`$PORT` in its command is not expanded: no shell reads it",
          "refusal": "START_FAILED",
          "severity": "problem"
        },
        {
          "code": "RUNS_AS_ROOT",
          "hint": "name another user with `USER` in its Dockerfile",
          "message": "it runs as root",
          "refusal": null,
          "severity": "warning"
        },
        {
          "code": "NOT_SIGNED",
          "hint": null,
          "message": "it has no signature",
          "refusal": null,
          "severity": "note"
        }
      ]
    ]
    "#);
    let refused = app.post("/api/services/from-image", careless).await;
    assert_eq!(refused.problem(), "422 START_FAILED");
    let command = json!({"image": "registry.test/acme/web:1", "command": ["/web", "$PORT"]});
    let refused = app.post("/api/services/from-image", command).await;
    assert_eq!(refused.problem(), "400 INVALID_REQUEST at command");
    let other = json!({"image": "registry.test/acme/web:1", "platform": "linux/arm64"});
    assert_eq!(app.post("/api/images/inspect", other).await.problem(), "422 NO_MATCHING_PLATFORM");
    let nonsense = json!({"image": "registry.test/acme/web:1", "platform": "toaster"});
    assert_eq!(app.post("/api/images/inspect", nonsense).await.problem(), "400 INVALID_REQUEST at platform");
}

#[tokio::test]
async fn the_face_describes_itself() {
    let app = TestApp::new().await;
    let answer = app.send_raw(Method::GET, "/api/openapi.json", &[], "").await;
    assert_eq!(answer.text, crate::openapi());
    let described = answer.json();
    let mut told = String::new();
    for (path, methods) in described["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{path}");
            told += &format!("{} {path}\n", method.to_uppercase());
        }
    }
    insta::assert_snapshot!(told, @r#"
    POST /api/backup
    GET /api/credentials
    POST /api/credentials
    DELETE /api/credentials/{credential}
    POST /api/credentials/{credential}/test
    GET /api/deployments/{deployment}
    POST /api/deployments/{deployment}/cancel
    GET /api/doctor
    GET /api/domains
    DELETE /api/domains/{domain}
    PUT /api/domains/{domain}/certificate
    POST /api/domains/{domain}/certificate/renew
    GET /api/events
    POST /api/images/inspect
    POST /api/images/tags
    GET /api/logs
    GET /api/projects/{project}/environments/{environment}/variables
    PATCH /api/projects/{project}/environments/{environment}/variables
    GET /api/repositories
    DELETE /api/repositories/{image}
    GET /api/repositories/{image}
    GET /api/services
    POST /api/services/from-image
    DELETE /api/services/{service}
    GET /api/services/{service}
    PATCH /api/services/{service}
    POST /api/services/{service}/deploy
    GET /api/services/{service}/deployments
    GET /api/services/{service}/domains
    POST /api/services/{service}/domains
    GET /api/services/{service}/image-config
    GET /api/services/{service}/logs
    GET /api/services/{service}/metrics
    POST /api/services/{service}/redeploy
    POST /api/services/{service}/restart
    POST /api/services/{service}/rollback
    GET /api/tokens
    POST /api/tokens
    DELETE /api/tokens/{token}
    POST /api/vault/reset
    POST /api/vault/rotate
    GET /api/volumes
    POST /api/volumes
    DELETE /api/volumes/{volume}
    GET /api/volumes/{volume}
    GET /api/volumes/{volume}/backup
    PUT /api/volumes/{volume}/backup
    POST /api/volumes/{volume}/restore
    GET /healthz
    GET /metrics
    GET /readyz
    "#);
    // Every schema that is referred to is there.
    for part in answer.text.split("\"#/components/schemas/").skip(1) {
        let name = part.split('"').next().unwrap();
        assert!(described["components"]["schemas"][name].is_object(), "{name}");
    }
}

#[tokio::test]
async fn the_platform_says_how_it_is() {
    let app = TestApp::new().await;
    assert_eq!(app.send_raw(Method::GET, "/healthz", &[], "").await.json(), json!({"status": "ok"}));
    assert_eq!(app.send_raw(Method::GET, "/readyz", &[], "").await.json(), json!({"status": "ok"}));
    let doctor = app.get("/api/doctor").await.json();
    assert_eq!(doctor["well"], true);
    assert_eq!(doctor["findings"][0]["subject"], "database");
}
