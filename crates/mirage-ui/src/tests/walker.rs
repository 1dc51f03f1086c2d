//! Somebody who follows every link.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use http::{Method, StatusCode};

use mirage_control::NewToken;

use super::app::{TOKEN, TestApp};
use super::html::Document;
use crate::keys::{FILTER, HELP, JUMP, MAP, NEW};
use crate::navigation::PLACES;

#[tokio::test]
async fn every_link_of_every_page_leads_to_a_page_that_is_well_made() {
    let app = TestApp::new().await;
    *app.world.why.lock().unwrap() = "no such program".into();
    app.deploy("production", "web", "registry.test/acme/web:1").await;
    app.deploy("production", "broken", "registry.test/acme/web:broken").await;
    app.deploy("staging", "web", "nginx").await;
    let gone = app.deploy("staging", "gone", "nginx").await;
    app.control.remove(&app.admin, &"default/staging/gone".parse().unwrap()).await.unwrap();
    while app.control.deployment(&app.admin, gone.id).await.is_ok() {
        tokio::task::yield_now().await;
    }
    let login = "registry=registry.test&username=eve&password=hunter2-of-eve";
    assert_eq!(app.send_form("/credentials", login).await.status, StatusCode::SEE_OTHER);
    let new = NewToken { name: "ci".parse().unwrap(), project: None, push: true };
    let (_, token) = app.control.create_token(&app.admin, new).await.unwrap();
    let draft = super::wizard::checked_draft(&app).await;
    let cookie = app.log_in().await;
    let secrets = [TOKEN, cookie.as_str(), token.reveal(), "hunter2-of-eve"];
    let known = |keys: &str| {
        let mut mapped = MAP.iter().flat_map(|group| group.keys);
        mapped.any(|key| key.keys == keys) || PLACES.iter().any(|place| keys == format!("g {}", place.key))
    };
    let mut pressed = BTreeSet::new();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let service = "/projects/default/production/web";
    let mut waiting =
        VecDeque::from(["/".to_owned(), format!("{service}/logs"), format!("{service}/metrics")]);
    // A step is left by a button, which keeps what was typed in it.
    waiting.extend(["settings", "review"].map(|step| format!("/new/{draft}/{step}")));
    while let Some(path) = waiting.pop_front() {
        if seen.contains_key(&path) {
            continue;
        }
        let mut answer = app.send(Method::GET, &path, &[("cookie", &cookie)], "").await;
        while answer.status == StatusCode::SEE_OTHER {
            let to = answer.leads_to().to_owned();
            assert!(!to.starts_with("/login"), "{path} leads to the log-in");
            answer = app.send(Method::GET, &to, &[("cookie", &cookie)], "").await;
        }
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text);
        seen.insert(path.clone(), answer.text.len());
        if !answer.header("content-type").starts_with("text/html") {
            continue;
        }
        assert!(!secrets.iter().any(|secret| answer.text.contains(secret)), "{path} shows a secret");
        let page = Document::parse(&answer.text);
        assert_eq!(page.faults(), Vec::<String>::new(), "{path}: {}", answer.text);
        assert!(page.text().contains("In a terminal: mirage "), "{path} has a twin");
        for keys in page.elements.iter().filter_map(|element| element.get("data-key")) {
            assert!(known(keys), "{path} has the key `{keys}`, which is not on the map");
            pressed.insert(keys.to_owned());
        }
        let links = page.elements.iter().filter_map(|element| element.get("href"));
        for link in links.filter(|link| link.starts_with('/')) {
            waiting.push_back(link.split('#').next().unwrap_or_default().to_owned());
        }
        let outside =
            page.all("a").filter_map(|link| link.get("href")).filter(|link| !link.starts_with(['/', '#']));
        for link in outside {
            assert!(link.starts_with("http://") && link.ends_with(".localhost:8080"), "{link}");
        }
    }
    for step in ["image", "settings", "review"] {
        let path = format!("/new/{draft}/{step}");
        assert!(seen.contains_key(&path), "{path} is reached: {seen:?}");
    }
    for wanted in [
        "/new",
        "/new/source",
        "/projects",
        "/projects/default",
        "/projects/default/staging/web",
        "/events",
        "/credentials",
        "/settings/about",
        "/settings/tokens",
        "/settings/mirrors",
        "/settings/certificates",
        "/settings/vault",
        "/settings/backup",
        "/images",
        "/keys",
        "/jump",
    ] {
        assert!(seen.contains_key(wanted), "{wanted} is reached: {seen:?}");
    }
    assert_eq!(seen.keys().filter(|path| path.starts_with("/deployments/")).count(), 3, "{seen:?}");
    assert_eq!(seen.keys().filter(|path| path.starts_with("/credentials/")).count(), 2, "{seen:?}");
    assert!(seen.values().all(|bytes| *bytes <= 40_000), "{seen:?}");
    for keys in [JUMP, HELP, NEW, FILTER, "d", "r", "l", "g p"] {
        assert!(pressed.contains(keys), "`{keys}` is on the map and on a page: {pressed:?}");
    }
}
