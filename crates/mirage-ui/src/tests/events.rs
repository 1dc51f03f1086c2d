//! Who did what, and what happened: what is looked for, and what comes while one looks.

use http::StatusCode;

use super::app::TestApp;
use super::hostile::{ATTACKS, escaped};
use super::html::Document;

#[tokio::test]
async fn events_are_filtered_and_the_filter_goes_along_to_older_ones() {
    let app = TestApp::new().await;
    for number in 0..12 {
        app.deploy("production", &format!("web{number}"), "registry.test/acme/web:1").await;
    }
    let all = app.page("/events").await;
    assert_eq!(all.table("Events").len() - 1, 50);

    let one = app.page("/events?service=web3&kind=&actor=&since=1h").await;
    let rows = one.table("Events");
    assert!(
        rows.len() > 5 && rows[1..].iter().all(|row| row.contains(" web3 default/production ")),
        "{rows:?}"
    );
    assert!(one.text().ends_with("In a terminal: mirage events --service web3 --since 1h"), "{}", one.text());
    let service = one.all("input").find(|input| input.get("id") == Some("service")).unwrap();
    assert_eq!((service.get("value"), service.get("data-key")), (Some("web3"), Some("/")));
    assert_eq!(one.link("Show all"), "/events");

    let kind = app.page("/events?kind=serviceCreated&actor=admin").await;
    assert_eq!(kind.table("Events").len() - 1, 12);
    let chosen: Vec<_> =
        kind.all("option").filter(|it| it.get("selected").is_some()).map(|it| &it.text).collect();
    assert_eq!(chosen, ["a service was created", "any time"]);

    let page = app.page("/events?actor=mirage").await;
    assert_eq!(page.table("Events").len() - 1, 50);
    let older = page.link("Older events").to_owned();
    assert!(older.starts_with("/events?actor=mirage&before="), "{older}");
    let page = app.page(&older).await;
    assert!(
        page.table("Events")[1..].iter().all(|row| row.contains(" mirage web")),
        "{:?}",
        page.table("Events")
    );
    assert!(!page.elements.iter().any(|it| it.get("sse-connect").is_some()), "what is old does not change");
}

#[tokio::test]
async fn what_cannot_be_looked_for_is_said_at_its_field() {
    let app = TestApp::new().await;
    app.deploy("production", "web", "registry.test/acme/web:1").await;
    for (query, field, status, told) in [
        ("service=none", "service", StatusCode::NOT_FOUND, "there is no service none"),
        ("service=No+Name", "service", StatusCode::BAD_REQUEST, "No Name"),
        ("service=a/b", "service", StatusCode::BAD_REQUEST, "does not name a service"),
        ("kind=none", "kind", StatusCode::BAD_REQUEST, "there is no kind of event none"),
        ("since=yesterday", "since", StatusCode::BAD_REQUEST, "yesterday"),
    ] {
        let answer = app.get(&format!("/events?{query}")).await;
        assert_eq!(answer.status, status, "{query}");
        let page = Document::parse(&answer.text);
        assert_eq!(page.faults(), Vec::<String>::new());
        let wrong = page.elements.iter().find(|it| it.get("id") == Some(&format!("{field}-wrong"))).unwrap();
        assert!(wrong.text.contains(told), "{query}: {}", wrong.text);
    }
    let none = app.page("/events?actor=nobody").await;
    assert_eq!(none.table("Events")[1..], ["No event is like that."]);
}

#[tokio::test]
async fn new_events_come_on_top_while_one_looks() {
    let app = TestApp::new().await;
    app.deploy("production", "web", "registry.test/acme/web:1").await;
    let page = app.page("/events?kind=serviceCreated").await;
    let live = page.elements.iter().find_map(|it| it.get("sse-connect")).unwrap().to_owned();
    assert!(live.starts_with("/live/events?kind=serviceCreated&after="), "{live}");
    let looking = app.follow_until(&live, "created the service");
    let acting = async {
        tokio::task::yield_now().await;
        app.deploy("production", "api", "registry.test/acme/web:1").await;
    };
    let (said, ()) = tokio::join!(looking, acting);
    assert!(said.contains("newer: "), "{said}");
    assert!(said.contains("/projects/default/production/api") && !said.contains("production/web"), "{said}");
}

#[tokio::test]
async fn what_is_looked_for_is_shown_as_text() {
    let app = TestApp::new().await;
    app.deploy("production", "web", "registry.test/acme/web:1").await;
    for attack in ATTACKS {
        for field in ["service", "kind", "actor", "since", "before"] {
            let answer = app.get(&format!("/events?{field}={}", escaped(attack))).await;
            let page = Document::parse(&answer.text);
            assert_eq!(page.faults(), Vec::<String>::new(), "{field}={attack}");
        }
        let answer = app.get(&format!("/jump?q={}", escaped(attack))).await;
        let page = Document::parse(&answer.text);
        assert_eq!(page.faults(), Vec::<String>::new(), "jump to {attack}");
        let field = page.all("input").find(|input| input.get("id") == Some("jump")).unwrap();
        assert_eq!(field.get("value"), Some(attack));
    }
}
