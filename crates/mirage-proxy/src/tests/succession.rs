use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use http::{Request, Response, StatusCode};
use mirage_core::port::Router;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::Semaphore;

use super::bed::{Bed, Client, HOST, Instance, PATIENCE, empty, full, table, until, zone};

#[tokio::test]
async fn taking_over_under_load_loses_nothing() {
    let mut bed = Bed::start().await;
    let web = Instance::saying("fine").await;
    bed.deploy(1, std::slice::from_ref(&web.backend)).await;
    let stop = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicUsize::new(0));
    let address = bed.address;
    let mut clients = Vec::new();
    for number in 0..8 {
        let (stop, answered) = (stop.clone(), answered.clone());
        clients.push(tokio::spawn(async move {
            let mut kept = Client::connect(address).await;
            while !stop.load(SeqCst) {
                // Half of them open a connection for every request, the others keep theirs for as
                // long as they are not told otherwise.
                if number % 2 == 0 {
                    kept = Client::connect(address).await;
                }
                let answer = kept.get("/").await;
                assert_eq!((answer.status, answer.text()), (StatusCode::OK, "fine"));
                if answer.headers.get("connection").is_some_and(|value| value == "close") {
                    kept = Client::connect(address).await;
                }
                answered.fetch_add(1, SeqCst);
            }
        }));
    }
    for _ in 0..5 {
        let goal = answered.load(SeqCst) + 100;
        until(|| answered.load(SeqCst) > goal).await;
        let successor = bed.start_successor().await;
        let old = std::mem::replace(&mut bed, successor);
        old.ended().await.unwrap();
    }
    stop.store(true, SeqCst);
    for client in clients {
        client.await.unwrap();
    }
    let status = bed.handle.status().await.unwrap();
    assert!(!status.has_predecessor);
}

#[tokio::test]
async fn the_successor_answers_for_requests_that_the_old_process_still_has() {
    let old = Bed::start().await;
    let gate = Arc::new(Semaphore::new(0));
    let held = gate.clone();
    let slow = Instance::answering(move |_| {
        let held = held.clone();
        async move {
            held.acquire().await.unwrap().forget();
            Response::new(full("slow"))
        }
    })
    .await;
    old.deploy(1, std::slice::from_ref(&slow.backend)).await;
    let mut client = old.connect().await;
    let asking = tokio::spawn(async move {
        let first = client.get("/").await;
        (first, client)
    });
    until(|| slow.accepted() == 1).await;

    let new = old.start_successor().await;
    assert!(new.handle.status().await.unwrap().has_predecessor);
    let next = Instance::saying("next").await;
    new.deploy(2, std::slice::from_ref(&next.backend)).await;
    assert_eq!(new.get(HOST, "/").await.text(), "next");
    assert_eq!(new.handle.drain(slow.backend.instance, Duration::from_millis(20)).await.unwrap(), 1);
    gate.add_permits(1);
    assert_eq!(new.handle.drain(slow.backend.instance, PATIENCE).await.unwrap(), 0);
    let (first, mut client) = asking.await.unwrap();
    assert_eq!(first.text(), "slow");
    let last = Request::get("/").header("host", HOST).body(empty()).unwrap();
    if let Ok(answer) = client.try_send(last).await {
        assert_eq!(answer.text(), "next", "the old process follows the new table");
    }
    old.ended().await.unwrap();
    assert_eq!(new.get(HOST, "/").await.text(), "next");
}

#[tokio::test]
async fn a_take_over_that_is_not_finished_never_happened() {
    let bed = Bed::start().await;
    let mut stream = UnixStream::connect(bed.run().join("proxy.sock")).await.unwrap();
    stream.write_all(b"{\"op\":\"handOver\"}\n").await.unwrap();
    let mut answer = [0; 2048];
    let length = stream.read(&mut answer).await.unwrap();
    assert!(String::from_utf8_lossy(&answer[..length]).contains("\"answer\":\"handingOver\""));
    let publishing = tokio::spawn({
        let handle = bed.handle.clone();
        async move { handle.publish(&table(3, &[])).await }
    });
    drop(stream);
    publishing.await.unwrap().unwrap();
    assert_eq!(bed.handle.table().await.unwrap().generation, 3);
}

#[tokio::test]
async fn names_go_on_being_answered() {
    let port = super::names::free_port().await;
    let old = Bed::start_with(|config| config.names.port = port).await;
    let mut table = table(1, &[]);
    table.zones = vec![zone("127.0.0.77", &[("web", &["10.1.0.2"])])];
    old.handle.publish(&table).await.unwrap();
    let resolver = ("127.0.0.77", port);
    assert_eq!(super::names::ask_udp(resolver, "web").await, ["10.1.0.2"]);
    let new = old.start_successor_with(|config| config.names.port = port).await;
    old.ended().await.unwrap();
    assert_eq!(super::names::ask_udp(resolver, "web.internal").await, ["10.1.0.2"]);
    assert_eq!(super::names::ask_tcp(resolver, "web").await, ["10.1.0.2"]);
    assert!(new.handle.status().await.unwrap().unbound_zones.is_empty());
}
