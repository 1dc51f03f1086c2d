//! Text from outside that would be markup, if it could.

use mirage_core::{Event, EventKind};

use super::app::TestApp;

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
        let path: String = attack.bytes().map(|byte| format!("%{byte:02x}")).collect();
        for place in ["/", "/projects/", "/deployments/", "/assets/", "/projects/default/", "/login?next="] {
            let answer = app.get(&format!("{place}{path}")).await;
            if answer.status.is_redirection() {
                assert!(answer.leads_to() == "/", "{:?}", answer.leads_to());
                continue;
            }
            let page = super::html::Document::parse(&answer.text);
            assert_eq!(page.faults(), Vec::<String>::new(), "{place}{attack}");
        }
    }
}
