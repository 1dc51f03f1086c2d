//! Pages that change while they are looked at.

use std::sync::atomic::Ordering;

use http::{Method, StatusCode};
use mirage_control::ServicePatch;
use mirage_core::Phase;

use super::app::TestApp;
use super::html::Document;

fn another(image: &str) -> ServicePatch {
    ServicePatch { image: Some(image.parse().unwrap()), ..Default::default() }
}

#[tokio::test]
async fn a_deployment_is_followed_from_its_first_step_to_its_end() {
    let app = TestApp::new().await;
    app.deploy("production", "web", "registry.test/acme/web:1").await;
    app.world.sick.store(true, Ordering::Relaxed);
    let second = app
        .control
        .deploy(&app.admin, &"web".parse().unwrap(), another("registry.test/acme/web:2"))
        .await
        .unwrap();
    let mut page = app.follow(&format!("/live/deployments/{}", second.id)).await;
    page.until("deployment-steps", "under way").await;
    let (_, head) = page.until("deployment-head", "probing").await;
    assert!(head.contains("web #2"), "{head}");
    app.world.sick.store(false, Ordering::Relaxed);
    let (before, actions) = page.until("deployment-actions", "Redeploy").await;
    assert!(!actions.contains("Cancel"), "what is over cannot be cancelled: {actions}");
    assert!(before.contains(&"deployment-head".to_owned()), "{before:?}");
    let (_, told) = page.until("deployment-told", "web #2 is active").await;
    assert_eq!(told, "web #2 is active");
}

#[tokio::test]
async fn a_pull_says_how_far_it_is() {
    let app = TestApp::new().await;
    app.deploy("production", "web", "registry.test/acme/web:1").await;
    let web = "web".parse().unwrap();
    let begun = app.control.deploy(&app.admin, &web, another("registry.test/acme/web:large")).await.unwrap();
    let mut page = app.follow(&format!("/live/deployments/{}", begun.id)).await;
    let (_, steps) = page.until("deployment-steps", "<progress").await;
    assert!(steps.contains("max=\"4194304\" value=\"2097152\""), "{steps}");
    assert!(steps.contains("2 of 4 layers have to be moved"), "{steps}");
    assert!(steps.contains("070707070707</span> <span class=\"quiet number\">1.0 MiB of 3.0 MiB"), "{steps}");
    assert_eq!(app.page(&format!("/deployments/{}", begun.id)).await.faults(), Vec::<String>::new());
    app.world.pulled.notify_one();
    page.until("deployment-told", "web #2 is active").await;
    assert!(!app.get(&format!("/deployments/{}", begun.id)).await.text.contains("<progress"));
}

#[tokio::test]
async fn what_is_the_same_is_not_sent_again() {
    let app = TestApp::new().await;
    for name in ["api", "web", "worker"] {
        app.deploy("production", name, "registry.test/acme/web:1").await;
    }
    let shown = app.page("/projects/default/production").await;
    let stream = shown.elements.iter().find_map(|element| element.get("sse-connect")).unwrap();
    let mut page = app.follow(stream).await;
    let (first, all) = page.next().await.unwrap();
    let rows = ["s-api", "s-web", "s-worker"];
    assert_eq!(first, "services", "all of it comes first");
    assert!(rows.iter().all(|row| all.contains(&format!("id=\"{row}\""))), "{all}");
    assert_eq!(page.next().await.unwrap().0, "services-told");
    // Whoever reads the pieces to the second change has seen everything that was sent for the first.
    app.control.update(&app.admin, &"web".parse().unwrap(), scaled(0)).await.unwrap();
    let (mut sent, _) = page.until(rows[1], "stopped").await;
    app.control.update(&app.admin, &"api".parse().unwrap(), scaled(0)).await.unwrap();
    sent.extend(page.until(rows[0], "stopped").await.0);
    assert!(!sent.iter().any(|id| id == rows[2]), "nothing happened to `worker`: {sent:?}");
}

#[tokio::test]
async fn a_service_that_comes_or_goes_comes_and_goes_on_the_page() {
    let app = TestApp::new().await;
    app.deploy("production", "web", "registry.test/acme/web:1").await;
    let shown = app.page("/projects/default/production").await;
    let stream = shown.elements.iter().find_map(|element| element.get("sse-connect")).unwrap();
    let mut page = app.follow(stream).await;
    assert_eq!(page.next().await.unwrap().0, "services");
    app.deploy("staging", "other", "registry.test/acme/web:1").await;
    app.deploy("production", "api", "registry.test/acme/web:1").await;
    let (_, all) = page.until("services", "/projects/default/production/api").await;
    assert!(all.contains("id=\"s-web\"") && !all.contains("other"), "{all}");
    app.control.remove(&app.admin, &"web".parse().unwrap()).await.unwrap();
    let (_, gone) = page.until("services", "production/api").await;
    assert!(!gone.contains("s-web"), "{gone}");
}

#[tokio::test]
async fn what_went_while_a_page_was_not_connected_is_gone_when_it_is_again() {
    let app = TestApp::new().await;
    app.deploy("production", "web", "registry.test/acme/web:1").await;
    let shown = app.page("/projects/default/production").await;
    let stream = shown.elements.iter().find_map(|element| element.get("sse-connect")).unwrap();
    let mut page = app.follow(stream).await;
    app.deploy("production", "api", "registry.test/acme/web:1").await;
    page.until("services", "s-api").await;
    drop(page);
    app.control.remove(&app.admin, &"api".parse().unwrap()).await.unwrap();
    while app.control.service(&app.admin, &"api".parse().unwrap()).await.is_ok() {
        tokio::task::yield_now().await;
    }
    // What is there is what was there when the page was loaded.
    let mut again = app.follow(stream).await;
    let (id, all) = again.next().await.unwrap();
    assert!(id == "services" && all.contains("s-web") && !all.contains("s-api"), "{id}: {all}");
}

#[tokio::test]
async fn a_stream_ends_with_what_it_shows() {
    let app = TestApp::new().await;
    let deployment = app.deploy("production", "web", "registry.test/acme/web:1").await;
    let mut pages = Vec::new();
    for path in
        [format!("/live/deployments/{}", deployment.id), "/live/projects/default/production/web".into()]
    {
        pages.push(app.follow(&path).await);
    }
    app.control.remove(&app.admin, &"web".parse().unwrap()).await.unwrap();
    for mut page in pages {
        while page.next().await.is_some() {}
    }
    let gone = app.get(&format!("/live/deployments/{}", deployment.id)).await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn nobody_follows_who_is_not_logged_in() {
    let app = TestApp::new().await;
    let deployment = app.deploy("production", "web", "registry.test/acme/web:1").await;
    for path in [
        format!("/live/deployments/{}", deployment.id),
        "/live/projects/default/production".into(),
        "/live/projects/default/production/web".into(),
    ] {
        let answer = app.send(Method::GET, &path, &[], "").await;
        assert_eq!(answer.text, "event: ended\ndata: log in\n\n", "{path}");
    }
}

#[tokio::test]
async fn every_piece_of_a_stream_has_its_place_on_the_page() {
    let app = TestApp::new().await;
    let deployment = app.deploy("production", "web", "registry.test/acme/web:1").await;
    for path in [
        format!("/deployments/{}", deployment.id),
        "/projects/default/production".into(),
        "/projects/default/production/web".into(),
    ] {
        let page = app.page(&path).await;
        let stream = page.elements.iter().find_map(|element| element.get("sse-connect")).unwrap();
        assert!(stream.starts_with(&format!("/live{path}")), "{stream}");
        let mut stream = app.follow(stream).await;
        let places: Vec<_> = page.elements.iter().filter_map(|element| element.get("sse-swap")).collect();
        let within = |id: &&&str| places.contains(&"services") && id.starts_with("s-");
        for _ in 0..places.iter().filter(|id| !within(id)).count() {
            let (id, data) = stream.next().await.unwrap();
            let place = page.elements.iter().find(|element| element.get("id") == Some(&id));
            let place = place.unwrap_or_else(|| panic!("{path} has `{id}`"));
            assert_eq!(place.get("sse-swap"), Some(id.as_str()));
            let around =
                if place.name == "tr" { ("<table><tr>", "</tr></table>") } else { ("<div>", "</div>") };
            let piece = Document::parse(&format!("<!DOCTYPE html>{}{data}{}", around.0, around.1));
            assert_eq!(
                without_times(&piece.elements[around.0.matches('<').count() - 1].text),
                without_times(&place.text),
                "{path}: nothing moves when the stream begins"
            );
        }
    }
}

#[tokio::test]
async fn a_line_that_would_break_the_stream_is_a_line_of_it() {
    let app = TestApp::new().await;
    *app.world.said.lock().unwrap() = vec!["one\r\n\r\nevent: deployment-head\ndata: <b>\r".into()];
    let failed = app.deploy("production", "web", "registry.test/acme/web:broken").await;
    assert_eq!(failed.phase, Phase::Failed);
    let mut page = app.follow(&format!("/live/deployments/{}", failed.id)).await;
    let (_, steps) = page.until("deployment-steps", "<pre").await;
    assert!(steps.contains("data: &lt;b&gt;"), "{steps}");
    let (head, _) = page.next().await.unwrap();
    assert_eq!(head, "deployment-properties", "the piece after it is the next one");
}

fn scaled(replicas: u32) -> ServicePatch {
    ServicePatch { replicas: Some(replicas), ..Default::default() }
}

#[tokio::test]
async fn cards_are_followed_as_rows_are() {
    let app = TestApp::new().await;
    app.deploy("production", "web", "registry.test/acme/web:1").await;
    let cookie = format!("{}; mirage_cards=yes", app.log_in().await);
    let path = "/projects/default/production";
    let answer = app.send(Method::GET, path, &[("cookie", &cookie)], "").await;
    let shown = Document::parse(&answer.text);
    let stream = shown.elements.iter().find_map(|element| element.get("sse-connect")).unwrap();
    let mut page = app.follow_with(stream, &cookie).await;
    let (id, cards) = page.next().await.unwrap();
    assert!(id == "services" && cards.starts_with("<ul class=\"cards\""), "{id}: {cards}");
    app.control.update(&app.admin, &"web".parse().unwrap(), scaled(0)).await.unwrap();
    let (_, card) = page.until("s-web", "stopped").await;
    assert!(card.starts_with("<h2>"), "{card}");
}

#[tokio::test]
async fn a_page_is_followed_as_it_is_laid_out_whatever_another_one_chose_meanwhile() {
    let app = TestApp::new().await;
    app.deploy("production", "web", "registry.test/acme/web:1").await;
    let plain = app.log_in().await;
    let chosen = format!("{plain}; mirage_cards=yes");
    let path = "/projects/default/production";
    for (before, after, around, row) in
        [(&plain, &chosen, "<div", "<th"), (&chosen, &plain, "<ul class=\"cards\"", "<h2>")]
    {
        let answer = app.send(Method::GET, path, &[("cookie", before)], "").await;
        let shown = Document::parse(&answer.text);
        let stream = shown.elements.iter().find_map(|element| element.get("sse-connect")).unwrap();
        let mut page = app.follow_with(stream, after).await;
        let (id, all) = page.next().await.unwrap();
        assert!(id == "services" && all.starts_with(around), "{all}");
        let replicas = if row == "<th" { 0 } else { 1 };
        app.control.update(&app.admin, &"web".parse().unwrap(), scaled(replicas)).await.unwrap();
        let (_, piece) = page.until("s-web", "").await;
        assert!(piece.starts_with(row), "{piece}");
    }
}

/// The same without what depends on the moment.
fn without_times(text: &str) -> String {
    text.split(' ').filter(|word| word.parse::<f64>().is_err()).collect::<Vec<_>>().join(" ")
}
