//! What is around every page: the navigation, the theme, the keyboard, the way to jump.

use http::{Method, StatusCode};
use mirage_control::ServicePatch;

use super::app::TestApp;
use super::html::Document;
use crate::keys::{MAP, spoken};

#[tokio::test]
async fn the_navigation_says_where_one_is() {
    let app = TestApp::new().await;
    let deployment = app.deploy("production", "web", "registry.test/acme/web:1").await;
    let at = |page: &Document| {
        let marked = page.all("a").filter(|link| link.within.contains(&"header".into()));
        let marked =
            marked.filter_map(|link| Some((link.text.clone(), link.get("aria-current")?.to_owned())));
        marked.collect::<Vec<_>>()
    };
    for (path, name, how) in [
        ("/projects", "Projects", "page"),
        ("/projects/default/production/web", "Projects", "true"),
        (&format!("/deployments/{}", deployment.id), "Projects", "true"),
        ("/events", "Events", "page"),
        ("/keys", "Keys", "page"),
        ("/jump?q=web", "Jump to", "page"),
    ] {
        assert_eq!(at(&app.page(path).await), [(name.to_owned(), how.to_owned())], "{path}");
    }
}

#[tokio::test]
async fn a_theme_is_chosen_by_a_button_and_kept() {
    let app = TestApp::new().await;
    let cookie = app.log_in().await;
    let page = app.page("/events").await;
    let buttons = |page: &Document| {
        let all = page.all("button").filter(|button| button.get("name") == Some("theme"));
        all.map(|it| format!("{} {}", it.text, it.get("aria-pressed").unwrap())).collect::<Vec<_>>()
    };
    assert_eq!(buttons(&page), ["Auto true", "Light false", "Dark false"]);
    assert_eq!(page.all("html").next().unwrap().get("data-theme"), None);

    let token = app.token(&cookie).await;
    let answer =
        app.post("/theme", &cookie, &format!("form={token}&theme=dark&back=%2Fevents%3Fbefore%3D9")).await;
    assert_eq!(answer.leads_to(), "/events?before=9");
    let theme = answer.header("set-cookie").split(';').next().unwrap().to_owned();
    let dark = app.send(Method::GET, "/events", &[("cookie", &format!("{cookie}; {theme}"))], "").await;
    let dark = Document::parse(&dark.text);
    assert_eq!(dark.all("html").next().unwrap().get("data-theme"), Some("dark"));
    assert_eq!(buttons(&dark), ["Auto false", "Light false", "Dark true"]);

    let back =
        app.post("/theme", &cookie, &format!("form={token}&theme=system&back=https%3A%2F%2Fevil.test")).await;
    assert_eq!(back.leads_to(), "/", "to pages of this platform only");
    assert!(back.header("set-cookie").starts_with("mirage_theme=; Path=/; Max-Age=0"));
    let forged = app.post("/theme", &cookie, "theme=dark&back=%2Fevents").await;
    assert_eq!(forged.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn what_goes_wrong_has_the_navigation_of_whoever_is_logged_in() {
    let app = TestApp::new().await;
    app.deploy("production", "payments", "registry.test/acme/web:1").await;
    let answer = app.get("/projects/default/production/payment").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    let page = Document::parse(&answer.text);
    assert_eq!(page.faults(), Vec::<String>::new());
    assert_eq!(page.link("Events"), "/events");
    assert!(page.only("main").contains("Did you mean payments"), "{}", page.text());
    assert_eq!(page.link("payments"), "/projects/default/production/payments");

    let stranger = app.send(Method::GET, "/projcts", &[], "").await;
    let stranger = Document::parse(&stranger.text);
    assert!(!stranger.text().contains("Events") && !stranger.text().contains("payments"));
}

#[tokio::test]
async fn a_few_characters_lead_to_services_projects_deployments_and_pages() {
    let app = TestApp::new().await;
    let deployment = app.deploy("production", "payments", "registry.test/acme/web:1").await;
    app.deploy("staging", "payments", "registry.test/acme/web:1").await;
    let page = app.page("/jump?q=PAY").await;
    assert_eq!(page.only("h1"), "Jump to");
    let found = |page: &Document| {
        let rows = page.all("li").filter(|row| row.within.contains(&"main".into()));
        rows.map(|row| row.text.clone()).collect::<Vec<_>>()
    };
    assert_eq!(
        found(&page),
        ["payments service in default/production", "payments service in default/staging"]
    );
    let page = app.page(&format!("/jump?q={}", deployment.id)).await;
    assert_eq!(page.link(&deployment.id.to_string()), format!("/deployments/{}", deployment.id));
    assert_eq!(found(&app.page("/jump?q=defau").await)[0], "default project");
    assert_eq!(found(&app.page("/jump?q=event").await), ["Events page"]);
    let open = found(&app.page("/jump").await);
    assert_eq!(open[..2], ["payments service in default/production", "payments service in default/staging"]);
    assert!(open.contains(&"Backup page".to_owned()), "{open:?}");
    assert!(app.page("/jump?q=nothing").await.only("main").contains("Nothing is called so."));

    let cookie = app.log_in().await;
    let headers = [("cookie", cookie.as_str()), ("hx-request", "true")];
    let part = app.send(Method::GET, "/jump?q=pay", &headers, "").await;
    assert!(part.text.starts_with("<ul class=\"list\"><li><a href=\"/projects/"), "{}", part.text);
    let stranger = app.send(Method::GET, "/jump?q=pay", &[("hx-request", "true")], "").await;
    assert_eq!((stranger.status, stranger.text.as_str()), (StatusCode::UNAUTHORIZED, ""));
}

#[tokio::test]
async fn every_key_is_on_the_map_and_the_map_is_complete() {
    let app = TestApp::new().await;
    let page = app.page("/keys").await;
    for key in MAP.iter().flat_map(|group| group.keys) {
        assert!(page.text().contains(&format!("{} {}", spoken(key.keys), key.does)), "{}", key.keys);
    }
    assert!(page.text().contains("g then e go to events"));
    let pressed = page.elements.iter().filter_map(|element| element.get("data-key"));
    for keys in pressed {
        let known = MAP.iter().flat_map(|group| group.keys).any(|key| key.keys == keys);
        assert!(known || keys.starts_with("g "), "`{keys}` is on the map");
    }
}

#[tokio::test]
async fn every_key_of_the_map_is_on_the_pages_of_its_group() {
    let app = TestApp::new().await;
    *app.world.why.lock().unwrap() = "no such program".into();
    let web = "/projects/default/production/web";
    let first = app.deploy("production", "web", "registry.test/acme/web:1").await;
    let mut deployments = vec![first.id];
    for tag in ["2", "broken"] {
        let image = format!("registry.test/acme/web:{tag}");
        let patch = ServicePatch { image: Some(image.parse().unwrap()), ..Default::default() };
        let begun = app.control.deploy(&app.admin, &"web".parse().unwrap(), patch).await.unwrap();
        deployments.push(app.ended(begun.id).await.id);
    }
    let tabs = ["", "/deployments", "/logs", "/metrics", "/variables", "/volumes", "/domains", "/settings"];
    let services = tabs.iter().map(|tab| format!("{web}{tab}")).chain([format!("{web}/remove")]);
    let deployments: Vec<_> = deployments.iter().map(|id| format!("/deployments/{id}")).collect();
    let script = include_str!("../../assets/script/keys.js");
    for group in &MAP {
        let (pages, by_script): (Vec<String>, &[&str]) = match group.name {
            "Everywhere" => (vec!["/projects".into(), web.into()], &["c", "esc"]),
            "In a list" => {
                (vec!["/projects/default/production".into(), "/events".into()], &["j", "k", "enter"])
            }
            "On a service or a deployment" => (services.clone().chain(deployments.clone()).collect(), &[]),
            "In the jump palette" => (vec!["/jump".into()], &["down", "up"]),
            other => panic!("no page of `{other}` is looked at"),
        };
        for path in pages {
            let page = app.page(&path).await;
            for key in group.keys.iter().filter(|key| !by_script.contains(&key.keys)) {
                let all = page.elements.iter().filter(|it| it.get("data-key") == Some(key.keys));
                assert_eq!(all.count(), 1, "`{}` is on {path}", key.keys);
            }
        }
    }
    // What a key is on that changes something is reached by it, and not pressed.
    let page = app.page(&deployments[0]).await;
    let back = page.elements.iter().find(|it| it.get("data-key") == Some("r")).unwrap();
    assert_eq!((back.text.as_str(), back.get("type")), ("Roll back to #1", Some("submit")));
    assert!(script.contains(r#"element.type !== "submit") return element.click();"#));
    assert_eq!(page.link("Deploy another image"), format!("{web}#image"));
    assert_eq!(app.page(&format!("{web}/logs")).await.link("Deploy"), format!("{web}#image"));
    assert!(
        app.page(web).await.elements.iter().any(|it| it.get("id") == Some("image") && it.name == "input")
    );
}
