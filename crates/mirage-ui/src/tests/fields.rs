//! The pages of a service with everything in them that somebody could put there.

use super::app::TestApp;
use super::hostile::ATTACKS;
use super::html::Document;
use super::large::{SCREEN, multiply};

#[tokio::test]
async fn what_a_service_was_given_is_shown_as_text_on_each_of_its_pages() {
    let app = TestApp::new().await;
    app.deploy("production", "web", "registry.test/acme/web:1").await;
    let web = "/projects/default/production/web";
    let input = |text: &str| Some(mirage_core::VariableInput { text: text.into(), seal: false });
    for attack in ATTACKS {
        let patch = mirage_control::ServicePatch {
            variables: [
                ("A".parse().unwrap(), input(attack)),
                ("B".parse().unwrap(), input(&format!("{attack}\n{attack}"))),
            ]
            .into(),
            command: Some(Some(vec![attack.to_owned()])),
            probe: Some(mirage_core::Probe {
                path: Some(format!("/{}", attack.replace(' ', ""))),
                ..Default::default()
            }),
            ..Default::default()
        };
        app.control.update(&app.admin, &"web".parse().unwrap(), patch).await.unwrap();
        let shared = [("REGISTRY".parse().unwrap(), input(attack))].into();
        app.control.change_shared_variables(&app.admin, None, None, shared).await.unwrap();
        for page in [
            "",
            "/deployments",
            "/variables",
            "/variables?as=text",
            "/volumes",
            "/domains",
            "/settings",
            "/remove",
        ] {
            let page = app.page(&format!("{web}{page}")).await;
            assert_eq!(page.faults(), Vec::<String>::new(), "{attack}");
        }
        let rows = app.page(&format!("{web}/variables")).await;
        let value = rows.all("input").find(|it| it.get("name") == Some("variable-0-value")).unwrap();
        assert_eq!(value.get("value"), Some(attack));
        assert!(rows.text().contains(&format!("REGISTRY {attack}")), "{}", rows.text());
    }
}

#[tokio::test]
async fn what_is_typed_into_any_field_of_a_service_comes_back_as_text() {
    let app = TestApp::new().await;
    app.deploy("production", "web", "registry.test/acme/web:1").await;
    let web = "/projects/default/production/web";
    let page = app.page(&format!("{web}/settings")).await;
    let settings = page.elements.iter().filter(|it| {
        ["input", "textarea", "select"].contains(&it.name.as_str())
            && !["hidden", "checkbox"].contains(&it.get("type").unwrap_or_default())
            && it.get("type") != Some("search")
    });
    let settings: Vec<_> = settings.filter_map(|it| it.get("name")).collect();
    assert_eq!(settings.len(), 21, "{settings:?}");
    for attack in ATTACKS {
        for (page, to, fields) in [
            ("", "/deploy", &["image"][..]),
            ("", "/scale", &["replicas"]),
            ("/variables", "/variables", &["variable-0-name", "variable-0-value", "seen"]),
            ("/variables?as=text", "/variables", &["as", "variables-text"]),
            ("/volumes", "/volumes", &["volume", "path"]),
            ("/domains", "/domains", &["domain"]),
            ("/settings", "/settings", settings.as_slice()),
        ] {
            let fields: Vec<_> = fields.iter().map(|name| (*name, attack)).collect();
            let answer = app.fill_in(&format!("{web}{page}"), &format!("{web}{to}"), &fields).await;
            assert_eq!(answer.status.as_u16(), 422, "{to} {attack}: {}", answer.text);
            let page = Document::parse(&answer.text);
            assert_eq!(page.faults(), Vec::<String>::new(), "{to} {attack}");
        }
    }
}

#[tokio::test]
async fn as_cards_they_fit_too_and_so_does_whatever_a_service_has_many_of() {
    let app = TestApp::new().await;
    app.deploy("production", "web", "registry.test/a-company-with-a-name/and-a-team/web:2026-11-22.4711")
        .await;
    multiply(&app).await;
    let cookie = format!("{}; mirage_cards=yes", app.log_in().await);
    let path = "/projects/default/production";
    let answer = app.send(http::Method::GET, path, &[("cookie", &cookie)], "").await;
    assert!(answer.text.len() <= SCREEN, "{} bytes", answer.text.len());

    let web = || "default/production/web".parse().unwrap();
    let variables = (0..500).map(|number| {
        let input =
            mirage_core::VariableInput { text: "a value of some length".into(), seal: number % 2 == 0 };
        (format!("A_VARIABLE_OF_SOME_LENGTH_{number}").parse().unwrap(), Some(input))
    });
    let patch = mirage_control::ServicePatch { variables: variables.collect(), ..Default::default() };
    app.control.update(&app.admin, &web(), patch).await.unwrap();
    for number in 0..100 {
        let domain = format!("a-shop-with-a-name-{number}.example.com").parse().unwrap();
        let new = mirage_control::NewDomain { domain, redirect_https: None, certificate: Some(false) };
        app.control.add_domain(&app.admin, &web(), new).await.unwrap();
    }
    for _ in 0..40 {
        let begun = app.control.redeploy(&app.admin, &web()).await.unwrap();
        app.ended(begun.id).await;
    }
    let newest = app.control.service(&app.admin, &web()).await.unwrap().newest.unwrap();
    for path in [
        "/web".to_owned(),
        "/web/deployments".into(),
        "/web/variables".into(),
        "/web/volumes".into(),
        "/web/domains".into(),
        "/web/settings".into(),
        format!("/../../../deployments/{}", newest.id),
    ] {
        let path = match path.strip_prefix("/../../..") {
            Some(root) => root.to_owned(),
            None => format!("/projects/default/production{path}"),
        };
        let answer = app.get(&path).await;
        assert!(answer.text.len() <= SCREEN, "{path} has {} bytes", answer.text.len());
        assert_eq!(Document::parse(&answer.text).faults(), Vec::<String>::new(), "{path}");
    }
}
