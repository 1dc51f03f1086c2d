//! Looking at what services write.

use http::{Method, StatusCode};
use mirage_core::Deployment;

use super::app::{Heard, TestApp};
use super::html::{Document, Element};

const WEB: &str = "/projects/default/production/web/logs";
const LIVE: &str = "/live/projects/default/production/web/logs";

#[tokio::test]
async fn the_last_lines_stand_on_the_page_with_their_times() {
    let (app, web) = started().await;
    app.world.logs.append(&web, "2026-11-20T23:59:59.5Z", "the day before");
    app.world.logs.append(&web, "2026-11-21T00:00:01.25Z", "\x1b[1;32mINFO\x1b[0m listening on :8080");
    let page = app.page(WEB).await;
    assert_eq!(page.faults(), Vec::<String>::new());
    assert_eq!(lines(&page), ["11-20 23:59:59.500 the day before", "00:00:01.250 INFO listening on :8080"]);
    let info = page.all("span").find(|part| part.text == "INFO").unwrap();
    assert_eq!(info.get("class"), Some("c2 b"));
    let time = page.all("time").find(|time| time.text == "00:00:01.250").unwrap();
    assert!(time.get("title").unwrap().starts_with("2026-11-21T00:00:01.250000Z "));
    assert!(page.text().contains("In a terminal: mirage logs default/production/web -f"));
    assert_eq!(page.link("Load anew"), format!("{WEB}?lines=100#log-end"));
    assert!(page.all("script").any(|script| script.get("src").unwrap().starts_with("/assets/log-")));
}

#[tokio::test]
async fn a_log_without_lines_says_what_would_be_there() {
    let (app, _) = started().await;
    let page = app.page(WEB).await;
    assert!(page.text().contains("web has not written anything yet."), "{}", page.text());
    let page = app.page(&format!("{WEB}?q=x")).await;
    assert!(page.text().contains("No line is like that."));
    assert_eq!(page.link("Show all lines"), WEB);
}

#[tokio::test]
async fn a_form_narrows_the_log_and_marks_what_was_found() {
    let (app, web) = started().await;
    for (at, text) in [
        "GET / took 3 ms",
        "GET /slow took 3000 ms",
        r#"{"level":"warn","msg":"slow"}"#,
        r#"{"level":"error","msg":"refused"}"#,
    ]
    .into_iter()
    .enumerate()
    {
        app.world.logs.append(&web, &format!("2026-11-21T00:0{at}:00Z"), text);
    }
    for (query, wanted, marks) in [
        ("q=slow", &["01 GET /slow took 3000 ms", r#"02 {"level":"warn","msg":"slow"}"#][..], 2),
        ("q=took+3+&all=yes", &["00 GET / took 3 ms", "01 G", "02 {", "03 {"], 1),
        ("q=%5Cd%7B4%7D&regex=yes", &["01 GET /slow took 3000 ms"], 1),
        ("level=error", &[r#"03 {"level":"error","msg":"refused"}"#], 0),
        ("since=2026-11-21T00:02:30Z&lines=500", &["03 {"], 0),
    ] {
        let page = app.page(&format!("{WEB}?{query}")).await;
        assert_eq!(page.faults(), Vec::<String>::new(), "{query}");
        let shown: Vec<String> =
            lines(&page).into_iter().map(|line| line[3..].replacen(":00.000", "", 1)).collect();
        assert_eq!(shown.len(), wanted.len(), "{query}: {shown:?}");
        assert!(shown.iter().zip(wanted).all(|(line, begin)| line.starts_with(begin)), "{query}: {shown:?}");
        assert_eq!(page.all("mark").count(), marks, "{query}");
    }
    let page = app.page(&format!("{WEB}?q=it%27s+slow&level=warn&since=5m")).await;
    let is_it = |it: &&Element| it.get("name") == Some("q") && it.within.contains(&"section".into());
    let field = page.all("input").find(is_it).unwrap();
    assert_eq!(field.get("value"), Some("it's slow"));
    let twin = r"mirage logs default/production/web -f --grep 'it'\''s slow' --level warn --since 5m";
    assert!(page.text().contains(twin), "{}", page.text());
}

#[tokio::test]
async fn what_cannot_be_read_comes_back_with_the_form() {
    let (app, _) = started().await;
    for (query, said) in [
        ("q=%28&regex=yes", "this is no regular expression: unclosed group"),
        ("level=loud", "not a level of logs"),
        ("since=yesterday", "since is no time"),
        ("deployment=x", "x"),
        ("with=No+Name", "No Name"),
    ] {
        let answer = app.get(&format!("{WEB}?{query}")).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{query}");
        let page = Document::parse(&answer.text);
        assert_eq!(page.faults(), Vec::<String>::new(), "{query}");
        let errors: Vec<_> = page.elements.iter().filter(|it| it.get("role") == Some("alert")).collect();
        assert_eq!(errors.len(), 1, "{query}");
        assert!(errors[0].text.contains(said), "{query}: {}", errors[0].text);
    }
    for path in [format!("{WEB}?with=nobody"), "/projects/default/production/none/logs".into()] {
        assert_eq!(app.get(&path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    let many: String = (0..30).map(|n| format!("with=s{n}&")).collect();
    let answer = app.get(&format!("{WEB}?{many}")).await;
    assert!(answer.text.contains("more than 20 services"), "{}", answer.text);
}

#[tokio::test]
async fn several_services_are_read_together_and_told_apart_by_name() {
    let (app, web) = started().await;
    let worker = app.deploy("production", "worker", "registry.test/acme/worker:1").await;
    app.deploy("staging", "elsewhere", "registry.test/acme/worker:1").await;
    app.world.logs.append(&web, "2026-11-21T00:00:01Z", "one");
    app.world.logs.append(&worker, "2026-11-21T00:00:02Z", "two");
    app.world.logs.append(&web, "2026-11-21T00:00:03Z", "three");
    let page = app.page(WEB).await;
    let boxes: Vec<_> = page.all("input").filter(|it| it.get("name") == Some("with")).collect();
    assert_eq!(boxes.iter().map(|it| it.get("value").unwrap()).collect::<Vec<_>>(), ["worker"]);
    assert_eq!(lines(&page), ["00:00:01.000 one", "00:00:03.000 three"]);
    let page = app.page(&format!("{WEB}?with=worker")).await;
    assert_eq!(page.faults(), Vec::<String>::new());
    assert_eq!(lines(&page), ["00:00:01.000 web one", "00:00:02.000 worker two", "00:00:03.000 web three"]);
    let mut live = app.listen(&stream(&page), None).await;
    app.world.logs.append(&worker, "2026-11-21T00:00:04Z", "four");
    assert_eq!(texts(&live.next().await), ["00:00:04.000 worker four"]);
}

#[tokio::test]
async fn a_deployment_or_an_instance_has_its_own_view() {
    let (app, web) = started().await;
    let other = app.deploy("production", "other", "registry.test/acme/web:2").await;
    let second = Deployment { service: web.service, ..other.clone() };
    app.world.logs.append(&web, "2026-11-21T00:00:01Z", "old");
    app.world.logs.append(&second, "2026-11-21T00:00:02Z", "new");
    for filter in [format!("deployment={}", second.id), format!("instance={}", second.id)] {
        let page = app.page(&format!("{WEB}?{filter}")).await;
        assert_eq!(lines(&page), ["00:00:02.000 new"], "{filter}");
        assert_eq!(page.link("Show those of all"), format!("{WEB}?lines=100"));
        let (name, value) = filter.split_once('=').unwrap();
        let kept = page.all("input").find(|it| it.get("name") == Some(name)).unwrap();
        assert_eq!(kept.get("value"), Some(value), "the form keeps it");
    }
}

#[tokio::test]
async fn after_a_cut_no_line_is_missing_and_none_is_there_twice() {
    let (app, web) = started().await;
    let write = |from: u32, to: u32| {
        for n in from..to {
            // Two instances, and times that are the same.
            let of = if n % 3 == 0 { "0b9f6c1e-55a1-4c55-9a3f-2a8f3f1f7d10" } else { &web.id.to_string() };
            let time = format!("2026-11-21T00:00:{:02}Z", n / 20);
            app.world.logs.append_as(&web, of.parse().unwrap(), &time, &format!("line {n}"));
        }
    };
    write(0, 150);
    let page = app.page(WEB).await;
    let mut seen = lines(&page);
    assert_eq!(seen.len(), 100, "the last hundred");
    let stream = stream(&page);
    write(150, 160);
    let mut live = app.listen(&stream, None).await;
    let mut id = String::new();
    // Whenever some lines came, the connection breaks, and lines are written before it is back.
    for round in 16..60 {
        while seen.len() < round * 10 - 50 {
            let heard = live.next().await;
            assert_eq!(heard.name, "lines");
            seen.extend(texts(&heard));
            id = heard.id;
        }
        drop(live);
        write(round as u32 * 10, round as u32 * 10 + 10);
        live = app.listen(&stream, Some(&id)).await;
    }
    let numbers: Vec<u32> =
        seen.iter().map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect();
    let mut sorted = numbers.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, (50..590).collect::<Vec<_>>());
}

#[tokio::test]
async fn lines_that_are_gone_for_good_are_said_to_be() {
    let (app, web) = started().await;
    let mut live = app.listen(&format!("{LIVE}?lines=100"), None).await;
    app.world.logs.append_after_loss(&web, "2026-11-21T00:00:01Z", "later");
    let heard = live.next().await;
    assert!(heard.data.starts_with("<p class=\"gap\">Lines are missing here"), "{}", heard.data);
}

#[tokio::test]
async fn a_burst_comes_in_few_events_of_limited_size() {
    let (app, web) = started().await;
    let mut live = app.listen(&format!("{LIVE}?lines=10000"), None).await;
    let long = "<é>".repeat(100_000);
    for n in 0..1_000 {
        let text = if n % 100 == 0 { &long } else { "x" };
        app.world.logs.append(&web, "2026-11-21T00:00:01Z", text);
    }
    let (mut count, mut events) = (0, 0);
    while count < 1_000 {
        let heard = live.next().await;
        let lines = texts(&heard).len();
        assert!(lines <= 200, "{lines} lines");
        assert!(heard.data.len() <= 110_000, "{} bytes", heard.data.len());
        count += lines;
        events += 1;
    }
    assert!(events < 50, "{events} events");
}

#[tokio::test]
async fn a_page_stays_small_whatever_was_written() {
    let (app, web) = started().await;
    for n in 0..300 {
        let text = format!("{n} {}", "GET /api/v1/accounts 200 12 ms ".repeat(n % 40));
        app.world.logs.append(&web, "2026-11-21T00:00:01Z", &text);
    }
    let answer = app.get(WEB).await;
    assert!(answer.text.len() <= 40_000, "{} bytes", answer.text.len());
    let page = Document::parse(&answer.text);
    assert!(lines(&page).last().unwrap().contains("299 GET"), "the newest are kept");
    assert!(page.text().contains("would be too much for a page"));
    assert_eq!(lines(&app.page(&format!("{WEB}?lines=500")).await).len(), 300 - left_out(&app).await);
    app.world.logs.append(&web, "2026-11-21T00:00:02Z", &"\x1b[31m<\x1b[32m>".repeat(500_000));
    let answer = app.get(WEB).await;
    assert!(answer.text.len() <= 90_000, "one line is always shown: {} bytes", answer.text.len());
    assert!(answer.text.contains("cut, the download has all of it"));
}

#[tokio::test]
async fn the_log_can_be_had_as_a_file() {
    let (app, web) = started().await;
    app.world.logs.append(&web, "2026-11-21T00:00:01.5Z", "\x1b[31m<b>one</b>\x1b[0m");
    app.world.logs.append(&web, "2026-11-21T00:00:02Z", "two");
    let page = app.page(&format!("{WEB}?q=one")).await;
    let answer = app.get(page.link("Download")).await;
    assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(answer.header("content-disposition"), "attachment; filename=\"web.log\"");
    assert_eq!(answer.text, "2026-11-21T00:00:01.500000Z <b>one</b>\n");
}

#[tokio::test]
async fn whoever_is_not_logged_in_hears_nothing() {
    let (app, _) = started().await;
    assert_eq!(app.send(Method::GET, LIVE, &[], "").await.text, "event: ended\ndata: log in\n\n");
    for path in [WEB, &format!("{WEB}/download")] {
        let answer = app.send(Method::GET, path, &[], "").await;
        assert!(answer.leads_to().starts_with("/login"), "{path}");
    }
    assert_eq!(app.get(&format!("{LIVE}?after=x")).await.status, StatusCode::BAD_REQUEST);
}

async fn started() -> (TestApp, Deployment) {
    let app = TestApp::new().await;
    let web = app.deploy("production", "web", "registry.test/acme/web:1").await;
    (app, web)
}

async fn left_out(app: &TestApp) -> usize {
    let page = app.page(&format!("{WEB}?lines=500")).await;
    let said = page.all("p").find(|it| it.text.contains("would be too much"));
    said.map_or(0, |it| it.text.split([' ', ',']).find_map(|word| word.parse().ok()).unwrap())
}

/// The lines of the log, as they are read: each begins with its time.
fn lines(page: &Document) -> Vec<String> {
    let lines = page.elements.windows(2).filter(|two| two[0].name == "div" && two[1].name == "time");
    lines.map(|two| two[0].text.clone()).collect()
}

/// The lines of an event.
fn texts(heard: &Heard) -> Vec<String> {
    lines(&Document::parse(&format!("<!DOCTYPE html><div><div class=\"chunk\">{}</div></div>", heard.data)))
}

/// Where the lines of a page go on.
fn stream(page: &Document) -> String {
    let log = page.elements.iter().find(|it| it.get("id") == Some("log")).unwrap();
    format!("{}&after={}", log.get("data-stream").unwrap(), log.get("data-after").unwrap())
}
