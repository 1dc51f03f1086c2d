//! The step that asks how it runs.

use http::StatusCode;
use mirage_core::{ImageConfig, RestartPolicy};

use super::*;

#[tokio::test]
async fn ports_are_those_of_the_image_others_or_none() {
    let app = TestApp::new().await;
    let mut hand = at_settings(&app, "acme/web:1").await;
    for (ports, worker, told) in [
        ("80, 80", false, "port 80 is listed twice"),
        ("http", false, "http is not a port"),
        ("70000", false, "70000 is not a port"),
        ("80", true, "a worker listens on nothing, and there are ports"),
    ] {
        hand.fill("Ports", ports);
        hand.tick("Worker: it listens on nothing and has no address", worker);
        hand.press("Next: review").await;
        assert_eq!(hand.status, StatusCode::UNPROCESSABLE_ENTITY, "{ports}");
        assert!(hand.page.text().contains(told), "{told}: {}", hand.page.text());
        assert_eq!(hand.value("Ports"), ports);
    }
    hand.fill("Ports", "");
    hand.press("Next: review").await;
    assert!(hand.page.text().contains("Ports none: it is a worker"));
    assert!(hand.page.text().contains("Answers at no address"));
    hand.follow("Back to the settings").await;
    hand.tick("Worker: it listens on nothing and has no address", false);
    hand.fill("Ports", "9090 9091");
    hand.press("Next: review").await;
    assert!(hand.page.text().contains("Ports 9090, 9091"));
    assert!(hand.page.text().contains("--port 9090 --port 9091"));
}

#[tokio::test]
async fn variables_are_rows_and_text_and_a_sealed_value_is_never_shown_again() {
    let app = TestApp::new().await;
    let mut hand = at_settings(&app, "acme/web:1").await;
    hand.fill("Name of variable 1", "A=1");
    hand.fill("Name of variable 2", "KEY");
    hand.fill("Value of variable 2", "sesame");
    hand.tick("Sealed variable 2", true);
    hand.press("Add rows").await;
    assert_eq!(
        (hand.value("Name of variable 1").as_str(), hand.value("Value of variable 1").as_str()),
        ("A", "1")
    );
    assert_eq!(hand.value("Value of variable 2"), "", "it is not in the page");
    assert!(hand.page.all("label").any(|it| it.text == "Name of variable 11"));

    hand.press("As .env text").await;
    assert_eq!(hand.value("Plain variables"), "A=1\n");
    hand.fill("Plain variables", "# pasted\nexport A=\"x y\"\nB=\"two\nlines\"\nKEY=new sesame\n");
    hand.press("Rows").await;
    assert_eq!(hand.value("Value of variable 1"), "x y");
    assert_eq!(hand.value("Name of variable 2"), "KEY", "what is sealed stays so, with its new value");
    hand.press("As .env text").await;
    assert_eq!(hand.value("Plain variables"), "A=x y\nB=\"two\nlines\"\n");
    hand.fill("Plain variables", "A=1\nnot a variable sesam\n");
    hand.press("Rows").await;
    assert_eq!(hand.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(hand.page.text().contains("line 2 is not a variable"));
    assert_eq!(hand.value("Plain variables"), "A=1\nnot a variable sesam\n", "what was typed is there");
    hand.fill("Plain variables", "A=1\nTOKEN=t0ken\n");
    hand.tick("Seal all of these when they become rows", true);
    hand.press("Rows").await;
    assert!(!hand.html.contains("t0ken"));
    hand.press("Next: review").await;
    assert!(hand.page.text().contains("Variables 3, 3 of them sealed"), "{}", hand.page.text());
    assert!(!hand.html.contains("t0ken"));
    hand.follow("Back to the settings").await;
    // Taking the tick away does not bring a value back; an empty name takes the row away.
    hand.tick("Sealed variable 2", false);
    hand.fill("Name of variable 1", "");
    hand.press("Next: review").await;
    assert!(hand.page.text().contains("Variables 2, 2 of them sealed"), "{}", hand.page.text());
    hand.press("Deploy").await;
    let view = app.control.service(&app.admin, &"web".parse().unwrap()).await.unwrap();
    let names: Vec<_> = view.service.spec.variables.keys().map(|name| name.as_str()).collect();
    assert_eq!(names, ["KEY", "TOKEN"]);
}

#[tokio::test]
async fn a_value_of_several_lines_stays_one_in_rows_and_as_text() {
    let app = TestApp::new().await;
    let mut hand = at_settings(&app, "acme/web:1").await;
    hand.press("As .env text").await;
    hand.fill("Plain variables", "CERT=\"-----BEGIN\nabc\n-----END\"\nHASH='\"'\n");
    hand.press("Rows").await;
    assert_eq!(hand.value("Value of variable 1"), "-----BEGIN\nabc\n-----END");
    hand.press("Add rows").await;
    assert_eq!(hand.value("Value of variable 1"), "-----BEGIN\nabc\n-----END");
    hand.press("As .env text").await;
    assert_eq!(hand.value("Plain variables"), "CERT=\"-----BEGIN\nabc\n-----END\"\nHASH=\"\"\"\n");
    // What no line says stays a row; what one says in quotes of its own is read back as it was.
    hand.press("Rows").await;
    hand.fill("Value of variable 1", "it's \"one\"\nand two");
    hand.fill("Name of variable 3", "QUOTED");
    hand.fill("Value of variable 3", "'x'");
    hand.press("As .env text").await;
    assert_eq!(hand.value("Plain variables"), "HASH=\"\"\"\nQUOTED=\"'x'\"\n");
    assert_eq!(hand.value("Value of variable 1"), "it's \"one\"\nand two");
    hand.press("Next: review").await;
    hand.press("Deploy").await;
    let view = app.control.service(&app.admin, &"web".parse().unwrap()).await.unwrap();
    let plain = |name: &str| view.service.spec.variables[&name.parse().unwrap()].plain().map(str::to_owned);
    for (name, value) in [("CERT", "it's \"one\"\nand two"), ("HASH", "\""), ("QUOTED", "'x'")] {
        assert_eq!(plain(name).as_deref(), Some(value), "{name}");
    }
}

#[tokio::test]
async fn a_variable_that_is_wrong_is_told_by_its_name_and_everything_typed_is_there() {
    let app = TestApp::new().await;
    let mut hand = at_settings(&app, "acme/web:1").await;
    for (name, told) in [("1A", "1A is not the name of a variable"), ("B", "B is given twice")] {
        hand.fill("Name of variable 1", "B");
        hand.fill("Name of variable 2", name);
        hand.fill("Value of variable 2", "two");
        hand.press("Next: review").await;
        assert_eq!(hand.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(hand.page.text().contains(told), "{}", hand.page.text());
        assert_eq!(hand.value("Value of variable 2"), "two");
    }
}

/// A service `taken` with the domain `taken.example.com`.
async fn with_a_domain(app: &TestApp) {
    app.deploy("production", "taken", "registry.test/acme/web:1").await;
    let domain = "taken.example.com".parse().unwrap();
    let new = mirage_control::NewDomain { domain, redirect_https: None, certificate: None };
    app.control.add_domain(&app.admin, &"taken".parse().unwrap(), new).await.unwrap();
}

#[tokio::test]
async fn all_that_is_wrong_is_said_at_once_each_at_its_field() {
    let app = TestApp::new().await;
    with_a_domain(&app).await;
    let mut hand = at_settings(&app, "acme/web:1").await;
    let wrong = [
        ("Name", "taken", "service"),
        ("Domains", "taken.example.com", "domains"),
        ("Path that answers when it is well", "healthz", "health-path"),
        ("Memory of each", "much", "memory"),
        ("Cores of each", "0.001", "cpu"),
        ("Seconds that one answer may take", "0", "health-answer"),
        ("Seconds that old instances have to finish their requests", "9999", "drain"),
    ];
    wrong.iter().for_each(|(label, text, _)| hand.fill(label, text));
    hand.fill("Name of variable 1", "1A");
    hand.press("Next: review").await;
    assert_eq!(hand.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(hand.page.text().contains("8 things are not right"), "{}", hand.page.text());
    let invalid: Vec<_> = hand.page.elements.iter().filter(|it| it.get("aria-invalid").is_some()).collect();
    let mut invalid: Vec<_> = invalid.iter().map(|it| it.get("id").unwrap()).collect();
    for (label, _, id) in wrong {
        let link = hand.page.all("a").find(|it| it.get("href") == Some(&format!("#{id}"))).unwrap();
        assert_eq!(link.text, label, "the overview calls the field what the field is called");
    }
    let mut ids = wrong.map(|(.., id)| id);
    invalid.sort_unstable();
    ids.sort_unstable();
    assert_eq!(invalid, ids);
    for id in ids.into_iter().chain(["variables"]) {
        let link = hand.page.all("a").find(|it| it.get("href") == Some(&format!("#{id}")));
        assert!(link.is_some(), "a link to {id}");
    }
    for (label, text, _) in wrong {
        assert_eq!(hand.value(label), text, "what was typed is there");
    }
    hand.fill("Project", "No!");
    hand.press("Next: review").await;
    assert!(!hand.page.text().contains("has a service taken"), "nobody knows where it would be");
}

#[tokio::test]
async fn a_domain_that_nothing_answers_over_tls_for_is_said_to_be() {
    let app = TestApp::new().await;
    let told = "This platform answers nobody over TLS yet";
    let mut hand = at_settings(&app, "acme/web:1").await;
    assert!(hand.page.text().contains(told));
    hand.press("Next: review").await;
    assert!(!hand.page.text().contains(told), "there is no domain");
    hand.follow("Back to the settings").await;
    hand.fill("Domains", "shop.example.com");
    hand.press("Next: review").await;
    assert!(hand.page.text().contains(told), "{}", hand.page.text());
    assert!(hand.page.text().contains("--proxy-tls-listen"));
}

#[tokio::test]
async fn pushes_are_followed_where_they_are_heard_of_and_elsewhere_it_is_said_why_not() {
    let app = TestApp::new().await;
    let tick = "Deploy by itself whenever the tag is pushed to the built-in registry";
    let has_it = |hand: &Hand<'_>| hand.page.all("label").any(|it| it.text == tick);
    for (image, why) in [
        ("127.0.0.1:7070/default/web:1", None),
        ("acme/web:1", Some("acme/web:1 is not in the built-in registry, so Mirage hears of no push.")),
        ("127.0.0.1:7070/docker.io/library/nginx:1", Some("is another registry's, read through")),
    ] {
        let hand = at_settings(&app, image).await;
        assert_eq!(has_it(&hand), why.is_none(), "{image}");
        assert!(why.is_none_or(|why| hand.page.text().contains(why)), "{image}: {}", hand.page.text());
    }
    let mut hand = at_settings(&app, "127.0.0.1:7070/default/web:1").await;
    hand.tick(tick, true);
    hand.press("Back to the image").await;
    hand.tick("Pin this digest 313131313131", true);
    hand.press("Next: settings").await;
    assert!(!has_it(&hand));
    assert!(hand.page.text().contains("is pinned to a digest, which no push changes"));
    hand.press("Next: review").await;
    assert_eq!(hand.status, StatusCode::OK, "{}", hand.page.text());
    assert!(!hand.page.text().contains("is deployed whenever its tag is pushed"));
}

#[tokio::test]
async fn every_setting_that_is_wrong_is_said_at_its_field() {
    let app = TestApp::new().await;
    with_a_domain(&app).await;
    let mut hand = at_settings(&app, "acme/web:1").await;
    for (label, text, usual) in [
        ("Name", "My Shop", "web"),
        ("Name", "taken", "web"),
        ("Project", "No!", "default"),
        ("Environment", "-", "production"),
        ("Domains", "http://shop", ""),
        ("Domains", "x.localhost", ""),
        ("Domains", "fine.example.com taken.example.com", ""),
        ("Domains", "*.example.com", ""),
        ("Path that answers when it is well", "healthz", ""),
        ("Instances", "1000000", "1"),
        ("Memory of each", "much", ""),
        ("Memory of each", "1KiB", ""),
        ("Cores of each", "half", ""),
        ("Statuses of a good answer", "20", ""),
        ("Seconds that one answer may take", "0", ""),
        ("Seconds that old instances have to finish their requests", "9999", ""),
        ("Seconds between the stop signal and the kill", "9999", ""),
        ("Port that is asked", "0", ""),
    ] {
        hand.fill(label, text);
        hand.press("Next: review").await;
        assert_eq!(hand.status, StatusCode::UNPROCESSABLE_ENTITY, "{label} {text}");
        assert_eq!(hand.value(label), text, "what was typed is there");
        let wrong: Vec<_> = hand.page.elements.iter().filter(|it| it.get("aria-invalid").is_some()).collect();
        assert_eq!(wrong.len(), 1, "{label} {text}: {}", hand.page.text());
        let label_of = hand.page.all("label").find(|it| it.get("for") == wrong[0].get("id")).unwrap();
        assert_eq!(label_of.text, label, "{text}");
        hand.fill(label, usual);
    }
    hand.press("Next: review").await;
    assert_eq!(hand.status, StatusCode::OK, "{}", hand.page.text());
}

#[tokio::test]
async fn what_an_image_says_of_itself_is_suggested() {
    let app = TestApp::new().await;
    *app.world.config.lock().unwrap() = Some(ImageConfig {
        command: vec!["postgres".into()],
        volumes: vec!["/var/lib/data".into(), "/proc/x".into()],
        health_command: vec!["CMD".into(), "curl".into(), "http://localhost:80/up".into()],
        ..ImageConfig::default()
    });
    let mut hand = at_settings(&app, "acme/db:1").await;
    let text = hand.page.text();
    assert!(text.contains("The image exposes no port: PORT=8080"), "{text}");
    assert!(text.contains("The image asks itself for /up."), "{text}");
    assert_eq!(hand.value("Name of volume 1"), "db-data");
    assert_eq!(hand.value("Path of volume 1"), "/var/lib/data");
    assert_eq!(hand.value("Path of volume 2"), "", "no volume can be there");
    hand.fill("Instances", "2");
    hand.press("Next: review").await;
    assert_eq!(hand.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(hand.page.text().contains("a volume has one writer"));
    hand.fill("Instances", "1");
    hand.press("Next: review").await;
    assert!(hand.page.text().contains("Keeps db-data:/var/lib/data"));
    assert!(hand.page.text().contains("--volume db-data:/var/lib/data"));
    hand.follow("Back to the settings").await;
    hand.fill("Name of volume 1", "");
    hand.fill("Instances", "2");
    hand.press("Next: review").await;
    assert_eq!(hand.status, StatusCode::OK);
    assert!(!hand.page.text().contains("Keeps"), "not kept where somebody says so");
}

#[tokio::test]
async fn everything_that_was_set_is_in_the_service() {
    let app = TestApp::new().await;
    let mut hand = at_settings(&app, "127.0.0.1:7070/default/web:1").await;
    for (label, text) in [
        ("Path that answers when it is well", "/up"),
        ("Cores of each", "0.5"),
        ("Instances", "3"),
        ("Domains", "shop.example.com www.example.com"),
        ("Command", "serve\n--all of it"),
        ("When the process exits", "always"),
    ] {
        hand.fill(label, text);
    }
    set_the_rest(&mut hand);
    hand.press("Next: review").await;
    assert_eq!(hand.status, StatusCode::OK, "{}", hand.page.text());
    hand.press("Deploy").await;
    let view = app.control.service(&app.admin, &"web".parse().unwrap()).await.unwrap();
    let spec = &view.service.spec;
    let probe = &spec.probe;
    assert_eq!(
        (probe.path.as_deref(), probe.port, probe.host.as_deref()),
        (Some("/up"), Some(9000), Some("shop.example"))
    );
    assert_eq!(
        (probe.interval_millis, probe.timeout_millis, probe.budget_millis),
        (Some(7_000), Some(500), Some(90_000))
    );
    assert_eq!((probe.threshold, probe.expected.as_ref().unwrap().to_string()), (Some(4), "200-299".into()));
    assert_eq!(spec.command.as_ref().unwrap(), &["serve", "--all of it"]);
    assert_eq!((spec.resources.cpu_millis, spec.resources.pids), (Some(500), 100));
    assert_eq!((spec.restart, spec.stop_grace_seconds), (RestartPolicy::Always, 20));
    assert_eq!(
        (spec.rollout.surge, spec.rollout.overlap_seconds, spec.rollout.drain_seconds),
        (Some(1), 5, 40)
    );
    assert!(spec.allow_new_privileges && spec.auto_deploy);
    assert_eq!((view.service.replicas, view.domains.len()), (3, 2));
}

#[tokio::test]
async fn what_is_typed_is_kept_by_script_without_a_button() {
    let app = TestApp::new().await;
    let mut hand = at_settings(&app, "acme/web:1").await;
    hand.fill("Name", "half typ");
    hand.fill("Name of variable 1", "A");
    let keep = hand.path.replace("settings", "keep");
    let answer = hand.send_typed("Next: review", &keep).await;
    assert_eq!((answer.status, answer.text.as_str()), (StatusCode::NO_CONTENT, ""));
    hand.reload().await;
    assert_eq!((hand.value("Name").as_str(), hand.value("Name of variable 1").as_str()), ("half typ", "A"));
}

#[tokio::test]
async fn a_large_env_file_fits_and_one_that_is_too_large_is_refused() {
    let app = TestApp::new().await;
    let mut hand = at_settings(&app, "acme/web:1").await;
    hand.press("As .env text").await;
    let lines: String = (0..200).map(|number| format!("VARIABLE_{number}=some value of it\n")).collect();
    hand.fill("Plain variables", &lines);
    hand.press("Rows").await;
    assert!(hand.page.text().contains("200 variables are many for rows"));
    hand.press("Next: review").await;
    hand.press("Deploy").await;
    let view = app.control.service(&app.admin, &"web".parse().unwrap()).await.unwrap();
    assert_eq!(view.service.spec.variables.len(), 200);
    let mut hand = at_settings(&app, "acme/web:1").await;
    hand.press("As .env text").await;
    let lines: String = (0..600).map(|number| format!("V{number}=\n")).collect();
    hand.fill("Plain variables", &lines);
    hand.press("Rows").await;
    assert_eq!(hand.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(hand.page.text().contains("there are more than 500 variables"));
}

#[tokio::test]
async fn a_step_that_is_left_keeps_what_was_typed_wherever_somebody_goes() {
    let app = TestApp::new().await;
    let mut hand = at_settings(&app, "acme/web:1").await;
    for (button, path) in
        [("Back to the image", "/image"), ("Image", "/image"), ("Source", "/new"), ("Review", "/review")]
    {
        let settings = hand.path.clone();
        hand.fill("Name", &format!("Half typed {button}"));
        hand.press(button).await;
        assert!(hand.path.ends_with(path), "{}", hand.path);
        hand.open(&settings).await;
        assert_eq!(hand.value("Name"), format!("Half typed {button}"));
    }
    hand.press("Image").await;
    hand.fill("Image", "acme/missing");
    hand.press("Settings").await;
    assert!(hand.path.ends_with("/image"), "closed");
    assert_eq!(hand.value("Image"), "acme/missing");
}

#[tokio::test]
async fn an_image_that_needs_to_be_told_something_is_asked_for_it() {
    let app = TestApp::new().await;
    let mut hand = at_settings(&app, "postgres:17").await;
    assert!(hand.page.text().contains("This image does not start without POSTGRES_PASSWORD"));
    assert_eq!(hand.value("Name of variable 1"), "POSTGRES_PASSWORD");
    hand.fill("Value of variable 1", "sesame");
    hand.press("Next: review").await;
    assert!(hand.page.text().contains("Variables 1, 1 of them sealed"), "{}", hand.page.text());
    hand.follow("Back to the settings").await;
    assert!(!hand.page.text().contains("This image does not start without"));
    hand.fill("Name of variable 1", "");
    hand.press("Add rows").await;
    assert!(hand.page.text().contains("This image does not start without"), "it is said, not insisted on");
    assert_eq!(hand.value("Name of variable 1"), "");
}
