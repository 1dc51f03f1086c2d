use std::time::Duration;

use mirage_core::port::Router;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::bed::{Bed, Instance, PATIENCE};
use super::tls::{Authority, SHOP, at_domains, bed, tls_address};

/// Says bytes, and answers with all that comes back until the proxy closes.
async fn say(bed: &Bed, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(tls_address(bed).await).await.unwrap();
    // It may close before it has read everything.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("the proxy closes");
    answer
}

/// The head of a record with part of a ClientHello that claims to have this many bytes.
fn hello(length: u32) -> Vec<u8> {
    let [_, a, b, c] = length.to_be_bytes();
    vec![22, 3, 1, 0x40, 0, 1, a, b, c, 3, 3]
}

/// Somebody honest still gets what they ask for.
async fn still_serves(bed: &Bed, authority: &Authority) {
    let stream = TcpStream::connect(tls_address(bed).await).await.unwrap();
    let name = ServerName::try_from(SHOP).unwrap();
    let mut stream = authority.client(&["http/1.1"]).connect(name, stream).await.unwrap();
    let request = format!("GET / HTTP/1.1\r\nhost: {SHOP}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("fine"), "{answer}");
}

async fn served(bed: &Bed) -> (Authority, Instance) {
    let (authority, web) = (Authority::new(), Instance::saying("fine").await);
    bed.handle.publish(&at_domains(1, &[SHOP], &web)).await.unwrap();
    bed.handle.install(&authority.set(&[SHOP])).await.unwrap();
    (authority, web)
}

#[tokio::test]
async fn whoever_speaks_http_where_tls_is_spoken_is_told_so() {
    let bed = bed().await;
    let (authority, _web) = served(&bed).await;
    for method in ["GET", "POST", "options"] {
        let request = format!("{method} / HTTP/1.1\r\nhost: {SHOP}\r\nconnection: close\r\n\r\n");
        // The proxy reads to the end of what was said, so that nothing is reset.
        let mut stream = TcpStream::connect(tls_address(&bed).await).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = String::new();
        timeout(PATIENCE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request") && answer.contains("https://"), "{answer}");
    }
    still_serves(&bed, &authority).await;
}

#[tokio::test]
async fn garbage_and_a_first_message_without_end_are_refused() {
    let bed = bed().await;
    let (authority, _web) = served(&bed).await;
    assert_eq!(say(&bed, &[0; 100]).await, b"");
    // A handshake whose record is nonsense: at most an alert comes back.
    for bytes in [&[22; 400][..], b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00", &[22, 3, 1, 255, 255]] {
        let mut bytes = bytes.to_vec();
        bytes.resize(20_000, 0);
        let answer = say(&bed, &bytes).await;
        assert!(answer.is_empty() || answer[0] == 21, "{answer:?}");
    }
    // 16 MiB of ClientHello, record after record.
    let mut endless = hello(0xff_ffff);
    endless.resize(5 + 0x4000, 0);
    let mut record = vec![22, 3, 1, 0x40, 0];
    record.resize(5 + 0x4000, 0);
    for _ in 0..64 {
        endless.extend_from_slice(&record);
    }
    let answer = say(&bed, &endless).await;
    assert!(answer.is_empty() || answer[0] == 21, "{answer:?}");
    still_serves(&bed, &authority).await;
    until_empty(&bed).await;
}

#[tokio::test]
async fn a_handshake_that_dawdles_is_broken_off_and_so_is_one_that_never_begins() {
    let bed = Bed::start_with(|config| {
        config.listen_tls = vec!["127.0.0.1:0".parse().unwrap()];
        config.limits.handshake_time = Duration::from_millis(300);
    })
    .await;
    let (authority, _web) = served(&bed).await;
    for begun in [&b""[..], &[22], &hello(500)] {
        let answer = say(&bed, begun).await;
        assert!(answer.is_empty() || answer[0] == 21, "{answer:?}");
    }
    still_serves(&bed, &authority).await;
}

#[tokio::test]
async fn many_handshakes_that_never_end_do_not_keep_others_out() {
    let bed = Bed::start_with(|config| {
        config.listen_tls = vec!["127.0.0.1:0".parse().unwrap()];
        config.workers = Some(1);
        config.limits.handshakes = 8;
        config.limits.handshake_time = PATIENCE * 10;
    })
    .await;
    let (authority, _web) = served(&bed).await;
    let address = tls_address(&bed).await;
    let mut held = Vec::new();
    for _ in 0..40 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(&hello(500)).await.unwrap();
        held.push(stream);
    }
    still_serves(&bed, &authority).await;
    let mut first = held.remove(0);
    let ended = timeout(PATIENCE, first.read(&mut [0; 8])).await.expect("the oldest has gone");
    assert!(matches!(ended, Ok(0) | Err(_)));
    drop(held);
    until_empty(&bed).await;
}

/// Nothing of them is left.
async fn until_empty(bed: &Bed) {
    let handle = bed.handle.clone();
    let waiting = async {
        while handle.status().await.unwrap().connections > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, waiting).await.expect("every connection ends");
}
