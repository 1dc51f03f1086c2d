use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::app::{TestApp, web};

const PASSWORD: &str = "correct horse";

/// The default body with more in it.
fn web_with(more: Value) -> Value {
    let mut body = web();
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

#[tokio::test]
async fn a_password_goes_in_and_no_answer_has_it() {
    let app = TestApp::new().await;
    let login = json!({"username": "eve", "password": PASSWORD});
    let body = web_with(json!({"registryCredentials": login, "sealedVariables": {"KEY": PASSWORD}}));
    app.running(body).await;
    let shared =
        json!({"registry": "quay.io", "repository": "acme", "username": "eve", "password": PASSWORD});
    let kept = app.post("/api/credentials", shared).await;
    assert_eq!(kept.status, StatusCode::OK, "{kept:?}");
    let sealed = json!({"variables": {"COLOUR": "red"}, "sealedVariables": {"GITHUB_TOKEN": PASSWORD}});
    let variables = "/api/projects/default/environments/production/variables";
    let shown = app.send(Method::PATCH, variables, &sealed).await;
    assert_eq!(shown.json(), json!({"variables": {"COLOUR": "red"}, "sealedVariables": ["GITHUB_TOKEN"]}));

    let service = app.get("/api/services/web").await.json();
    assert_eq!((&service["imageAuthRequired"], &service["registryUsername"]), (&json!(true), &json!("eve")));
    assert_eq!(service["sealedVariables"], json!(["KEY"]));
    assert_eq!(service["environmentVariables"], json!({}));
    let image = app.get("/api/services/web/image-config").await.json();
    assert_eq!((&image["imageAuthRequired"], &image["registryUsername"]), (&json!(true), &json!("eve")));
    let credentials = app.get("/api/credentials").await.json();
    let all = credentials["credentials"].as_array().unwrap();
    let told: Vec<_> =
        all.iter().map(|one| (&one["registry"], &one["repository"], &one["service"])).collect();
    assert_eq!(
        told,
        [
            (&json!("quay.io"), &json!("acme"), &Value::Null),
            (&json!("registry.test"), &Value::Null, &json!("web")),
        ]
    );
    for path in [
        "/api/services/web",
        "/api/services",
        "/api/services/web/deployments",
        "/api/services/web/image-config",
        "/api/credentials",
        "/api/doctor",
        variables,
    ] {
        assert!(!app.get(path).await.text.contains(PASSWORD), "{path}");
    }
    let mut events = app.listen("/api/events?after=0", &[]).await;
    let heard = events.until("sharedVariablesChanged").await;
    assert!(heard.contains(r#""type":"credentialSet","registry":"quay.io","username":"eve""#), "{heard}");
    assert!(!heard.contains(PASSWORD));
}

#[tokio::test]
async fn incomplete_credentials_are_refused_with_the_field_that_is_missing() {
    let app = TestApp::new().await;
    for (credentials, problem) in [
        (json!({"username": "eve"}), "400 CREDENTIAL_INCOMPLETE at registryCredentials.password"),
        (json!({"password": PASSWORD}), "400 CREDENTIAL_INCOMPLETE at registryCredentials.username"),
        (
            json!({"username": "e:e", "password": PASSWORD}),
            "400 INVALID_REQUEST at registryCredentials.username",
        ),
    ] {
        let body = web_with(json!({"registryCredentials": credentials}));
        let answer = app.post("/api/services/from-image", body).await;
        assert_eq!(answer.problem(), problem);
    }
    assert_eq!(app.get("/api/services").await.json()["services"], json!([]));
}

#[tokio::test]
async fn a_secret_in_the_wrong_place_is_not_quoted() {
    let app = TestApp::new().await;
    for body in [
        json!({"registryCredentials": PASSWORD}),
        json!({"registryCredentials": {"username": "eve", "password": [PASSWORD]}}),
        json!({"registryCredentials": {"username": {"x": PASSWORD}}}),
        json!({"sealedVariables": PASSWORD}),
        json!({"sealedVariables": {"KEY": [PASSWORD]}}),
        json!({"environmentVariables": PASSWORD}),
    ] {
        let answer = app.post("/api/services/from-image", web_with(body.clone())).await;
        assert!(answer.problem().starts_with("400 INVALID_REQUEST at "), "{body}");
        assert!(!answer.text.contains(PASSWORD), "{}", answer.text);
    }
}

#[tokio::test]
async fn a_credential_is_tested_and_removed_by_its_id() {
    let app = TestApp::new().await;
    let shared =
        json!({"registry": "quay.io", "username": "eve", "password": PASSWORD, "environment": "staging"});
    let id = app.post("/api/credentials", shared.clone()).await.json()["id"].as_str().unwrap().to_owned();
    let again = app.post("/api/credentials", shared).await.json();
    assert_eq!(again["id"], id, "one for a place, a registry and a repository");
    let path = format!("/api/credentials/{id}");
    assert_eq!(app.post(&format!("{path}/test"), json!({})).await.json(), json!({"asked": true}));
    let elsewhere = app.post(&format!("{path}/test"), json!({"image": "ghcr.io/acme/web"})).await;
    assert_eq!(elsewhere.problem(), "400 INVALID_REQUEST at image");
    assert_eq!(app.send(Method::DELETE, &path, &Value::Null).await.json()["environment"], "staging");
    assert_eq!(app.send(Method::DELETE, &path, &Value::Null).await.problem(), "404 NOT_FOUND");
    assert_eq!(app.post(&format!("{path}/test"), json!({})).await.problem(), "404 NOT_FOUND");
}

#[tokio::test]
async fn a_token_is_shown_once_and_opens_nothing_but_its_images() {
    let app = TestApp::new().await;
    let made = app.post("/api/tokens", json!({"name": "ci", "project": "shop", "push": true})).await;
    assert_eq!(made.status, StatusCode::CREATED);
    let (token, id) = (made.json()["token"].as_str().unwrap().to_owned(), made.json()["id"].clone());
    assert!(token.starts_with("mirage_") && token.len() == 71, "{token}");
    let listed = app.get("/api/tokens").await;
    assert_eq!(listed.json()["tokens"][0]["push"], true);
    assert!(!listed.text.contains(&token));
    let bearer = format!("Bearer {token}");
    let asked = app.send_raw(Method::GET, "/api/services", &[("authorization", &bearer)], "").await;
    assert_eq!(asked.problem(), "403 FORBIDDEN");
    let again = app.post("/api/tokens", json!({"name": "ci", "project": "shop"})).await;
    assert_eq!(again.problem(), "409 NAME_TAKEN at name");
    let path = format!("/api/tokens/{}", id.as_str().unwrap());
    assert_eq!(app.send(Method::DELETE, &path, &Value::Null).await.json()["name"], "ci");
    let asked = app.send_raw(Method::GET, "/api/services", &[("authorization", &bearer)], "").await;
    assert_eq!(asked.problem(), "401 UNAUTHENTICATED");
}

#[tokio::test]
async fn a_login_is_no_list_of_words() {
    let app = TestApp::new().await;
    let words =
        app.post("/api/services/from-image", web_with(json!({"registryCredentials": ["eve", PASSWORD]})));
    let words = words.await;
    assert_eq!(words.status, StatusCode::BAD_REQUEST, "{words:?}");
    assert_eq!(
        (&words.json()["field"], words.text.contains(PASSWORD)),
        (&json!("registryCredentials"), false)
    );
    let more = json!({"registryCredentials": {"username": "eve", "password": PASSWORD, "realm": 1}});
    let more = app.post("/api/services/from-image", web_with(more)).await;
    assert_eq!(more.json()["field"], "registryCredentials.realm");
    assert!(!more.text.contains(PASSWORD), "{more:?}");
}
