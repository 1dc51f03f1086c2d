//! Variables of a service, as rows and as text.

use super::*;

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
