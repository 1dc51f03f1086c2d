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
    let form = format!(
        "form={old}&seen={seen}&image=nginx&replicas=3&revision=1&domain=shop.example&volume=data&path=%2Fdata&memory=64MiB"
    );
    // What was typed comes back with the form.
    for (part, text) in [
        ("/deploy", "nginx"),
        ("/scale", "3"),
        ("/settings", "64MiB"),
        ("/volumes", "/data"),
        ("/domains", "shop.example"),
    ] {
        let answer = send(&format!("{WEB}{part}"), "same-origin", &form).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{part}");
        let page = Document::parse(&answer.text);
        for told in
            ["you logged in again after this form was made", "look at what you typed, and send it again"]
        {
            assert!(page.text().contains(told), "{part}: {}", page.text());
        }
        assert!(page.all("input").any(|it| it.get("value") == Some(text)), "{part}: {}", answer.text);
    }
    // There is nothing typed in these.
    for (part, status) in [("/redeploy", 422), ("/restart", 422), ("/rollback", 422), ("/remove", 403)] {
        let answer = send(&format!("{WEB}{part}"), "same-origin", &form).await;
        assert_eq!(answer.status, status, "{part}");
        let text = Document::parse(&answer.text).text().to_owned();
        assert!(text.contains("logged in again") && !text.contains("what you typed"), "{part}: {text}");
        assert!(text.contains("press it again") || text.contains("load the page anew"), "{part}: {text}");
    }
    let after = view().await;
    assert_eq!((after.service, after.newest), (before.service.clone(), before.newest), "nothing was done");
    let fresh = page.all("input").find(|it| it.get("name") == Some("form")).unwrap();
    let answer = send(&path, "same-origin", &rows(fresh.get("value").unwrap())).await;
    assert_eq!(answer.leads_to(), path);
    assert_eq!(view().await.service.spec.variables.len(), 2);
}

#[tokio::test]
async fn what_was_typed_for_a_service_before_logging_in_again_is_kept_and_nothing_is_made() {
    let app = TestApp::new().await;
    let (old, cookie) = ("0".repeat(64), app.log_in().await);
    let send = async |path: &str, form: &str| {
        let headers = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("cookie", cookie.as_str()),
            ("sec-fetch-site", "same-origin"),
        ];
        app.send(http::Method::POST, path, &headers, &format!("form={old}&{form}")).await
    };
    let kept = async |field: &str| {
        let drafts = app.control.drafts(&app.admin, 10).await.unwrap();
        drafts[0].fields.get(field).to_owned()
    };
    let image = send("/new", "image=registry.test%2Facme%2Fweb").await.leads_to().to_owned();
    assert_eq!(kept("image").await, "registry.test/acme/web");

    let answer = send(&image, "image=registry.test%2Facme%2Fweb%3A1&then=check").await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    let page = Document::parse(&answer.text);
    assert!(page.text().contains("logged in again"), "{}", page.text());
    assert!(page.all("input").any(|it| it.get("value") == Some("registry.test/acme/web:1")));
    assert!(kept("seen").await.is_empty(), "no registry was asked");
    let verdict = image.replace("/image", "/verdict?by=whole");
    assert_eq!(send(&verdict, "image=registry.test%2Facme%2Fweb%3A1").await.status, StatusCode::OK);
    assert_eq!(send(&image.replace("/image", "/keep"), "service=a").await.status, StatusCode::NO_CONTENT);

    app.fill_in(&image, &image, &[("image", "registry.test/acme/web:1"), ("then", "check")]).await;
    let settings = image.replace("/image", "/settings");
    let answer = send(&settings, "service=shop&then=next").await;
    let review = image.replace("/image", "/review");
    assert_eq!(answer.leads_to(), review);
    assert_eq!(kept("service").await, "shop");

    let answer = send(&review, "").await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    let text = Document::parse(&answer.text).text().to_owned();
    assert!(text.contains("its button did nothing: press it again"), "{text}");
    let answer = send(&image.replace("/image", "/drop"), "").await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!(kept("service").await, "shop");
    assert!(app.control.service(&app.admin, &"shop".parse().unwrap()).await.is_err(), "nothing was made");
}
