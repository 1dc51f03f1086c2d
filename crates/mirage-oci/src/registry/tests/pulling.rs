use http::{Method, StatusCode};
use serde_json::json;

use super::bench::{Bench, OCI_IMAGE, OCI_INDEX, sha256};

#[tokio::test]
async fn a_registry_says_that_it_is_one() {
    let bench = Bench::new();
    for path in ["/v2/", "/v2"] {
        let answer = bench.get(path).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.header("docker-distribution-api-version"), "registry/2.0");
    }
    assert_eq!(bench.get("/v2/web").await.fault(), "404 UNSUPPORTED");
    let wrong = bench.send(Method::POST, "/v2/", "").await;
    assert_eq!((wrong.fault().as_str(), wrong.header("allow")), ("405 UNSUPPORTED", "GET, HEAD"));
    assert_eq!(bench.send(Method::OPTIONS, "/v2/", "").await.fault(), "405 UNSUPPORTED");
}

#[tokio::test]
async fn a_blob_comes_whole_or_in_parts() {
    let bench = Bench::new();
    let digest = bench.blob("web", b"0123456789").await;
    let path = format!("/v2/web/blobs/{digest}");

    let whole = bench.get(&path).await;
    assert_eq!((whole.status, whole.body.as_slice()), (StatusCode::OK, b"0123456789".as_slice()));
    assert_eq!(whole.header("docker-content-digest"), digest.to_string());
    assert_eq!((whole.header("content-length"), whole.header("accept-ranges")), ("10", "bytes"));
    let head = bench.send(Method::HEAD, &path, "").await;
    assert_eq!((head.status, head.header("content-length"), head.body.len()), (StatusCode::OK, "10", 0));

    let part = bench.send_with(Method::GET, &path, &[("range", "bytes=3-5")], "").await;
    assert_eq!((part.status, part.body.as_slice()), (StatusCode::PARTIAL_CONTENT, b"345".as_slice()));
    assert_eq!((part.header("content-range"), part.header("content-length")), ("bytes 3-5/10", "3"));
    let rest = bench.send_with(Method::GET, &path, &[("range", "bytes=7-")], "").await;
    assert_eq!(rest.body, b"789");
    let changed = [("range", "bytes=7-"), ("if-range", "\"other\"")];
    assert_eq!(bench.send_with(Method::GET, &path, &changed, "").await.body.len(), 10);
    let backwards = bench.send_with(Method::GET, &path, &[("range", "bytes=5-0")], "").await;
    assert_eq!(backwards.fault(), "416 RANGE_INVALID");
    let outside = bench.send_with(Method::GET, &path, &[("range", "bytes=10-")], "").await;
    assert_eq!(
        (outside.fault().as_str(), outside.header("content-range")),
        ("416 RANGE_INVALID", "bytes */10")
    );
}

#[tokio::test]
async fn an_empty_blob_is_a_blob() {
    let bench = Bench::new();
    let digest = bench.blob("web", b"").await;
    let answer = bench.get(&format!("/v2/web/blobs/{digest}")).await;
    assert_eq!((answer.status, answer.header("content-length")), (StatusCode::OK, "0"));
}

#[tokio::test]
async fn a_manifest_is_found_by_tag_and_by_digest() {
    let bench = Bench::new();
    let digest = bench.image("acme/web", "1.0", b"layer").await;
    for name in ["1.0", &digest.to_string()] {
        let path = format!("/v2/acme/web/manifests/{name}");
        let answer = bench.get(&path).await;
        assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, OCI_IMAGE));
        assert_eq!(answer.header("docker-content-digest"), digest.to_string());
        assert_eq!(sha256(&answer.body), digest);
        let head = bench.send(Method::HEAD, &path, "").await;
        assert_eq!(head.header("content-length"), answer.body.len().to_string());
        assert!(head.body.is_empty());
    }
    assert_eq!(bench.get("/v2/acme/web/manifests/2.0").await.fault(), "404 MANIFEST_UNKNOWN");
    assert_eq!(bench.get("/v2/acme/web/manifests/.INVALID").await.fault(), "404 MANIFEST_UNKNOWN");
    assert_eq!(
        bench.get(&format!("/v2/acme/other/manifests/{digest}")).await.fault(),
        "404 MANIFEST_UNKNOWN"
    );
    let layer = sha256(b"layer");
    assert_eq!(bench.get(&format!("/v2/acme/web/manifests/{layer}")).await.fault(), "404 MANIFEST_UNKNOWN");
    assert_eq!(bench.get(&format!("/v2/acme/web/blobs/{digest}")).await.fault(), "404 BLOB_UNKNOWN");
}

#[tokio::test]
async fn names_are_listed_page_by_page() {
    let bench = Bench::new();
    for tag in ["b", "a", "10", "A"] {
        bench.image("acme/web", tag, b"layer").await;
    }
    bench.image("web", "1", b"layer").await;
    bench.blob("started/only", b"layer").await;

    let all = bench.get("/v2/acme/web/tags/list").await;
    assert_eq!(all.json(), json!({"name": "acme/web", "tags": ["10", "A", "a", "b"]}));
    assert_eq!(all.header("link"), "");
    let first = bench.get("/v2/acme/web/tags/list?n=2").await;
    assert_eq!(first.json()["tags"], json!(["10", "A"]));
    assert_eq!(first.header("link"), "</v2/acme/web/tags/list?n=2&last=A>; rel=\"next\"");
    assert_eq!(bench.get("/v2/acme/web/tags/list?n=2&last=A").await.json()["tags"], json!(["a", "b"]));
    assert_eq!(bench.get("/v2/acme/web/tags/list?n=0").await.json()["tags"], json!([]));
    assert_eq!(bench.get("/v2/acme/web/tags/list?n=x").await.fault(), "400 PAGINATION_NUMBER_INVALID");
    assert_eq!(bench.get("/v2/nothing/tags/list").await.fault(), "404 NAME_UNKNOWN");
    assert_eq!(bench.get("/v2/started/only/tags/list").await.json()["tags"], json!([]));

    assert_eq!(bench.get("/v2/_catalog").await.json(), json!({"repositories": ["acme/web", "web"]}));
    let page = bench.get("/v2/_catalog?n=1").await;
    assert_eq!(page.header("link"), "</v2/_catalog?n=1&last=acme/web>; rel=\"next\"");
}

#[tokio::test]
async fn signatures_and_the_like_are_found_through_what_they_are_about() {
    let bench = Bench::new();
    let image = bench.image("web", "1", b"layer").await;
    let subject = json!({"mediaType": OCI_IMAGE, "digest": image, "size": 1});
    let extra = json!({"subject": subject, "artifactType": "x/signature", "annotations": {"by": "me"}});
    let signature = bench.image_manifest("web", b"signature", extra).await;
    let by_digest = sha256(signature.to_string().as_bytes()).to_string();
    let answer = bench.put_manifest("web", &by_digest, OCI_IMAGE, &signature).await;
    assert_eq!(
        (answer.status, answer.header("oci-subject")),
        (StatusCode::CREATED, image.to_string().as_str())
    );
    let signature_digest = answer.header("docker-content-digest").to_owned();
    let index = json!({"schemaVersion": 2, "manifests": [], "subject": subject});
    let index_digest = bench.manifest("web", "list", OCI_INDEX, &index).await;

    let path = format!("/v2/web/referrers/{image}");
    let all = bench.get(&path).await;
    assert_eq!(all.header("content-type"), OCI_INDEX);
    assert_eq!(
        (&all.json()["schemaVersion"], all.json()["manifests"].as_array().unwrap().len()),
        (&json!(2), 2)
    );
    let filtered = bench.get(&format!("{path}?artifactType=x%2Fsignature")).await;
    assert_eq!(filtered.header("oci-filters-applied"), "artifactType");
    assert_eq!(
        filtered.json()["manifests"],
        json!([{
            "mediaType": OCI_IMAGE,
            "size": signature.to_string().len(),
            "digest": signature_digest,
            "artifactType": "x/signature",
            "annotations": {"by": "me"},
        }])
    );
    bench.send(Method::DELETE, &format!("/v2/web/manifests/{index_digest}"), "").await;
    assert_eq!(bench.get(&path).await.json()["manifests"].as_array().unwrap().len(), 1);
    let nobody = bench.get(&format!("/v2/nothing/referrers/{image}")).await;
    assert_eq!((nobody.status, nobody.json()["manifests"].clone()), (StatusCode::OK, json!([])));
    assert_eq!(bench.get("/v2/web/referrers/sha256:x").await.fault(), "400 DIGEST_INVALID");
}

#[tokio::test]
async fn a_long_answer_about_referrers_comes_in_parts() {
    let bench = Bench::new();
    let subject = json!({"mediaType": OCI_IMAGE, "digest": sha256(b"absent"), "size": 1});
    let filler = "x".repeat(1_500_000);
    for n in 0..4 {
        let index = json!({"schemaVersion": 2, "manifests": [], "subject": subject, "artifactType": "a/b+c",
            "annotations": {"n": n.to_string(), "filler": filler}});
        bench.manifest("web", &format!("t{n}"), OCI_INDEX, &index).await;
    }
    let mut path = format!("/v2/web/referrers/{}?artifactType=a%2Fb%2Bc", sha256(b"absent"));
    let mut sizes = Vec::new();
    while !path.is_empty() {
        let answer = bench.get(&path).await;
        sizes.push(answer.json()["manifests"].as_array().unwrap().len());
        path = answer.header("link").trim_start_matches('<').split('>').next().unwrap_or("").to_owned();
    }
    assert_eq!(sizes, [2, 2]);
}
