use http::header::{HOST, UPGRADE};

use super::*;

fn origin(trusted: bool) -> Origin {
    Origin::new("203.0.113.9".parse().unwrap(), 8080, trusted, false)
}

/// The head as a backend sees it, one `name: value` a line.
fn forwarded(origin: &Origin, fields: &[(&str, &str)]) -> String {
    let mut request = Request::get("/x");
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let mut request = request.body(()).unwrap();
    let host = HeaderValue::from_static("a.example:8080");
    if !to_backend(&mut request, origin, &host, false).unwrap() {
        for (name, value) in origin.fields(&host) {
            assert!(request.headers_mut().insert(name, value).is_none(), "no claim is left");
        }
    }
    let lines =
        request.headers().iter().map(|(name, value)| format!("{name}: {}\n", value.to_str().unwrap()));
    let mut lines: Vec<String> = lines.collect();
    lines.sort();
    lines.concat()
}

const OURS: &str = "forwarded: for=203.0.113.9;host=\"a.example:8080\";proto=http\n";

#[test]
fn a_backend_hears_who_the_client_is() {
    assert_eq!(
        forwarded(&origin(false), &[("accept", "*/*")]),
        format!(
            "accept: */*\n{OURS}x-forwarded-for: 203.0.113.9\nx-forwarded-host: a.example:8080\n\
             x-forwarded-port: 8080\nx-forwarded-proto: http\n"
        )
    );
}

#[test]
fn what_a_client_claims_about_itself_is_replaced() {
    let claims = [
        ("x-forwarded-for", "1.1.1.1"),
        ("x-forwarded-for", "2.2.2.2"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-user", "root"),
        ("x-forwarded-prefix", "/admin"),
        ("forwarded", "for=1.1.1.1"),
        ("x-real-ip", "1.1.1.1"),
        ("x_forwarded_for", "1.1.1.1"),
        ("x_real_ip", "1.1.1.1"),
        ("x_forwarded-for", "1.1.1.1"),
        ("x_mine", "stays"),
    ];
    assert_eq!(
        forwarded(&origin(false), &claims),
        format!(
            "{OURS}x-forwarded-for: 203.0.113.9\nx-forwarded-host: a.example:8080\n\
             x-forwarded-port: 8080\nx-forwarded-proto: http\nx-real-ip: 203.0.113.9\nx_mine: stays\n"
        )
    );
}

#[test]
fn what_a_trusted_proxy_says_is_continued() {
    let fields = [
        ("x-forwarded-for", "1.1.1.1"),
        ("x-forwarded-for", "2.2.2.2"),
        ("x-forwarded-proto", "https"),
        ("forwarded", "for=1.1.1.1;proto=https"),
        ("x-real-ip", "1.1.1.1"),
    ];
    assert_eq!(
        forwarded(&origin(true), &fields),
        "forwarded: for=1.1.1.1;proto=https, for=203.0.113.9;host=\"a.example:8080\";proto=http\n\
         x-forwarded-for: 1.1.1.1, 2.2.2.2, 203.0.113.9\nx-forwarded-host: a.example:8080\n\
         x-forwarded-port: 8080\nx-forwarded-proto: https\nx-real-ip: 1.1.1.1\n"
    );
    let long = "9".repeat(4096);
    let text = forwarded(&origin(true), &[("x-forwarded-for", &long)]);
    assert!(text.contains("x-forwarded-for: 203.0.113.9\n"));
}

#[test]
fn an_ipv6_client_is_quoted_as_the_standard_wants_it() {
    let origin = Origin::new("2001:db8::1".parse().unwrap(), 80, false, false);
    let value = origin.forwarded(&HeaderValue::from_static("a"));
    assert_eq!(value, "for=\"[2001:db8::1]\";host=\"a\";proto=http");
    let mapped = Origin::new("::ffff:10.0.0.1".parse().unwrap(), 80, false, false);
    assert_eq!(mapped.address, "10.0.0.1");
}

#[test]
fn what_concerns_one_hop_only_ends_here() {
    let fields = [
        ("connection", "keep-alive, X-Secret-Hop"),
        ("connection", "close"),
        ("x-secret-hop", "1"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("proxy-authorization", "Basic eA=="),
        ("proxy", "http://evil.example"),
        ("te", "gzip, trailers"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2c"),
        ("http2-settings", "AAMAAABkAARAAAAAAAIAAAAA"),
        ("expect", "100-continue"),
        ("authorization", "Basic eA=="),
    ];
    let text = forwarded(&origin(false), &fields);
    let names: Vec<&str> = text.lines().filter_map(|line| line.split(':').next()).collect();
    assert_eq!(
        names,
        [
            "authorization",
            "forwarded",
            "te",
            "x-forwarded-for",
            "x-forwarded-host",
            "x-forwarded-port",
            "x-forwarded-proto"
        ]
    );
    assert!(text.contains("te: trailers\n"));
}

#[test]
fn naming_our_fields_in_connection_does_not_remove_them() {
    let text = forwarded(&origin(false), &[("connection", "x-forwarded-for, forwarded")]);
    assert!(text.contains("x-forwarded-for: 203.0.113.9\n") && text.contains(OURS));
}

#[test]
fn a_connection_field_that_names_too_much_or_nonsense_is_refused() {
    for value in ["a, b c".to_owned(), vec!["x"; 33].join(",")] {
        let mut request = Request::get("/").header("connection", &value).body(()).unwrap();
        let host = HeaderValue::from_static("a");
        assert_eq!(to_backend(&mut request, &origin(false), &host, false), Err(Failure::BadHead), "{value}");
    }
}

#[test]
fn cookies_that_http2_has_split_become_one() {
    let mut request = Request::get("/")
        .version(Version::HTTP_2)
        .header(COOKIE, "a=1")
        .header(COOKIE, "b=2")
        .body(())
        .unwrap();
    to_backend(&mut request, &origin(false), &HeaderValue::from_static("a.example"), false).unwrap();
    assert_eq!(request.headers().get_all(COOKIE).iter().collect::<Vec<_>>(), ["a=1; b=2"]);
}

#[test]
fn a_response_loses_its_hop_fields_too() {
    let mut response = http::Response::builder()
        .header("connection", "close, x-internal")
        .header("x-internal", "1")
        .header("keep-alive", "timeout=5")
        .header(UPGRADE, "h2c")
        .header("set-cookie", "a=1")
        .header("set-cookie", "b=2")
        .header(HOST, "odd")
        .body(())
        .unwrap();
    to_client(response.headers_mut()).unwrap();
    let names: Vec<&str> = response.headers().iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["set-cookie", "set-cookie", "host"]);
}
