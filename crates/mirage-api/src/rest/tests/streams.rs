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
        app.world.write_line(0, text);
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
    app.world.write_line(0, "four");
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
async fn who_comes_back_is_not_told_the_old_lines_of_an_instance_that_was_silent() {
    let app = TestApp::new().await;
    app.running(json!({"image": "registry.test/acme/web:1", "replicas": 2})).await;
    app.world.write_line(0, "old");
    app.world.write_line(1, "new");
    let path = "/api/services/web/logs?follow=true";
    let accept = ("accept", "text/event-stream");
    let mut events = app.listen(&format!("{path}&limit=1"), &[accept]).await;
    let told = events.until("\"new\"").await + &events.until("\n").await;
    assert!(!told.contains("\"old\""), "{told}");
    let id = told.lines().rev().find_map(|line| line.strip_prefix("id: ")).unwrap().to_owned();
    drop(events);
    app.world.write_line(0, "later");
    let mut resumed = app.listen(path, &[accept, ("last-event-id", &id)]).await;
    let told = resumed.until("\"later\"").await;
    assert!(!told.contains("\"old\"") && !told.contains("\"new\""), "{told}");
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
        ("regex=(", "400 INVALID_REQUEST at regex"),
        ("level=loud", "400 INVALID_REQUEST at level"),
    ] {
        assert_eq!(app.get(&format!("/api/services/web/logs?{query}")).await.problem(), problem);
        assert_eq!(app.get(&format!("/api/logs?service=web&{query}")).await.problem(), problem);
    }
    assert_eq!(app.get("/api/logs").await.problem(), "400 INVALID_REQUEST at service");
    let crowd = "service=web&".repeat(21);
    assert_eq!(app.get(&format!("/api/logs?{crowd}")).await.problem(), "400 INVALID_REQUEST at service");
    assert_eq!(app.get("/api/logs?service=none").await.problem(), "404 NOT_FOUND");
    let long = format!("/api/services/web/logs?grep={}", "x".repeat(1001));
    assert_eq!(app.get(&long).await.problem(), "400 INVALID_REQUEST at grep");
    assert_eq!(app.get("/api/services/none/logs").await.problem(), "404 NOT_FOUND");
    let lines = app.get("/api/services/web/logs?since=2026-11-21T00:00:00Z&grep=&follow=0").await;
    assert_eq!(lines.json(), json!({"lines": []}));
}

#[tokio::test]
async fn lines_are_picked_by_pattern_and_by_level_also_of_several_services() {
    let app = TestApp::new().await;
    app.running(web()).await;
    app.running(json!({"image": "registry.test/acme/web:1", "name": "other"})).await;
    for text in [r#"{"level":"info","msg":"hello"}"#, "plain", r#"{"level":50,"msg":"bad 42"}"#] {
        (0..2).for_each(|place| app.world.write_line(place, text));
    }
    let shown = |answer: &Value| -> Vec<String> {
        let lines = answer["lines"].as_array().unwrap();
        let one = |line: &Value| {
            format!("{} {} {}", line["service"], line["level"], line["text"].as_str().unwrap().len())
        };
        lines.iter().map(one).collect()
    };
    let bad = r#""web" "error" 27"#;
    for query in ["level=warn", "regex=%5Cd%2B%22", "regex=b.d&level=error"] {
        let answer = app.get(&format!("/api/services/web/logs?{query}")).await.json();
        assert_eq!(shown(&answer), [bad], "{query}");
    }
    let both =
        app.get("/api/logs?service=web&service=other&service=default%2Fproduction%2Fweb&level=error").await;
    assert_eq!(shown(&both.json()), [bad, &bad.replace("web", "other")]);
    let mut lines = app.listen("/api/logs?follow=true&service=web&service=other", &[]).await;
    let told = lines.until("bad 42").await;
    assert!(told.contains(r#""service":"web""#), "{told}");
}

#[tokio::test]
async fn the_event_log_tells_who_changed_what_and_never_a_secret() {
    let app = TestApp::new().await;
    app.running(web()).await;
    let patch = json!({
        "image": "registry.test/acme/web:2", "replicas": 2, "allowNewPrivileges": true, "command": ["/web", "hunter2"],
        "environmentVariables": {"PASSWORD": "hunter2"},
    });
    let id = app.post("/api/services/web/deploy", patch).await.json()["id"].as_str().unwrap().to_owned();
    app.becomes(&id, "active").await;
    let read = async |query: &str| {
        let answer = app.get(&format!("/api/events?follow=false&{query}")).await;
        assert!(!answer.text.contains("hunter2"));
        answer.json()["events"].as_array().unwrap().clone()
    };
    let changed = read("kind=serviceChanged&service=web&actor=admin").await;
    let [changed] = &changed[..] else { panic!("{changed:?}") };
    assert_eq!(changed["variableNames"], json!(["PASSWORD"]));
    assert_eq!(changed["fields"], json!(["image", "environmentVariables", "command", "allowNewPrivileges"]));
    let expected = json!([
        {"field": "allowNewPrivileges", "before": "false", "after": "true"},
        {"field": "image", "before": "registry.test/acme/web:1", "after": "registry.test/acme/web:2"},
    ]);
    assert_eq!(changed["changes"], expected);
    let scaled = read("kind=serviceScaled").await;
    assert_eq!((&scaled[0]["from"], &scaled[0]["to"]), (&json!(1), &json!(2)));
    let asked = read("kind=deploymentRequested").await;
    assert_eq!(asked.len(), 2);
    assert_eq!((&asked[1]["reason"], &asked[1]["revision"]), (&json!("deploy"), &json!(2)));
    assert_eq!((&asked[1]["previous"], &asked[0]["previous"]), (&asked[0]["digest"], &Value::Null));

    let all = read("limit=1000").await;
    assert!(all.is_sorted_by_key(|event| event["number"].as_i64()));
    let (newest, number) = (read("limit=2").await, all[2]["number"].as_i64().unwrap());
    assert_eq!(newest, all[all.len() - 2..]);
    assert_eq!(read(&format!("after={number}&limit=2")).await, all[3..5]);
    assert!(read("actor=nobody").await.is_empty() && read("since=2099-01-01T00:00:00Z").await.is_empty());
    assert_eq!(app.get("/api/events?limit=5").await.problem(), "400 INVALID_REQUEST at limit");
    let mistyped = app.get("/api/events?kind=servicescaled").await;
    assert_eq!(mistyped.problem(), "400 INVALID_REQUEST at kind");
    assert_eq!(mistyped.json()["hint"], "did you mean `serviceScaled`?");
    assert_eq!(app.get("/api/events?until=x").await.problem(), "400 INVALID_REQUEST at until");
    let mut lines =
        app.listen("/api/events?after=0&kind=serviceScaled", &[("accept", "application/x-ndjson")]).await;
    let first: Value = serde_json::from_str(&lines.until("serviceScaled").await).unwrap_or_default();
    assert_eq!(first["type"], "serviceScaled");
}
