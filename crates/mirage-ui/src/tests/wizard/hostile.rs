//! Text that would be markup, in every field and in whatever images and registries say.

use jiff::Timestamp;
use mirage_core::{Code, Error, ImageConfig};

use super::super::hostile::ATTACKS;
use super::*;

#[tokio::test]
async fn what_is_typed_into_any_field_is_shown_as_text() {
    let app = TestApp::new().await;
    for attack in ATTACKS {
        let mut hand = Hand::at(&app, "/new").await;
        hand.fill("Image", attack);
        hand.press("Use a Docker image").await;
        assert_eq!(hand.value("Image"), mirage_core::tellable(attack.trim()));
        for label in
            ["Address of another registry", "Name", "Tag", "Digest", "User name", "Password or token"]
        {
            hand.fill(label, attack);
        }
        hand.fill("Registry", "");
        hand.press("Check image").await;
        assert_eq!(hand.value("Name"), attack);
        let mut hand = at_settings(&app, "acme/web:1").await;
        let labels: Vec<String> = hand.page.all("label").map(|it| it.text.clone()).collect();
        for label in &labels {
            if !label.starts_with("Sealed") && !label.contains("When its") && !label.contains("Let programs")
            {
                hand.fill(label, attack);
            }
        }
        hand.press("Next: review").await;
        assert_eq!(hand.status, 422);
        assert_eq!(hand.value("Name of variable 1"), attack);
        hand.press("As .env text").await;
        hand.open(&hand.path.replace("settings", "review")).await;
        hand.open("/new").await;
    }
}

#[tokio::test]
async fn what_an_image_says_of_itself_is_shown_as_text() {
    let app = TestApp::new().await;
    for attack in ATTACKS {
        let many = || vec![attack.to_owned(); 300];
        let labels = ["title", "version", "description", "source"];
        *app.world.config.lock().unwrap() = Some(ImageConfig {
            entrypoint: many(),
            command: many(),
            environment: many(),
            user: attack.repeat(1_000),
            volumes: many().into_iter().map(|it| format!("/{it}")).collect(),
            health_command: vec!["CMD".into(), attack.into(), "http://localhost/<script>".into()],
            labels: labels
                .map(|name| (format!("org.opencontainers.image.{name}"), attack.repeat(1_000)))
                .into(),
            created: Some(Timestamp::UNIX_EPOCH),
            ..ImageConfig::default()
        });
        let mut hand = Hand::at(&app, "/new?image=acme/web").await;
        hand.press("Use a Docker image").await;
        hand.press("Check image").await;
        assert!(hand.page.text().contains(attack), "{attack}: {}", hand.page.text());
        let verdict = hand.path.replace("/image", "/verdict?by=whole");
        hand.fill("Image", "acme/web:2");
        let answer = hand.send_typed("Next: settings", &verdict).await;
        assert!(answer.text.len() < 16_000, "{} bytes", answer.text.len());
        hand.open(&hand.path.clone()).await;
        hand.press("Next: settings").await;
        hand.press_anyhow("Next: review").await;
    }
}

#[tokio::test]
async fn what_a_registry_refuses_with_is_shown_as_text() {
    let app = TestApp::new().await;
    for attack in ATTACKS {
        let error = Error::new(Code::RegistryAuthError, attack.repeat(500)).hint(attack.repeat(500));
        *app.world.refusal.lock().unwrap() = Some(error);
        let mut hand = Hand::at(&app, "/new?image=acme/web").await;
        hand.press("Use a Docker image").await;
        hand.press("Check image").await;
        assert!(hand.page.text().contains(attack), "{}", hand.page.text());
        hand.press_anyhow("Next: settings").await;
    }
}

#[tokio::test]
async fn what_stands_in_the_address_of_a_draft_is_shown_as_text() {
    let app = TestApp::new().await;
    for attack in ATTACKS {
        let path: String = attack.bytes().map(|byte| format!("%{byte:02x}")).collect();
        for path in [
            format!("/new?image={path}&project={path}"),
            format!("/new/{path}/image"),
            "/new?image=a&image=b".into(),
        ] {
            let hand = Hand::at(&app, &path).await;
            assert!([200, 400, 404].contains(&hand.status.as_u16()), "{path}: {}", hand.status);
        }
    }
}
