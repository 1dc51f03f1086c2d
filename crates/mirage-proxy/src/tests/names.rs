use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use mirage_core::port::Router;
use mirage_core::{RouteTable, Zone};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::timeout;

use super::bed::{Bed, PATIENCE, until, zone};

/// A port that is free for both kinds of sockets.
pub(super) async fn free_port() -> u16 {
    loop {
        let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let port = udp.local_addr().unwrap().port();
        if TcpListener::bind(("127.0.0.1", port)).await.is_ok() {
            return port;
        }
    }
}

fn query(name: &str) -> Vec<u8> {
    let mut message = Message::new(77, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_str(name).unwrap(), RecordType::A));
    message.to_vec().unwrap()
}

async fn exchange_udp(resolver: (&str, u16), name: &str) -> Message {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(resolver).await.unwrap();
    let mut reply = vec![0; 4096];
    // The socket may still be on its way.
    let answered = async {
        loop {
            let _ = socket.send(&query(name)).await;
            match timeout(Duration::from_millis(1500), socket.recv(&mut reply)).await {
                Ok(Ok(length)) => return Message::from_vec(&reply[..length]).unwrap(),
                _ => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    };
    timeout(PATIENCE, answered).await.unwrap()
}

async fn exchange_tcp(resolver: (&str, u16), name: &str) -> Message {
    let mut stream = TcpStream::connect(resolver).await.unwrap();
    let query = query(name);
    stream.write_u16(query.len() as u16).await.unwrap();
    stream.write_all(&query).await.unwrap();
    let mut reply = vec![0; usize::from(stream.read_u16().await.unwrap())];
    stream.read_exact(&mut reply).await.unwrap();
    Message::from_vec(&reply).unwrap()
}

fn addresses(reply: &Message) -> Vec<String> {
    assert_eq!(reply.metadata.id, 77);
    reply.answers.iter().map(|record| record.data.to_string()).collect()
}

pub(super) async fn ask_udp(resolver: (&str, u16), name: &str) -> Vec<String> {
    addresses(&exchange_udp(resolver, name).await)
}

pub(super) async fn ask_tcp(resolver: (&str, u16), name: &str) -> Vec<String> {
    addresses(&exchange_tcp(resolver, name).await)
}

fn zones(generation: u64, zones: Vec<Zone>) -> RouteTable {
    RouteTable { generation, routes: Vec::new(), zones }
}

/// A resolver of the outside that knows one address for everything.
async fn outside(address: &str, port: u16) -> Arc<AtomicUsize> {
    let asked = Arc::<AtomicUsize>::default();
    let socket = UdpSocket::bind((address, port)).await.unwrap();
    let listener = TcpListener::bind((address, port)).await.unwrap();
    let answer = |query: &[u8]| {
        let asked = Message::from_vec(query).unwrap();
        let mut reply = Message::new(asked.metadata.id, MessageType::Response, OpCode::Query);
        reply.queries = asked.queries.clone();
        let data = RData::A("93.184.215.14".parse::<std::net::Ipv4Addr>().unwrap().into());
        reply.add_answer(Record::from_rdata(asked.queries[0].name().clone(), 300, data));
        reply.to_vec().unwrap()
    };
    let count = asked.clone();
    tokio::spawn(async move {
        let mut buffer = [0; 4096];
        loop {
            let (length, peer) = socket.recv_from(&mut buffer).await.unwrap();
            count.fetch_add(1, SeqCst);
            let right = answer(&buffer[..length]);
            // First what an attacker might send: a wrong number, then a wrong question.
            let mut forged = right.clone();
            forged[0] ^= 0xff;
            socket.send_to(&forged, peer).await.unwrap();
            let mut other = answer(&query("attacker.example"));
            other[..2].copy_from_slice(&right[..2]);
            socket.send_to(&other, peer).await.unwrap();
            socket.send_to(&right, peer).await.unwrap();
        }
    });
    let count = asked.clone();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            count.fetch_add(1, SeqCst);
            let mut query = vec![0; usize::from(stream.read_u16().await.unwrap())];
            stream.read_exact(&mut query).await.unwrap();
            let reply = answer(&query);
            stream.write_u16(reply.len() as u16).await.unwrap();
            stream.write_all(&reply).await.unwrap();
        }
    });
    asked
}

#[tokio::test]
async fn each_environment_has_its_own_names() {
    let port = free_port().await;
    let bed = Bed::start_with(|config| config.names.port = port).await;
    let a = zone("127.0.0.11", &[("web", &["10.1.0.2", "10.1.0.3"])]);
    let b = zone("127.0.0.12", &[("web", &["10.2.0.2"])]);
    bed.handle.publish(&zones(1, vec![a, b])).await.unwrap();
    let mut both = ask_udp(("127.0.0.11", port), "web").await;
    both.sort();
    assert_eq!(both, ["10.1.0.2", "10.1.0.3"]);
    assert_eq!(ask_tcp(("127.0.0.12", port), "WEB.INTERNAL").await, ["10.2.0.2"]);
    let unknown = exchange_udp(("127.0.0.12", port), "db").await;
    assert_eq!(unknown.metadata.response_code, ResponseCode::NXDomain);
}

#[tokio::test]
async fn names_follow_the_table_and_a_zone_that_goes_frees_its_address() {
    let port = free_port().await;
    let bed = Bed::start_with(|config| config.names.port = port).await;
    let resolver = ("127.0.0.13", port);
    bed.handle.publish(&zones(1, vec![zone(resolver.0, &[("web", &["10.1.0.2"])])])).await.unwrap();
    assert_eq!(ask_udp(resolver, "web").await, ["10.1.0.2"]);
    bed.handle.publish(&zones(2, vec![zone(resolver.0, &[("web", &["10.1.0.9"])])])).await.unwrap();
    assert_eq!(ask_udp(resolver, "web").await, ["10.1.0.9"]);
    bed.handle.publish(&zones(3, Vec::new())).await.unwrap();
    until(|| std::net::UdpSocket::bind(resolver).is_ok()).await;
}

#[tokio::test]
async fn an_address_that_does_not_exist_yet_can_be_listened_on() {
    let port = free_port().await;
    let bed = Bed::start_with(|config| config.names.port = port).await;
    // TEST-NET-3 is on no interface.
    bed.handle.publish(&zones(1, vec![zone("203.0.113.53", &[])])).await.unwrap();
    assert!(bed.handle.status().await.unwrap().unbound_zones.is_empty());
}

#[tokio::test]
async fn an_address_that_is_taken_is_tried_again_and_does_not_stop_the_rest() {
    let port = free_port().await;
    let taken = std::net::UdpSocket::bind(("127.0.0.14", port)).unwrap();
    let bed = Bed::start_with(|config| config.names.port = port).await;
    let both =
        vec![zone("127.0.0.14", &[("web", &["10.1.0.2"])]), zone("127.0.0.15", &[("web", &["10.1.0.3"])])];
    bed.handle.publish(&zones(1, both)).await.unwrap();
    assert_eq!(ask_udp(("127.0.0.15", port), "web").await, ["10.1.0.3"]);
    let unbound = bed.handle.status().await.unwrap().unbound_zones;
    assert_eq!(unbound, ["127.0.0.14".parse::<std::net::Ipv4Addr>().unwrap()]);
    drop(taken);
    assert_eq!(ask_udp(("127.0.0.14", port), "web").await, ["10.1.0.2"]);
}

#[tokio::test]
async fn other_names_are_asked_of_the_hosts_resolvers_over_either_transport() {
    let (port, upstream_port) = (free_port().await, free_port().await);
    let conf = tempfile::NamedTempFile::new().unwrap();
    // The first is ourselves, the second is dead, the third answers.
    std::fs::write(conf.path(), "nameserver 127.0.0.16\nnameserver 127.0.0.17\nnameserver 127.0.0.18\n")
        .unwrap();
    let path = conf.path().to_owned();
    let asked = outside("127.0.0.18", upstream_port).await;
    let bed = Bed::start_with(|config| {
        config.names.port = port;
        config.names.resolv_conf = path;
        config.names.upstream_port = upstream_port;
        config.names.upstream_time = Duration::from_millis(500);
    })
    .await;
    let resolver = ("127.0.0.16", port);
    bed.handle.publish(&zones(1, vec![zone(resolver.0, &[("web", &["10.1.0.2"])])])).await.unwrap();
    assert_eq!(ask_udp(resolver, "example.com").await, ["93.184.215.14"]);
    assert_eq!(ask_tcp(resolver, "example.com").await, ["93.184.215.14"]);
    assert_eq!(asked.load(SeqCst), 2);
    assert_eq!(ask_udp(resolver, "web.internal").await, ["10.1.0.2"]);
    assert_eq!(asked.load(SeqCst), 2, "names of ours never leave the machine");

    std::fs::write(conf.path(), "# none\n").unwrap();
    let nobody = exchange_udp(resolver, "example.com").await;
    assert_eq!(nobody.metadata.response_code, ResponseCode::ServFail);
}

#[tokio::test]
async fn a_host_that_asks_us_is_not_asked_back() {
    let port = free_port().await;
    let conf = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(conf.path(), "nameserver 127.0.0.19\n").unwrap();
    let path = conf.path().to_owned();
    let bed = Bed::start_with(|config| {
        config.names.port = port;
        config.names.upstream_port = port;
        config.names.resolv_conf = path;
    })
    .await;
    bed.handle.publish(&zones(1, vec![zone("127.0.0.19", &[])])).await.unwrap();
    let reply = exchange_udp(("127.0.0.19", port), "example.com").await;
    assert_eq!(reply.metadata.response_code, ResponseCode::ServFail);
}

#[tokio::test]
async fn nonsense_is_survived() {
    let port = free_port().await;
    let bed = Bed::start_with(|config| config.names.port = port).await;
    let resolver = ("127.0.0.20", port);
    bed.handle.publish(&zones(1, vec![zone(resolver.0, &[("web", &["10.1.0.2"])])])).await.unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for length in [0, 1, 11, 12, 13, 512, 4096, 9000] {
        socket.send_to(&vec![0x61; length], resolver).await.unwrap();
    }
    for text in [&b"\xff\xff"[..], b"\x00\x00", b"\x00\x05ab", b"GET / HTTP/1.1\r\n\r\n"] {
        let mut stream = TcpStream::connect(resolver).await.unwrap();
        stream.write_all(text).await.unwrap();
    }
    assert_eq!(ask_udp(resolver, "web").await, ["10.1.0.2"]);
    assert_eq!(ask_tcp(resolver, "web").await, ["10.1.0.2"]);
}
