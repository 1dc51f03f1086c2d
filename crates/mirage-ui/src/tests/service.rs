//! What somebody does about a service.

mod domains;
mod last;
mod settings;
mod variables;
mod volumes;

use http::{Method, StatusCode};
use mirage_control::ServicePatch;
use mirage_core::{Deployment, Phase, VariableInput, VariableValue};

use super::app::{Answer, TestApp};
use super::html::{Document, Element};

const WEB: &str = "/projects/default/production/web";

async fn web() -> TestApp {
    let app = TestApp::new().await;
    app.deploy("production", "web", "registry.test/acme/web:1").await;
    app
}

/// The deployment to which an answer leads, when it is over.
async fn ended(app: &TestApp, answer: &Answer) -> Deployment {
    let to = answer.leads_to();
    app.ended(to.strip_prefix("/deployments/").unwrap_or_else(|| panic!("{to}")).parse().unwrap()).await
}

fn input<'a>(page: &'a Document, name: &str) -> &'a Element {
    let mut fields = page
        .elements
        .iter()
        .filter(|it| ["input", "textarea", "select", "button"].contains(&it.name.as_str()));
    fields.find(|it| it.get("name") == Some(name)).unwrap_or_else(|| panic!("a field `{name}`"))
}

/// The page that came back with what is wrong under a field.
fn refused(answer: &Answer, field: &str) -> Document {
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", answer.text);
    let page = Document::parse(&answer.text);
    assert_eq!(page.faults(), Vec::<String>::new());
    let control = input(&page, field);
    assert_eq!(control.get("aria-invalid"), Some("true"), "{field} is marked: {}", page.text());
    let described = control.get("aria-describedby").unwrap_or_default();
    let wrong = page.elements.iter().any(|it| {
        it.get("id").is_some_and(|id| id.ends_with("-wrong") && described.contains(id)) && !it.text.is_empty()
    });
    assert!(wrong, "{field} says what is wrong: {}", answer.text);
    page
}

#[tokio::test]
async fn somebody_deploys_another_image_scales_restarts_and_rolls_back() {
    let app = web().await;
    let answer = app.fill_in(WEB, &format!("{WEB}/deploy"), &[("image", " registry.test/acme/web:2 ")]).await;
    assert_eq!((ended(&app, &answer).await.phase, ended(&app, &answer).await.revision), (Phase::Active, 2));
    let answer = app.fill_in(WEB, &format!("{WEB}/redeploy"), &[]).await;
    assert_eq!(ended(&app, &answer).await.revision, 2);
    assert_eq!(app.fill_in(WEB, &format!("{WEB}/restart"), &[]).await.leads_to(), WEB);
    assert_eq!(app.fill_in(WEB, &format!("{WEB}/scale"), &[("replicas", "3")]).await.leads_to(), WEB);
    let view = app.control.service(&app.admin, &"web".parse().unwrap()).await.unwrap();
    assert_eq!((view.service.replicas, view.service.generation), (3, 1));
    let page = app.page(WEB).await;
    assert!(page.all("button").any(|it| it.text == "Roll back to #1"), "{}", page.text());
    assert_eq!(input(&page, "revision").get("value"), Some("1"));
    let answer = app.fill_in(WEB, &format!("{WEB}/rollback"), &[("revision", "1")]).await;
    assert_eq!(ended(&app, &answer).await.revision, 1);
}

#[tokio::test]
async fn what_is_wrong_comes_back_with_what_was_typed() {
    let app = web().await;
    for image in ["", "Not An Image", "http://registry.test/a", "<b>"] {
        let answer = app.fill_in(WEB, &format!("{WEB}/deploy"), &[("image", image)]).await;
        let page = refused(&answer, "image");
        assert_eq!(input(&page, "image").get("value").unwrap_or_default(), image);
    }
    for replicas in ["", "-1", "many", "1001"] {
        let answer = app.fill_in(WEB, &format!("{WEB}/scale"), &[("replicas", replicas)]).await;
        let page = refused(&answer, "replicas");
        assert_eq!(input(&page, "replicas").get("value"), Some(replicas));
    }
    let button = app.page(WEB).await;
    let button = button.all("button").find(|it| it.text == "Roll back").unwrap();
    assert!(button.attributes().any(|(name, _)| name == "disabled"), "there is nothing to roll back to");
}

#[tokio::test]
async fn what_runs_is_told_apart_from_what_was_asked_for() {
    let app = web().await;
    let patch =
        ServicePatch { image: Some("registry.test/acme/web:broken".parse().unwrap()), ..Default::default() };
    let failed = app.control.deploy(&app.admin, &"web".parse().unwrap(), patch).await.unwrap();
    assert_eq!(app.ended(failed.id).await.phase, Phase::Failed);
    let told = format!("registry.test/acme/web:1 {} asked for registry.test/acme/web:broken", "31".repeat(6));
    for path in [WEB, "/projects/default/production"] {
        let page = app.page(path).await;
        assert!(page.text().contains(&told), "{path}: {}", page.text());
    }
    let page = app.page(WEB).await;
    assert!(page.table("Changes").contains(&"Image registry.test/acme/web:1 registry.test/acme/web:broken"));
}

#[tokio::test]
async fn every_tab_is_a_link_and_says_where_one_is() {
    let app = web().await;
    for (tab, words) in [
        ("", "Overview"),
        ("/deployments", "Deployments"),
        ("/variables", "Variables"),
        ("/volumes", "Volumes"),
        ("/domains", "Domains"),
        ("/settings", "Settings"),
    ] {
        let page = app.page(&format!("{WEB}{tab}")).await;
        assert_eq!(page.only("h1"), "web");
        let current: Vec<_> =
            page.all("a").filter(|it| it.get("aria-current") == Some("page")).map(|it| &it.text).collect();
        assert!(current.iter().any(|it| *it == words), "{tab}: {current:?}");
        assert_eq!(page.link("Logs"), format!("{WEB}/logs"));
    }
}

#[tokio::test]
async fn removing_a_service_says_what_goes_and_what_stays_and_needs_no_name() {
    let app = web().await;
    let settings = app.page(&format!("{WEB}/settings")).await;
    let ask = settings.link("Remove this service").to_owned();
    let page = app.page(&ask).await;
    assert!(page.text().contains("Its settings, variables and the record of its deployments go."));
    assert_eq!(app.fill_in(&ask, &ask, &[]).await.leads_to(), "/projects/default/production");
    while app.control.service(&app.admin, &"web".parse().unwrap()).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert_eq!(app.get(WEB).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn nothing_is_done_by_a_form_of_another_page() {
    let app = web().await;
    let cookie = app.log_in().await;
    for part in [
        "/deploy",
        "/redeploy",
        "/restart",
        "/rollback",
        "/scale",
        "/variables",
        "/settings",
        "/volumes",
        "/domains",
        "/remove",
        "",
    ] {
        let answer = app.post(&format!("{WEB}{part}"), &cookie, "image=nginx&replicas=0").await;
        assert!(matches!(answer.status.as_u16(), 403 | 405), "{part}: {:?}", answer.status);
        let answer = app.post(&format!("{WEB}{part}"), "", "image=nginx").await;
        assert!(answer.status == StatusCode::METHOD_NOT_ALLOWED || answer.leads_to().starts_with("/login"));
    }
    let view = app.control.service(&app.admin, &"web".parse().unwrap()).await.unwrap();
    assert_eq!((view.service.replicas, view.newest.unwrap().revision), (1, 1));
}

#[tokio::test]
async fn services_are_found_by_a_part_of_their_name_and_shown_as_cards_from_then_on() {
    let app = web().await;
    app.deploy("production", "api", "ghcr.io/acme/api:2").await;
    let path = "/projects/default/production";
    let page = app.page(&format!("{path}?find=AP")).await;
    assert_eq!(page.table("Services").len(), 2);
    assert_eq!(input(&page, "find").get("value"), Some("ap"));
    assert!(page.text().contains("Image of GitHub ghcr.io/acme/api:2"), "{}", page.text());
    assert_eq!(page.link("New service"), "/new?project=default&environment=production");
    let none = app.page(&format!("{path}?find=%3Cb%3E")).await;
    assert!(none.text().contains("No service in production has <b> in its name."), "{}", none.text());
    assert_eq!(none.link("Show all of them"), path);

    let answer = app.fill_in(path, path, &[("as", "cards")]).await;
    assert_eq!(answer.leads_to(), path);
    let kept = answer.header("set-cookie");
    assert!(kept.starts_with("mirage_cards=yes;") && kept.ends_with("HttpOnly; SameSite=Strict"), "{kept}");
    let cookie = format!("{}; mirage_cards=yes", app.log_in().await);
    let answer = app.send(Method::GET, path, &[("cookie", &cookie)], "").await;
    let page = Document::parse(&answer.text);
    assert_eq!(page.faults(), Vec::<String>::new());
    let cards: Vec<_> = page.all("h2").map(|it| it.text.split(' ').next().unwrap()).collect();
    assert_eq!(cards, ["api", "web"]);
    assert!(page.all("button").any(|it| it.text == "As a table"));
}

/// The version of the settings that a form is made for.
async fn seen(app: &TestApp) -> String {
    let view = app.control.service(&app.admin, &"web".parse().unwrap()).await.unwrap();
    view.service.updated_at.to_string()
}
