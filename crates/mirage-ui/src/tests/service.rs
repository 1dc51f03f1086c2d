//! What somebody does about a service.

use http::{Method, StatusCode};
use mirage_control::ServicePatch;
use mirage_core::{Deployment, Phase, VariableInput, VariableValue};

use super::app::{Answer, TestApp};
use super::html::{Document, Element};

const WEB: &str = "/projects/default/production/web";

async fn web() -> TestApp {
    let app = TestApp::new().await;
    app.deploy("production", "web", "registry.test/acme/web:1").await;
    app
}

/// The deployment to which an answer leads, when it is over.
async fn ended(app: &TestApp, answer: &Answer) -> Deployment {
    let to = answer.leads_to();
    app.ended(to.strip_prefix("/deployments/").unwrap_or_else(|| panic!("{to}")).parse().unwrap()).await
}

fn input<'a>(page: &'a Document, name: &str) -> &'a Element {
    let mut fields = page
        .elements
        .iter()
        .filter(|it| ["input", "textarea", "select", "button"].contains(&it.name.as_str()));
    fields.find(|it| it.get("name") == Some(name)).unwrap_or_else(|| panic!("a field `{name}`"))
}

/// The page that came back with what is wrong under a field.
fn refused(answer: &Answer, field: &str) -> Document {
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", answer.text);
    let page = Document::parse(&answer.text);
    assert_eq!(page.faults(), Vec::<String>::new());
    let control = input(&page, field);
    assert_eq!(control.get("aria-invalid"), Some("true"), "{field} is marked: {}", page.text());
    let described = control.get("aria-describedby").unwrap_or_default();
    let wrong = page.elements.iter().any(|it| {
        it.get("id").is_some_and(|id| id.ends_with("-wrong") && described.contains(id)) && !it.text.is_empty()
    });
    assert!(wrong, "{field} says what is wrong: {}", answer.text);
    page
}

#[tokio::test]
async fn somebody_deploys_another_image_scales_restarts_and_rolls_back() {
    let app = web().await;
    let answer = app.fill_in(WEB, &format!("{WEB}/deploy"), &[("image", " registry.test/acme/web:2 ")]).await;
    assert_eq!((ended(&app, &answer).await.phase, ended(&app, &answer).await.revision), (Phase::Active, 2));
    let answer = app.fill_in(WEB, &format!("{WEB}/redeploy"), &[]).await;
    assert_eq!(ended(&app, &answer).await.revision, 2);
    assert_eq!(app.fill_in(WEB, &format!("{WEB}/restart"), &[]).await.leads_to(), WEB);
    assert_eq!(app.fill_in(WEB, &format!("{WEB}/scale"), &[("replicas", "3")]).await.leads_to(), WEB);
    let view = app.control.service(&app.admin, &"web".parse().unwrap()).await.unwrap();
    assert_eq!((view.service.replicas, view.service.generation), (3, 1));
    let page = app.page(WEB).await;
    assert!(page.all("button").any(|it| it.text == "Roll back to #1"), "{}", page.text());
    assert_eq!(input(&page, "revision").get("value"), Some("1"));
    let answer = app.fill_in(WEB, &format!("{WEB}/rollback"), &[("revision", "1")]).await;
    assert_eq!(ended(&app, &answer).await.revision, 1);
}

#[tokio::test]
async fn what_is_wrong_comes_back_with_what_was_typed() {
    let app = web().await;
    for image in ["", "Not An Image", "http://registry.test/a", "<b>"] {
        let answer = app.fill_in(WEB, &format!("{WEB}/deploy"), &[("image", image)]).await;
        let page = refused(&answer, "image");
        assert_eq!(input(&page, "image").get("value").unwrap_or_default(), image);
    }
    for replicas in ["", "-1", "many", "1001"] {
        let answer = app.fill_in(WEB, &format!("{WEB}/scale"), &[("replicas", replicas)]).await;
        let page = refused(&answer, "replicas");
        assert_eq!(input(&page, "replicas").get("value"), Some(replicas));
    }
    let button = app.page(WEB).await;
    let button = button.all("button").find(|it| it.text == "Roll back").unwrap();
    assert!(button.attributes().any(|(name, _)| name == "disabled"), "there is nothing to roll back to");
}

#[tokio::test]
async fn what_runs_is_told_apart_from_what_was_asked_for() {
    let app = web().await;
    let patch =
        ServicePatch { image: Some("registry.test/acme/web:broken".parse().unwrap()), ..Default::default() };
    let failed = app.control.deploy(&app.admin, &"web".parse().unwrap(), patch).await.unwrap();
    assert_eq!(app.ended(failed.id).await.phase, Phase::Failed);
    let told = format!("registry.test/acme/web:1 {} asked for registry.test/acme/web:broken", "31".repeat(6));
    for path in [WEB, "/projects/default/production"] {
        let page = app.page(path).await;
        assert!(page.text().contains(&told), "{path}: {}", page.text());
    }
    let page = app.page(WEB).await;
    assert!(page.table("Changes").contains(&"image registry.test/acme/web:1 registry.test/acme/web:broken"));
}

#[tokio::test]
async fn every_tab_is_a_link_and_says_where_one_is() {
    let app = web().await;
    for (tab, words) in [
        ("", "Overview"),
        ("/deployments", "Deployments"),
        ("/variables", "Variables"),
        ("/volumes", "Volumes"),
        ("/domains", "Domains"),
        ("/settings", "Settings"),
    ] {
        let page = app.page(&format!("{WEB}{tab}")).await;
        assert_eq!(page.only("h1"), "web");
        let current: Vec<_> =
            page.all("a").filter(|it| it.get("aria-current") == Some("page")).map(|it| &it.text).collect();
        assert!(current.iter().any(|it| *it == words), "{tab}: {current:?}");
        assert_eq!(page.link("Logs"), format!("{WEB}/logs"));
    }
}

#[tokio::test]
async fn variables_are_added_changed_sealed_and_removed_as_rows() {
    let app = web().await;
    let (path, seen) = (format!("{WEB}/variables"), seen(&app).await);
    let rows = [
        ("seen", seen.as_str()),
        ("variable-0-name", "GREETING"),
        ("variable-0-value", "hello"),
        ("variable-1-name", "API_KEY"),
        ("variable-1-value", "hush-hush"),
        ("variable-1-sealed", "yes"),
        ("variable-2-name", ""),
        ("variable-2-value", ""),
        ("do", "save"),
    ];
    assert_eq!(app.fill_in(&path, &path, &rows).await.leads_to(), path);
    let answer = app.get(&path).await;
    assert!(!answer.text.contains("hush"), "what is sealed is never shown");
    let page = Document::parse(&answer.text);
    assert!(page.text().contains("Waits for the next deploy"), "{}", page.text());
    assert_eq!(input(&page, "variable-1-value").get("value"), Some("hello"), "they are in order");
    assert_eq!(input(&page, "variable-0-value").get("type"), Some("password"));

    // The sealed one stays although its field is empty, the plain one is changed, and it is deployed.
    let seen = self::seen(&app).await;
    let rows = [
        ("seen", seen.as_str()),
        ("variable-0-name", "API_KEY"),
        ("variable-0-value", ""),
        ("variable-0-sealed", "yes"),
        ("variable-1-name", "GREETING"),
        ("variable-1-value", "good\r\nmorning"),
        ("do", "deploy"),
    ];
    let deployed = ended(&app, &app.fill_in(&path, &path, &rows).await).await;
    assert_eq!((deployed.phase, deployed.revision), (Phase::Active, 2));
    let spec = app.control.service(&app.admin, &"web".parse().unwrap()).await.unwrap().service.spec;
    let plain: Vec<_> = spec.variables.iter().map(|(name, value)| (name.as_str(), value.plain())).collect();
    assert_eq!(plain, [("API_KEY", None), ("GREETING", Some("good\nmorning"))]);
    assert_eq!(input(&app.page(&path).await, "variable-1-value").name, "textarea", "it has two lines");

    let seen = self::seen(&app).await;
    let rows = [
        ("seen", seen.as_str()),
        ("variable-0-name", "API_KEY"),
        ("variable-0-remove", "yes"),
        ("variable-1-name", "GREETING"),
        ("variable-1-value", "good\r\nmorning"),
        ("do", "save"),
    ];
    assert_eq!(app.fill_in(&path, &path, &rows).await.leads_to(), path);
    let spec = app.control.service(&app.admin, &"web".parse().unwrap()).await.unwrap().service.spec;
    assert_eq!(spec.variables.keys().map(|it| it.as_str()).collect::<Vec<_>>(), ["GREETING"]);
}

#[tokio::test]
async fn rows_that_are_wrong_come_back_without_what_is_to_be_sealed() {
    let app = web().await;
    let (path, seen) = (format!("{WEB}/variables"), seen(&app).await);
    for (name, at) in [("1A", "variable-1-name"), ("GREETING", "variable-1-name"), ("", "variable-1-name")] {
        let rows = [
            ("seen", seen.as_str()),
            ("variable-0-name", "GREETING"),
            ("variable-0-value", "<b>hello"),
            ("variable-1-name", name),
            ("variable-1-value", "hush-hush"),
            ("variable-1-sealed", "yes"),
        ];
        let answer = app.fill_in(&path, &path, &rows).await;
        let page = refused(&answer, at);
        assert_eq!(input(&page, "variable-0-value").get("value"), Some("<b>hello"));
        assert!(!answer.text.contains("hush"));
    }
    let stale = [("seen", "2026-11-20T00:00:00Z"), ("variable-0-name", "A"), ("variable-0-value", "1")];
    let answer = app.fill_in(&path, &path, &stale).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(Document::parse(&answer.text).text().contains("web was changed meanwhile"));
}

#[tokio::test]
async fn variables_are_edited_as_the_text_of_a_file() {
    let app = web().await;
    let path = format!("{WEB}/variables");
    let sealed = VariableInput { text: "hush-hush".into(), seal: true };
    let plain = |text: &str| Some(VariableInput { text: text.into(), seal: false });
    let patch = ServicePatch {
        variables: [
            ("A".parse().unwrap(), plain("one")),
            ("B".parse().unwrap(), plain("two\nlines")),
            ("KEY".parse().unwrap(), Some(sealed)),
            ("ODD".parse().unwrap(), plain("\"a'\nb")),
        ]
        .into(),
        ..Default::default()
    };
    app.control.update(&app.admin, &"web".parse().unwrap(), patch).await.unwrap();
    let answer = app.get(&format!("{path}?as=text")).await;
    assert!(answer.text.contains("A=one\nB=&quot;two\nlines&quot;\n"), "{}", answer.text);
    assert!(!answer.text.contains("hush"));
    let page = Document::parse(&answer.text);
    assert_eq!(page.faults(), Vec::<String>::new());
    assert!(page.text().contains("KEY is sealed, ODD cannot be written as a line"), "{}", page.text());

    let seen = seen(&app).await;
    let text = "# a file\r\nexport A='one'\r\nC=\"x=y\"\r\nKEY=another\r\n";
    let fields = [("seen", seen.as_str()), ("as", "text"), ("variables-text", text), ("do", "save")];
    assert_eq!(app.fill_in(&format!("{path}?as=text"), &path, &fields).await.leads_to(), path);
    let spec = app.control.service(&app.admin, &"web".parse().unwrap()).await.unwrap().service.spec;
    let known: Vec<_> = spec.variables.iter().map(|(name, value)| (name.as_str(), value.plain())).collect();
    assert_eq!(known, [("A", Some("one")), ("C", Some("x=y")), ("KEY", None), ("ODD", Some("\"a'\nb"))]);
    assert!(
        spec.variables.values().any(|value| matches!(value, VariableValue::Sealed { .. })),
        "it stays sealed"
    );

    let fields = [("seen", seen.as_str()), ("as", "text"), ("variables-text", "A=1\nnonsense\n")];
    let page = refused(&app.fill_in(&format!("{path}?as=text"), &path, &fields).await, "variables-text");
    assert!(page.text().contains("line 2 is not a variable"));
    assert_eq!(page.only("textarea"), "A=1 nonsense");
}

#[tokio::test]
async fn shared_variables_are_shown_with_where_they_are_from() {
    let app = web().await;
    let page = app.page(&format!("{WEB}/variables")).await;
    assert!(page.text().contains("Shared in production"), "{}", page.text());
    let shared = [
        ("GHCR_USERNAME", VariableInput { text: "octo".into(), seal: false }),
        ("GHCR_TOKEN", VariableInput { text: "hush-hush".into(), seal: true }),
    ];
    let changes = shared.into_iter().map(|(name, input)| (name.parse().unwrap(), Some(input))).collect();
    app.control.change_shared_variables(&app.admin, None, None, changes).await.unwrap();
    let page = app.page(&format!("{WEB}/variables")).await;
    assert!(page.text().contains("GHCR_TOKEN sealed GHCR_USERNAME octo"), "{}", page.text());
}

#[tokio::test]
async fn settings_are_read_changed_and_refused_by_their_field() {
    let app = web().await;
    let path = format!("{WEB}/settings");
    let page = app.page(&path).await;
    assert_eq!(page.faults(), Vec::<String>::new());
    let mut all: Vec<(String, String)> = page
        .elements
        .iter()
        .filter(|it| {
            it.name == "input" && it.get("type") != Some("checkbox") && it.get("type") != Some("password")
        })
        .filter_map(|it| Some((it.get("name")?.to_owned(), it.get("value").unwrap_or_default().to_owned())))
        .filter(|(name, _)| name != "form")
        .collect();
    all.push(("command".into(), String::new()));
    all.push(("restart".into(), "on-failure".into()));
    all.push(("do".into(), "save".into()));
    let with = |changes: &[(&str, &str)]| {
        let mut fields = all.clone();
        for (name, value) in changes {
            fields.retain(|(known, _)| known != name);
            fields.push(((*name).to_owned(), (*value).to_owned()));
        }
        fields
    };
    let send = async |changes: &[(&str, &str)]| {
        let fields = with(changes);
        let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        app.fill_in(&path, &path, &fields).await
    };
    for (field, value) in [
        ("ports", "80, 80"),
        ("ports", "http"),
        ("stop-grace", "3601"),
        ("health-path", "up"),
        ("health-status", "6xx"),
        ("health-host", "a b"),
        ("health-port", "0"),
        ("health-interval", "soon"),
        ("health-timeout", "86401"),
        ("replicas", "1001"),
        ("memory", "1 parsec"),
        ("memory", "1MiB"),
        ("cpu", "x"),
        ("cpu", "0.001"),
        ("pids", "0"),
        ("surge", "0"),
        ("overlap", "3601"),
        ("drain", "-1"),
        ("drain", "<script>alert(1)</script>"),
    ] {
        let answer = send(&[(field, value)]).await;
        let page = refused(&answer, field);
        assert_eq!(input(&page, field).get("value"), Some(value), "{field}");
    }
    let before = app.control.service(&app.admin, &"web".parse().unwrap()).await.unwrap().service;
    assert_eq!(send(&[]).await.leads_to(), path);
    let same = app.control.service(&app.admin, &"web".parse().unwrap()).await.unwrap().service;
    assert_eq!(
        (before.spec, before.updated_at),
        (same.spec, same.updated_at),
        "what is sent back unchanged changes nothing"
    );

    let changes = [
        ("ports", "8080 9090"),
        ("command", "serve\r\n--greeting=good day"),
        ("memory", "512MiB"),
        ("cpu", "0.5"),
        ("health-path", "/up"),
        ("health-interval", "2.5"),
        ("surge", "1"),
        ("restart", "always"),
        ("privileges", "yes"),
        ("username", "robot"),
        ("password", "hush-hush"),
    ];
    let answer = send(&changes).await;
    assert_eq!(answer.leads_to(), path);
    let view = app.control.service(&app.admin, &"web".parse().unwrap()).await.unwrap();
    let spec = &view.service.spec;
    assert_eq!(spec.ports.as_ref().unwrap().len(), 2);
    assert_eq!(spec.command.as_ref().unwrap(), &["serve", "--greeting=good day"]);
    assert_eq!((spec.resources.memory_bytes, spec.resources.cpu_millis), (Some(512 << 20), Some(500)));
    assert_eq!((spec.probe.path.as_deref(), spec.probe.interval_millis), (Some("/up"), Some(2500)));
    assert_eq!((spec.rollout.surge, spec.allow_new_privileges), (Some(1), true));
    assert_eq!(view.credential.unwrap().username, "robot");
    let answer = app.get(&path).await;
    assert!(!answer.text.contains("hush"));
    let page = Document::parse(&answer.text);
    assert_eq!(input(&page, "memory").get("value"), Some("512MiB"));
    assert_eq!(input(&page, "username").get("value"), Some("robot"));
    let waits = page.table("Changes");
    for row in ["ports not set [8080,9090]", "command different", "healthcheck.path not set /up"] {
        assert!(waits.contains(&row), "{row}: {waits:?}");
    }
}

#[tokio::test]
async fn a_command_that_is_no_lines_is_not_lost_by_saving_the_rest() {
    let app = web().await;
    let command = vec!["sh".to_owned(), "-c".into(), "one\ntwo".into()];
    let patch = ServicePatch { command: Some(Some(command.clone())), ..Default::default() };
    app.control.update(&app.admin, &"web".parse().unwrap(), patch).await.unwrap();
    let path = format!("{WEB}/settings");
    let page = app.page(&path).await;
    assert!(page.all("textarea").next().is_none() && page.text().contains("mirage deploy IMAGE -- COMMAND"));
    let seen = seen(&app).await;
    let fields = [("seen", seen.as_str()), ("memory", "64MiB"), ("do", "save")];
    assert_eq!(app.fill_in(&path, &path, &fields).await.leads_to(), path);
    let spec = app.control.service(&app.admin, &"web".parse().unwrap()).await.unwrap().service.spec;
    assert_eq!((spec.command, spec.resources.memory_bytes), (Some(command), Some(64 << 20)));
}

#[tokio::test]
async fn a_volume_is_mounted_unmounted_removed_and_taken_back() {
    let app = web().await;
    let path = format!("{WEB}/volumes");
    assert!(app.page(&path).await.text().contains("It keeps no data."));
    let seen = self::seen(&app).await;
    for (name, at, field) in
        [("No Name", "/data", "volume"), ("data", "data", "path"), ("data", "/proc", "path")]
    {
        let fields = [("seen", seen.as_str()), ("volume", name), ("path", at), ("do", "save")];
        let page = refused(&app.fill_in(&path, &path, &fields).await, field);
        assert_eq!(
            (input(&page, "volume").get("value"), input(&page, "path").get("value")),
            (Some(name), Some(at))
        );
    }
    let fields = [("seen", seen.as_str()), ("volume", "data"), ("path", "/data"), ("do", "deploy")];
    assert_eq!(ended(&app, &app.fill_in(&path, &path, &fields).await).await.phase, Phase::Active);
    let page = app.page(&path).await;
    assert!(
        page.table("Mounted volumes")[1].starts_with("data /data no data yet Download a backup"),
        "{}",
        page.text()
    );
    let volume = app.control.volume(&app.admin, &"data".parse().unwrap()).await.unwrap().volume.id;
    let backup = app.fill_in(&path, &format!("{path}/{volume}/backup"), &[]).await;
    assert_eq!(backup.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(Document::parse(&backup.text).text().contains("the volume has no data yet"));

    let seen = self::seen(&app).await;
    let fields = [("seen", seen.as_str()), ("unmount", "data"), ("do", "deploy")];
    ended(&app, &app.fill_in(&path, &path, &fields).await).await;
    let remove = format!("{path}/{volume}/remove");
    let page = app.page(&path).await;
    assert_eq!(page.faults(), Vec::<String>::new());
    assert!(page.text().contains("data of web, not mounted"), "{}", page.text());
    loop {
        // Until the last instance that has it has ended.
        let answer = app.fill_in(&path, &remove, &[]).await;
        if answer.status == StatusCode::SEE_OTHER {
            break;
        }
        tokio::task::yield_now().await;
    }
    let page = app.page(&path).await;
    assert!(page.text().contains("deleted for good at 2026-11-23 00:00:"), "{}", page.text());
    assert_eq!(app.fill_in(&path, &format!("{path}/{volume}/restore"), &[]).await.leads_to(), path);
    assert!(app.page(&path).await.text().contains("data belongs to nobody"));
}

#[tokio::test]
async fn a_domain_is_added_with_a_certificate_of_somebodys_own_and_removed() {
    let app = web().await;
    let path = format!("{WEB}/domains");
    assert!(app.page(&path).await.text().contains("It has no domain of its own."));
    for domain in ["", "localhost", "shop", "https://shop.example", "10.0.0.1", "<b>.example"] {
        let answer = app.fill_in(&path, &path, &[("domain", domain), ("redirect", "yes")]).await;
        let page = refused(&answer, "domain");
        assert_eq!(input(&page, "domain").get("value").unwrap_or_default(), domain);
        assert!(input(&page, "certificate").get("checked").is_none(), "what was not ticked stays so");
    }
    let answer = app.fill_in(&path, &path, &[("domain", "shop.example"), ("redirect", "yes")]).await;
    assert_eq!(answer.leads_to(), path);
    let page = app.page(&path).await;
    assert_eq!(page.table("Domains")[1], "shop.example is led to HTTPS none, it answers over plain HTTP");
    let one = page.link("shop.example").to_owned();
    let page = app.page(&one).await;
    assert_eq!(page.faults(), Vec::<String>::new());
    let sent = [("chain", "-----BEGIN CERTIFICATE-----\r\nabc"), ("key", "hush-hush")];
    assert_eq!(app.fill_in(&one, &format!("{one}/certificate"), &sent).await.leads_to(), one);
    let answer = app.get(&one).await;
    assert!(!answer.text.contains("hush"));
    assert!(Document::parse(&answer.text).text().contains("your own, until 2027-11-01 00:00:00"));
    let refusal = app
        .fill_in(&one, &format!("{one}/certificate"), &[("chain", "expired <b>"), ("key", "hush-hush")])
        .await;
    let page = refused(&refusal, "chain");
    assert_eq!(input(&page, "chain").text, "expired <b>");
    assert!(!refusal.text.contains("hush"), "a key never comes back");
    assert_eq!(app.fill_in(&one, &one, &[("certificate", "yes")]).await.leads_to(), one);
    assert!(app.page(&path).await.text().contains("shop.example is answered"));
    assert_eq!(app.fill_in(&one, &format!("{one}/remove"), &[]).await.leads_to(), path);
    assert_eq!(app.get(&one).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn removing_a_service_says_what_goes_and_what_stays_and_needs_no_name() {
    let app = web().await;
    let settings = app.page(&format!("{WEB}/settings")).await;
    let ask = settings.link("Remove this service").to_owned();
    let page = app.page(&ask).await;
    assert!(page.text().contains("Its settings, variables and the record of its deployments go."));
    assert_eq!(app.fill_in(&ask, &ask, &[]).await.leads_to(), "/projects/default/production");
    while app.control.service(&app.admin, &"web".parse().unwrap()).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert_eq!(app.get(WEB).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn nothing_is_done_by_a_form_of_another_page() {
    let app = web().await;
    let cookie = app.log_in().await;
    for part in [
        "/deploy",
        "/redeploy",
        "/restart",
        "/rollback",
        "/scale",
        "/variables",
        "/settings",
        "/volumes",
        "/domains",
        "/remove",
        "",
    ] {
        let answer = app.post(&format!("{WEB}{part}"), &cookie, "image=nginx&replicas=0").await;
        assert!(matches!(answer.status.as_u16(), 403 | 405), "{part}: {:?}", answer.status);
        let answer = app.post(&format!("{WEB}{part}"), "", "image=nginx").await;
        assert!(answer.status == StatusCode::METHOD_NOT_ALLOWED || answer.leads_to().starts_with("/login"));
    }
    let view = app.control.service(&app.admin, &"web".parse().unwrap()).await.unwrap();
    assert_eq!((view.service.replicas, view.newest.unwrap().revision), (1, 1));
}

#[tokio::test]
async fn services_are_found_by_a_part_of_their_name_and_shown_as_cards_from_then_on() {
    let app = web().await;
    app.deploy("production", "api", "ghcr.io/acme/api:2").await;
    let path = "/projects/default/production";
    let page = app.page(&format!("{path}?find=AP")).await;
    assert_eq!(page.table("Services").len(), 2);
    assert_eq!(input(&page, "find").get("value"), Some("ap"));
    assert!(page.text().contains("Image of GitHub ghcr.io/acme/api:2"), "{}", page.text());
    assert_eq!(page.link("New service"), "/new?project=default&environment=production");
    let none = app.page(&format!("{path}?find=%3Cb%3E")).await;
    assert!(none.text().contains("No service in production has <b> in its name."), "{}", none.text());
    assert_eq!(none.link("Show all of them"), path);

    let answer = app.fill_in(path, path, &[("as", "cards")]).await;
    assert_eq!(answer.leads_to(), path);
    let kept = answer.header("set-cookie");
    assert!(kept.starts_with("mirage_cards=yes;") && kept.ends_with("HttpOnly; SameSite=Strict"), "{kept}");
    let cookie = format!("{}; mirage_cards=yes", app.log_in().await);
    let answer = app.send(Method::GET, path, &[("cookie", &cookie)], "").await;
    let page = Document::parse(&answer.text);
    assert_eq!(page.faults(), Vec::<String>::new());
    let cards: Vec<_> = page.all("h2").map(|it| it.text.split(' ').next().unwrap()).collect();
    assert_eq!(cards, ["api", "web"]);
    assert!(page.all("button").any(|it| it.text == "As a table"));
}

/// The version of the settings that a form is made for.
async fn seen(app: &TestApp) -> String {
    let view = app.control.service(&app.admin, &"web".parse().unwrap()).await.unwrap();
    view.service.updated_at.to_string()
}
