//! What the pages say.

use http::{Method, StatusCode};

use super::app::TestApp;
use super::html::Document;

#[tokio::test]
async fn an_empty_platform_says_what_would_be_here_and_how_it_comes() {
    let app = TestApp::new().await;
    assert_eq!(app.get("/").await.leads_to(), "/projects");
    let page = app.page("/projects").await;
    assert_eq!(page.only("h1"), "Projects");
    assert!(page.text().contains("There are no projects yet."));
    assert!(page.text().contains("mirage deploy nginx:1.27"));
    assert!(app.page("/events").await.text().contains("Nothing happened yet."));
}

#[tokio::test]
async fn a_project_shows_its_environments_as_tabs_and_their_services() {
    let app = TestApp::new().await;
    app.deploy("production", "web", "registry.test/acme/web:1").await;
    app.deploy("staging", "api", "registry.test/acme/api:2").await;
    assert_eq!(app.get("/").await.leads_to(), "/projects/default");
    assert_eq!(app.get("/projects/default").await.leads_to(), "/projects/default/production");

    let page = app.page("/projects/default/production").await;
    assert_eq!(page.only("h1"), "default production");
    let tabs: Vec<_> = page
        .all("a")
        .filter(|link| {
            link.get("href").is_some_and(|to| to.starts_with("/projects/default/"))
                && !["table", "header"].iter().any(|outer| link.within.contains(&(*outer).into()))
        })
        .map(|link| (link.text.as_str(), link.get("aria-current")))
        .collect();
    assert_eq!(tabs, [("production", Some("page")), ("staging", None)]);
    let rows = page.table("Services");
    assert_eq!(rows[0], "Service State Image Replicas Uses Address Last deploy");
    let digest = "31".repeat(6);
    let expected = format!(
        "web ● active 0 s Image of a registry registry.test/acme/web:1 {digest} 1/1 web-production.localhost:8080 0 s ago by admin"
    );
    assert_eq!(without_ages(rows[1]), without_ages(&expected));
    assert!(page.text().ends_with("In a terminal: mirage services"), "{}", page.text());
    assert!(app.page("/projects/default/staging").await.table("Services")[1].starts_with("api"));
}

#[tokio::test]
async fn an_empty_environment_says_how_to_fill_it() {
    let app = TestApp::new().await;
    app.deploy("production", "web", "registry.test/acme/web:1").await;
    app.control.remove(&app.admin, &"web".parse().unwrap()).await.unwrap();
    loop {
        let page = app.page("/projects/default/production").await;
        if page.text().contains("No services in production.") {
            assert!(
                page.text().contains("mirage deploy nginx:1.27 --project default --environment production")
            );
            break;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_service_shows_what_runs_and_how_it_came_to_be() {
    let app = TestApp::new().await;
    let deployment = app.deploy("production", "web", "registry.test/acme/web:1").await;
    let page = app.page("/projects/default/production/web").await;
    assert_eq!(page.only("h1"), "web");
    for told in [
        "● active",
        "Address http://web-production.localhost:8080",
        "Image Image of a registry registry.test/acme/web:1",
        "Registry registry.test",
        &format!("Digest sha256:{}", "31".repeat(32)),
        "Size 2.0 MiB",
        "Ports 8080",
        "Memory of each no limit",
        "● healthy",
        "127.0.0.1",
        "mirage status default/production/web",
        "mirage deployments default/production/web",
    ] {
        assert!(page.text().contains(told), "{told}: {}", page.text());
    }
    assert_eq!(page.link("#1"), format!("/deployments/{}", deployment.id));
    assert_eq!(page.link("production"), "/projects/default/production");
}

#[tokio::test]
async fn a_deployment_shows_its_steps_and_the_digest_before_and_after() {
    let app = TestApp::new().await;
    let first = app.deploy("production", "web", "registry.test/acme/web:1").await;
    let patch = mirage_control::ServicePatch {
        image: Some("registry.test/acme/web:2".parse().unwrap()),
        ..Default::default()
    };
    let second = app.control.deploy(&app.admin, &"web".parse().unwrap(), patch).await.unwrap();
    app.ended(second.id).await;
    let page = app.page(&format!("/deployments/{}", second.id)).await;
    assert_eq!(page.only("h1"), "web #2");
    let steps: Vec<&str> = page
        .all("li")
        .filter(|it| it.within.contains(&"section".into()))
        .map(|it| it.text.as_str())
        .collect();
    assert!(steps[0].starts_with("● done resolve registry.test/acme/web:2"), "{steps:?}");
    assert!(steps[0].ends_with("s"), "how long it took: {steps:?}");
    assert!(page.text().contains(&format!("Digest sha256:{}", "32".repeat(32))));
    assert!(page.text().contains(&format!("Before sha256:{}", "31".repeat(32))));
    assert_eq!(page.link("#1"), format!("/deployments/{}", first.id));
    assert_eq!(page.link("web"), "/projects/default/production/web");
}

#[tokio::test]
async fn a_failed_deployment_is_open_with_its_last_lines_and_what_to_do() {
    let app = TestApp::new().await;
    *app.world.why.lock().unwrap() = "no such program".into();
    *app.world.said.lock().unwrap() = vec!["starting".into(), "cannot open the database".into()];
    let failed = app.deploy("production", "web", "registry.test/acme/web:broken").await;
    let page = app.page(&format!("/deployments/{}", failed.id)).await;
    for told in [
        "✕ failed",
        "Why it failed web could not be started: no such program",
        "check the image's entrypoint and command: “New service” shows them",
        "START_FAILED",
        "The last lines it wrote starting cannot open the database",
    ] {
        assert!(page.text().contains(told), "{told}: {}", page.text());
    }
    assert!(app.page("/projects/default/production").await.table("Services")[1].contains("✕ failed"));
}

#[tokio::test]
async fn events_are_told_newest_first_and_older_ones_by_a_link() {
    let app = TestApp::new().await;
    for number in 0..6 {
        app.deploy("production", &format!("web{number}"), "registry.test/acme/web:1").await;
    }
    let mut page = app.page("/events").await;
    let newest = page.table("Events").len() - 1;
    assert_eq!(newest, 50);
    let mut told: Vec<String> = page.table("Events")[1..].iter().map(|it| (*it).to_owned()).collect();
    while page.all("a").any(|link| link.text == "Older events") {
        page = app.page(page.link("Older events")).await;
        told.extend(page.table("Events")[1..].iter().map(|it| (*it).to_owned()));
    }
    assert!(
        told.last().unwrap().contains("admin web0 default/production created the service"),
        "{:?}",
        told.last()
    );
    let created = told.iter().filter(|it| it.contains("created the service")).count();
    assert_eq!(created, 6, "each is told once");
}

#[tokio::test]
async fn errors_are_pages_that_say_what_to_do() {
    let app = TestApp::new().await;
    app.deploy("production", "web", "registry.test/acme/web:1").await;
    for (path, status, code) in [
        ("/nothing", 404, "NOT_FOUND"),
        ("/nothing/<script>", 404, "NOT_FOUND"),
        ("/projects/none", 404, "NOT_FOUND"),
        ("/projects/default/none", 404, "NOT_FOUND"),
        ("/projects/default/production/none", 404, "NOT_FOUND"),
        ("/projects/No%20Name", 400, "INVALID_REQUEST"),
        ("/projects/%ff", 400, "INVALID_REQUEST"),
        ("/deployments/0b9f6c1e-55a1-4c55-9a3f-2a8f3f1f7d10", 404, "NOT_FOUND"),
        ("/deployments/x", 400, "INVALID_REQUEST"),
        ("/projects/default/production?after=x", 400, "INVALID_REQUEST"),
        ("/projects?after=%20", 400, "INVALID_REQUEST"),
        ("/events?before=x", 400, "INVALID_REQUEST"),
        ("/events?before=1&before=2", 400, "INVALID_REQUEST"),
        ("/assets/style.css", 404, "NOT_FOUND"),
    ] {
        let answer = app.get(&path.replace(['<', '>'], "%3c")).await;
        assert_eq!(answer.status.as_u16(), status, "{path}: {}", answer.text);
        let page = Document::parse(&answer.text);
        assert!(page.only("main").contains(code), "{path}: {}", page.text());
        assert_eq!(page.faults(), Vec::<String>::new(), "{path}");
    }
    let answer = app.send(Method::DELETE, "/projects", &[], "").await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    assert!(Document::parse(&answer.text).text().contains("does not answer to DELETE"));
}

#[tokio::test]
async fn pages_are_kept_by_nobody_and_take_nothing_from_elsewhere() {
    let app = TestApp::new().await;
    for path in ["/projects", "/login", "/nothing", "/"] {
        let answer = app.send(Method::GET, path, &[], "").await;
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        let policy = answer.header("content-security-policy");
        let whole = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
            connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
        assert_eq!(policy, whole, "{path}");
    }
    let login = app.send(Method::GET, "/login", &[], "").await;
    let page = Document::parse(&login.text);
    let files: Vec<_> = page.all("link").filter_map(|link| link.get("href")).collect();
    assert_eq!(files.len(), 2);
    for file in files {
        let answer = app.send(Method::GET, file, &[], "").await;
        assert_eq!(
            (answer.status, answer.header("cache-control")),
            (StatusCode::OK, "public, max-age=31536000, immutable")
        );
        assert!(answer.text.len() <= 25_000, "{file} has {} bytes", answer.text.len());
    }
}

/// The same without what depends on how long the test took.
fn without_ages(text: &str) -> String {
    text.split(' ').filter(|word| word.parse::<u32>().is_err()).collect::<Vec<_>>().join(" ")
}
