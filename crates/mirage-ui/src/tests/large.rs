//! A platform with very many services.

use mirage_core::{DeploymentId, Phase, ServiceId, Trigger};
use mirage_store::{NewDeployment, Page, ServiceFilter};

use super::app::TestApp;

const SERVICES: u128 = 1_000;
/// The most a screen may have, in bytes.
const SCREEN: usize = 40_000;

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
async fn as_cards_they_fit_too_and_so_does_whatever_a_service_has_many_of() {
    let app = TestApp::new().await;
    app.deploy("production", "web", "registry.test/a-company-with-a-name/and-a-team/web:2026-11-22.4711")
        .await;
    multiply(&app).await;
    let cookie = format!("{}; mirage_cards=yes", app.log_in().await);
    let path = "/projects/default/production";
    let answer = app.send(http::Method::GET, path, &[("cookie", &cookie)], "").await;
    assert!(answer.text.len() <= SCREEN, "{} bytes", answer.text.len());

    let web = || "default/production/web".parse().unwrap();
    let variables = (0..500).map(|number| {
        let input =
            mirage_core::VariableInput { text: "a value of some length".into(), seal: number % 2 == 0 };
        (format!("A_VARIABLE_OF_SOME_LENGTH_{number}").parse().unwrap(), Some(input))
    });
    let patch = mirage_control::ServicePatch { variables: variables.collect(), ..Default::default() };
    app.control.update(&app.admin, &web(), patch).await.unwrap();
    for number in 0..100 {
        let domain = format!("a-shop-with-a-name-{number}.example.com").parse().unwrap();
        let new = mirage_control::NewDomain { domain, redirect_https: None, certificate: Some(false) };
        app.control.add_domain(&app.admin, &web(), new).await.unwrap();
    }
    for _ in 0..40 {
        let begun = app.control.redeploy(&app.admin, &web()).await.unwrap();
        app.ended(begun.id).await;
    }
    let newest = app.control.service(&app.admin, &web()).await.unwrap().newest.unwrap();
    for path in [
        "/web".to_owned(),
        "/web/deployments".into(),
        "/web/variables".into(),
        "/web/volumes".into(),
        "/web/domains".into(),
        "/web/settings".into(),
        format!("/../../../deployments/{}", newest.id),
    ] {
        let path = match path.strip_prefix("/../../..") {
            Some(root) => root.to_owned(),
            None => format!("/projects/default/production{path}"),
        };
        let answer = app.get(&path).await;
        assert!(answer.text.len() <= SCREEN, "{path} has {} bytes", answer.text.len());
        assert_eq!(super::html::Document::parse(&answer.text).faults(), Vec::<String>::new(), "{path}");
    }
}

/// Writes services like the one there is, without deploying them.
async fn multiply(app: &TestApp) {
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
