//! What somebody does about a deployment.

use std::sync::atomic::Ordering;

use http::StatusCode;
use mirage_control::ServicePatch;
use mirage_core::{Deployment, Phase, VariableInput};

use super::app::TestApp;
use super::html::Document;

async fn deploy(app: &TestApp, patch: ServicePatch) -> Deployment {
    let begun = app.control.deploy(&app.admin, &"web".parse().unwrap(), patch).await.unwrap();
    app.ended(begun.id).await
}

fn image(tag: &str) -> ServicePatch {
    let image = format!("registry.test/acme/web:{tag}");
    ServicePatch { image: Some(image.parse().unwrap()), ..Default::default() }
}

#[tokio::test]
async fn somebody_rolls_back_to_an_older_deployment() {
    let app = TestApp::new().await;
    let first = app.deploy("production", "web", "registry.test/acme/web:1").await;
    let second = deploy(&app, image("2")).await;
    let path = format!("/deployments/{}", first.id);
    let page = app.page(&path).await;
    assert!(page.text().contains("mirage rollback default/production/web 1"), "{}", page.text());
    let answer = app.fill_in(&path, &format!("{path}/rollback"), &[]).await;
    let to = answer.leads_to().to_owned();
    let third = app.ended(to.rsplit('/').next().unwrap().parse().unwrap()).await;
    assert_eq!((third.phase, third.revision), (Phase::Active, 1));
    let page = app.page(&path).await;
    assert!(!page.all("button").any(|it| it.text.starts_with("Roll back")), "it runs");
    let running = app.page(&to).await;
    assert_eq!(running.link("#2"), format!("/deployments/{}", second.id), "what it replaces");
    assert!(
        running.link("web-production.localhost:8080").starts_with("http://web-production."),
        "where it answers"
    );
    // What was gone back from is newer.
    let newer = app.page(&format!("/deployments/{}", second.id)).await;
    assert!(newer.all("button").any(|it| it.text == "Deploy #2 again"), "{}", newer.text());
    assert!(!newer.all("a").any(|it| it.text == "web-production.localhost:8080"), "it does not run");
    let service = app.page("/projects/default/production/web").await;
    assert!(
        !service.text().contains("Roll back to #2") && !service.text().contains("asked for"),
        "{}",
        service.text()
    );
    let answer = app.fill_in(&path, &format!("{path}/redeploy"), &[]).await;
    let fourth = app.ended(answer.leads_to().rsplit('/').next().unwrap().parse().unwrap()).await;
    assert_eq!((fourth.phase, fourth.revision), (Phase::Active, 1));
}

#[tokio::test]
async fn what_never_ran_is_not_rolled_back_to_and_says_why_and_what_else_can_be_done() {
    let app = TestApp::new().await;
    *app.world.why.lock().unwrap() = "no such program".into();
    *app.world.said.lock().unwrap() = vec!["cannot bind 0.0.0.0:80".into()];
    app.deploy("production", "web", "registry.test/acme/web:1").await;
    let failed = deploy(&app, image("broken")).await;
    let path = format!("/deployments/{}", failed.id);
    let page = app.page(&path).await;
    assert_eq!(page.faults(), Vec::<String>::new());
    let button = page.all("button").find(|it| it.text == "Deploy #2 again").unwrap();
    assert!(button.attributes().any(|(name, _)| name == "disabled"));
    let why = page.elements.iter().find(|it| it.get("id") == button.get("aria-describedby")).unwrap();
    assert_eq!(why.text, "revision 2 of web has never been active");
    let step = page.all("details").find(|it| it.within.contains(&"main".into())).unwrap();
    assert!(step.attributes().any(|(name, _)| name == "open"), "the failing step is open");
    for told in ["✕ failed start", "Why it failed", "no such program", "cannot bind 0.0.0.0:80"] {
        assert!(step.text.contains(told), "{told}: {}", step.text);
    }
    let service = "/projects/default/production/web";
    assert_eq!(page.link("Change settings"), format!("{service}/settings"));
    assert_eq!(page.link("Deploy another image"), format!("{service}#image"));
    // Somebody whose page is older than that sends it nevertheless.
    let first = app.control.service(&app.admin, &"web".parse().unwrap()).await.unwrap().active.unwrap();
    let cookie = app.log_in().await;
    let token = app.token(&cookie).await;
    let answer = app.post(&format!("{path}/rollback"), &cookie, &format!("form={token}")).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(Document::parse(&answer.text).text().contains("has never been active"));
    let forged = app.post(&format!("/deployments/{}/redeploy", first.id), &cookie, "").await;
    assert_eq!(forged.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn what_is_under_way_is_cancelled() {
    let app = TestApp::new().await;
    app.deploy("production", "web", "registry.test/acme/web:1").await;
    app.world.sick.store(true, Ordering::Relaxed);
    let begun = app.control.deploy(&app.admin, &"web".parse().unwrap(), image("2")).await.unwrap();
    let path = format!("/deployments/{}", begun.id);
    let page = app.page(&path).await;
    assert!(page.text().contains("mirage cancel default/production/web"), "{}", page.text());
    let anew = page.all("a").find(|it| it.text == "Load anew").unwrap();
    assert_eq!((anew.get("href"), anew.within.contains(&"noscript".to_owned())), (Some(path.as_str()), true));
    let answer = app.fill_in(&path, &format!("{path}/cancel"), &[]).await;
    assert_eq!(answer.leads_to(), path);
    assert_eq!(
        app.control.deployment(&app.admin, begun.id).await.unwrap().deployment.phase,
        Phase::Cancelled
    );
    let cookie = app.log_in().await;
    let token = app.token(&cookie).await;
    let again = app.post(&format!("{path}/cancel"), &cookie, &format!("form={token}")).await;
    assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(Document::parse(&again.text).text().contains("the deployment is cancelled already"));
}

#[tokio::test]
async fn two_deployments_are_compared_by_digest_and_settings_and_no_value_of_a_variable() {
    let app = TestApp::new().await;
    let first = app.deploy("production", "web", "registry.test/acme/web:1").await;
    let secret = VariableInput { text: "hush-hush".into(), seal: false };
    let second = deploy(
        &app,
        ServicePatch {
            variables: [("API_KEY".parse().unwrap(), Some(secret))].into(),
            stop_grace_seconds: Some(3),
            command: Some(Some(vec!["--password=hush-hush".into()])),
            ..image("2")
        },
    )
    .await;
    let path = format!("/deployments/{}", second.id);
    let page = app.page(&path).await;
    let choice = page.all("option").map(|it| (it.get("value").unwrap(), &it.text)).collect::<Vec<_>>();
    assert_eq!(choice[0].0, first.id.to_string());
    assert!(choice[0].1.starts_with("#1 deploy superseded, registry.test/acme/web:1"), "{choice:?}");
    for (one, with) in [(first.id, second.id), (second.id, first.id)] {
        let page = app.page(&format!("/deployments/{one}?with={with}")).await;
        assert_eq!(page.faults(), Vec::<String>::new());
        let rows = page.table("Differences");
        assert_eq!(rows[0], "Setting #1 deploy superseded #2 deploy active");
        assert_eq!(rows[1], format!("Digest {} {}", "31".repeat(6), "32".repeat(6)));
        for row in [
            "Image registry.test/acme/web:1 registry.test/acme/web:2",
            "Seconds between the stop signal and the kill 10 3",
            "Command different",
            "Variables API_KEY different",
        ] {
            assert!(rows.contains(&row), "{row}: {rows:?}");
        }
        assert!(!page.text().contains("hush"));
    }
    let other = app.deploy("staging", "other", "nginx").await;
    for (with, status) in [(other.id.to_string(), 400), ("x".into(), 400), (String::new(), 200)] {
        assert_eq!(app.get(&format!("{path}?with={with}")).await.status.as_u16(), status, "{with}");
    }
}

#[tokio::test]
async fn the_last_lines_before_a_failure_have_their_colours_and_no_escape_codes() {
    let app = TestApp::new().await;
    *app.world.said.lock().unwrap() =
        vec!["\x1b[31mcannot bind\x1b[0m <b>80\x07\x1b]0;title\x07".into(), "x".repeat(600)];
    let failed = app.deploy("production", "web", "registry.test/acme/web:broken").await;
    let answer = app.get(&format!("/deployments/{}", failed.id)).await;
    let tail = answer.text.split("<pre").nth(1).unwrap().split("</pre>").next().unwrap();
    assert!(tail.contains("<span class=\"c1\">cannot bind</span> &lt;b&gt;80\n"), "{tail}");
    assert!(tail.ends_with(&format!("{}…\n", "x".repeat(500))), "{tail}");
    assert!(!answer.text.contains(['\x1b', '\x07']) && !tail.contains("[31m") && !tail.contains("title"));
}
