use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use tokio::sync::mpsc;

use crate::client::fault::Fault;
use crate::client::link::Link;
use crate::client::manifest::Descriptor;
use crate::client::script::{Script, Seen, Shelf, broken_off, clock, options, sha256, stalled, status};
use crate::client::{BlobFetcher, BlobSink, RemoteImage};

const SIZE: usize = 300_000;

fn content() -> Bytes {
    (0..SIZE).map(|at| (at * at / 7) as u8).collect()
}

/// A registry with one blob; `odd` may answer in its stead.
async fn registry(odd: impl Fn(&Seen, &Bytes) -> Option<Response> + Send + Sync + 'static) -> Script {
    let mut shelf = Shelf::default();
    shelf.blob(&content());
    Script::start(move |seen| odd(seen, &content()).unwrap_or_else(|| shelf.answer(seen))).await
}

/// Fetches the blob; the answer has the bytes that arrived.
async fn fetch(script: &Script) -> Result<Vec<u8>, Fault> {
    fetch_as(script, &Descriptor { digest: sha256(&content()), size: SIZE as u64 }).await
}

async fn fetch_as(script: &Script, blob: &Descriptor) -> Result<Vec<u8>, Fault> {
    let link = Arc::new(Link::new(options(), 7, clock()).unwrap());
    let (bytes, mut arriving) = mpsc::channel::<Bytes>(4);
    let arrived = Arc::new(AtomicU64::new(0));
    let sink = BlobSink { bytes, arrived: Arc::clone(&arrived) };
    let collect = tokio::spawn(async move {
        let mut all = Vec::new();
        while let Some(chunk) = arriving.recv().await {
            all.extend_from_slice(&chunk);
        }
        all
    });
    let reference = script.reference("acme/web:1");
    let image = RemoteImage { reference: &reference, login: None };
    let result = BlobFetcher::new(link).fetch(image, blob, sink).await;
    let all = collect.await.unwrap();
    assert_eq!(arrived.load(Ordering::Relaxed), all.len() as u64);
    result.map(|()| all)
}

fn ranges(script: &Script) -> Vec<Option<String>> {
    script.requests().iter().map(|seen| seen.header("range").map(str::to_owned)).collect()
}

#[tokio::test]
async fn a_blob_arrives_whole() {
    let script = registry(|_, _| None).await;
    assert_eq!(fetch(&script).await.unwrap(), content());
    assert_eq!(ranges(&script), [None]);
}

#[tokio::test]
async fn a_blob_that_broke_off_is_continued_where_it_was() {
    let script = registry(|seen, all| match seen.nth {
        0 => Some(broken_off(all, 100_000)),
        1 => Some(stalled_part(all, 100_000, 50_000)),
        _ => None,
    })
    .await;
    assert_eq!(fetch(&script).await.unwrap(), content());
    let asked = [None, Some("bytes=100000-".into()), Some("bytes=150000-".into())];
    assert_eq!(ranges(&script), asked);
}

fn stalled_part(all: &Bytes, from: usize, count: usize) -> Response {
    let mut response = stalled(&all.slice(from..), count);
    *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    let range = format!("bytes {from}-{}/{}", all.len() - 1, all.len());
    response.headers_mut().insert("content-range", range.parse().unwrap());
    response
}

#[tokio::test]
async fn a_registry_that_ignores_ranges_is_read_from_the_start_and_nothing_comes_twice() {
    let script = registry(|seen, all| match seen.nth {
        0 => Some(broken_off(all, 100_000)),
        _ => Some(all.clone().into_response()),
    })
    .await;
    assert_eq!(fetch(&script).await.unwrap(), content());
}

#[tokio::test]
async fn a_registry_that_sends_wrong_parts_is_asked_for_all_of_it() {
    for wrong in [206, 416] {
        let script = registry(move |seen, all| match (seen.nth, seen.header("range")) {
            (0, _) => Some(broken_off(all, 100_000)),
            (_, Some(_)) if wrong == 416 => Some(status(416)),
            (_, Some(_)) => {
                let range = [("content-range", "bytes 0-299999/300000")];
                Some((StatusCode::PARTIAL_CONTENT, range, all.clone()).into_response())
            }
            _ => None,
        })
        .await;
        assert_eq!(fetch(&script).await.unwrap(), content(), "{wrong}");
        assert_eq!(ranges(&script), [None, Some("bytes=100000-".into()), None]);
    }
}

#[tokio::test]
async fn a_stumbling_registry_is_asked_again_a_few_times() {
    let script = registry(|seen, _| (seen.nth < 2).then(|| status(503))).await;
    assert_eq!(fetch(&script).await.unwrap(), content());
    let script = registry(|_, _| Some(status(500))).await;
    assert!(matches!(fetch(&script).await, Err(Fault::Refused(refusal)) if refusal.status == 500));
    assert_eq!(script.requests().len(), 3);
}

#[tokio::test]
async fn a_registry_that_stalls_is_given_up() {
    let script = registry(|_, all| Some(stalled(all, 0))).await;
    assert!(matches!(fetch(&script).await, Err(Fault::Stalled(_))));
    assert_eq!(script.requests().len(), 3);
}

#[tokio::test]
async fn a_registry_that_trickles_is_given_up_as_one_that_stalls() {
    let script = registry(|seen, all| Some(stalled_part(all, 100 * seen.nth, 100))).await;
    assert!(matches!(fetch(&script).await, Err(Fault::Stalled(_))));
    assert_eq!(ranges(&script), [None, Some("bytes=100-".into()), Some("bytes=200-".into())]);
}

#[tokio::test]
async fn wrong_bytes_are_refused_and_not_asked_for_again() {
    let script = registry(|_, all| Some(Bytes::from(vec![0; all.len()]).into_response())).await;
    assert!(matches!(fetch(&script).await, Err(Fault::WrongDigest { .. })));
    assert_eq!(script.requests().len(), 1);
}

#[tokio::test]
async fn a_blob_of_another_size_is_refused_before_a_byte_is_read() {
    let script = registry(|_, _| None).await;
    for size in [SIZE as u64 - 1, SIZE as u64 + 1] {
        let blob = Descriptor { digest: sha256(&content()), size };
        let fault = fetch_as(&script, &blob).await.unwrap_err();
        assert!(matches!(fault, Fault::WrongSize { actual, .. } if actual == SIZE as u64), "{fault}");
    }
}

#[tokio::test]
async fn a_blob_that_does_not_say_its_size_is_refused_while_it_is_read() {
    let unsized_answer = |count: usize| {
        move |_: &Seen, all: &Bytes| {
            let chunks = vec![all.slice(..SIZE.min(count)); count.div_ceil(SIZE)]
                .into_iter()
                .map(Ok::<_, std::io::Error>);
            Some(axum::body::Body::from_stream(futures_util::stream::iter(chunks)).into_response())
        }
    };
    let script = registry(unsized_answer(2 * SIZE)).await;
    assert!(matches!(fetch(&script).await, Err(Fault::WrongSize { .. })));
    let script = registry(unsized_answer(SIZE / 2)).await;
    assert!(matches!(fetch(&script).await, Err(Fault::Truncated { .. })));
}

#[tokio::test]
async fn a_reader_that_has_gone_away_does_not_hide_wrong_bytes() {
    let script = registry(|_, all| Some(Bytes::from(vec![0; all.len()]).into_response())).await;
    let link = Arc::new(Link::new(options(), 7, clock()).unwrap());
    let (bytes, gone) = mpsc::channel::<Bytes>(1);
    drop(gone);
    let blob = Descriptor { digest: sha256(&content()), size: SIZE as u64 };
    let sink = BlobSink { bytes, arrived: Arc::default() };
    let reference = script.reference("acme/web:1");
    let image = RemoteImage { reference: &reference, login: None };
    let result = BlobFetcher::new(link).fetch(image, &blob, sink).await;
    assert!(matches!(result, Err(Fault::WrongDigest { .. })));
}
