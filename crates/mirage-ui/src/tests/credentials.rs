//! Logins for registries.

use http::StatusCode;
use mirage_core::{Code, Error};

use super::app::TestApp;
use super::hostile::{ATTACKS, escaped};
use super::html::Document;

const PASSWORD: &str = "hunter2-of-eve";

#[tokio::test]
async fn a_login_is_given_tried_replaced_and_taken_away() {
    let app = TestApp::new().await;
    let page = app.page("/credentials").await;
    assert!(page.text().contains("No login is kept."), "{}", page.text());
    assert!(page.text().contains("In a terminal: mirage credential list"));

    let fields =
        format!("registry=ghcr.io&repository=acme&username=eve&password={PASSWORD}&project=&environment=");
    let one = app.send_form("/credentials", &fields).await.leads_to().to_owned();
    let page = app.page(&one).await;
    assert_eq!(page.only("h1"), "ghcr.io/acme");
    for told in ["User eve", "Repositories acme and below", "For the project default", "No service does."] {
        assert!(page.text().contains(told), "{told}: {}", page.text());
    }

    app.deploy("production", "web", "ghcr.io/acme/web:1").await;
    app.deploy("production", "other", "ghcr.io/other/web:1").await;
    let list = app.page("/credentials").await;
    let row = list.table("Credentials")[1];
    assert!(row.starts_with("ghcr.io/acme eve the project default web "), "{row}");
    assert_eq!(list.link("web"), "/projects/default/production/web");
    assert_eq!(list.link("ghcr.io/acme"), one);

    let tried = app.send_form(&format!("{one}/test"), "").await;
    assert_eq!(tried.status, StatusCode::OK);
    assert!(Document::parse(&tried.text).text().contains("● The registry took it."));
    let tried = app.send_form(&format!("{one}/test"), "image=ghcr.io%2Facme%2Fweb%3A1").await;
    assert!(
        Document::parse(&tried.text).text().contains("The registry took it: ghcr.io/acme/web:1 can be read.")
    );

    let another = format!("registry=ghcr.io&repository=acme&username=bob&password=other-{PASSWORD}");
    assert_eq!(app.send_form("/credentials", &another).await.leads_to(), one, "the same place has one login");
    assert!(app.page(&one).await.text().contains("User bob"));

    let ask = app.page(&format!("{one}/remove")).await;
    assert_eq!(ask.only("h1"), "Remove the login for ghcr.io/acme");
    assert!(ask.only("main").contains("web default/production"), "it says who pulls with it");
    assert_eq!(app.send_form(&format!("{one}/remove"), "").await.leads_to(), "/credentials");
    assert_eq!(app.get(&one).await.status, StatusCode::NOT_FOUND);
    assert!(app.page("/credentials").await.text().contains("No login is kept."));
}

#[tokio::test]
async fn a_registry_is_understood_as_it_was_pasted_or_told_what_to_write() {
    let app = TestApp::new().await;
    for (pasted, title) in [
        ("https://ghcr.io/acme", "ghcr.io/acme"),
        ("https://registry.test:5000/v2/", "registry.test:5000"),
        ("https://index.docker.io/v1/", "docker.io"),
        ("registry-1.docker.io", "docker.io"),
    ] {
        let fields = format!("registry={}&username=eve&password={PASSWORD}", crate::link::quoted(pasted));
        let one = app.send_form("/credentials", &fields).await.leads_to().to_owned();
        assert_eq!(app.page(&one).await.only("h1"), title, "{pasted}");
    }
    for (fields, at, told) in [
        ("registry=https://ghcr.io/acme/web:1", "registry", "write ghcr.io/acme/web"),
        ("registry=ghcr.io/acme&repository=other", "repository", "write ghcr.io as the registry alone"),
    ] {
        let fields = format!("{fields}&username=eve&password={PASSWORD}");
        let answer = app.send_form("/credentials", &fields).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{fields}");
        let page = Document::parse(&answer.text);
        let wrong = page.elements.iter().find(|it| it.get("id") == Some(&format!("{at}-wrong"))).unwrap();
        assert!(wrong.text.contains(told), "{told}: {}", wrong.text);
    }
}

#[tokio::test]
async fn what_is_wrong_stands_under_its_field_with_what_was_typed_but_never_the_password() {
    let app = TestApp::new().await;
    for (fields, at, told) in [
        ("registry=not+a+host&username=eve", "registry", "not a host"),
        ("registry=ghcr.io&username=&repository=acme", "username", "the username is missing"),
        ("registry=ghcr.io&username=eve&repository=ACME", "repository", "ACME"),
        ("registry=ghcr.io&username=eve&project=No+Name", "project", "No Name"),
        ("registry=ghcr.io&username=a%3Ab", "username", "colon"),
    ] {
        let answer = app.send_form("/credentials", &format!("{fields}&password={PASSWORD}")).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{fields}");
        assert!(!answer.text.contains(PASSWORD));
        let page = Document::parse(&answer.text);
        assert_eq!(page.faults(), Vec::<String>::new());
        let wrong = page.elements.iter().find(|it| it.get("id") == Some(&format!("{at}-wrong")));
        let wrong = wrong.unwrap_or_else(|| panic!("{fields}: {}", page.text()));
        assert!(wrong.text.contains(told), "{told}: {}", wrong.text);
        let user = page.all("input").find(|input| input.get("id") == Some("username")).unwrap();
        assert_eq!(user.get("value").is_some(), !fields.contains("username=&"), "what was typed is there");
    }
    let answer = app.send_form("/credentials", "registry=ghcr.io&username=eve&password=").await;
    assert!(Document::parse(&answer.text).text().contains("the password is missing"));
}

#[tokio::test]
async fn a_login_that_is_refused_says_so_where_it_was_tried() {
    let app = TestApp::new().await;
    let fields = format!("registry=ghcr.io&username=eve&password={PASSWORD}");
    let one = app.send_form("/credentials", &fields).await.leads_to().to_owned();
    let refusal = Error::new(Code::RegistryAuthError, format!("`ghcr.io` refused `eve`: {}", ATTACKS[0]));
    *app.world.refusal.lock().unwrap() = Some(refusal.hint("give another password"));
    let answer = app.send_form(&format!("{one}/test"), "").await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    let page = Document::parse(&answer.text);
    assert_eq!(page.faults(), Vec::<String>::new());
    assert!(page.text().contains(&format!("refused eve: {} give another password", ATTACKS[0])));

    for image in ["docker.io/acme/web:1", "acme/web:1", "not an image"] {
        let answer = app.send_form(&format!("{one}/test"), &format!("image={}", escaped(image))).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{image}");
        let page = Document::parse(&answer.text);
        assert!(page.elements.iter().any(|it| it.get("id") == Some("image-wrong")), "{}", page.text());
    }
}

#[tokio::test]
async fn what_is_typed_into_a_login_is_shown_as_text() {
    let app = TestApp::new().await;
    for attack in ATTACKS {
        let value = escaped(attack);
        for field in ["registry", "repository", "project", "environment"] {
            let fields = format!("registry=ghcr.io&username={value}&{field}={value}&password=p");
            let fields = if field == "registry" { fields.replace("registry=ghcr.io&", "") } else { fields };
            let answer = app.send_form("/credentials", &fields).await;
            assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{field}: {}", answer.text);
            assert_eq!(Document::parse(&answer.text).faults(), Vec::<String>::new(), "{field}");
        }
        let user = attack.replace(':', "");
        let one = app
            .send_form("/credentials", &format!("registry=ghcr.io&username={}&password=p", escaped(&user)))
            .await;
        let one = one.leads_to().to_owned();
        for path in ["/credentials", &one, &format!("{one}/remove")] {
            let page = app.page(path).await;
            assert_eq!(page.faults(), Vec::<String>::new(), "{path}");
            assert!(page.text().contains(&user[..10.min(user.len())]), "{path}: {}", page.text());
        }
        let tried = app.send_form(&format!("{one}/test"), &format!("image={value}")).await;
        assert_eq!(Document::parse(&tried.text).faults(), Vec::<String>::new());
    }
}
