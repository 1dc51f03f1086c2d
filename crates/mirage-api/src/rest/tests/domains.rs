use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::app::{TestApp, web};

#[tokio::test]
async fn domains_come_and_go_and_are_told_of() {
    let app = TestApp::new().await;
    let mut body = web();
    body["domains"] = json!([{"domain": "Shop.Example.com", "certificate": false}]);
    app.running(body).await;
    let service = app.get("/api/services/web").await.json();
    assert_eq!(service["domains"], json!(["shop.example.com"]));
    let added = app
        .post("/api/services/web/domains", json!({"domain": "new.example.com", "redirectHttps": false}))
        .await;
    assert_eq!(added.status, StatusCode::CREATED, "{added:?}");
    let added = added.json();
    assert_eq!(
        (&added["domain"], &added["service"], &added["redirectHttps"]),
        (&json!("new.example.com"), &json!("web"), &json!(false))
    );
    assert_eq!(added["certificate"]["source"], "acme");
    let mut events = app.listen("/api/events?after=0", &[]).await;
    let heard = events.until("certificateFailed").await;
    assert!(
        heard.contains("domainAdded") && heard.contains("the certificate authority is closed"),
        "{heard}"
    );
    let all = app.get("/api/domains").await.json();
    assert_eq!(all, app.get("/api/services/web/domains").await.json());
    assert_eq!(all["domains"].as_array().unwrap().len(), 2);
    let failed = app.get("/api/domains").await.json()["domains"][0]["certificate"].clone();
    assert!(
        failed["lastError"].as_str().unwrap().starts_with("the certificate authority is closed"),
        "{failed}"
    );
    assert!(failed["nextRenewalAt"].is_string() && failed["issuedAt"].is_null(), "{failed}");
    assert!(failed["seen"].as_str().unwrap().contains("does not listen for TLS"), "{failed}");
    assert_eq!(failed["meaning"], "warn", "{failed}");
    assert!(failed["hint"].as_str().unwrap().contains("--proxy-tls-listen"), "{failed}");
    let again = app.post("/api/domains/new.example.com/certificate/renew", json!({})).await;
    assert_eq!(again.status, StatusCode::OK, "{again:?}");
    let gone = app.send(Method::DELETE, "/api/domains/new.example.com", &Value::Null).await;
    assert_eq!((gone.status, &gone.json()["domain"]), (StatusCode::OK, &json!("new.example.com")));
    let gone = app.send(Method::DELETE, "/api/domains/new.example.com", &Value::Null).await;
    assert_eq!(gone.json()["code"], "NOT_FOUND");
    let doctor = app.get("/api/doctor").await;
    assert!(
        !doctor.text.contains("--proxy-tls-listen"),
        "no certificate is wanted any more: {}",
        doctor.text
    );
}

#[tokio::test]
async fn a_domain_that_cannot_be_had_is_refused_with_its_code_and_nothing_changes() {
    let app = TestApp::new().await;
    app.running(web()).await;
    let mut other = web();
    other["name"] = json!("other");
    app.running(other).await;
    let shop = json!({"domain": "shop.example.com", "certificate": false});
    assert_eq!(app.post("/api/services/web/domains", shop.clone()).await.status, StatusCode::CREATED);
    for (body, code, field) in [
        (shop, "ROUTE_CONFLICT", "domain"),
        (json!({"domain": "localhost"}), "INVALID_REQUEST", "domain"),
        (json!({"domain": "web-production.localhost"}), "INVALID_REQUEST", "domain"),
        (json!({"domain": "127.0.0.1"}), "INVALID_REQUEST", "domain"),
        (json!({"domain": "bücher.example"}), "INVALID_REQUEST", "domain"),
        (json!({"domain": "*.example.org"}), "INVALID_REQUEST", "certificate"),
        (json!({"domain": 5}), "INVALID_REQUEST", "domain"),
        (json!({}), "INVALID_REQUEST", "domain"),
        (json!({"domain": "a.example.org", "tls": true}), "INVALID_REQUEST", "tls"),
    ] {
        let refused = app.post("/api/services/other/domains", body.clone()).await.json();
        assert_eq!((&refused["code"], &refused["field"]), (&json!(code), &json!(field)), "{body}: {refused}");
    }
    assert_eq!(
        app.post("/api/services/none/domains", json!({"domain": "a.example.org"})).await.json()["code"],
        "NOT_FOUND"
    );
    assert_eq!(app.get("/api/services/other/domains").await.json()["domains"], json!([]));
    assert_eq!(app.get("/api/domains").await.json()["domains"].as_array().unwrap().len(), 1);
    let wrong = app.send(Method::DELETE, "/api/domains/no%20domain", &Value::Null).await;
    assert_eq!(wrong.json()["code"], "INVALID_REQUEST");
}

#[tokio::test]
async fn a_private_key_goes_in_and_no_answer_has_it() {
    let app = TestApp::new().await;
    app.running(web()).await;
    app.post("/api/services/web/domains", json!({"domain": "shop.example.com", "certificate": false})).await;
    let path = "/api/domains/shop.example.com/certificate";
    let give = async |chain: &str, key: Value| {
        app.send(Method::PUT, path, &json!({"certificate": chain, "key": key})).await
    };
    let refused = give("a chain", json!("the key of another")).await;
    assert_eq!(
        (refused.json()["code"].clone(), refused.json()["field"].clone()),
        (json!("INVALID_REQUEST"), json!("key"))
    );
    assert!(!refused.text.contains("the key of another"));
    let refused = give("a chain", json!({"in": "its key"})).await;
    assert!(
        refused.json()["field"].as_str().unwrap().starts_with("key") && !refused.text.contains("its key"),
        "{refused:?}"
    );
    assert_eq!(app.get("/api/domains").await.json()["domains"][0]["certificate"]["source"], "none");
    let taken = give("a chain", json!("its key")).await;
    assert_eq!(taken.status, StatusCode::OK, "{taken:?}");
    let certificate = &taken.json()["certificate"];
    assert_eq!(
        (&certificate["source"], &certificate["expiresAt"]),
        (&json!("own"), &json!("2027-11-01T00:00:00Z"))
    );
    assert_eq!(certificate["nextRenewalAt"], Value::Null);
    for path in ["/api/domains", "/api/services/web", "/api/doctor"] {
        assert!(!app.get(path).await.text.contains("its key"), "{path}");
    }
    let doctor = app.get("/api/doctor").await;
    assert!(doctor.text.contains("--proxy-tls-listen"), "{}", doctor.text);
}

#[tokio::test]
async fn what_is_not_said_of_a_domain_stays_as_it_is() {
    let app = TestApp::new().await;
    app.running(web()).await;
    let path = "/api/services/web/domains";
    let plain = json!({"domain": "shop.example.com", "redirectHttps": false, "certificate": false});
    assert_eq!(app.post(path, plain).await.status, StatusCode::CREATED);
    let again = app.post(path, json!({"domain": "shop.example.com"})).await;
    assert_eq!(again.status, StatusCode::OK, "{again:?}");
    let again = again.json();
    assert_eq!((&again["redirectHttps"], &again["certificate"]["source"]), (&json!(false), &json!("none")));
    let wild = json!({"domain": "*.example.com", "certificate": false});
    assert_eq!(app.post(path, wild).await.status, StatusCode::CREATED);
    let wild = app.post(path, json!({"domain": "*.example.com", "redirectHttps": false})).await;
    assert_eq!((wild.status, &wild.json()["certificate"]["source"]), (StatusCode::OK, &json!("none")));
    let told = app.post(path, json!({"domain": "shop.example.com", "redirectHttps": true})).await.json();
    assert_eq!((&told["redirectHttps"], &told["certificate"]["source"]), (&json!(true), &json!("none")));
}

#[tokio::test]
async fn lists_are_read_page_by_page() {
    let app = TestApp::new().await;
    app.running(web()).await;
    for number in 0..5 {
        let domain = json!({"domain": format!("n{number}.example.com"), "certificate": false});
        assert_eq!(app.post("/api/services/web/domains", domain).await.status, StatusCode::CREATED);
        let login = json!({"registry": format!("r{}.example:5000", number % 2), "username": "u", "password": "p",
            "repository": format!("acme/n{number}")});
        assert_eq!(app.post("/api/credentials", login).await.status, StatusCode::OK);
        let token = app.post("/api/tokens", json!({"name": format!("n{number}")})).await;
        assert!(token.status.is_success(), "{token:?}");
        let again = app.post("/api/services/web/redeploy", Value::Null).await.json();
        app.becomes(again["id"].as_str().unwrap(), "active").await;
    }
    let lists = [
        ("/api/domains", "domains", "domain", 5),
        ("/api/credentials", "credentials", "id", 5),
        ("/api/tokens", "tokens", "id", 5),
        ("/api/services/web/deployments", "deployments", "id", 6),
    ];
    for (path, field, key, count) in lists {
        let keys = |page: &Value| -> Vec<Value> {
            page[field].as_array().unwrap().iter().map(|one| one[key].clone()).collect()
        };
        let whole = app.get(path).await.json();
        assert!(whole["next"].is_null(), "{path}");
        let (mut all, mut after) = (Vec::new(), String::new());
        loop {
            let page = app.get(&format!("{path}?limit=2{after}")).await.json();
            let found = keys(&page);
            assert!((1..=2).contains(&found.len()), "{path}: {page}");
            all.extend(found);
            let Some(next) = page["next"].as_str() else { break };
            after = format!("&after={}", next.replace('@', "%40"));
        }
        assert_eq!(all, keys(&whole), "{path}");
        assert_eq!(all.len(), count, "{path}");
        assert_eq!(
            app.get(&format!("{path}?after=%20")).await.problem(),
            "400 INVALID_REQUEST at after",
            "{path}"
        );
    }
    let foreign = app.running(json!({"image": "registry.test/acme/web:1", "name": "other"})).await;
    let path = format!("/api/services/web/deployments?after={foreign}");
    assert_eq!(app.get(&path).await.problem(), "400 INVALID_REQUEST at after");
}
