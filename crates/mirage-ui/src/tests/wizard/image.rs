//! The step that asks for the image.

use http::StatusCode;

use super::*;

async fn at_image<'a>(app: &'a TestApp) -> Hand<'a> {
    let mut hand = Hand::at(app, "/new").await;
    hand.press("Use a Docker image").await;
    hand
}

#[tokio::test]
async fn what_is_pasted_splits_itself_and_each_part_can_be_changed() {
    let app = TestApp::new().await;
    let mut hand = at_image(&app).await;
    hand.fill("Image", "docker run -d -p 80:80 nginx");
    hand.press("Check image").await;
    assert_eq!(hand.value("Registry"), "docker.io");
    assert_eq!((hand.value("Name").as_str(), hand.value("Tag").as_str()), ("library/nginx", "latest"));
    assert!(hand.page.text().contains("Means docker.io/library/nginx:latest"));
    hand.fill("Name", "acme/web");
    hand.fill("Registry", "ghcr.io");
    hand.fill("Tag", "2.1");
    hand.press("Check image").await;
    assert_eq!(hand.value("Image"), "ghcr.io/acme/web:2.1");
    hand.fill("Registry", "");
    hand.fill("Address of another registry", "registry.example:5000");
    hand.press("Check image").await;
    assert_eq!(hand.value("Image"), "registry.example:5000/acme/web:2.1");
    assert_eq!(hand.value("Address of another registry"), "registry.example:5000");
    hand.reload().await;
    assert_eq!(hand.value("Image"), "registry.example:5000/acme/web:2.1");
    assert!(hand.can_press("Next: settings"), "what was seen is still known");
    hand.fill("Image", "https://hub.docker.com/r/acme/shop");
    hand.press("Next: settings").await;
    assert_eq!(hand.value("Name"), "shop", "the next step looks itself at what was typed last");
}

#[tokio::test]
async fn a_wrong_reference_is_refused_with_the_part_that_is_wrong() {
    let app = TestApp::new().await;
    let mut hand = at_image(&app).await;
    for (image, field, told) in [
        ("nginx:-1", "tag", "the tag -1 starts with -"),
        ("ghcr.io/Acme/web", "name", "the repository Acme/web has upper-case letters"),
        ("registry.test:0/web", "host", "the registry has the port 0"),
        ("acme/web@sha256:12", "digest", "the digest is wrong"),
        ("https://example.com/a b", "host", "it starts like a web address"),
        ("", "image", "there is no image yet"),
    ] {
        hand.fill("Image", image);
        hand.press("Check image").await;
        assert_eq!(hand.status, StatusCode::UNPROCESSABLE_ENTITY, "{image}");
        assert_eq!(hand.value("Image"), image, "what was typed is there");
        assert!(hand.page.text().contains(told), "{image}: {}", hand.page.text());
        let wrong: Vec<_> = hand.page.elements.iter().filter(|it| it.get("aria-invalid").is_some()).collect();
        assert_eq!(wrong.iter().map(|it| it.get("id").unwrap()).collect::<Vec<_>>(), [field], "{image}");
        assert!(!hand.can_press("Next: settings"));
        hand.press_anyhow("Next: settings").await;
        assert_eq!(hand.status, StatusCode::UNPROCESSABLE_ENTITY, "the step stays closed");
    }
}

#[tokio::test]
async fn an_image_that_is_not_there_keeps_the_step_closed_and_says_why() {
    let app = TestApp::new().await;
    let mut hand = at_image(&app).await;
    hand.fill("Image", "acme/missing:1");
    hand.press("Check image").await;
    assert_eq!(hand.status, StatusCode::OK);
    for told in [
        "✕ not readable docker.io has no image acme/missing:1",
        "check the repository and the tag",
        "IMAGE_NOT_FOUND",
        "The image could not be read.",
    ] {
        assert!(hand.page.text().contains(told), "{told}: {}", hand.page.text());
    }
    assert!(!hand.can_press("Next: settings"));
    hand.press_anyhow("Next: settings").await;
    assert_eq!(hand.status, StatusCode::UNPROCESSABLE_ENTITY);
    let settings = hand.path.replace("image", "settings");
    hand.open(&settings).await;
    assert!(hand.path.ends_with("/image"), "no way around it");
    hand.open(&settings.replace("settings", "review")).await;
    assert!(!hand.can_press("Deploy"));
}

#[tokio::test]
async fn a_registry_that_wants_a_login_opens_its_fields_and_the_password_never_comes_back() {
    let app = TestApp::new().await;
    let mut hand = at_image(&app).await;
    let login = |hand: &Hand<'_>| {
        let details = hand.page.all("details").find(|it| it.get("id") == Some("login")).unwrap();
        details.get("open").is_some()
    };
    assert!(!login(&hand), "out of the way until it is needed");
    hand.fill("Image", "ghcr.io/acme/private:1");
    hand.press("Check image").await;
    assert!(login(&hand));
    assert!(hand.page.text().contains("✕ needs a login"), "{}", hand.page.text());
    assert!(hand.page.text().contains("read:packages"), "what GitHub wants");
    assert!(hand.page.text().contains("The registry wants a login first."));

    hand.fill("User name", "ci");
    hand.press_anyhow("Next: settings").await;
    assert_eq!(hand.status, StatusCode::UNPROCESSABLE_ENTITY, "no password");
    hand.fill("Password or token", "wrong");
    hand.press("Check image").await;
    assert!(hand.page.text().contains("does not accept the login"));
    assert_eq!(hand.value("User name"), "ci");
    hand.fill("Another password", "sesame");
    hand.press("Check image").await;
    assert!(hand.page.text().contains("● found"), "{}", hand.page.text());
    assert!(hand.page.text().contains("A password was typed."));
    assert_eq!(hand.value("Another password"), "");
    hand.press("Next: settings").await;
    hand.press("Next: review").await;
    assert!(hand.page.text().contains("Pulled as ci with the password that was typed"));
    assert!(hand.page.text().contains("--registry-username ci --registry-password-stdin < password.txt"));
    assert!(hand.html.contains("****"));
    hand.press("Deploy").await;
    let view = app.control.service(&app.admin, &"private".parse().unwrap()).await.unwrap();
    assert_eq!(view.credential.unwrap().username, "ci");
}

#[tokio::test]
async fn a_password_is_shown_to_no_registry_but_the_one_it_was_typed_for() {
    let app = TestApp::new().await;
    let mut hand = at_image(&app).await;
    hand.fill("Image", "ghcr.io/acme/private:1");
    hand.fill("User name", "ci");
    hand.fill("Password or token", "sesame");
    hand.press("Check image").await;
    // Somebody types on: the field still has the password, and the image is another on each key.
    for (image, by) in [("ghcr.example/acme/private:1", "whole"), ("evil.example/acme/private:1", "parts")] {
        hand.fill("Image", image);
        hand.fill("Another password", "sesame");
        let path = hand.path.replace("/image", &format!("/verdict?by={by}"));
        let answer = hand.send_typed("Next: settings", &path).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert!(answer.text.contains("password"), "{}", answer.text);
    }
    let hosts: Vec<String> = app.world.logins.lock().unwrap().iter().map(|(host, ..)| host.clone()).collect();
    assert!(!hosts.is_empty() && hosts.iter().all(|host| host == "ghcr.io"), "{hosts:?}");
    hand.reload().await;
    assert!(!hand.page.text().contains("A password was typed."), "it is forgotten");
}

#[tokio::test]
async fn a_password_in_the_field_of_one_registry_is_not_taken_for_another() {
    let app = TestApp::new().await;
    let mut hand = at_image(&app).await;
    hand.fill("Image", "ghcr.io/acme/private:1");
    hand.press("Check image").await;
    hand.fill("User name", "ci");
    hand.fill("Password or token", "sesame");
    hand.press("Check image").await;
    assert!(hand.page.text().contains("● found"), "{}", hand.page.text());
    // The form is sent with another image, and the page with the password is still that of the one before.
    for (at, by) in ["login", "button"].into_iter().enumerate() {
        hand.fill("Image", &format!("evil.example/acme/private:{at}"));
        hand.fill("Another password", "sesame");
        let verdict = hand.path.replace("/image", &format!("/verdict?by={by}"));
        let answer = hand.send_typed("Next: settings", &verdict).await;
        assert!(answer.text.contains("id=\"login\""), "its login is that of the new one: {}", answer.text);
    }
    hand.press("Check image").await;
    assert_eq!(hand.value("Image"), "evil.example/acme/private:1");
    assert!(hand.page.text().contains("The registry wants a login first."), "{}", hand.page.text());
    assert!(!hand.page.text().contains("A password was typed."));
    let hosts: Vec<String> = app.world.logins.lock().unwrap().iter().map(|(host, ..)| host.clone()).collect();
    assert!(!hosts.is_empty() && hosts.iter().all(|host| host == "ghcr.io"), "{hosts:?}");
}

#[tokio::test]
async fn what_is_typed_counts_although_the_answer_to_it_is_still_under_way() {
    let app = TestApp::new().await;
    let mut hand = at_image(&app).await;
    hand.fill("Image", "acme/web:1");
    hand.press("Check image").await;
    // The whole is typed and kept; its parts in the page are those of the image before.
    let verdict = |hand: &Hand<'_>, by: &str| hand.path.replace("/image", &format!("/verdict?by={by}"));
    hand.fill("Image", "quay.io/acme/shop:3");
    hand.send_typed("Next: settings", &verdict(&hand, "whole")).await;
    hand.send_typed("Next: settings", &verdict(&hand, "load")).await;
    hand.press("Check image").await;
    assert_eq!(hand.value("Image"), "quay.io/acme/shop:3");
    assert_eq!((hand.value("Registry").as_str(), hand.value("Name").as_str()), ("quay.io", "acme/shop"));
    // A part is typed and kept, and typed on; the whole in the page is that of the image before.
    hand.fill("Tag", "4");
    hand.send_typed("Next: settings", &verdict(&hand, "parts")).await;
    hand.fill("Tag", "42");
    hand.send_typed("Next: settings", &verdict(&hand, "parts")).await;
    hand.send_typed("Next: settings", &verdict(&hand, "load")).await;
    hand.press("Check image").await;
    assert_eq!(hand.value("Image"), "quay.io/acme/shop:42");
}

#[tokio::test]
async fn a_check_writes_nothing_into_the_field() {
    let app = TestApp::new().await;
    let mut hand = at_image(&app).await;
    for image in ["", "nginx:-1", "acme /web : 1"] {
        hand.fill("Image", image);
        for _ in 0..2 {
            hand.press("Check image").await;
            assert_eq!(hand.status, StatusCode::UNPROCESSABLE_ENTITY, "{image}");
            assert_eq!(hand.value("Image"), image, "as it was typed");
        }
    }
    hand.fill("Image", "nginx:-1");
    hand.press("Check image").await;
    hand.fill("Tag", "1");
    hand.press("Check image").await;
    assert_eq!(hand.value("Image"), "docker.io/nginx:1", "a part that is typed counts");
}

#[tokio::test]
async fn a_login_that_was_refused_is_not_tried_again_by_a_page_that_is_loaded() {
    let app = TestApp::new().await;
    let mut hand = at_image(&app).await;
    let asks = |hand: &Hand<'_>| {
        let verdict = hand.page.elements.iter().find(|it| it.get("id") == Some("verdict")).unwrap();
        verdict.get("hx-post").is_some()
    };
    hand.fill("Image", "ghcr.io/acme/private:1");
    hand.fill("User name", "ci");
    hand.fill("Password or token", "wrong");
    hand.press("Check image").await;
    assert!(hand.page.text().contains("does not accept the login"), "{}", hand.page.text());
    assert!(!asks(&hand), "some registries lock out whoever is wrong too often");
    hand.fill("Image", "acme/missing:1");
    hand.fill("User name", "");
    hand.press("Check image").await;
    assert!(hand.page.text().contains("has no image"), "{}", hand.page.text());
    assert!(asks(&hand), "it may be there by now");
}

#[tokio::test]
async fn a_login_that_is_kept_already_is_used_and_named() {
    let app = TestApp::new().await;
    let new = mirage_control::NewCredential {
        place: mirage_control::CredentialPlace::default(),
        host: "ghcr.io".parse().unwrap(),
        prefix: None,
        username: "ci".into(),
        password: "sesame".to_owned().into(),
    };
    app.control.set_credential(&app.admin, new).await.unwrap();
    let mut hand = at_image(&app).await;
    hand.fill("Image", "ghcr.io/acme/private:1");
    hand.press("Check image").await;
    assert!(hand.page.text().contains("● found"));
    assert!(hand.page.text().contains("Kept for ghcr.io: ci in default. It is used by itself"));
}

#[tokio::test]
async fn a_tag_is_followed_or_a_digest_pinned() {
    let app = TestApp::new().await;
    let mut hand = at_image(&app).await;
    hand.fill("Image", "registry.test/acme/web:1");
    hand.press("Check image").await;
    assert!(hand.page.text().contains("Follow the tag 1"));
    hand.tick("Pin this digest 313131313131", true);
    hand.press("Next: settings").await;
    hand.press("Next: review").await;
    let pinned = format!("registry.test/acme/web:1@sha256:{}", "31".repeat(32));
    assert!(hand.page.text().contains(&pinned), "{}", hand.page.text());
    hand.follow("Image").await;
    hand.tick("Follow the tag 1", true);
    hand.press("Next: settings").await;
    hand.press("Next: review").await;
    assert!(!hand.page.text().contains(&pinned));
    hand.follow("Image").await;
    hand.fill("Image", &pinned);
    hand.press("Check image").await;
    hand.press("Next: settings").await;
    hand.press("Next: review").await;
    assert!(hand.page.text().contains(&pinned), "one that is written is kept");
}

#[tokio::test]
async fn the_verdict_answers_with_what_changes_and_keeps_what_was_typed() {
    let app = TestApp::new().await;
    let mut hand = at_image(&app).await;
    hand.fill("Image", "nginx");
    let verdict = hand.path.replace("/image", "/verdict?by=whole");
    let answer = hand.send_typed("Next: settings", &verdict).await;
    assert_eq!(answer.status, StatusCode::OK);
    let piece = super::super::html::Document::parse(&format!("<!DOCTYPE html><body>{}</body>", answer.text));
    assert!(piece.text().contains("● found runs here"));
    let swapped: Vec<_> = piece
        .elements
        .iter()
        .filter(|it| it.get("hx-swap-oob").is_some())
        .map(|it| it.get("id").unwrap())
        .collect();
    assert_eq!(
        swapped,
        ["image-shown", "parts", "tags", "login", "choice", "known", "next"],
        "not what is being typed into"
    );
    assert!(answer.text.len() < 12_000, "{} bytes", answer.text.len());
    hand.reload().await;
    assert_eq!(hand.value("Image"), "nginx");
    assert!(hand.can_press("Next: settings"));
    hand.fill("Image", "nginx:");
    let answer = hand.send_typed("Next: settings", &verdict).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.text.contains("the tag is empty"), "{}", answer.text);
    assert!(answer.text.contains("disabled"));
}

#[tokio::test]
async fn a_tag_is_taken_from_the_list_of_the_registry() {
    let app = TestApp::new().await;
    let mut hand = at_image(&app).await;
    hand.fill("Image", "registry.test/acme/web");
    hand.press("Check image").await;
    let image = hand.path.clone();
    hand.follow("List them").await;
    let tags: Vec<_> = hand.page.all("button").filter(|it| it.get("name") == Some("tagged")).collect();
    assert_eq!(tags.iter().map(|it| it.text.as_str()).collect::<Vec<_>>(), ["latest", "2", "1"]);
    hand.press("2").await;
    assert_eq!(
        (hand.path.as_str(), hand.value("Image").as_str()),
        (image.as_str(), "registry.test/acme/web:2")
    );
    assert!(hand.page.text().contains(&format!("Digest sha256:{}", "32".repeat(32))));
}

#[tokio::test]
async fn what_to_do_next_is_said_in_words_of_the_page() {
    let app = TestApp::new().await;
    app.deploy("production", "taken", "registry.test/acme/web:1").await;
    let hint =
        "check the repository and the tag; `skopeo list-tags docker://docker.io/acme/web` lists the tags";
    let refusal = mirage_core::Error::new(mirage_core::Code::ImageNotFound, "no such image").hint(hint);
    *app.world.refusal.lock().unwrap() = Some(refusal);
    let mut hand = at_image(&app).await;
    hand.fill("Image", "acme/web:1");
    hand.press("Check image").await;
    assert!(hand.page.text().contains("“Tags of this repository”"), "{}", hand.page.text());
    assert!(!hand.page.text().contains("skopeo"));
    *app.world.refusal.lock().unwrap() = None;
    *app.world.config.lock().unwrap() = Some(mirage_core::ImageConfig {
        command: vec!["serve".into()],
        volumes: vec!["/data".into()],
        ..mirage_core::ImageConfig::default()
    });
    hand.press("Check image").await;
    for told in ["name another port with “Ports”", "the next step has them under “Volumes”"] {
        assert!(hand.page.text().contains(told), "{told}: {}", hand.page.text());
    }
    hand.press("Next: settings").await;
    hand.fill("Name", "taken");
    hand.press("Next: review").await;
    assert!(hand.page.text().contains("choose another name; to deploy this image"), "{}", hand.page.text());
}
