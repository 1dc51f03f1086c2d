use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use mirage_core::port::Router;
use mirage_core::{Code, RouteTable};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::Semaphore;

use super::bed::{Bed, HOST, Instance, PATIENCE, files, table, until};
use crate::{Open, ProxyHandle, ProxyRecord};

#[tokio::test]
async fn an_older_table_never_replaces_a_newer_one_unless_a_new_count_begins() {
    let bed = Bed::start().await;
    bed.deploy(5, &[]).await;
    bed.deploy(5, &[]).await;
    let refused = bed.handle.publish(&table(4, &[])).await.unwrap_err();
    assert_eq!(refused.code(), Code::Conflict);
    assert_eq!(refused.message(), "route table `4` is older than `5`, which is in force");
    assert_eq!(bed.handle.table().await.unwrap().generation, 5);
    bed.handle.publish_anew(&table(1, &[])).await.unwrap();
    assert_eq!(bed.handle.table().await.unwrap(), table(1, &[]));
}

#[tokio::test]
async fn draining_waits_for_what_is_open_and_no_longer_than_it_may() {
    let bed = Bed::start().await;
    let gate = Arc::new(Semaphore::new(0));
    let slow = Instance::held(&gate, "done").await;
    bed.deploy(1, std::slice::from_ref(&slow.backend)).await;
    let (mut first, mut second) = (bed.connect().await, bed.connect().await);
    let first = tokio::spawn(async move { first.get("/").await });
    let second = tokio::spawn(async move { second.get("/").await });
    until(|| slow.accepted() == 2).await;

    let next = Instance::saying("next").await;
    bed.deploy(2, std::slice::from_ref(&next.backend)).await;
    assert_eq!(bed.handle.drain(slow.backend.instance, Duration::from_millis(20)).await.unwrap(), 2);
    let draining = tokio::spawn({
        let (handle, instance) = (bed.handle.clone(), slow.backend.instance);
        async move { handle.drain(instance, PATIENCE).await.unwrap() }
    });
    assert_eq!(bed.get(HOST, "/").await.text(), "next");
    gate.add_permits(2);
    assert_eq!(draining.await.unwrap(), 0);
    for answer in [first.await.unwrap(), second.await.unwrap()] {
        assert_eq!(answer.text(), "done");
    }
    assert_eq!(bed.handle.drain(next.backend.instance, PATIENCE).await.unwrap(), 0);
}

#[tokio::test]
async fn the_status_tells_what_is_going_on() {
    let bed = Bed::start().await;
    bed.deploy(3, &[]).await;
    let _client = bed.connect().await;
    let connected = async { while bed.handle.status().await.unwrap().connections != 1 {} };
    tokio::time::timeout(PATIENCE, connected).await.unwrap();
    let status = bed.handle.status().await.unwrap();
    assert_eq!((status.pid, status.generation, status.open), (std::process::id(), 3, Open::default()));
    assert_eq!(status.listen, [bed.address]);
    assert!(!status.has_predecessor);
}

#[tokio::test]
async fn the_folder_holds_a_record_and_a_socket_for_its_owner_alone() {
    let bed = Bed::start().await;
    let run = bed.run();
    let mode = |name: &str| std::fs::metadata(run.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("."), mode("proxy.sock")), (0o700, 0o600));
    let record = ProxyRecord::read(&run).unwrap();
    assert!(record.is_alive());
    assert_eq!(record.listen, [bed.address]);
    bed.handle.shutdown(PATIENCE).await.unwrap();
    bed.ended().await.unwrap();
    assert_eq!(files(&run), Vec::<String>::new());
}

#[tokio::test]
async fn ending_finishes_what_has_begun() {
    let bed = Bed::start().await;
    let gate = Arc::new(Semaphore::new(0));
    let slow = Instance::held(&gate, "done").await;
    bed.deploy(1, std::slice::from_ref(&slow.backend)).await;
    let mut client = bed.connect().await;
    let answer = tokio::spawn(async move { client.get("/").await });
    until(|| slow.accepted() == 1).await;
    let ending = tokio::spawn({
        let handle = bed.handle.clone();
        async move { handle.shutdown(PATIENCE).await.unwrap() }
    });
    until(|| std::net::TcpStream::connect(bed.address).is_err()).await;
    gate.add_permits(1);
    assert_eq!(answer.await.unwrap().text(), "done");
    assert_eq!(ending.await.unwrap(), Open::default());
    bed.ended().await.unwrap();
}

#[tokio::test]
async fn a_table_on_disk_serves_before_control_is_back() {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let web = Instance::saying("still here").await;
    let start = || Bed::start_in(folder.clone(), "127.0.0.1:0".parse().unwrap(), |_| {});
    let bed = start().await;
    bed.deploy(9, std::slice::from_ref(&web.backend)).await;
    bed.handle.shutdown(PATIENCE).await.unwrap();
    bed.ended().await.unwrap();

    let bed = start().await;
    assert_eq!(bed.get(HOST, "/").await.text(), "still here");
    assert_eq!(bed.handle.table().await.unwrap().generation, 9);
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let _listener = std::net::TcpListener::bind(taken).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config =
        crate::ProxyConfig::new(vec![taken], folder.path().join("run"), Arc::new(super::bed::Urandom));
    let error = std::thread::spawn(|| crate::run(config)).join().unwrap().unwrap_err();
    assert_eq!(error.code(), Code::TargetUnavailable);
    assert_eq!(error.message(), format!("the proxy cannot listen on `{taken}`"));
    assert!(error.next_step().unwrap().contains("ss -ltnp"));
}

#[tokio::test]
async fn two_proxies_of_different_folders_never_share_an_address() {
    let bed = Bed::start().await;
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let config = crate::ProxyConfig::new(vec![bed.address], run, Arc::new(super::bed::Urandom));
    let error = std::thread::spawn(|| crate::run(config)).join().unwrap().unwrap_err();
    assert_eq!(error.code(), Code::TargetUnavailable);
}

#[tokio::test]
async fn without_a_proxy_the_error_says_where_it_was_looked_for() {
    let folder = tempfile::tempdir().unwrap();
    let handle = ProxyHandle::new(folder.path());
    let error = handle.publish(&RouteTable::default()).await.unwrap_err();
    assert_eq!(error.code(), Code::TargetUnavailable);
    assert!(error.message().contains("proxy.sock"));
}

#[tokio::test]
async fn nonsense_on_the_control_socket_is_answered_and_hurts_nobody() {
    let bed = Bed::start().await;
    for nonsense in ["\n", "{}\n", "{\"op\":\"publish\"}\n", "{\"op\":\"retire\"}\n", "\u{0}\n"] {
        let mut stream = UnixStream::connect(bed.run().join("proxy.sock")).await.unwrap();
        stream.write_all(nonsense.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.contains("\"answer\":\"refused\""), "{nonsense:?}: {answer}");
    }
    assert_eq!(bed.get(HOST, "/").await.status, StatusCode::NOT_FOUND);
}
