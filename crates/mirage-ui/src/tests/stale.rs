//! Somebody whose page is older than what was done meanwhile.

use http::StatusCode;
use mirage_control::ServicePatch;
use mirage_core::{Deployment, Phase};

use super::app::TestApp;
use super::html::Document;

const WEB: &str = "/projects/default/production/web";

async fn deploy(app: &TestApp, tag: &str) -> Deployment {
    let image = format!("registry.test/acme/web:{tag}");
    let patch = ServicePatch { image: Some(image.parse().unwrap()), ..Default::default() };
    let begun = app.control.deploy(&app.admin, &"web".parse().unwrap(), patch).await.unwrap();
    app.ended(begun.id).await
}

#[tokio::test]
async fn a_button_rolls_back_to_the_revision_that_it_names_whatever_was_deployed_since() {
    let app = TestApp::new().await;
    app.deploy("production", "web", "registry.test/acme/web:1").await;
    deploy(&app, "2").await;
    let page = app.page(WEB).await;
    let button = page.all("button").find(|it| it.text == "Roll back to #1").unwrap();
    assert_eq!((button.get("name"), button.get("value")), (Some("revision"), Some("1")));
    deploy(&app, "3").await;
    let answer = app.fill_in(WEB, &format!("{WEB}/rollback"), &[("revision", "1")]).await;
    let id = answer.leads_to().rsplit('/').next().unwrap().parse().unwrap();
    let back = app.ended(id).await;
    assert_eq!((back.phase, back.revision), (Phase::Active, 1));
    for revision in ["", "x", "9", "-1"] {
        let answer = app.fill_in(WEB, &format!("{WEB}/rollback"), &[("revision", revision)]).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{revision}");
    }
}

#[tokio::test]
async fn a_deployment_is_redeployed_only_while_its_revision_is_what_a_redeploy_takes() {
    let app = TestApp::new().await;
    let first = app.deploy("production", "web", "registry.test/acme/web:1").await;
    let path = format!("/deployments/{}", first.id);
    assert!(app.page(&path).await.all("button").any(|it| it.text == "Redeploy"));
    let second = deploy(&app, "2").await;
    assert!(!app.page(&path).await.all("button").any(|it| it.text == "Redeploy"));
    let answer = app.send_form(&format!("{path}/redeploy"), "").await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    let page = Document::parse(&answer.text);
    assert!(page.text().contains("a redeploy of web takes revision 2, and this one had 1"), "{}", page.text());
    let newest = app.control.service(&app.admin, &"web".parse().unwrap()).await.unwrap().newest.unwrap();
    assert_eq!(newest.id, second.id, "nothing was begun");
}
