use http::{Method, StatusCode};

use super::bench::{Bench, basic, sha256};

#[tokio::test]
async fn nobody_is_answered_without_a_token() {
    let bench = Bench::new();
    bench.image("web", "1", b"layer").await;
    for (method, path) in [
        (Method::GET, "/v2/"),
        (Method::GET, "/v2/_catalog"),
        (Method::GET, "/v2/web/tags/list"),
        (Method::GET, "/v2/web/manifests/1"),
        (Method::POST, "/v2/web/blobs/uploads/"),
        (Method::DELETE, "/v2/web/manifests/1"),
        (Method::GET, "/v2/../../etc/passwd"),
    ] {
        let answer = bench.send_with(method, path, &[("authorization", "Basic bm86Ym9keQ==")], "").await;
        assert_eq!(answer.fault(), "401 UNAUTHORIZED", "{path}");
        assert_eq!(answer.header("www-authenticate"), "Basic realm=\"mirage\"");
        assert_eq!(answer.header("docker-distribution-api-version"), "registry/2.0");
    }
}

#[tokio::test]
async fn a_reader_reads_and_nothing_else() {
    let bench = Bench::new();
    let reader = basic("reader");
    let headers = [("authorization", reader.as_str())];
    let digest = bench.image("public/web", "1", b"layer").await;
    bench.image("private/web", "1", b"layer").await;
    for (method, path, status) in [
        (Method::GET, "/v2/".to_owned(), 200),
        (Method::GET, "/v2/public/web/manifests/1".to_owned(), 200),
        (Method::HEAD, format!("/v2/public/web/blobs/{}", sha256(b"layer")), 200),
        (Method::GET, "/v2/private/web/manifests/1".to_owned(), 403),
        (Method::GET, "/v2/_catalog".to_owned(), 403),
        (Method::PUT, "/v2/public/web/manifests/1".to_owned(), 403),
        (Method::DELETE, format!("/v2/public/web/manifests/{digest}"), 403),
        (Method::DELETE, format!("/v2/public/web/blobs/{}", sha256(b"layer")), 403),
        (Method::POST, "/v2/public/web/blobs/uploads/".to_owned(), 403),
        (Method::GET, format!("/v2/public/web/blobs/uploads/{}", "0".repeat(32)), 403),
    ] {
        let answer = bench.send_with(method, &path, &headers, "").await;
        assert_eq!(answer.status.as_u16(), status, "{path}");
        if status == 403 {
            assert_eq!(answer.fault(), "403 DENIED");
        }
    }
}

#[tokio::test]
async fn a_blob_is_readable_only_through_a_repository_that_has_it() {
    let bench = Bench::new();
    let secret = bench.blob("private/web", b"secret").await;
    let elsewhere = format!("/v2/public/web/blobs/{secret}");
    assert_eq!(bench.get(&elsewhere).await.fault(), "404 BLOB_UNKNOWN");

    // Uploading the same bytes proves that one has them.
    bench.blob("public/web", b"secret").await;
    assert_eq!(bench.get(&elsewhere).await.body, b"secret");
    bench.send(Method::DELETE, &elsewhere, "").await;
    assert_eq!(bench.get(&elsewhere).await.fault(), "404 BLOB_UNKNOWN");
    assert_eq!(bench.get(&format!("/v2/private/web/blobs/{secret}")).await.body, b"secret");
}

#[tokio::test]
async fn a_blob_is_mounted_from_where_it_may_be_read() {
    let bench = Bench::new();
    let digest = bench.blob("private/web", b"layer").await;
    let mount = format!("/v2/public/web/blobs/uploads/?mount={digest}&from=private/web");
    let mounted = bench.send(Method::POST, &mount, "").await;
    assert_eq!(mounted.status, StatusCode::CREATED);
    assert_eq!(mounted.header("location"), format!("/v2/public/web/blobs/{digest}"));
    assert_eq!(bench.get(mounted.header("location")).await.body, b"layer");

    let absent = mount.replace(&digest.to_string(), &sha256(b"absent").to_string());
    assert_eq!(bench.send(Method::POST, &absent, "").await.status, StatusCode::ACCEPTED);
    let unknown = mount.replace("from=private/web", "from=../etc");
    assert_eq!(bench.send(Method::POST, &unknown, "").await.status, StatusCode::ACCEPTED);
    let without = mount.replace("&from=private/web", "");
    assert_eq!(bench.send(Method::POST, &without, "").await.status, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn a_mount_needs_the_right_to_pull_there_and_tells_nothing_without() {
    let bench = Bench::new();
    let secret = bench.blob("private/web", b"secret").await;
    let shared = bench.blob("public/base", b"shared").await;
    let pusher = basic("pusher");
    let headers = [("authorization", pusher.as_str())];
    let mount = |digest: &mirage_core::Digest, from: &str| {
        format!("/v2/public/web/blobs/uploads/?mount={digest}&from={from}")
    };
    // What is there, what is not, and where it is not: all the same to whoever may not read it.
    let absent = sha256(b"absent");
    for (digest, from) in [(&secret, "private/web"), (&absent, "private/web"), (&secret, "private/none")] {
        let answer = bench.send_with(Method::POST, &mount(digest, from), &headers, "").await;
        assert_eq!((answer.status, answer.header("range")), (StatusCode::ACCEPTED, "0-0"));
        assert!(answer.header("location").starts_with("/v2/public/web/blobs/uploads/"));
        bench.send(Method::DELETE, answer.header("location"), "").await;
    }
    assert_eq!(bench.get(&format!("/v2/public/web/blobs/{secret}")).await.fault(), "404 BLOB_UNKNOWN");
    let allowed = bench.send_with(Method::POST, &mount(&shared, "public/base"), &headers, "").await;
    assert_eq!(allowed.status, StatusCode::CREATED);

    // Into a repository that one may not push to nothing is mounted, wherever it comes from.
    let into = mount(&shared, "public/base").replace("/v2/public/web/", "/v2/private/web/");
    assert_eq!(bench.send_with(Method::POST, &into, &headers, "").await.fault(), "403 DENIED");
}
