//! Several things that are wrong with one form.

use super::app::TestApp;
use super::hand::Hand;

#[tokio::test]
async fn all_that_is_wrong_with_settings_is_said_at_once_each_at_its_field() {
    let app = TestApp::new().await;
    app.deploy("production", "web", "registry.test/acme/web:1").await;
    let mut hand = Hand::at(&app, "/projects/default/production/web/settings").await;
    let wrong =
        [("Ports", "http", "ports"), ("Memory of each", "1KiB", "memory"), ("Instances", "5000", "replicas")];
    wrong.iter().for_each(|(label, text, _)| hand.fill(label, text));
    hand.press("Save and deploy").await;
    assert_eq!(hand.status, 422);
    assert!(hand.page.text().contains("3 things are not right"), "{}", hand.page.text());
    for (label, text, id) in wrong {
        assert_eq!(hand.value(label), text);
        let field = hand.page.elements.iter().find(|it| it.get("id") == Some(id)).unwrap();
        assert_eq!(field.get("aria-invalid"), Some("true"), "{label}");
        assert!(hand.page.all("a").any(|it| it.get("href") == Some(&format!("#{id}"))), "{label}");
    }
    hand.fill("Ports", "");
    hand.fill("Instances", "1");
    hand.press("Save and deploy").await;
    assert!(!hand.page.text().contains("things are not right"), "one is said with what to do about it");
    assert!(hand.page.text().contains("try 256MiB"), "{}", hand.page.text());
}
