//! Looking at what services do and use.

use http::StatusCode;
use mirage_core::{Deployment, Figures, TrafficCounts};
use mirage_store::Sample;

use super::app::TestApp;
use super::html::Document;

const WEB: &str = "/projects/default/production/web/metrics";

#[tokio::test]
async fn a_service_of_which_nothing_is_known_says_so() {
    let (app, _) = started().await;
    let page = app.page(WEB).await;
    assert_eq!(page.faults(), Vec::<String>::new());
    assert!(page.text().contains("Nothing is known of the last hour."), "{}", page.text());
    assert!(page.text().contains("mirage status default/production/web"));
    assert!(page.text().contains("In a terminal: mirage metrics default/production/web --since 1h"));
}

#[tokio::test]
async fn what_it_did_is_drawn_and_stands_in_tables() {
    let (app, web) = started().await;
    busy(&app, &web, 55).await;
    let answer = app.get(WEB).await;
    let page = Document::parse(&answer.text);
    assert_eq!(page.faults(), Vec::<String>::new());
    let headings: Vec<_> = page.all("h2").map(|it| it.text.as_str()).collect();
    assert_eq!(headings, ["Processors", "Memory", "Requests", "Latency", "Network"]);
    let pictures: Vec<_> = page.elements.iter().filter(|it| it.get("role") == Some("img")).collect();
    assert_eq!(pictures.len(), 5);
    let titles: Vec<_> = page.all("title").map(|it| it.text.as_str()).collect();
    for said in [
        "Processors: at most 0.5 CPU",
        "Memory: at most 64 MiB",
        "Requests: at most 1.67/s",
        "Latency: at most 0.99 ms",
        "Network: at most 2.0 KiB/s",
    ] {
        assert!(titles.iter().any(|title| title.starts_with(said)), "{said}: {titles:?}");
    }
    assert!(page.text().contains("━━ 2xx ╍╍ 5xx"), "classes that were there: {}", page.text());
    assert_eq!(page.all("table").count(), 5);
    assert!(page.all("td").any(|it| it.text == "64 MiB"));
    assert!(answer.text.len() <= 40_000, "{} bytes", answer.text.len());
}

#[tokio::test]
async fn a_deployment_is_a_mark_that_leads_to_it() {
    let (app, web) = started().await;
    busy(&app, &web, 10).await;
    let page = app.page(WEB).await;
    let marks: Vec<_> = page.all("a").filter(|it| it.text.starts_with("deploy of #1, active")).collect();
    assert_eq!(marks.len(), 5, "in each chart");
    assert!(marks.iter().all(|it| it.get("href") == Some(&format!("/deployments/{}", web.id))));
    assert!(marks[0].text.ends_with("#1"), "{}", marks[0].text);
}

#[tokio::test]
async fn longer_times_are_links() {
    let (app, web) = started().await;
    busy(&app, &web, 600).await;
    let page = app.page(WEB).await;
    for (name, words, steps) in [
        ("1 hour", "hour", "minute"),
        ("6 hours", "6 hours", "5 minutes"),
        ("24 hours", "24 hours", "30 minutes"),
        ("7 days", "7 days", "3 hours"),
    ] {
        let answer = app.get(page.link(name)).await;
        let page = Document::parse(&answer.text);
        assert_eq!(page.faults(), Vec::<String>::new(), "{name}");
        assert!(
            page.text().contains(&format!("The last {words}, a point for each {steps}")),
            "{}",
            page.text()
        );
        assert!(answer.text.len() <= 40_000, "{name}: {} bytes", answer.text.len());
    }
    let answer = app.get(&format!("{WEB}?span=1y")).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn the_charts_are_sent_again_while_somebody_looks() {
    let (app, web) = started().await;
    busy(&app, &web, 10).await;
    let mut live = app.listen(&format!("/live{WEB}?span=6h"), None).await;
    let mut names = Vec::new();
    for _ in 0..11 {
        names.push(live.next().await.name);
    }
    assert_eq!(names[..3], ["metrics-state", "cpu", "cpu-numbers"]);
    let page = app.page(WEB).await;
    for name in names {
        let piece = page.elements.iter().find(|it| it.get("id") == Some(&name)).unwrap();
        assert_eq!(piece.get("sse-swap"), Some(name.as_str()));
    }
}

async fn started() -> (TestApp, Deployment) {
    let app = TestApp::new().await;
    let web = app.deploy("production", "web", "registry.test/acme/web:1").await;
    (app, web)
}

/// So many minutes with work.
async fn busy(app: &TestApp, web: &Deployment, minutes: i64) {
    let now = app.control.now().as_second().div_euclid(60) * 60;
    for minute in (1..=minutes).rev() {
        let mut traffic = TrafficCounts { classes: [0, 100, 0, 0, 20], ..TrafficCounts::default() };
        traffic.latency.buckets[1] = 120;
        let figures = Figures {
            cpu_micros: 30_000_000,
            memory_bytes: 64 << 20,
            received_bytes: 60 << 10,
            sent_bytes: 120 << 10,
            traffic,
        };
        let mut tx = app.store.begin().await.unwrap();
        tx.add_minute(now - minute * 60, &[(web.service, Sample { seconds: 60, figures })]).await.unwrap();
        tx.commit().await.unwrap();
    }
}
