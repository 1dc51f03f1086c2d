//! The same service by other ways: what the last step shows is what those ways take.

use clap::Parser;
use http::{Method, Request, StatusCode};
use mirage_core::{VariableName, VariableValue};
use tower::ServiceExt;

use super::super::app::TOKEN;
use super::*;

#[derive(Parser)]
struct Line {
    #[command(subcommand)]
    verb: mirage_cli::Verb,
}

/// A browser at the review of a service with everything.
async fn at_review(app: &TestApp) -> Hand<'_> {
    let mut hand = at_settings(app, "127.0.0.1:7070/default/web:1").await;
    for (label, text) in [
        ("Path that answers when it is well", "/up?a=b&c='d'"),
        ("Memory of each", "384MiB"),
        ("Cores of each", "0.25"),
        ("Domains", "shop.example.com"),
        ("Command", "serve\n--greeting=it's $HOME"),
        ("When the process exits", "never"),
        ("Ports", "8080, 9090"),
        ("Name of variable 1", "GREETING"),
        ("Value of variable 1", "it's \"you\" & $HOME"),
        ("Name of variable 2", "KEY"),
        ("Value of variable 2", "sesame"),
        ("Name of volume 1", "data"),
        ("Path of volume 1", "/data"),
    ] {
        hand.fill(label, text);
    }
    hand.tick("Sealed variable 2", true);
    set_the_rest(&mut hand);
    hand.press("Next: review").await;
    assert_eq!(hand.status, StatusCode::OK, "{}", hand.page.text());
    hand
}

/// What stands below these words, as it is copied.
fn below(hand: &Hand<'_>, id: &str) -> String {
    let pre = hand.page.elements.iter().position(|it| it.get("aria-labelledby") == Some(id)).unwrap();
    hand.page.elements[pre..].iter().find(|it| it.name == "code").unwrap().raw.clone()
}

/// The words of a line as a POSIX shell reads them, where it quotes with `'` alone.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), None::<String>, false);
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match (c, quoted) {
            ('\'', _) => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ('\\', false) => word.get_or_insert_default().push(chars.next().unwrap()),
            (' ', false) => words.extend(word.take()),
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    words.into_iter().chain(word).collect()
}

#[tokio::test]
async fn the_command_is_one_that_the_command_line_takes() {
    let app = TestApp::new().await;
    let hand = at_review(&app).await;
    let command = below(&hand, "command");
    let line = Line::try_parse_from(words(&command)).unwrap_or_else(|why| panic!("{command}: {why}"));
    assert!(matches!(line.verb, mirage_cli::Verb::Deploy(_)));
    let read = format!("{:?}", line.verb);
    for told in [
        "reference: \"127.0.0.1:7070/default/web:1\"",
        "name: Some(\"web\")",
        "ports: [8080, 9090]",
        "variables: [\"GREETING=it's \\\"you\\\" & $HOME\"]",
        "sealed_env_file: Some(\"sealed.env\")",
        "domains: [\"shop.example.com\"]",
        "memory: Some(\"384MiB\")",
        "cpu: Some(0.25)",
        "pids: Some(100)",
        "health_path: Some(\"/up?a=b&c='d'\")",
        "health_port: Some(9000)",
        "health_host: Some(\"shop.example\")",
        "health_timeout: Some(90.0)",
        "health_answer_timeout: Some(0.5)",
        "health_interval: Some(7.0)",
        "health_threshold: Some(4)",
        "surge: Some(1)",
        "overlap: Some(5)",
        "drain: Some(40)",
        "stop_grace: Some(20)",
        "restart: Some(Never)",
        "allow_new_privileges: true",
        "auto_deploy: true",
        "command: [\"serve\", \"--greeting=it's $HOME\"]",
    ] {
        assert!(read.contains(told), "{told}: {read}");
    }
}

#[tokio::test]
async fn the_request_makes_the_same_service() {
    let app = TestApp::new().await;
    let mut hand = at_review(&app).await;
    let rest = words(&below(&hand, "rest").replace("\\\n", ""));
    let body = rest.last().unwrap().replace("\"****\"", "\"sesame\"").replace("\"data\"", "\"data2\"");
    let body = body
        .replace("\"name\": \"web\"", "\"name\": \"by-rest\"")
        .replace("shop.example.com", "api.example.com");
    let request = Request::builder()
        .method(Method::POST)
        .uri("/api/services/from-image")
        .header("authorization", format!("Bearer {TOKEN}"))
        .header("content-type", "application/json")
        .body(axum::body::Body::from(body.clone()))
        .unwrap();
    let response = mirage_api::router(app.control.clone()).oneshot(request).await.unwrap();
    let status = response.status();
    let answer = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    assert_eq!(status, StatusCode::ACCEPTED, "{body}: {}", String::from_utf8_lossy(&answer));
    hand.press("Deploy").await;
    let [mut one, mut other] = [
        app.control.service(&app.admin, &"web".parse().unwrap()).await.unwrap().service,
        app.control.service(&app.admin, &"by-rest".parse().unwrap()).await.unwrap().service,
    ];
    let key: VariableName = "KEY".parse().unwrap();
    for spec in [&mut one.spec, &mut other.spec] {
        // Sealed for its service.
        assert!(matches!(spec.variables.remove(&key), Some(VariableValue::Sealed { .. })));
    }
    other.spec.volumes[0].volume = one.spec.volumes[0].volume.clone();
    assert_eq!(one.spec, other.spec);
    assert_eq!((one.replicas, one.environment), (other.replicas, other.environment));
}

#[tokio::test]
async fn the_compose_file_has_what_compose_has_words_for() {
    let app = TestApp::new().await;
    let hand = at_review(&app).await;
    let expected = r#"services:
  web:
    image: "127.0.0.1:7070/default/web:1"
    environment:
      GREETING: "it's \"you\" & $$HOME"
      KEY: "${KEY}"
    ports:
      - "8080:8080"
      - "9090:9090"
    healthcheck:
      # It is asked by `curl`, which the image has to have.
      test: ["CMD", "curl", "--fail", "--silent", "--header", "Host: shop.example", "http://localhost:9000/up?a=b&c='d'"]
      interval: 7000ms
      timeout: 500ms
      start_period: 90000ms
      retries: 4
    command:
      - "serve"
      - "--greeting=it's $$HOME"
    volumes:
      - "data:/data"
    deploy:
      resources:
        limits:
          memory: 402653184b
          cpus: "0.25"
    pids_limit: 100
    # Answers at shop.example.com, once a proxy leads there.
    restart: "no"
    stop_grace_period: 20s
volumes:
  data: {}
"#;
    assert_eq!(below(&hand, "compose"), expected);
}

#[tokio::test]
async fn a_compose_file_has_the_ports_that_are_those_of_the_image_or_told_it() {
    let app = TestApp::new().await;
    let mut hand = at_settings(&app, "acme/web:1").await;
    hand.fill("Path that answers when it is well", "/up");
    hand.press("Next: review").await;
    let text = below(&hand, "compose");
    for told in ["ports:\n      - \"8080:8080\"", "http://localhost:8080/up", "- no-new-privileges:true"] {
        assert!(text.contains(told), "{told}: {text}");
    }
    assert!(!text.contains("PORT"));
    *app.world.config.lock().unwrap() =
        Some(mirage_core::ImageConfig { command: vec!["serve".into()], ..Default::default() });
    let mut hand = at_settings(&app, "acme/other:1").await;
    hand.press("Next: review").await;
    let text = below(&hand, "compose");
    assert!(text.contains("PORT: \"8080\"") && text.contains("- \"8080:8080\""), "{text}");
    hand.follow("Back to the settings").await;
    hand.fill("Name of variable 1", "PORT");
    hand.fill("Value of variable 1", "3000");
    hand.press("Next: review").await;
    let text = below(&hand, "compose");
    assert!(text.contains("PORT: \"3000\"") && text.contains("- \"3000:3000\""), "{text}");
    assert!(!text.contains("8080"), "{text}");
    hand.follow("Back to the settings").await;
    hand.tick("Worker: it listens on nothing and has no address", true);
    hand.press("Next: review").await;
    assert!(!below(&hand, "compose").contains("ports:"));
}
