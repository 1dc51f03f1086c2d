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
        let answer = app.send_form(&format!("{WEB}/rollback"), &format!("revision={revision}")).await;
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
    assert!(
        page.text().contains("a redeploy of web takes revision 2, and this one had 1"),
        "{}",
        page.text()
    );
    let newest = app.control.service(&app.admin, &"web".parse().unwrap()).await.unwrap().newest.unwrap();
    assert_eq!(newest.id, second.id, "nothing was begun");
}

#[tokio::test]
async fn what_somebody_else_changed_is_not_lost_by_correcting_a_mistake() {
    let app = TestApp::new().await;
    app.deploy("production", "web", "registry.test/acme/web:1").await;
    let name = "web".parse().unwrap();
    let seen = |page: &Document| {
        let fields = page.all("input").filter(|it| it.get("name") == Some("seen"));
        fields.last().unwrap().get("value").unwrap().to_owned()
    };
    for (tab, wrong, right) in [
        ("settings", vec![("memory", "1 parsec")], vec![("memory", "64MiB")]),
        (
            "variables",
            vec![("variable-0-name", "1A"), ("variable-0-value", "x")],
            vec![("variable-0-name", "A"), ("variable-0-value", "x")],
        ),
        (
            "variables",
            vec![("as", "text"), ("variables-text", "nonsense")],
            vec![("as", "text"), ("variables-text", "A=2")],
        ),
        (
            "volumes",
            vec![("volume", "No Name"), ("path", "/data")],
            vec![("volume", "data"), ("path", "/data")],
        ),
    ] {
        let path = format!("{WEB}/{tab}");
        let send = async |fields: &[(&str, &str)], seen: &str| {
            let all: Vec<_> = fields.iter().copied().chain([("seen", seen), ("do", "save")]).collect();
            app.fill_in(&path, &path, &all).await
        };
        let old = seen(&app.page(&path).await);
        // Somebody else is faster.
        let before = app.control.service(&app.admin, &name).await.unwrap().service;
        let seconds = before.spec.stop_grace_seconds + 1;
        let patch = ServicePatch { stop_grace_seconds: Some(seconds), ..Default::default() };
        app.control.update(&app.admin, &name, patch).await.unwrap();
        let changed = app.control.service(&app.admin, &name).await.unwrap().service;
        assert_ne!(changed.updated_at, before.updated_at);

        let answer = send(&wrong, &old).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        let page = Document::parse(&answer.text);
        assert!(!page.text().contains("changed meanwhile"), "{tab}: {}", page.text());
        assert_eq!(seen(&page), old, "{tab}: it is the same form still");
        let answer = send(&right, &seen(&page)).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{tab}: they have not seen it");
        let page = Document::parse(&answer.text);
        assert_eq!(page.faults(), Vec::<String>::new());
        assert!(page.text().contains("web was changed meanwhile"), "{tab}: {}", page.text());
        let told = format!("Somebody changed web at {}", changed.updated_at.strftime("%Y-%m-%d %H:%M:%S"));
        assert!(page.text().contains(&told), "{tab}: {told}: {}", page.text());
        assert!(page.text().contains("To save it now may replace what they changed"));
        assert_eq!(page.link("look at it as it is"), path);
        assert_eq!(seen(&page), changed.updated_at.to_string(), "{tab}: now they know");
        assert_eq!(send(&right, &seen(&page)).await.leads_to(), path, "{tab}");
    }
}

#[tokio::test]
async fn a_form_that_does_not_say_what_was_seen_never_learns_it() {
    let app = TestApp::new().await;
    app.deploy("production", "web", "registry.test/acme/web:1").await;
    let path = format!("{WEB}/settings");
    let answer = app.fill_in(&path, &path, &[("seen", "<b>"), ("memory", "64MiB"), ("do", "save")]).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    let page = Document::parse(&answer.text);
    let seen = page.all("input").find(|it| it.get("name") == Some("seen")).unwrap();
    assert_eq!(seen.get("value").unwrap_or_default(), "");
}

#[tokio::test]
async fn what_was_typed_before_logging_in_again_is_not_lost_and_not_done_before_it_is_sent_again() {
    let app = TestApp::new().await;
    app.deploy("production", "web", "registry.test/acme/web:1").await;
    // The token of an earlier log-in.
    let (old, cookie) = ("0".repeat(64), app.log_in().await);
    let send = async |path: &str, site: &str, form: &str| {
        let headers = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("cookie", cookie.as_str()),
            ("sec-fetch-site", site),
        ];
        app.send(http::Method::POST, path, &headers, form).await
    };
    let view = async || app.control.service(&app.admin, &"web".parse().unwrap()).await.unwrap();
    let before = view().await;
    let (path, seen) = (format!("{WEB}/variables"), before.service.updated_at.to_string());
    let rows = |token: &str| {
        format!(
            "form={token}&seen={seen}&do=save&variable-0-name=GREETING&variable-0-value=hello\
             &variable-1-name=KEY&variable-1-value=hush-hush&variable-1-sealed=yes"
        )
    };
    let answer = send(&path, "same-origin", &rows(&old)).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(!answer.text.contains("hush"), "what is secret does not come back");
    let page = Document::parse(&answer.text);
    assert_eq!(page.faults(), Vec::<String>::new());
    let told = "you logged in again after this form was made nothing was done; look at what you typed, and send it again";
    assert!(page.text().contains(told), "{}", page.text());
    let value = page.all("input").find(|it| it.get("name") == Some("variable-0-value")).unwrap();
    assert_eq!(value.get("value"), Some("hello"));

    for site in ["same-site", "cross-site", "none"] {
        assert_eq!(send(&path, site, &rows(&old)).await.status, StatusCode::FORBIDDEN, "{site}");
    }
    for part in [
        "/deploy",
        "/redeploy",
        "/restart",
        "/rollback",
        "/scale",
        "/settings",
        "/volumes",
        "/domains",
        "/remove",
    ] {
        let form = format!(
            "form={old}&seen={seen}&image=nginx&replicas=3&revision=1&domain=shop.example&volume=data&path=%2Fdata"
        );
        let answer = send(&format!("{WEB}{part}"), "same-origin", &form).await;
        assert!(matches!(answer.status.as_u16(), 403 | 422), "{part}: {:?}", answer.status);
        assert!(Document::parse(&answer.text).text().contains("logged in again"), "{part}: {}", answer.text);
    }
    let after = view().await;
    assert_eq!((after.service, after.newest), (before.service.clone(), before.newest), "nothing was done");
    let fresh = page.all("input").find(|it| it.get("name") == Some("form")).unwrap();
    let answer = send(&path, "same-origin", &rows(fresh.get("value").unwrap())).await;
    assert_eq!(answer.leads_to(), path);
    assert_eq!(view().await.service.spec.variables.len(), 2);
}
