//! A pasted command: what it says is taken over, and its secrets are in no page.

use super::*;
use crate::tests::hand::encoded;

const COMMAND: &str = "docker run -d --name shop -e DB_PASSWORD=sesame --env GREETING='sesame you' -p 8080:80 -v data:/data \
    -v /srv/sesame:/more -m 256m --cpus 0.5 --restart always --network back --env-file sesame.env acme/web:1 serve --all";
const TOLD: &str = "Taken over from the command: its name, port 80, 2 sealed variables, the volume data, its memory, its \
    processor cores, when it is started again, its command. Not taken over: --volume of a folder of the machine, \
    --network, --env-file.";

/// The names of fields of the only draft that have this text in them.
async fn having(app: &TestApp, text: &str) -> Vec<String> {
    let drafts = app.control.drafts(&app.admin, 10).await.unwrap();
    let fields = &drafts[0].fields;
    fields.names().filter(|name| fields.get(name).contains(text)).map(str::to_owned).collect()
}

#[tokio::test]
async fn a_command_becomes_a_draft_and_its_secrets_are_shown_nowhere() {
    let app = TestApp::new().await;
    let mut hand = Hand::at(&app, "/new").await;
    hand.fill("Image", COMMAND);
    hand.press("Use a Docker image").await;
    assert_eq!(hand.value("Image"), "acme/web:1");
    assert!(hand.page.text().contains(TOLD), "{}", hand.page.text());
    assert_eq!(having(&app, "sesame").await, ["variable-0-value", "variable-1-value"], "they are sealed");
    hand.press("Check image").await;
    assert!(hand.page.text().contains(TOLD), "{}", hand.page.text());
    hand.press("Next: settings").await;
    assert!(hand.page.text().contains(TOLD), "{}", hand.page.text());
    for (label, value) in [
        ("Name", "shop"),
        ("Ports", "80"),
        ("Name of variable 1", "DB_PASSWORD"),
        ("Value of variable 1", ""),
        ("Name of volume 1", "data"),
        ("Path of volume 1", "/data"),
        ("Memory of each", "256MiB"),
        ("Cores of each", "0.5"),
        ("When the process exits", "always"),
        ("Command", "serve\n--all"),
    ] {
        assert_eq!(hand.value(label), value, "{label}");
    }
    let settings = hand.path.clone();
    hand.open("/new").await;
    assert_eq!(hand.page.link("acme/web:1"), settings.replace("settings", "image"));
    hand.open(&settings).await;
    hand.press("Next: review").await;
    assert!(hand.page.text().contains("Variables 2, 2 of them sealed"), "{}", hand.page.text());
    hand.press("Deploy").await;
    let view = app.control.service(&app.admin, &"shop".parse().unwrap()).await.unwrap();
    assert!(view.service.spec.variables.values().all(|value| matches!(value, VariableValue::Sealed { .. })));
}

#[tokio::test]
async fn a_command_that_is_typed_is_taken_over_each_time_anew() {
    let app = TestApp::new().await;
    let mut hand = Hand::at(&app, "/new").await;
    hand.press("Use a Docker image").await;
    let verdict = hand.path.replace("/image", "/verdict?by=whole");
    for typed in [
        "docker run -e A=sesame",
        "docker run -e A=sesame n",
        "docker run -e AB=sesame -p 80 --link x nginx",
        "docker run -e ABC=sesame -p 8081:81 nginx",
    ] {
        hand.fill("Image", typed);
        let answer = hand.send_typed("Next: settings", &verdict).await;
        assert_eq!(answer.status, 200, "{typed}");
        assert!(!answer.text.contains("sesame"), "{typed}: {}", answer.text);
    }
    assert_eq!(having(&app, "A").await, ["variable-0-name"], "what was typed on the way is not there");
    assert_eq!(having(&app, "sesame").await, ["variable-0-value"]);
    // The command still stands in the field when the button is pressed.
    hand.press("Check image").await;
    assert_eq!(hand.value("Image"), "nginx");
    assert!(hand.page.text().contains("Taken over from the command: port 81, 1 sealed variable."));
    hand.press("Next: settings").await;
    hand.fill("Name of variable 1", "OTHER");
    hand.press("Next: review").await;
    assert_eq!(having(&app, "OTHER").await, ["variable-0-name"], "what is typed later counts");
}

#[tokio::test]
async fn a_part_that_is_changed_below_a_command_counts() {
    let app = TestApp::new().await;
    let mut hand = Hand::at(&app, "/new").await;
    hand.press("Use a Docker image").await;
    let cookie = app.log_in().await;
    let form = app.token(&cookie).await;
    let verdict = hand.path.replace("/image", "/verdict?by=whole");
    hand.fill("Image", "docker run -e A=sesame acme/web:1");
    hand.send_typed("Next: settings", &verdict).await;
    // As the page is once the answer is there: the command in its field, and its parts below.
    let pairs = [
        ("form", form.as_str()),
        ("image", "docker run -e A=sesame acme/web:1"),
        ("image-shown", "acme/web:1"),
        ("parts-shown", "docker.io/acme/web:1"),
        ("registry", "docker.io"),
        ("name", "acme/web"),
        ("tag", "2"),
        ("then", "check"),
    ];
    let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
    app.post(&hand.path, &cookie, &encoded(&pairs)).await;
    hand.reload().await;
    assert_eq!(hand.value("Image"), "docker.io/acme/web:2");
}

#[tokio::test]
async fn a_command_without_an_image_is_not_kept_nor_shown() {
    let app = TestApp::new().await;
    let mut hand = Hand::at(&app, "/new").await;
    hand.fill("Image", "docker run -e DB_PASSWORD=sesame -p 80:80");
    hand.press("Use a Docker image").await;
    for _ in 0..2 {
        assert_eq!(hand.value("Image"), "docker run");
        assert!(hand.page.text().contains("the command names no image"), "{}", hand.page.text());
        hand.press("Check image").await;
        assert_eq!(hand.status, 422);
    }
    assert_eq!(having(&app, "sesame").await, Vec::<String>::new());
    let hand = Hand::at(&app, "/new?image=docker%20run%20-e%20A%3Db%20nginx").await;
    assert_eq!(hand.value("Image"), "nginx");
}

#[tokio::test]
async fn what_an_image_needs_is_asked_for_beside_what_a_command_says() {
    let app = TestApp::new().await;
    let mut hand = at_settings(&app, "docker run -e PGDATA=/x -v own:/own postgres:17").await;
    assert_eq!(
        (hand.value("Name of variable 1"), hand.value("Name of variable 2")),
        ("PGDATA".into(), "POSTGRES_PASSWORD".into())
    );
    assert_eq!(hand.value("Name of volume 1"), "own");
    assert_eq!(hand.value("Name"), "postgres");
    hand.fill("Value of variable 2", "open");
    hand.press("Next: review").await;
    assert!(hand.page.text().contains("Variables 2, 2 of them sealed"), "{}", hand.page.text());
}

#[tokio::test]
async fn a_command_that_cannot_be_read_is_not_kept_nor_shown() {
    let app = TestApp::new().await;
    for (typed, kept) in [
        ("docker-compose run -e PW=sesame web", "docker-compose …"),
        ("sudo -u deploy docker login -p sesame", "sudo …"),
        ("export PW=sesame", "export …"),
    ] {
        let mut hand = Hand::at(&app, "/new").await;
        hand.fill("Image", typed);
        hand.press("Use a Docker image").await;
        for _ in 0..2 {
            assert_eq!(hand.value("Image"), kept);
            let told = "of what was typed only the beginning was kept, as there may be a password in it";
            assert!(hand.page.text().contains(told), "{}", hand.page.text());
            hand.press("Check image").await;
            assert_eq!(hand.status, 422);
        }
        assert_eq!(having(&app, "sesame").await, Vec::<String>::new());
        hand.open("/new").await;
        assert!(hand.page.text().contains(kept) && !hand.page.text().contains("sesame"));
    }
    app.deploy("production", "web", "registry.test/acme/web:1").await;
    let path = "/projects/default/production/web";
    for typed in ["docker run -e PW=sesame acme/web", "sudo -u x docker login -p sesame"] {
        let answer = app.fill_in(path, &format!("{path}/deploy"), &[("image", typed)]).await;
        assert_eq!(answer.status, 422);
        assert!(!answer.text.contains("sesame"), "{}", answer.text);
    }
}

#[tokio::test]
async fn another_image_takes_nothing_from_a_command_and_the_same_one_keeps_it() {
    let app = TestApp::new().await;
    let mut hand = at_settings(&app, &COMMAND.replace("acme/web:1", "registry.test/acme/web:1")).await;
    hand.fill("Memory of each", "1GiB");
    hand.press("Back to the image").await;
    hand.fill("Image", "registry.test/acme/web:2");
    hand.press("Check image").await;
    assert!(hand.page.text().contains(TOLD), "{}", hand.page.text());
    hand.fill("Image", "postgres:17");
    hand.press("Check image").await;
    assert!(!hand.page.text().contains("Taken over"), "{}", hand.page.text());
    assert_eq!(having(&app, "sesame").await, Vec::<String>::new());
    assert_eq!(having(&app, "1GiB").await, ["memory"], "what was typed since stays");
    for gone in ["shop", "serve", "/data", "DB_PASSWORD"] {
        assert_eq!(having(&app, gone).await, Vec::<String>::new(), "{gone}");
    }
}

#[tokio::test]
async fn a_corrected_command_leaves_what_was_changed_meanwhile() {
    let app = TestApp::new().await;
    let mut hand = at_settings(&app, "docker run -e A=one -e BB=two -m 256m --cpus 1 acme/web:1").await;
    hand.fill("Value of variable 2", "changed");
    hand.fill("Memory of each", "1GiB");
    hand.press("Back to the image").await;
    hand.fill("Image", "docker run -e C=three acme/web:1");
    hand.press("Check image").await;
    assert_eq!(having(&app, "1GiB").await, ["memory"]);
    assert_eq!(having(&app, "changed").await, ["variable-1-value"]);
    assert_eq!(having(&app, "BB").await, ["variable-1-name"], "with its name");
    assert_eq!(having(&app, "one").await, Vec::<String>::new());
    assert_eq!(having(&app, "three").await, ["variable-0-value"]);
}
