use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener as Dead;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mirage_core::port::Router;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::bed::{Bed, PATIENCE, files, table, until};
use super::succession::attend;
use crate::control::{Predecessor, Predecessors};

#[tokio::test]
async fn what_killed_processes_left_hides_none_that_lives_and_is_taken_away() {
    let folder = folder();
    let run = folder.path().join("run");
    for number in 0..1000 {
        let name = format!("proxy-{number:012x}.sock");
        drop(Dead::bind(run.join(&name)).unwrap());
        symlink(&name, run.join(format!("{name}.link"))).unwrap();
    }
    symlink("proxy-ffffffffffff.sock", run.join("proxy-ffffffffffff.sock.link")).unwrap();
    let mut ended = std::process::Command::new("true").spawn().unwrap();
    ended.wait().unwrap();
    for name in ["proxy.sock", "proxy.json", "routes.json"] {
        std::fs::write(run.join(format!(".{name}.{}", ended.id())), "half").unwrap();
    }
    // Of a process that lives, and of nobody that is known.
    let others = [".routes.json.1", ".routes.json.bak", "proxy.log"];
    others.iter().for_each(|name| std::fs::write(run.join(name), "another's").unwrap());
    let (lingers, mut heard) = lingering(&run, "proxy-41.sock");

    let bed = start(&folder).await;
    bed.handle.publish(&table(7, &[])).await.unwrap();
    while !heard.recv().await.unwrap().contains("\"generation\":7,") {}
    let own = std::fs::read_link(run.join("proxy.sock")).unwrap();
    let own = own.to_str().unwrap();
    let mut living =
        vec![others[0], others[1], "proxy-41.sock", own, "proxy.json", "proxy.log", "proxy.sock"];
    living.push("routes.json");
    living.sort_unstable();
    until(|| files(&run) == living).await;

    // What one leaves that is killed later goes with it.
    lingers.abort();
    living.retain(|name| *name != "proxy-41.sock");
    until(|| files(&run) == living).await;
    assert!(!bed.handle.status().await.unwrap().has_predecessor);
}

#[tokio::test]
async fn a_process_that_has_not_heard_yet_that_it_is_to_retire_is_looked_after_too() {
    let folder = folder();
    let run = folder.path().join("run");
    let bed = start(&folder).await;
    // Its successor, which is in charge, has not told it yet.
    let (accepts, mut heard) = lingering_at(&run, "proxy-41.sock", "\"127.0.0.1:1\"");
    let successor = bed.start_successor().await;
    successor.handle.publish(&table(3, &[])).await.unwrap();
    while !heard.recv().await.unwrap().contains("\"generation\":3,") {}
    bed.ended().await.unwrap();
    assert!(successor.handle.status().await.unwrap().has_predecessor);
    accepts.abort();
}

#[tokio::test]
async fn a_process_before_that_is_silent_when_it_is_to_retire_is_not_forgotten() {
    let folder = folder();
    let run = folder.path().join("run");
    let silent = UnixListener::bind(run.join("proxy-41.sock")).unwrap();
    symlink("proxy-41.sock", run.join("proxy.sock")).unwrap();
    drop(Dead::bind(run.join("proxy-0.sock")).unwrap());
    let starting = tokio::spawn({
        let folder = folder.clone();
        async move { start(&folder).await }
    });
    // It hands over, and stops in the middle of it.
    let mut line = BufReader::new(silent.accept().await.unwrap().0);
    assert!(next(&mut line).await.contains("handOver"));
    let inheritance = br#"{"answer":"handingOver","inheritance":{"sockets":[],"table":{"generation":7,"routes":[],"zones":[]},"socket":"proxy-41.sock"}}
"#;
    line.get_mut().write_all(inheritance).await.unwrap();
    assert!(next(&mut line).await.contains("sockets"));
    let bed = starting.await.unwrap();
    assert!(next(&mut line).await.contains("retire"));
    // Its successor has waited long enough for an answer when it goes on.
    until(|| !run.join("proxy-0.sock").exists()).await;
    assert!(bed.handle.status().await.unwrap().has_predecessor);

    // It moves again.
    line.get_mut().write_all(b"{\"answer\":\"done\"}\n").await.unwrap();
    let (lingers, mut heard) = answering(silent, "");
    bed.handle.publish(&table(8, &[])).await.unwrap();
    while !heard.recv().await.unwrap().contains("\"generation\":8,") {}
    drop(line);
    let gone = async { while bed.handle.status().await.unwrap().has_predecessor {} };
    tokio::time::timeout(PATIENCE, gone).await.unwrap();
    lingers.abort();
}

#[tokio::test]
async fn a_process_that_has_ended_is_not_minded_again() {
    let (known, one) = (Predecessors::default(), Predecessor::new(Path::new("/run"), "proxy-41.sock"));
    known.add(one.clone());
    assert!(!known.is_empty());
    // It was set aside as stuck, and ended before it was back.
    known.remove(&one);
    known.add(one);
    assert!(known.is_empty());
}

fn folder() -> Arc<TempDir> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("run")).unwrap();
    Arc::new(folder)
}

async fn start(folder: &Arc<TempDir>) -> Bed {
    Bed::start_in(folder.clone(), "127.0.0.1:0".parse().unwrap(), |_| {}).await
}

/// A process that has retired, and what it hears of tables.
fn lingering(run: &Path, name: &str) -> (tokio::task::JoinHandle<()>, UnboundedReceiver<String>) {
    lingering_at(run, name, "")
}

/// One that still accepts connections at these addresses.
fn lingering_at(
    run: &Path,
    name: &str,
    listen: &'static str,
) -> (tokio::task::JoinHandle<()>, UnboundedReceiver<String>) {
    answering(UnixListener::bind(run.join(name)).unwrap(), listen)
}

fn answering(
    listener: UnixListener,
    listen: &'static str,
) -> (tokio::task::JoinHandle<()>, UnboundedReceiver<String>) {
    let (sender, heard) = unbounded_channel();
    let task = tokio::spawn(async move {
        let mut lines = tokio::task::JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            lines.spawn(attend(stream, listen, sender.clone()));
        }
    });
    (task, heard)
}

async fn next(line: &mut BufReader<UnixStream>) -> String {
    let mut text = String::new();
    tokio::time::timeout(Duration::from_secs(30), line.read_line(&mut text)).await.unwrap().unwrap();
    text
}
