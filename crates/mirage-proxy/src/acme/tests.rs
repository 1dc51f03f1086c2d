//! An authority that has too much to do.

use std::sync::Arc;

use mirage_core::port::CertificateAuthority as _;
use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;

/// Answers each request with the next of these heads, over TLS, and says by whom it wants to be believed.
async fn authority(folder: &std::path::Path, heads: &'static [&'static str]) -> Acme {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap().self_signed(&key).unwrap();
    let roots = folder.join("roots.pem");
    std::fs::write(&roots, certificate.pem()).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let directory = format!("https://{}/directory", listener.local_addr().unwrap());
    tokio::spawn(async move {
        for head in heads {
            let stream = listener.accept().await.unwrap().0;
            let mut stream = TlsAcceptor::from(Arc::new(config.clone())).accept(stream).await.unwrap();
            let mut bytes = Vec::new();
            while !bytes.windows(4).any(|four| four == b"\r\n\r\n") {
                assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0);
            }
            let answer = format!("{head}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
        }
    });
    Acme { directory, email: None, roots: Some(roots) }
}

#[tokio::test]
async fn an_authority_that_asks_to_be_left_alone_is_heard() {
    let folder = tempfile::tempdir().unwrap();
    let heads = &[
        "HTTP/1.1 503 Busy\r\nretry-after: 7200",
        "HTTP/1.1 429 Too Many\r\nretry-after: 99999999999999999999999",
        "HTTP/1.1 503 Busy\r\ndate: Sat, 21 Nov 2026 10:00:00 GMT\r\nretry-after: Sat, 21 Nov 2026 10:00:30 GMT",
        "HTTP/1.1 503 Busy\r\nretry-after: Sat, 21 Nov 2026 10:00:30 GMT",
        "HTTP/1.1 503 Busy\r\nretry-after: -1",
        "HTTP/1.1 503 Busy",
        "HTTP/1.1 200 OK\r\nretry-after: 60",
    ];
    let authority = authority(folder.path(), heads).await;
    let mut asked = Vec::new();
    for _ in heads {
        let refusal = authority.register().await.err().unwrap();
        assert_eq!(refusal.error.code(), Code::TargetUnavailable);
        asked.push(refusal.retry_after.map(|asked| asked.as_secs()));
    }
    assert_eq!(asked, [Some(7200), Some(86_400), Some(30), None, None, None, None]);
}
