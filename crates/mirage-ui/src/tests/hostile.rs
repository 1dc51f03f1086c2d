//! Text from outside that would be markup, if it could.

use mirage_core::{Event, EventKind};

use super::app::TestApp;
use super::html::Document;

pub(super) const ATTACKS: [&str; 4] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "</pre></section><a href=\"javascript:alert(1)\">x</a>&lt;b&gt;",
];

#[tokio::test]
async fn what_a_process_writes_and_why_it_failed_are_shown_as_text() {
    let app = TestApp::new().await;
    *app.world.why.lock().unwrap() = ATTACKS.join(" ");
    *app.world.said.lock().unwrap() = ATTACKS.map(str::to_owned).into();
    let failed = app.deploy("production", "web", "registry.test/acme/web:broken").await;
    let page = app.page(&format!("/deployments/{}", failed.id)).await;
    assert_eq!(page.faults(), Vec::<String>::new());
    assert_eq!(page.only("pre"), ATTACKS.join(" "), "each line, character by character");
    assert!(page.text().contains(&format!("could not be started: {}", ATTACKS.join(" "))));
    for path in ["/projects/default/production/web", "/projects/default/production"] {
        let page = app.page(path).await;
        assert_eq!(page.faults(), Vec::<String>::new(), "{path}");
    }
    let page = app.page("/projects/default/production/web").await;
    assert!(page.text().contains(ATTACKS[0]), "{}", page.text());
}

#[tokio::test]
async fn what_a_log_says_and_what_is_looked_for_in_it_are_shown_as_text() {
    let app = TestApp::new().await;
    let web = app.deploy("production", "web", "registry.test/acme/web:1").await;
    let logs = "/projects/default/production/web/logs";
    let mut live = app.listen(&format!("/live{logs}?lines=100"), None).await;
    for attack in ATTACKS {
        app.world.logs.append(
            &web,
            "2026-11-21T00:00:01Z",
            &format!("\x1b[31m{attack}\x1b[0m\x1b]0;{attack}"),
        );
    }
    let page = app.page(logs).await;
    assert_eq!(page.faults(), Vec::<String>::new());
    for attack in ATTACKS {
        assert!(page.text().contains(&format!("00:00:01.000 {attack}0;{attack}")), "{}", page.text());
    }
    let mut heard = String::new();
    while heard.matches("<div").count() < ATTACKS.len() {
        heard.push_str(&live.next().await.data);
    }
    let page = Document::parse(&format!("<!DOCTYPE html><main>{heard}</main>"));
    let known = ["main", "div", "time", "span"];
    assert!(page.elements.iter().all(|it| known.contains(&it.name.as_str())), "{heard}");
    for attack in ATTACKS {
        assert!(page.only("main").contains(&format!("{attack}0;{attack}")), "{heard}");
        let encoded: String = attack.bytes().map(|byte| format!("%{byte:02x}")).collect();
        for field in ["q", "level", "since", "lines", "with", "deployment", "instance", "after"] {
            let answer = app.get(&format!("{logs}?{field}={encoded}")).await;
            let page = Document::parse(&answer.text);
            assert_eq!(page.faults(), Vec::<String>::new(), "{field}: {}", answer.text);
        }
        let page = app.page(&format!("{logs}?q={encoded}")).await;
        assert!(page.all("mark").any(|mark| mark.text == attack.trim()), "{attack} is marked");
    }
}

#[tokio::test]
async fn what_events_quote_is_shown_as_text() {
    let app = TestApp::new().await;
    let mut tx = app.store.begin().await.unwrap();
    for attack in ATTACKS {
        let text = || attack.to_owned();
        let kinds = [
            EventKind::CredentialSet { registry: text(), username: text() },
            EventKind::PushNotDeployed { image: text(), reason: text() },
            EventKind::CertificateFailed { domain: text(), reason: text() },
            EventKind::ServiceChanged {
                fields: vec![text()],
                changes: Vec::new(),
                variable_names: Vec::new(),
            },
        ];
        for kind in kinds {
            let time = app.control.now();
            let event = Event { number: 0, time, actor: text(), service: None, deployment: None, kind };
            tx.append(event).await.unwrap();
        }
    }
    tx.commit().await.unwrap();
    let page = app.page("/events").await;
    assert_eq!(page.faults(), Vec::<String>::new());
    for attack in ATTACKS {
        let told = format!("{attack} a push of {attack} was not deployed: {attack}");
        assert!(page.text().contains(&told), "{told}: {}", page.text());
    }
}

#[tokio::test]
async fn what_stands_in_an_address_is_shown_as_text() {
    let app = TestApp::new().await;
    for attack in ATTACKS {
        let path = escaped(attack);
        for place in ["/", "/projects/", "/deployments/", "/assets/", "/projects/default/", "/login?next="] {
            let answer = app.get(&format!("{place}{path}")).await;
            if answer.status.is_redirection() {
                assert!(answer.leads_to() == "/", "{:?}", answer.leads_to());
                continue;
            }
            let page = Document::parse(&answer.text);
            assert_eq!(page.faults(), Vec::<String>::new(), "{place}{attack}");
        }
    }
}

/// Text as it is sent in an address or a form.
pub(super) fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}
