//! What became of the last deployment, and what the next one would bring.

use super::*;

const PLACE: &str = "/projects/default/production";

async fn fail(app: &TestApp) -> Deployment {
    *app.world.why.lock().unwrap() = "no program `/serve`".into();
    let image = Some("registry.test/acme/web:broken".parse().unwrap());
    let patch = ServicePatch { image, ..Default::default() };
    let begun = app.control.deploy(&app.admin, &"web".parse().unwrap(), patch).await.unwrap();
    app.ended(begun.id).await
}

#[tokio::test]
async fn a_failed_deployment_is_seen_wherever_what_ran_before_looks_well() {
    let app = web().await;
    let failed = fail(&app).await;
    let page = app.page(WEB).await;
    assert_eq!(page.faults(), Vec::<String>::new());
    for told in [
        "Deployment #2 failed",
        "web could not be started: no program /serve",
        "What ran before, #1, still serves. See what happened",
        "web is active, and its last deployment has failed",
    ] {
        assert!(page.text().contains(told), "{told}: {}", page.text());
    }
    assert_eq!(page.link("See what happened"), format!("/deployments/{}", failed.id));
    let own = app.page(&format!("/deployments/{}", failed.id)).await;
    assert!(own.text().contains("#1 serves; this one never got a request."), "{}", own.text());
    assert!(own.text().contains("Was to replace #1"), "{}", own.text());
    let page = app.page(PLACE).await;
    assert!(page.table("Services")[1].contains("✕ failed"), "{:?}", page.table("Services"));
    assert!(page.text().contains("the last deployment of web has failed"), "{}", page.text());
    let cookie = format!("{}; mirage_cards=yes", app.log_in().await);
    let cards = app.send(Method::GET, PLACE, &[("cookie", &cookie)], "").await;
    assert!(Document::parse(&cards.text).text().contains("✕ failed"));
    assert!(!app.page(&format!("{WEB}/deployments")).await.text().contains('`'));

    let back = app.fill_in(WEB, &format!("{WEB}/redeploy"), &[]).await;
    ended(&app, &back).await;
    assert!(!app.page(WEB).await.text().contains("still serves"), "the last one went well");
}

#[tokio::test]
async fn a_service_that_never_ran_says_that_nothing_serves() {
    let app = TestApp::new().await;
    app.deploy("production", "web", "registry.test/acme/web:broken").await;
    let page = app.page(WEB).await;
    assert!(page.text().contains("Nothing of it serves."), "{}", page.text());
    assert!(page.text().contains("web has failed"), "{}", page.text());
}

#[tokio::test]
async fn a_tag_that_means_something_else_by_now_is_told_with_what_stays_on_what_runs() {
    let app = web().await;
    let view = app.control.service(&app.admin, &"web".parse().unwrap()).await.unwrap();
    let runs = view.revision.unwrap();
    assert!(!app.page(WEB).await.text().contains("has come to mean"));
    let mut newer = runs.clone();
    newer.number = 2;
    newer.image.digest = mirage_core::Digest::sha256([9; 32]);
    let mut tx = app.store.begin().await.unwrap();
    tx.insert_revision(&newer).await.unwrap();
    tx.commit().await.unwrap();
    let page = app.page(WEB).await;
    assert_eq!(page.faults(), Vec::<String>::new());
    let told =
        "registry.test/acme/web:1 has come to mean other bytes than what runs: those of #2, while #1 runs.";
    assert!(page.text().contains(told), "{}", page.text());
    let pinned = format!("To stay on what runs, deploy registry.test/acme/web:1@{}", runs.image.digest);
    assert!(page.text().contains(&pinned), "{}", page.text());
}

#[tokio::test]
async fn what_runs_is_kept_where_what_was_asked_for_failed() {
    let app = web().await;
    fail(&app).await;
    let told = "The next deploy, also one of another setting, tries registry.test/acme/web:broken again.";
    assert!(app.page(WEB).await.text().contains(told));
    let answer = app.fill_in(WEB, &format!("{WEB}/keep"), &[("image", "registry.test/acme/web:1")]).await;
    assert_eq!(answer.leads_to(), WEB);
    let page = app.page(WEB).await;
    assert!(
        !page.text().contains("The next deploy, also") && !page.text().contains("Waits for the next deploy")
    );
    assert!(page.text().contains("Deployment #2 failed"), "it has, whatever is set now");
    let next =
        app.control.deploy(&app.admin, &"web".parse().unwrap(), ServicePatch::default()).await.unwrap();
    assert_eq!(app.ended(next.id).await.phase, Phase::Active);
}

#[tokio::test]
async fn what_has_failed_is_not_said_to_be_probed_while_its_instances_end() {
    let app = web().await;
    let mut failed = fail(&app).await;
    failed.phase = Phase::Probing;
    let state = crate::badge::of_deployment(&failed);
    assert_eq!((state.word, state.since), ("failing", None));
    assert_eq!(crate::badge::deployment_in_words(&failed), "is failing");
    failed.failure = None;
    assert_eq!(crate::badge::of_deployment(&failed).word, "probing");
}
