//! Logging in and out.

use http::{Method, StatusCode};
use mirage_control::NewToken;

use super::app::{TOKEN, TestApp};
use super::html::Document;

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

#[tokio::test]
async fn whoever_is_not_logged_in_is_led_to_the_log_in_and_back() {
    let app = TestApp::new().await;
    app.deploy("production", "web", "registry.test/acme/web:1").await;
    let wanted = "/projects/default/production?after=a:0b9f6c1e-55a1-4c55-9a3f-2a8f3f1f7d10";
    let turned_away = app.send(Method::GET, wanted, &[], "").await;
    let login = turned_away.leads_to().to_owned();
    assert!(login.starts_with("/login?next=%2Fprojects"), "{login}");

    let form = app.send(Method::GET, &login, &[], "").await;
    let form = Document::parse(&form.text);
    assert_eq!(form.only("h1"), "Log in");
    assert_eq!(form.only("label"), "Token");
    let next = form.all("input").find(|input| input.get("name") == Some("next")).unwrap();
    assert_eq!(next.get("value"), Some(wanted));
    let sent = format!("token={TOKEN}&next={}", wanted.replace('?', "%3F"));
    assert_eq!(app.post("/login", "", &sent).await.leads_to(), wanted);
}

#[tokio::test]
async fn the_cookie_is_for_this_site_alone_and_no_script_reads_it() {
    let app = TestApp::new().await;
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let by_tls = [form[0], ("x-forwarded-proto", "https")];
    for (headers, end) in [(&form[..], "SameSite=Strict"), (&by_tls[..], "SameSite=Strict; Secure")] {
        let answer = app.send(Method::POST, "/login", headers, &format!("token={TOKEN}")).await;
        let cookie = answer.header("set-cookie").to_owned();
        assert!(cookie.starts_with("mirage_session="), "{cookie}");
        assert!(cookie.ends_with(&format!("; Path=/; Max-Age=43200; HttpOnly; {end}")), "{cookie}");
        assert!(!cookie.contains(TOKEN));
    }
}

#[tokio::test]
async fn no_cookie_of_the_pages_is_read_by_script_or_sent_for_another_site() {
    let app = TestApp::new().await;
    let mut cookies = Vec::new();
    for (path, fields) in [("/theme", "theme=dark"), ("/theme", "theme=system"), ("/logout", "")] {
        cookies.push(app.send_form(path, fields).await.header("set-cookie").to_owned());
    }
    for cookie in cookies {
        assert!(cookie.contains("; Path=/; ") && cookie.contains("; HttpOnly; SameSite=Strict"), "{cookie}");
    }
    let cookie = app.log_in().await;
    let headers = [("cookie", cookie.as_str()), ("x-forwarded-proto", "https"), FORM];
    let form = format!("form={}", app.token(&cookie).await);
    let ended = app.send(Method::POST, "/logout", &headers, &form).await;
    assert!(ended.header("set-cookie").ends_with("; HttpOnly; SameSite=Strict; Secure"), "{ended:?}");
}

#[tokio::test]
async fn whoever_is_not_logged_in_sees_one_column_with_the_form() {
    let app = TestApp::new().await;
    for path in ["/login", "/nothing"] {
        let page = Document::parse(&app.send(Method::GET, path, &[], "").await.text);
        assert_eq!(page.all("body").next().unwrap().get("class"), Some("alone"), "{path}");
        assert_eq!(page.all("nav").count(), 0);
    }
    assert_eq!(app.page("/events").await.all("body").next().unwrap().get("class"), None);
    let refusal =
        crate::refusal(mirage_core::Error::new(mirage_core::Code::Forbidden, "it is of another site"));
    assert_eq!(refusal.status(), StatusCode::FORBIDDEN);
    assert!(refusal.headers().contains_key("content-security-policy"));
}

#[tokio::test]
async fn a_wrong_token_is_refused_on_the_form_and_does_not_come_back() {
    let app = TestApp::new().await;
    let answer = app.post("/login", "", "token=guessed-it&next=/events").await;
    assert_eq!((answer.status, answer.header("set-cookie")), (StatusCode::UNAUTHORIZED, ""));
    assert!(!answer.text.contains("guessed-it"));
    let page = Document::parse(&answer.text);
    assert!(page.text().contains("the token is not valid"), "{}", page.text());
    assert!(page.text().contains("UNAUTHENTICATED"));
    let next = page.all("input").find(|input| input.get("name") == Some("next")).unwrap();
    assert_eq!(next.get("value"), Some("/events"), "where it led is kept");
    for body in ["", "token", "next=/events", "\u{0}", "token=%ff"] {
        let status = app.post("/login", "", body).await.status;
        assert!(status.is_client_error(), "{body:?} gave {status}");
    }
    let long = format!("token={}", "x".repeat(100_000));
    assert_eq!(app.post("/login", "", &long).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_token_for_images_is_told_what_it_is_for() {
    let app = TestApp::new().await;
    let new = NewToken { name: "ci".parse().unwrap(), project: None, push: true };
    let (_, token) = app.control.create_token(&app.admin, new).await.unwrap();
    let answer = app.post("/login", "", &format!("token={}", token.reveal())).await;
    assert_eq!((answer.status, answer.header("set-cookie")), (StatusCode::FORBIDDEN, ""));
    let page = Document::parse(&answer.text);
    let told = "log in with the admin token; a token of a project is for images alone";
    assert!(page.text().contains(told), "{}", page.text());
}

#[tokio::test]
async fn guessing_is_stopped_where_it_comes_from() {
    let app = TestApp::new().await;
    let log_in = async |from: &[(&str, &str)], token: &str| {
        let mut headers = vec![("content-type", "application/x-www-form-urlencoded")];
        headers.extend(from);
        app.send(Method::POST, "/login", &headers, &format!("token={token}")).await
    };
    let stranger = [("peer", "192.0.2.66"), ("x-forwarded-for", "192.0.2.1")];
    let by_proxy = [("peer", "10.0.0.1"), ("x-forwarded-for", "192.0.2.77")];
    for from in [&stranger[..], &by_proxy[..]] {
        for number in 0..10 {
            log_in(from, &number.to_string()).await;
        }
        let answer = log_in(from, TOKEN).await;
        assert_eq!((answer.status, answer.header("set-cookie")), (StatusCode::FORBIDDEN, ""));
        assert!(Document::parse(&answer.text).text().contains("try again in"));
    }
    for from in
        [&[("peer", "192.0.2.1")][..], &[("peer", "10.0.0.1"), ("x-forwarded-for", "192.0.2.78")], &[]]
    {
        assert_eq!(log_in(from, TOKEN).await.leads_to(), "/", "{from:?}");
    }
}

#[tokio::test]
async fn a_log_in_leads_to_pages_of_this_platform_only() {
    let app = TestApp::new().await;
    let hostile = [
        "https://evil.test/",
        "//evil.test",
        "/\\evil.test",
        "/projects//evil.test",
        "/projects\\..",
        "/projects@evil.test",
        "/projects.evil.test",
        "javascript:alert(1)",
        "/projects\r\nSet-Cookie: a=b",
        "/logout",
        "/login",
        "/api/services",
        "/events?\"><script>",
        " /events",
        "",
    ];
    for next in hostile {
        let sent: String = next.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let answer = app.post("/login", "", &format!("token={TOKEN}&next={sent}")).await;
        assert_eq!(answer.leads_to(), "/", "{next:?}");
    }
    for next in ["/projects", "/projects/shop/staging/web", "/deployments/x", "/events?before=12"] {
        let answer =
            app.post("/login", "", &format!("token={TOKEN}&next={}", next.replace('?', "%3f"))).await;
        assert_eq!(answer.leads_to(), next);
    }
    let far = format!("/events?{}", "a".repeat(1000));
    let turned_away = app.send(Method::GET, &far, &[], "").await;
    assert_eq!(turned_away.leads_to(), "/login");
}

#[tokio::test]
async fn logging_out_needs_the_token_of_the_page_and_ends_the_session_in_the_browser() {
    let app = TestApp::new().await;
    let cookie = app.log_in().await;
    let page = app.send(Method::GET, "/projects", &[("cookie", &cookie)], "").await;
    let page = Document::parse(&page.text);
    let token =
        page.all("input").find(|input| input.get("name") == Some("form")).unwrap().get("value").unwrap();

    for forged in ["", "form=", "form=0123", &format!("form={TOKEN}")] {
        let answer = app.post("/logout", &cookie, forged).await;
        assert!(answer.status.is_client_error() && answer.header("set-cookie").is_empty(), "{answer:?}");
    }
    let answer = app.post("/logout", &cookie, &format!("form={token}")).await;
    assert_eq!(answer.leads_to(), "/login");
    assert!(answer.header("set-cookie").starts_with("mirage_session=; Path=/; Max-Age=0; HttpOnly"));
    assert_eq!(app.post("/logout", "", &format!("form={token}")).await.leads_to(), "/login");
}

#[tokio::test]
async fn a_stream_without_a_session_says_so_once_and_a_form_leads_back_to_its_page() {
    let app = TestApp::new().await;
    let deployment = app.deploy("production", "web", "registry.test/acme/web:1").await;
    let answer = app.send(Method::GET, "/live/projects/default/production", &[], "").await;
    assert_eq!(answer.header("content-type"), "text/event-stream");
    assert_eq!(answer.text, "event: ended\ndata: log in\n\n");

    let path = format!("/deployments/{}", deployment.id);
    let posted = app.post(&format!("{path}/redeploy"), "", "form=x").await;
    let to = posted.leads_to().to_owned();
    let page = Document::parse(&app.send(Method::GET, &to, &[], "").await.text);
    assert!(
        page.text().contains("You were logged out before you sent that form. Nothing was done"),
        "{}",
        page.text()
    );
    let logged_in = app.post("/login", "", &format!("token={TOKEN}&{}", to.split_once('?').unwrap().1)).await;
    let back = logged_in.leads_to().to_owned();
    assert_eq!(back, format!("{path}/redeploy"));
    assert_eq!(app.get(&back).await.leads_to(), path, "what only takes forms leads to the page above it");
}
