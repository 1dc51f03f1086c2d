//! Settings of a service.

use super::*;

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
    for row in [
        "Ports the image's 8080, 9090",
        "Command different",
        "Path that answers when it is well not set /up",
        "Memory of each no limit 512MiB",
        "Cores of each no limit 0.5",
        "Seconds between two questions the usual 2.5",
        "When the process exits start it again after a failure, up to ten times in a row start it again whenever it exits",
    ] {
        assert!(waits.contains(&row), "{row}: {waits:?}");
    }
    assert!(page.text().contains("This is set and does not run yet. The next deploy applies it."));
    let told = app.page("/events").await;
    let told = told.table("Events")[1].to_owned();
    for words in ["memory of each from no limit to 512MiB", "cores of each from no limit to 0.5"] {
        assert!(told.contains(words), "{words}: {told}");
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
