//! The platform itself: its tokens, its registries, its certificates, its vault, its copies, its health.

use http::{Method, StatusCode};
use mirage_control::{Finding, NewDomain, NewToken};

use super::app::{Answer, TestApp};
use super::hostile::{ATTACKS, escaped};
use super::html::Document;

/// The token that a page shows, and the page.
fn shown(answer: &Answer) -> (String, Document) {
    let page = Document::parse(&answer.text);
    let code = page.all("code").find(|code| code.text.starts_with("mirage_")).map(|code| code.text.clone());
    (code.unwrap_or_else(|| panic!("{}", page.text())), page)
}

#[tokio::test]
async fn a_token_is_shown_when_it_is_made_and_never_again() {
    let app = TestApp::new().await;
    let empty = app.page("/settings/tokens").await;
    assert!(empty.text().contains("There is no token."));
    let ticked = |page: &Document| {
        page.all("input").any(|it| it.get("name") == Some("push") && it.get("checked").is_some())
    };
    assert!(!ticked(&empty), "who only pulls gets no more");
    assert!(ticked(&app.page("/settings/tokens?push=yes").await), "the page of images leads here to push");

    let made = app.send_form("/settings/tokens", "name=ci&project=shop&push=yes").await;
    assert_eq!(made.status, StatusCode::CREATED);
    assert_eq!(made.header("cache-control"), "no-store");
    let (token, page) = shown(&made);
    assert_eq!(page.faults(), Vec::<String>::new());
    assert!(page.text().contains("The token shop/ci Copy it now: it is shown this once."), "{}", page.text());
    assert!(page.text().contains("docker login 127.0.0.1:7070 --username ci"));
    assert!(app.control.authenticate(&token).is_ok(), "it is a token");

    let list = app.get("/settings/tokens").await;
    assert!(!list.text.contains(&token));
    let list = Document::parse(&list.text);
    assert!(
        list.table("Tokens")[1].starts_with("shop/ci push and pull shop/… 0 s ago"),
        "{:?}",
        list.table("Tokens")
    );
    for path in ["/events", "/settings/about", "/jump?q=ci"] {
        assert!(!app.get(path).await.text.contains(&token), "{path}");
    }

    let again = app.send_form("/settings/tokens", "name=ci&project=shop").await;
    assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY);
    let again = Document::parse(&again.text);
    let wrong = again.elements.iter().find(|it| it.get("id") == Some("name-wrong")).unwrap();
    assert!(wrong.text.contains("shop has a token ci already"), "{}", wrong.text);

    let remove = list.all("button").find_map(|it| it.get("formaction")).unwrap().to_owned();
    let forged = app.post(&remove, &app.log_in().await, "").await;
    assert_eq!(forged.status, StatusCode::FORBIDDEN);
    assert_eq!(app.send_form(&remove, "").await.leads_to(), "/settings/tokens");
    assert!(app.control.authenticate(&token).is_err(), "it opens nothing any more");
    assert_eq!(app.send_form(&remove, "").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_command_to_log_in_names_the_registry_by_the_address_of_the_page() {
    let app = TestApp::new().await;
    let cookie = app.log_in().await;
    let token = app.token(&cookie).await;
    for (host, named) in [("127.0.0.1:7070", "127.0.0.1:7070"), ("evil.test", "127.0.0.1:7070")] {
        let headers = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("cookie", cookie.as_str()),
            ("host", host),
        ];
        let name = host.replace(['.', ':'], "-");
        let form = format!("form={token}&name=t-{name}");
        let answer = app.send(Method::POST, "/settings/tokens", &headers, &form).await;
        let (_, page) = shown(&answer);
        assert!(page.text().contains(&format!("docker login {named} --username")), "{host}: {}", page.text());
    }
}

#[tokio::test]
async fn about_says_what_needs_attention_first() {
    let app = TestApp::new().await;
    assert!(app.page("/settings/about").await.text().contains("All is well."));
    assert_eq!(app.get("/settings").await.leads_to(), "/settings/about");
    *app.world.findings.lock().unwrap() = vec![
        Finding { subject: "kernel".into(), seen: "6.12".into(), ..Finding::default() },
        Finding {
            subject: "disk".into(),
            seen: "1 GiB free".into(),
            hint: Some("free some".into()),
            domain: None,
        },
    ];
    let page = app.page("/settings/about").await;
    assert!(page.text().contains("One thing needs attention."));
    let rows = page.table("Findings");
    assert_eq!(rows[1], "▲ look at it disk 1 GiB free free some");
    assert!(rows.contains(&"● well kernel 6.12"), "{rows:?}");
    for told in [
        "Version Mirage ",
        "Runs since 0 s",
        "Images for linux/amd64",
        "Data directory /srv/mirage",
        "http://SERVICE-ENVIRONMENT.localhost:8080",
    ] {
        assert!(page.text().contains(told), "{told}: {}", page.text());
    }
}

#[tokio::test]
async fn what_is_configuration_only_is_shown_with_how_to_change_it() {
    let app = TestApp::new().await;
    let page = app.page("/settings/mirrors").await;
    assert_eq!(page.table("Mirrors")[1], "docker.io mirror.test/hub");
    for told in [
        "registry.test",
        "mirage serve --registry-mirror docker.io=mirror.example",
        "MIRAGE_INSECURE_REGISTRIES",
    ] {
        assert!(page.text().contains(told), "{told}");
    }
}

#[tokio::test]
async fn certificates_are_listed_by_domain_with_what_went_wrong() {
    let app = TestApp::new().await;
    assert!(app.page("/settings/certificates").await.text().contains("No service has a domain of its own."));
    app.deploy("production", "web", "registry.test/acme/web:1").await;
    let give = |name: &str, certificate| NewDomain {
        domain: name.parse().unwrap(),
        redirect_https: None,
        certificate: Some(certificate),
    };
    for (name, certificate) in [("shop.example", true), ("plain.example", false)] {
        app.control.add_domain(&app.admin, &"web".parse().unwrap(), give(name, certificate)).await.unwrap();
    }
    app.follow_until("/live/events?kind=certificateFailed&after=0", "no certificate for").await;
    let page = app.page("/settings/certificates").await;
    let rows = page.table("Certificates");
    assert!(rows[1].starts_with("plain.example web default/production ○ none wanted none"), "{rows:?}");
    assert!(rows[2].starts_with("shop.example web default/production ▲ plain HTTP alone acme"), "{rows:?}");
    assert!(rows[2].contains("the certificate authority is closed"), "{rows:?}");
    assert!(page.text().contains("Authority https://ca.test/directory"));
    assert_eq!(page.link("web"), "/projects/default/production/web");
}

#[tokio::test]
async fn a_backup_is_a_download_and_is_told_of() {
    let app = TestApp::new().await;
    let page = app.page("/settings/backup").await;
    assert!(page.text().contains("Not in it are the key of the vault"), "{}", page.text());
    let answer = app.send_form("/settings/backup", "images=yes").await;
    assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, "application/x-tar"));
    let name = answer.header("content-disposition");
    assert!(
        name.starts_with("attachment; filename=\"mirage-2026-11-21-") && name.ends_with(".backup\""),
        "{name}"
    );
    assert_eq!(answer.text, "an archive of 0 images");
    assert!(app.page("/settings/backup").await.text().contains("Last taken 0 s ago by admin."));

    let held = app.control.backup(&app.admin, false).await.unwrap();
    let refused = app.send_form("/settings/backup", "images=yes").await;
    drop(held);
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    let refused = Document::parse(&refused.text);
    assert!(refused.text().contains("another backup is being made"));
    let tick = refused.all("input").find(|input| input.get("id") == Some("images")).unwrap();
    assert!(tick.get("checked").is_some(), "what was chosen is there");
    assert_eq!(app.post("/settings/backup", &app.log_in().await, "").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_key_that_the_platform_does_not_keep_is_not_changed_by_it() {
    let app = TestApp::new().await;
    let answer = app.send_form("/settings/vault/rotate", "").await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", answer.text);
    let page = Document::parse(&answer.text);
    assert_eq!(page.faults(), Vec::<String>::new());
    assert!(page.text().contains("MIRAGE_VAULT_KEY"), "{}", page.text());
    assert!(!answer.text.contains("5a5a5a5a"), "the key is on no page");
}

#[tokio::test]
async fn the_page_of_the_vault_says_what_a_new_key_changes_and_what_not() {
    let app = TestApp::new().await;
    let page = app.page("/settings/vault").await;
    assert_eq!(page.faults(), Vec::<String>::new());
    for told in [
        "seals everything anew with it",
        "nothing is restarted, and services and traffic go on",
        "Everybody at a browser logs in again",
        "Tokens stay as they are",
        "A backup from before needs the old key",
    ] {
        assert!(page.text().contains(told), "{told}: {}", page.text());
    }
}

#[tokio::test]
async fn what_to_do_next_is_said_in_words_of_the_page() {
    let app = TestApp::new().await;
    assert_eq!(app.send_form("/settings/tokens", "name=ci").await.status, StatusCode::CREATED);
    let taken = app.send_form("/settings/tokens", "name=ci").await;
    assert_eq!(taken.status, StatusCode::UNPROCESSABLE_ENTITY);
    let page = Document::parse(&taken.text);
    assert!(
        page.only("main").contains("choose another name, or remove that one in the list"),
        "{}",
        page.text()
    );
    let id = "0b9f6c1e-55a1-4c55-9a3f-2a8f3f1f7d10";
    for path in [
        &format!("/credentials/{id}"),
        "/images/repository?name=shop/web",
        "/images/remove?name=shop/web:1",
        "/projects/default/production/web",
        "/projects/none",
    ] {
        let answer = app.get(path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        let page = Document::parse(&answer.text);
        assert!(!page.only("main").contains("mirage "), "{path}: {}", page.only("main"));
    }
    app.world.findings.lock().unwrap().push(Finding {
        subject: "domains".into(),
        seen: "refused".into(),
        hint: Some("`mirage whatever` is what somebody at a terminal does".into()),
        domain: Some("shop.example".parse().unwrap()),
    });
    let page = app.page("/settings/about").await;
    assert!(page.table("Findings")[1].contains("Certificates say why"), "{:?}", page.table("Findings"));
    assert!(!page.only("main").contains("mirage whatever"), "a page can do that: {}", page.only("main"));
}

#[tokio::test]
async fn what_is_typed_into_settings_is_shown_as_text() {
    let app = TestApp::new().await;
    for attack in ATTACKS {
        for fields in ["name", "project"].map(|field| format!("name=ci&{field}={}", escaped(attack))) {
            let fields =
                if fields.matches("name=").count() > 1 { fields.replacen("name=ci&", "", 1) } else { fields };
            let answer = app.send_form("/settings/tokens", &fields).await;
            assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
            let page = Document::parse(&answer.text);
            assert_eq!(page.faults(), Vec::<String>::new(), "{fields}");
            assert!(
                page.all("input").any(|input| input.get("value") == Some(attack)),
                "what was typed is there"
            );
        }
        app.world.findings.lock().unwrap().push(Finding {
            subject: attack.into(),
            seen: attack.into(),
            hint: Some(attack.into()),
            domain: None,
        });
    }
    let page = app.page("/settings/about").await;
    assert_eq!(page.faults(), Vec::<String>::new());
    assert!(page.text().contains(&format!("{0} {0} {0}", ATTACKS[0])), "{}", page.text());

    let new = NewToken { name: "ci".parse().unwrap(), project: None, push: false };
    app.control.create_token(&app.admin, new).await.unwrap();
    assert_eq!(app.page("/settings/tokens").await.faults(), Vec::<String>::new());
}
