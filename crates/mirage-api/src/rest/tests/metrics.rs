use serde_json::json;

use super::app::{TestApp, web};

#[tokio::test]
async fn what_a_service_did_is_told_in_steps() {
    let app = TestApp::new().await;
    app.running(web()).await;
    let answer = app.get("/api/services/web/metrics").await.json();
    assert_eq!(answer["stepSeconds"], 60);
    assert!(answer["points"].is_array() && answer["since"].is_string(), "{answer}");
    for (query, problem) in [
        ("since=yesterday", "400 INVALID_REQUEST at since"),
        ("step=often", "400 INVALID_REQUEST at step"),
        ("step=1", "400 INVALID_REQUEST at step"),
        ("since=2026-11-20T00:00:00Z&until=2026-11-19T00:00:00Z", "400 INVALID_REQUEST at since"),
        ("color=x", "400 INVALID_REQUEST at color"),
    ] {
        assert_eq!(app.get(&format!("/api/services/web/metrics?{query}")).await.problem(), problem);
    }
    assert_eq!(app.get("/api/services/none/metrics").await.problem(), "404 NOT_FOUND");
}

#[tokio::test]
async fn prometheus_reads_every_service_by_its_names() {
    let app = TestApp::new().await;
    app.running(web()).await;
    let answer = app.get("/metrics").await;
    assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    let has = |line: &str| assert!(answer.text.lines().any(|it| it == line), "{line}\n{}", answer.text);
    has("# TYPE mirage_service_instances gauge");
    has("mirage_service_instances{project=\"default\",environment=\"production\",service=\"web\"} 1");
    has("mirage_deployments{phase=\"active\"} 1");
    let closed = app.send_raw(http::Method::GET, "/metrics", &[], "").await;
    assert_eq!(closed.problem(), "401 UNAUTHENTICATED");
    assert_eq!(json!(answer.text.lines().filter(|line| line.starts_with("mirage_events_total ")).count()), 1);
    // A line is a comment, or a name with labels and a number; a family is described once, before its lines.
    let mut described = std::collections::BTreeSet::new();
    for line in answer.text.lines() {
        match line.strip_prefix("# TYPE ") {
            Some(rest) => assert!(described.insert(rest.split(' ').next().unwrap().to_owned()), "{line}"),
            None if line.starts_with("# HELP ") => {}
            None => {
                let (name, value) = line.rsplit_once(' ').unwrap();
                assert!(described.iter().any(|family| name.starts_with(family.as_str())), "{line}");
                value.parse::<f64>().unwrap();
            }
        }
    }
}
