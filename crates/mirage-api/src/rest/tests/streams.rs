use serde_json::{Value, json};

use super::app::{TestApp, web};

#[tokio::test]
async fn a_listener_that_comes_back_misses_no_event() {
    let app = TestApp::new().await;
    let mut all = app.listen("/api/events?after=0", &[]).await;
    assert_eq!(all.headers["content-type"], "text/event-stream");
    app.running(web()).await;
    let told = all.until("event: serviceCreated").await;
    assert!(!told.contains("phaseChanged"), "{told}");
    let told = all.until("\"phase\":\"active\"").await;
    let id = told.lines().rev().find_map(|line| line.strip_prefix("id: ")).unwrap_or("1").to_owned();

    let mut later = app.listen("/api/events", &[("last-event-id", &id)]).await;
    app.post("/api/services/web/restart", Value::Null).await;
    let told = later.until("event: serviceRestarted").await;
    assert!(!told.contains("serviceCreated"), "{told}");
    assert_eq!(app.get("/api/events?after=x").await.problem(), "400 INVALID_REQUEST at after");
    assert_eq!(app.get("/api/events?service=none").await.problem(), "404 NOT_FOUND");
}

#[tokio::test]
async fn a_log_is_read_followed_and_resumed() {
    let app = TestApp::new().await;
    app.running(web()).await;
    for text in ["one", "two", "three"] {
        app.world.write_line(text);
    }
    let texts = |answer: &Value| -> Vec<String> {
        let lines = answer["lines"].as_array().unwrap();
        lines.iter().map(|line| line["text"].as_str().unwrap().to_owned()).collect()
    };
    let all = app.get("/api/services/web/logs").await.json();
    assert_eq!(texts(&all), ["one", "two", "three"]);
    assert_eq!(texts(&app.get("/api/services/web/logs?limit=1").await.json()), ["three"]);
    assert_eq!(texts(&app.get("/api/services/web/logs?grep=t").await.json()), ["two", "three"]);
    let after = all["lines"][1]["next"].as_str().unwrap();
    assert_eq!(texts(&app.get(&format!("/api/services/web/logs?after={after}")).await.json()), ["three"]);

    let path = "/api/services/web/logs?follow=true";
    let mut lines = app.listen(path, &[]).await;
    assert_eq!(lines.headers["content-type"], "application/x-ndjson");
    lines.until("\"three\"").await;
    app.world.write_line("four");
    let four: Value = serde_json::from_str(&lines.until("\"four\"").await).unwrap();
    assert_eq!((&four["text"], &four["stream"]), (&json!("four"), &json!("stdout")));

    let mut events = app.listen(path, &[("accept", "text/event-stream")]).await;
    let told = events.until("\"two\"").await + &events.until("id: ").await;
    let id = told.lines().rev().find_map(|line| line.strip_prefix("id: ")).unwrap().to_owned();
    let mut resumed = app.listen(path, &[("accept", "text/event-stream"), ("last-event-id", &id)]).await;
    let told = resumed.until("\"three\"").await;
    assert!(!told.contains("\"two\""), "{told}");
}

#[tokio::test]
async fn a_log_is_asked_for_in_a_way_that_can_be_understood() {
    let app = TestApp::new().await;
    app.running(web()).await;
    for (query, problem) in [
        ("since=yesterday", "400 INVALID_REQUEST at since"),
        ("until=1", "400 INVALID_REQUEST at until"),
        ("follow=maybe", "400 INVALID_REQUEST at follow"),
        ("limit=all", "400 INVALID_REQUEST at limit"),
        ("after=here", "400 INVALID_REQUEST at after"),
        ("deployment=x", "400 INVALID_REQUEST at deployment"),
        ("color=x", "400 INVALID_REQUEST at color"),
    ] {
        assert_eq!(app.get(&format!("/api/services/web/logs?{query}")).await.problem(), problem);
    }
    let long = format!("/api/services/web/logs?grep={}", "x".repeat(1001));
    assert_eq!(app.get(&long).await.problem(), "400 INVALID_REQUEST at grep");
    assert_eq!(app.get("/api/services/none/logs").await.problem(), "404 NOT_FOUND");
    let lines = app.get("/api/services/web/logs?since=2026-11-21T00:00:00Z&grep=&follow=0").await;
    assert_eq!(lines.json(), json!({"lines": []}));
}
