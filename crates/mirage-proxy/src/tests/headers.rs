use http::{Request, Response};

use super::bed::{Bed, HOST, Instance, empty, full};

/// A backend that answers with the head that it got.
async fn mirror() -> Instance {
    Instance::answering(|request: Request<hyper::body::Incoming>| async move {
        let mut text = format!("{} {}\n", request.method(), request.uri());
        for (name, value) in request.headers() {
            text.push_str(&format!("{name}: {}\n", value.to_str().unwrap()));
        }
        Response::builder()
            .header("connection", "keep-alive, x-hop")
            .header("x-hop", "1")
            .header("x-end", "2")
            .body(full(text))
            .unwrap()
    })
    .await
}

#[tokio::test]
async fn a_backend_sees_the_host_the_path_and_the_client() {
    let bed = Bed::start().await;
    let web = mirror().await;
    bed.deploy(1, std::slice::from_ref(&web.backend)).await;
    let host = format!("{HOST}:8080");
    let request = Request::delete("/a%20b?c=d&e")
        .header("host", &host)
        .header("x-forwarded-for", "6.6.6.6")
        .header("x-mine", "kept")
        .body(empty())
        .unwrap();
    let answer = bed.connect().await.send(request).await;
    let port = bed.address.port();
    for line in [
        "DELETE /a%20b?c=d&e".to_owned(),
        format!("host: {host}"),
        "x-mine: kept".to_owned(),
        "x-forwarded-for: 127.0.0.1".to_owned(),
        format!("x-forwarded-host: {host}"),
        "x-forwarded-proto: http".to_owned(),
        format!("x-forwarded-port: {port}"),
        format!("forwarded: for=127.0.0.1;host=\"{host}\";proto=http"),
    ] {
        assert!(answer.text().lines().any(|seen| seen == line), "{line} not in\n{}", answer.text());
    }
    assert!(!answer.text().contains("6.6.6.6"));
    assert_eq!(answer.headers["x-end"], "2");
    assert!(!answer.headers.contains_key("x-hop"));
}

#[tokio::test]
async fn a_trusted_peer_is_believed() {
    let bed = Bed::start_with(|config| config.trusted = vec!["127.0.0.0/8".parse().unwrap()]).await;
    let web = mirror().await;
    bed.deploy(1, std::slice::from_ref(&web.backend)).await;
    let request = Request::get("/")
        .header("host", HOST)
        .header("x-forwarded-for", "6.6.6.6")
        .header("x-forwarded-proto", "https")
        .body(empty())
        .unwrap();
    let answer = bed.connect().await.send(request).await;
    assert!(answer.text().contains("x-forwarded-for: 6.6.6.6, 127.0.0.1\n"));
    assert!(answer.text().contains("x-forwarded-proto: https\n"));
}

#[tokio::test]
async fn a_target_in_absolute_form_counts_more_than_the_host_field() {
    let bed = Bed::start().await;
    let web = mirror().await;
    bed.deploy(1, std::slice::from_ref(&web.backend)).await;
    let answer = bed
        .say(&format!("GET http://{HOST}/x?y HTTP/1.1\r\nHost: other.example\r\nConnection: close\r\n\r\n"))
        .await;
    assert!(answer.contains("GET /x?y\n") && answer.contains(&format!("host: {HOST}\n")), "{answer}");
}
