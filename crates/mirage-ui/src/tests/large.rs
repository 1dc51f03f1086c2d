//! A platform with very many services.

use mirage_core::{DeploymentId, Phase, ServiceId, Trigger};
use mirage_store::{NewDeployment, Page, ServiceFilter};

use super::app::TestApp;

const SERVICES: u128 = 1_000;
/// The most a screen may have, in bytes.
pub(super) const SCREEN: usize = 40_000;

#[tokio::test]
async fn a_thousand_services_come_by_screens_of_forty_kilobytes() {
    let app = TestApp::new().await;
    app.deploy("production", "web", "registry.test/a-company-with-a-name/and-a-team/web:2026-11-22.4711")
        .await;
    multiply(&app).await;
    let (mut path, mut seen) = ("/projects/default/production".to_owned(), 0);
    loop {
        let answer = app.get(&path).await;
        assert!(answer.text.len() <= SCREEN, "{path} has {} bytes", answer.text.len());
        let page = super::html::Document::parse(&answer.text);
        assert_eq!(page.faults(), Vec::<String>::new());
        seen += page.table("Services").len() - 1;
        match page.all("a").find(|link| link.text == "More services") {
            Some(next) => path = next.get("href").unwrap().to_owned(),
            None => break,
        }
    }
    assert_eq!(seen, 1 + SERVICES as usize, "each is on one page");
}

#[tokio::test]
async fn a_log_beside_a_thousand_others_is_a_screen_of_forty_kilobytes() {
    let app = TestApp::new().await;
    let web = app.deploy("production", "web", "registry.test/acme/web:1").await;
    multiply(&app).await;
    for number in 0..1_000 {
        let text = format!("\x1b[32mINFO\x1b[0m request {number} GET /api/v1/accounts {}", "x".repeat(200));
        app.world.logs.append(&web, "2026-11-21T00:00:01Z", &text);
    }
    let logs = "/projects/default/production/web/logs";
    let answer = app.get(logs).await;
    assert!(answer.text.len() <= SCREEN, "{} bytes", answer.text.len());
    let page = super::html::Document::parse(&answer.text);
    assert_eq!(page.faults(), Vec::<String>::new());
    assert!(page.text().contains("980 more, which `mirage logs` reads together too"), "{}", page.text());
    let with = "with=a-service-with-a-name-7&with=a-service-with-a-name-999";
    let page = app.page(&format!("{logs}?{with}")).await;
    assert_eq!(
        page.all("input").filter(|it| it.get("checked").is_some()).count(),
        2,
        "what was chosen is kept"
    );
}

/// Writes services like the one there is, without deploying them.
pub(super) async fn multiply(app: &TestApp) {
    let page = Page { after: None, limit: 1 };
    let first = app.store.services(&ServiceFilter::default(), &page).await.unwrap().remove(0);
    let revision = app.store.newest_revision_of(first.id).await.unwrap().unwrap();
    let mut tx = app.store.begin().await.unwrap();
    for number in 0..SERVICES {
        let mut service = first.clone();
        service.id = ServiceId::from_random((0x1000 + number).to_be_bytes());
        service.name = format!("a-service-with-a-name-{number}").parse().unwrap();
        service.host = format!("{}-production", service.name);
        let mut revision = revision.clone();
        revision.service = service.id;
        let new = NewDeployment {
            requested_by: "admin".into(),
            id: DeploymentId::from_random((0x8000 + number).to_be_bytes()),
            service: service.id,
            revision: revision.number,
            trigger: Trigger::Deploy,
            replaces: None,
            created_at: service.created_at,
        };
        tx.insert_service(&service).await.unwrap();
        tx.insert_revision(&revision).await.unwrap();
        tx.insert_deployment(&new).await.unwrap();
        assert!(tx.set_phase(new.id, Phase::Active, service.created_at).await.unwrap());
    }
    tx.commit().await.unwrap();
}
