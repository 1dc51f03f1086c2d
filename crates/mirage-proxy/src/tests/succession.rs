use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use http::{Request, Response, StatusCode};
use mirage_core::port::{Randomness, Router};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::Semaphore;

use super::bed::{Bed, Client, HOST, Instance, PATIENCE, empty, files, full, table, until, zone};

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
    let slow = Instance::held(&gate, "slow").await;
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
async fn a_process_that_still_finishes_its_requests_is_looked_after_by_whoever_comes_next() {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let first = Bed::start_in(folder.clone(), "127.0.0.1:0".parse().unwrap(), |_| {}).await;
    let (slow, gate) = slow().await;
    first.deploy(1, std::slice::from_ref(&slow.backend)).await;
    let mut kept = first.connect().await;
    gate.add_permits(1);
    assert_eq!(kept.get("/").await.text(), "slow");
    let mut client = first.connect().await;
    let asking = tokio::spawn(async move { client.get("/").await });
    until(|| slow.asked() == 2).await;

    // The second has nothing to finish, and nobody takes over from it.
    let second = first.start_successor().await;
    let mut line = UnixStream::connect(second.run().join("proxy.sock")).await.unwrap();
    line.write_all(b"{\"op\":\"handOver\"}\n{\"op\":\"retire\"}\n").await.unwrap();
    line.read_to_end(&mut Vec::new()).await.unwrap();
    let address = second.address;
    second.ended().await.unwrap();

    let third = Bed::start_in(folder.clone(), address, |_| {}).await;
    let next = Instance::saying("next").await;
    third.deploy(2, std::slice::from_ref(&next.backend)).await;
    assert_eq!(kept.get("/").await.text(), "next", "also on a connection of the first");
    assert_eq!(third.handle.drain(slow.backend.instance, Duration::from_millis(20)).await.unwrap(), 1);
    gate.add_permits(1);
    assert_eq!(third.handle.drain(slow.backend.instance, PATIENCE).await.unwrap(), 0);
    assert_eq!(asking.await.unwrap().text(), "slow");
    first.ended().await.unwrap();
}

#[tokio::test]
async fn each_process_before_is_asked_once_however_many_there_are() {
    let first = Bed::start().await;
    let (slow, gate) = slow().await;
    first.deploy(1, std::slice::from_ref(&slow.backend)).await;
    let mut beds = vec![first];
    let mut asking = Vec::new();
    for count in 1..=3 {
        let mut client = beds[count - 1].connect().await;
        asking.push(tokio::spawn(async move { client.get("/").await }));
        until(|| slow.asked() == count).await;
        beds.push(beds[count - 1].start_successor().await);
    }
    let last = &beds[3].handle;
    assert_eq!(last.drain(slow.backend.instance, Duration::from_millis(20)).await.unwrap(), 3);
    assert_eq!(last.traffic(&[]).await.unwrap().len(), 4);
    gate.add_permits(3);
    for asked in asking {
        assert_eq!(asked.await.unwrap().text(), "slow");
    }
}

#[tokio::test]
async fn ending_the_proxy_ends_the_one_before_as_well() {
    let old = Bed::start().await;
    let (slow, _gate) = slow().await;
    old.deploy(1, std::slice::from_ref(&slow.backend)).await;
    let mut client = old.connect().await;
    let asking = tokio::spawn(async move {
        client.try_send(Request::get("/").header("host", HOST).body(empty()).unwrap()).await
    });
    until(|| slow.asked() == 1).await;
    let new = old.start_successor().await;
    let broken_off = new.handle.shutdown(Duration::from_millis(20)).await.unwrap();
    assert_eq!(broken_off.requests, 1);
    old.ended().await.unwrap();
    new.ended().await.unwrap();
    assert!(asking.await.unwrap().is_err());
}

#[tokio::test]
async fn a_process_before_that_is_stuck_keeps_no_table_waiting_here() {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let run = folder.path().join("run");
    std::fs::create_dir_all(&run).unwrap();
    // It lets others connect, and says nothing.
    let stuck = tokio::net::UnixListener::bind(run.join("proxy-stuck.sock")).unwrap();
    let bed = Bed::start_in(folder, "127.0.0.1:0".parse().unwrap(), |_| {}).await;
    assert!(bed.handle.status().await.unwrap().has_predecessor);
    let mut generation = 0;
    while bed.handle.status().await.unwrap().has_predecessor {
        generation += 1;
        let web = Instance::saying("fine").await;
        let publishing = tokio::spawn({
            let (handle, table) = (bed.handle.clone(), table(generation, std::slice::from_ref(&web.backend)));
            async move { handle.publish(&table).await }
        });
        let served = async { while bed.get(HOST, "/").await.status != StatusCode::OK {} };
        tokio::time::timeout(PATIENCE, served).await.unwrap();
        publishing.await.unwrap().unwrap();
    }

    // It moves again, and is told of the table before it counts as one that follows.
    let (heard, mut told) = tokio::sync::mpsc::unbounded_channel();
    let moving = tokio::spawn(async move {
        loop {
            let (stream, _) = stuck.accept().await.unwrap();
            tokio::spawn(attend(stream, "", heard.clone()));
        }
    });
    // Those that were queued come first, to nobody who waits any more.
    let in_force = format!("\"generation\":{generation},");
    while !told.recv().await.unwrap().contains(&in_force) {}
    let follows = async { while !bed.handle.status().await.unwrap().has_predecessor {} };
    tokio::time::timeout(PATIENCE, follows).await.unwrap();
    moving.abort();
}

/// Answers as a process that accepts connections at these addresses, or at none as it has retired, and hands on the
/// tables that it is told of.
pub(super) async fn attend(
    stream: UnixStream,
    listen: &str,
    heard: tokio::sync::mpsc::UnboundedSender<String>,
) {
    let status = format!(
        r#"{{"answer":"status","status":{{"pid":41,"version":"0.1.0","listen":[{listen}],"generation":7,"connections":3,"open":{{"requests":1,"upgraded":2}},"unboundZones":[],"hasPredecessor":false}}}}"#
    );
    let status = format!("{status}\n");
    let mut stream = tokio::io::BufReader::new(stream);
    let mut line = String::new();
    while stream.read_line(&mut line).await.is_ok_and(|length| length > 0) {
        let answer: &[u8] = match line.contains("\"op\":\"follow\"") {
            true => b"{\"answer\":\"done\"}\n",
            false => status.as_bytes(),
        };
        if stream.write_all(answer).await.is_ok() && answer.starts_with(b"{\"answer\":\"done") {
            let _ = heard.send(std::mem::take(&mut line));
        }
        line.clear();
    }
}

/// An instance that answers when it is let, and how often that may be.
async fn slow() -> (Slow, Arc<Semaphore>) {
    let (gate, asked) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
    let (held, count) = (gate.clone(), asked.clone());
    let instance = Instance::answering(move |_| {
        let held = held.clone();
        count.fetch_add(1, SeqCst);
        async move {
            held.acquire().await.unwrap().forget();
            Response::new(full("slow"))
        }
    })
    .await;
    (Slow { instance, asked }, gate)
}

struct Slow {
    instance: Instance,
    asked: Arc<AtomicUsize>,
}

impl Slow {
    fn asked(&self) -> usize {
        self.asked.load(SeqCst)
    }
}

impl std::ops::Deref for Slow {
    type Target = Instance;

    fn deref(&self) -> &Instance {
        &self.instance
    }
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
async fn a_successor_that_cannot_write_to_its_folder_has_accepted_nobody() {
    let bed = Bed::start().await;
    let web = Instance::saying("fine").await;
    bed.deploy(1, std::slice::from_ref(&web.backend)).await;
    let (before, address, run) =
        (std::fs::read_link(bed.run().join("proxy.sock")).unwrap(), bed.address, bed.run());
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let (stop, answered) = (stop.clone(), answered.clone());
            tokio::spawn(async move {
                while !stop.load(SeqCst) {
                    assert_eq!(Client::connect(address).await.get("/").await.text(), "fine");
                    answered.fetch_add(1, SeqCst);
                }
            })
        })
        .collect();
    // Where it would write its record, and where its link would be, something else is.
    let own = |byte: u8| format!("proxy-{}.sock.link", format!("{byte:02x}").repeat(6));
    for (number, obstacle) in
        [format!(".proxy.json.{}", std::process::id()), own(1), own(2), own(3)].iter().enumerate()
    {
        let obstacle = run.join(obstacle);
        std::fs::create_dir(&obstacle).unwrap();
        let goal = answered.load(SeqCst) + 100;
        until(|| answered.load(SeqCst) > goal).await;
        let name = u8::try_from(number).unwrap();
        let config = crate::ProxyConfig::new(vec![address], run.clone(), Arc::new(Always(name)));
        let thread = std::thread::spawn(move || crate::run(config));
        until(|| thread.is_finished()).await;
        let error = thread.join().unwrap().unwrap_err();
        assert!(error.message().ends_with("cannot be used"), "{}", error.message());
        std::fs::remove_dir(obstacle).unwrap();
    }
    stop.store(true, SeqCst);
    for client in clients {
        client.await.unwrap();
    }
    assert_eq!(std::fs::read_link(run.join("proxy.sock")).unwrap(), before);
    assert_eq!(files(&run), [before.to_str().unwrap(), "proxy.json", "proxy.sock", "routes.json"]);
    let next = bed.start_successor().await;
    assert_eq!(next.get(HOST, "/").await.text(), "fine");
}

#[tokio::test]
async fn a_successor_accepts_nobody_while_something_can_still_fail() {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let bed = Bed::start_in(folder.clone(), "127.0.0.1:0".parse().unwrap(), |_| {}).await;
    let web = Instance::saying("fine").await;
    bed.deploy(1, std::slice::from_ref(&web.backend)).await;
    let (address, run) = (bed.address, bed.run());
    // It waits for somebody to read its record, and cannot move it to its place.
    let draft = run.join(format!(".proxy.json.{}", std::process::id()));
    nix::unistd::mkfifo(&draft, nix::sys::stat::Mode::S_IRWXU).unwrap();
    std::fs::remove_file(run.join("proxy.json")).unwrap();
    std::fs::create_dir(run.join("proxy.json")).unwrap();
    let mut config = crate::ProxyConfig::new(vec![address], run.clone(), Arc::new(Always(7)));
    config.workers = Some(2);
    let thread = std::thread::spawn(move || crate::run(config));
    let name = std::path::Path::new("proxy-070707070707.sock");
    until(|| run.join(name).exists()).await;
    let mut clients = Vec::new();
    for _ in 0..64 {
        let mut client = Client::connect(address).await;
        assert_eq!(client.get("/").await.text(), "fine");
        clients.push(client);
    }
    assert_eq!(bed.handle.status().await.unwrap().connections, 64, "the successor has none");
    let _reader = std::fs::File::open(draft).unwrap();
    for mut client in clients {
        assert_eq!(client.get("/").await.text(), "fine");
    }
    let successor = bed.handle.clone();
    until(|| std::fs::read_link(run.join("proxy.sock")).is_ok_and(|link| link == name)).await;
    bed.ended().await.unwrap();
    successor.shutdown(PATIENCE).await.unwrap();
    thread.join().unwrap().unwrap();
}

/// No randomness.
struct Always(u8);

impl Randomness for Always {
    fn bytes32(&self) -> [u8; 32] {
        [self.0; 32]
    }
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
