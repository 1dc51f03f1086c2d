//! From an image to a service that runs, with forms and links alone.

mod hostile;
mod image;
mod pasted;
mod settings;
mod twins;

use mirage_core::{Phase, Port, VariableValue};

use super::app::TestApp;
use super::hand::Hand;

/// A browser at the settings of this image.
async fn at_settings<'a>(app: &'a TestApp, image: &str) -> Hand<'a> {
    let mut hand = Hand::at(app, "/new").await;
    hand.fill("Image", image);
    hand.press("Use a Docker image").await;
    hand.press("Check image").await;
    hand.press("Next: settings").await;
    assert!(hand.path.ends_with("/settings"), "{}: {}", hand.path, hand.page.text());
    hand
}

/// Sets what few set, of an image of the built-in registry.
fn set_the_rest(hand: &mut Hand<'_>) {
    for (label, text) in [
        ("Processes and threads of each", "100"),
        ("Seconds between the stop signal and the kill", "20"),
        ("Seconds that old instances have to finish their requests", "40"),
        ("Seconds that old instances stay after the traffic has moved", "5"),
        ("Instances more than wanted, while they are replaced in turns", "1"),
        ("Port that is asked", "9000"),
        ("Host that the path is asked of", "shop.example"),
        ("Statuses of a good answer", "200-299"),
        ("Seconds until a new instance has to be well", "90"),
        ("Seconds that one answer may take", "0.5"),
        ("Seconds between two questions", "7"),
        ("Bad answers in a row until it gets no more requests", "4"),
    ] {
        hand.fill(label, text);
    }
    hand.tick("Programs may gain privileges by setuid bits and file capabilities", true);
    hand.tick("Deploy by itself whenever the tag is pushed to the built-in registry", true);
}

/// A draft that somebody left at its settings.
pub(super) async fn checked_draft(app: &TestApp) -> String {
    let hand = at_settings(app, "registry.test/acme/web:1").await;
    hand.path.split('/').nth(2).unwrap().to_owned()
}

#[tokio::test]
async fn somebody_goes_from_nothing_to_a_running_service() {
    let app = TestApp::new().await;
    let mut hand = Hand::at(&app, "/projects").await;
    assert!(hand.page.text().contains("There are no projects yet."));
    hand.follow("Deploy an image").await;
    let headings: Vec<_> = hand.page.all("h2").map(|it| it.text.as_str()).collect();
    assert_eq!(&headings[..2], ["Docker image", "Source repository"], "a clear pair");
    hand.press("Use a Docker image").await;
    assert!(hand.page.text().contains("There is no image yet."));
    assert!(!hand.can_press("Next: settings"));

    hand.fill("Image", "registry.test:5000/acme/web:1");
    hand.press("Check image").await;
    for told in [
        "● found runs here",
        &format!("Digest sha256:{}", "31".repeat(32)),
        "Size 2.0 MiB in 1 layer, every layer is here already",
        "Platform linux/amd64",
        "Ports 8080",
        "User web",
        "Runs /web",
        "Signature absent",
        "76 of 100 pulls left",
    ] {
        assert!(hand.page.text().contains(told), "{told}: {}", hand.page.text());
    }
    hand.press("Next: settings").await;
    assert_eq!((hand.value("Name").as_str(), hand.value("Project").as_str()), ("web", "default"));
    assert!(hand.page.text().contains("From the image: 8080"));
    hand.fill("Name", "shop");
    hand.fill("Environment", "staging");
    hand.fill("Name of variable 1", "GREETING");
    hand.fill("Value of variable 1", "hello you");
    hand.fill("Name of variable 2", "KEY");
    hand.fill("Value of variable 2", "open sesame");
    hand.tick("Sealed variable 2", true);
    hand.fill("Memory of each", "256MiB");
    hand.press("Next: review").await;
    for told in [
        "Service default/staging/shop project and environment are made",
        "Image registry.test:5000/acme/web:1",
        "Starts 1 instance",
        "Waits until port 8080 accepts connections",
        "Answers at http://shop-staging.localhost:8080",
        "Variables 2, 1 of them sealed",
        "Memory of each at most 256 MiB",
    ] {
        assert!(hand.page.text().contains(told), "{told}: {}", hand.page.text());
    }
    hand.press("Deploy").await;
    assert!(hand.path.starts_with("/deployments/"), "{}", hand.path);
    let id = hand.path.rsplit('/').next().unwrap().parse().unwrap();
    assert_eq!(app.ended(id).await.phase, Phase::Active);
    let view = app.control.service(&app.admin, &"default/staging/shop".parse().unwrap()).await.unwrap();
    let spec = &view.service.spec;
    assert_eq!(spec.resources.memory_bytes, Some(256 << 20));
    assert_eq!(spec.ports, None, "those of the image");
    assert_eq!(spec.variables[&"GREETING".parse().unwrap()].plain(), Some("hello you"));
    assert!(matches!(spec.variables[&"KEY".parse().unwrap()], VariableValue::Sealed { .. }));
    assert!(app.control.drafts(&app.admin, 10).await.unwrap().is_empty(), "the draft is gone");
}

#[tokio::test]
async fn the_enter_key_goes_on() {
    let app = TestApp::new().await;
    let mut hand = Hand::at(&app, "/new").await;
    hand.fill("Image", "acme/web:1");
    hand.enter("Image").await;
    hand.enter("Image").await;
    assert!(hand.page.text().contains("● found"), "{}", hand.page.text());
    hand.press("Next: settings").await;
    hand.fill("Name", "shop");
    hand.enter("Name").await;
    assert!(hand.path.ends_with("/review"), "{}", hand.path);
}

#[tokio::test]
async fn an_address_may_bring_image_project_and_environment() {
    let app = TestApp::new().await;
    let mut hand = Hand::at(&app, "/new?image=nginx&project=shop&environment=staging").await;
    assert!(app.control.drafts(&app.admin, 10).await.unwrap().is_empty(), "looking begins nothing");
    assert!(hand.page.text().contains("mirage deploy nginx:1.27 --project shop --environment staging"));
    assert_eq!(hand.value("Image"), "nginx");
    hand.press("Use a Docker image").await;
    assert!(hand.page.text().contains("Means docker.io/library/nginx:latest"));
    hand.press("Check image").await;
    hand.press("Next: settings").await;
    let place = ["Name", "Project", "Environment"].map(|label| hand.value(label));
    assert_eq!(place, ["nginx", "shop", "staging"]);
}

#[tokio::test]
async fn source_explains_itself_until_it_is_there() {
    let app = TestApp::new().await;
    let mut hand = Hand::at(&app, "/new").await;
    hand.follow("What to do with source today").await;
    assert_eq!(hand.page.only("h1"), "Source repository");
    for told in [
        "Mirage does not build from source yet.",
        "docker push 127.0.0.1:7070/default/web:1",
        "mirage deploy 127.0.0.1:7070/default/web:1 --auto-deploy",
    ] {
        assert!(hand.page.text().contains(told), "{told}");
    }
    hand.follow("Deploy an image instead").await;
    assert_eq!(hand.page.only("h1"), "New service");
}

#[tokio::test]
async fn what_was_begun_is_gone_on_with_or_thrown_away() {
    let app = TestApp::new().await;
    let mut hand = at_settings(&app, "acme/web:1").await;
    hand.fill("Name", "shop");
    hand.press("Next: review").await;
    hand.open("/new").await;
    hand.follow("acme/web:1").await;
    hand.press("Next: settings").await;
    assert_eq!(hand.value("Name"), "shop");
    let left = hand.path.clone();
    hand.press("Discard this draft").await;
    assert_eq!(hand.path, "/new");
    assert!(!hand.page.text().contains("Go on with what you began"));
    hand.open(&left).await;
    assert_eq!(hand.status, 404);
    assert!(hand.page.text().contains("there is no such draft"), "{}", hand.page.text());
}

#[tokio::test]
async fn a_service_that_is_refused_keeps_everything_and_says_where_to_change_it() {
    let app = TestApp::new().await;
    let mut hand = at_settings(&app, "acme/web:1").await;
    hand.press("Next: review").await;
    app.deploy("production", "web", "registry.test/acme/other:1").await;
    hand.press("Deploy").await;
    assert_eq!(hand.status, 422);
    assert!(hand.page.text().contains("production has a service web already"));
    hand.follow("Change it: settings").await;
    hand.fill("Name", "web2");
    hand.press("Next: review").await;
    *app.world.refusal.lock().unwrap() =
        Some(mirage_core::Error::new(mirage_core::Code::RegistryUnreachable, "the registry is away"));
    hand.press("Deploy").await;
    assert_eq!(hand.status, 422);
    assert!(hand.page.text().contains("the registry is away"));
    assert!(hand.page.link("Change it: image").ends_with("/image"));
    *app.world.refusal.lock().unwrap() = None;
    hand.press("Deploy").await;
    assert!(hand.path.starts_with("/deployments/"), "{}", hand.page.text());
}

#[tokio::test]
async fn whoever_deploys_twice_or_goes_back_is_led_to_the_deployment() {
    let app = TestApp::new().await;
    let mut one = at_settings(&app, "acme/web:1").await;
    let settings = one.path.clone();
    one.press("Next: review").await;
    let review = one.path.clone();
    let mut other = Hand::at(&app, &review).await;
    let (first, second) =
        tokio::join!(one.send_typed("Deploy", &review), other.send_typed("Deploy", &review));
    assert!(first.leads_to().starts_with("/deployments/"));
    assert_eq!(first.leads_to(), second.leads_to());
    other.press("Deploy").await;
    assert_eq!(other.path, first.leads_to());
    for back in [settings.clone(), settings.replace("settings", "image"), review] {
        one.open(&back).await;
        assert_eq!(one.path, first.leads_to(), "{back}");
    }
    let htmx = [("hx-request", "true"), ("cookie", &app.log_in().await)];
    let answer = app.send(http::Method::GET, &settings.replace("settings", "tags"), &htmx, "").await;
    assert_eq!(answer.status, 404, "no page in a part of a page");
    let first: mirage_core::DeploymentId = first.leads_to().rsplit('/').next().unwrap().parse().unwrap();
    assert_eq!(app.ended(first).await.phase, Phase::Active, "one service");
}

#[tokio::test]
async fn two_tabs_of_one_draft_do_not_lose_what_the_other_typed() {
    let app = TestApp::new().await;
    let mut one = at_settings(&app, "acme/web:1").await;
    let mut other = Hand::at(&app, &one.path.replace("settings", "image")).await;
    one.fill("Name", "shop");
    one.fill("Ports", "9090");
    one.press("Next: review").await;
    other.fill("Image", "acme/web:2");
    other.press("Check image").await;
    one.reload().await;
    assert!(one.page.text().contains("Image acme/web:2") || one.page.text().contains("docker.io/acme/web:2"));
    one.press("Deploy").await;
    let view = app.control.service(&app.admin, &"shop".parse().unwrap()).await.unwrap();
    assert_eq!(view.service.spec.ports, Some(vec![Port::new(9090).unwrap()]));
}

#[tokio::test]
async fn a_draft_is_sent_by_its_own_page_alone() {
    let app = TestApp::new().await;
    let hand = at_settings(&app, "acme/web:1").await;
    let cookie = app.log_in().await;
    for end in ["image", "verdict", "settings", "keep", "review", "drop"] {
        let path = hand.path.replace("settings", end);
        let answer = app.post(&path, &cookie, "form=forged&image=nginx&service=x&then=next").await;
        assert_eq!(answer.status, 403, "{end}");
        let answer = app.post(&path, "", "image=nginx").await;
        assert_eq!(answer.leads_to().split('?').next(), Some("/login"), "{end}");
    }
}
