use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use http::{Request, Response, StatusCode, Version};
use http_body_util::BodyExt;
use hyper_util::rt::{TokioExecutor, TokioIo};
use mirage_core::port::Router;
use mirage_core::{CertificateSet, Challenge, ChallengeMethod, DomainRoute, RouteTable, ServedCertificate};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use ring::digest::{SHA256, digest};
use rustls::pki_types::ServerName;
use rustls::{AlertDescription, ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::bed::{Bed, HOST, Instance, empty, full, route, until};

pub(super) const SHOP: &str = "shop.example.com";

/// A certificate authority of the tests.
pub(super) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "an authority of the tests");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// A certificate for one domain.
    pub(super) fn certify(&self, domain: &str) -> ServedCertificate {
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new([domain.to_owned()]).unwrap().signed_by(&key, &self.0).unwrap();
        let chain = format!("{}{}", leaf.pem(), self.0.pem());
        ServedCertificate { domain: domain.parse().unwrap(), chain, key: key.serialize_pem().into() }
    }

    pub(super) fn set(&self, domains: &[&str]) -> CertificateSet {
        let certificates = domains.iter().map(|domain| self.certify(domain)).collect();
        CertificateSet { certificates, challenges: Vec::new() }
    }

    /// A client that believes this authority.
    pub(super) fn client(&self, protocols: &[&str]) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let mut config =
            ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(roots)
                .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        Arc::new(config).into()
    }
}

/// A proxy that also listens for TLS.
pub(super) async fn bed() -> Bed {
    Bed::start_with(|config| config.listen_tls = vec!["127.0.0.1:0".parse().unwrap()]).await
}

/// The routes of one service at [`HOST`] and at domains of its own.
pub(super) fn at_domains(generation: u64, domains: &[&str], web: &Instance) -> RouteTable {
    let backends = std::slice::from_ref(&web.backend);
    let mut routes = vec![route(HOST, "web", backends)];
    for domain in domains {
        let own = Some(DomainRoute { redirect_https: true });
        routes.push(mirage_core::Route { domain: own, ..route(domain, "web", backends) });
    }
    RouteTable { generation, routes, zones: Vec::new() }
}

pub(super) async fn tls_address(bed: &Bed) -> std::net::SocketAddr {
    bed.handle.status().await.unwrap().listen_tls[0]
}

async fn shake(bed: &Bed, client: &TlsConnector, name: &str) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(tls_address(bed).await).await?;
    client.connect(ServerName::try_from(name.to_owned()).unwrap(), stream).await
}

fn alert(error: &std::io::Error) -> Option<AlertDescription> {
    match error.get_ref()?.downcast_ref::<rustls::Error>()? {
        rustls::Error::AlertReceived(alert) => Some(*alert),
        _ => None,
    }
}

/// Says back how the request came.
async fn echo() -> Instance {
    Instance::answering(|request| async move {
        let field =
            |name: &str| request.headers().get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
        let said = ["x-forwarded-proto", "x-forwarded-port", "forwarded", "host"].map(field).join(" ");
        Response::new(full(said))
    })
    .await
}

#[tokio::test]
async fn a_domain_is_served_over_tls_in_both_versions_of_http_and_the_backend_is_told() {
    let (bed, authority, web) = (bed().await, Authority::new(), echo().await);
    bed.handle.publish(&at_domains(1, &[SHOP], &web)).await.unwrap();
    bed.handle.install(&authority.set(&[SHOP])).await.unwrap();
    let port = tls_address(&bed).await.port();

    let stream = shake(&bed, &authority.client(&["h2", "http/1.1"]), SHOP).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get(format!("https://{SHOP}/")).body(empty()).unwrap();
    let answer = sender.send_request(request).await.unwrap();
    assert_eq!((answer.status(), answer.version()), (StatusCode::OK, Version::HTTP_2));
    let said = answer.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(said, format!("https {port} for=127.0.0.1;host=\"{SHOP}\";proto=https {SHOP}"));

    for protocols in [&["http/1.1"][..], &[]] {
        let stream = shake(&bed, &authority.client(protocols), SHOP).await.unwrap();
        assert_eq!(get(stream, SHOP, "/").await, (StatusCode::OK, said.to_vec()));
    }
    let neither = shake(&bed, &authority.client(&["ftp"]), SHOP).await.unwrap_err();
    assert_eq!(alert(&neither), Some(AlertDescription::NoApplicationProtocol));
}

async fn get(stream: TlsStream<TcpStream>, host: &str, path: &str) -> (StatusCode, Vec<u8>) {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get(path).header("host", host).body(empty()).unwrap();
    let answer = sender.send_request(request).await.unwrap();
    let status = answer.status();
    (status, answer.into_body().collect().await.unwrap().to_bytes().to_vec())
}

#[tokio::test]
async fn a_name_without_certificate_is_refused_as_unrecognized() {
    let (bed, authority) = (bed().await, Authority::new());
    let client = authority.client(&[]);
    let before = shake(&bed, &client, SHOP).await.unwrap_err();
    assert_eq!(alert(&before), Some(AlertDescription::UnrecognisedName));
    bed.handle.install(&authority.set(&[SHOP, "*.example.org"])).await.unwrap();
    for (name, served) in [
        (SHOP, true),
        ("a.example.org", true),
        ("other.example.com", false),
        ("example.org", false),
        ("a.b.example.org", false),
        // Without a name in the handshake.
        ("127.0.0.1", false),
    ] {
        match shake(&bed, &client, name).await {
            Ok(_) => assert!(served, "{name}"),
            Err(error) => assert_eq!(
                (served, alert(&error)),
                (false, Some(AlertDescription::UnrecognisedName)),
                "{name}"
            ),
        }
    }
}

#[tokio::test]
async fn a_wildcard_leads_to_its_service_and_a_name_of_its_own_counts_more() {
    let bed = bed().await;
    let (all, one) = (Instance::saying("all").await, Instance::saying("one").await);
    let mut table = at_domains(1, &["*.example.org"], &all);
    table.routes.extend(at_domains(1, &["one.example.org"], &one).routes.into_iter().skip(1));
    bed.handle.publish(&table).await.unwrap();
    for (host, expected) in
        [("one.example.org", "one"), ("two.example.org", "all"), ("THREE.example.org:80", "all")]
    {
        assert_eq!(bed.get(host, "/").await.text(), expected, "{host}");
    }
    for host in ["example.org", "a.b.example.org", ".example.org"] {
        assert!(bed.get(host, "/").await.status.is_client_error(), "{host}");
    }
}

#[tokio::test]
async fn certificates_are_replaced_under_load_and_the_proxy_too_and_no_request_fails() {
    let (mut bed, authority) = (bed().await, Arc::new(Authority::new()));
    let web = Instance::saying("fine").await;
    bed.handle.publish(&at_domains(1, &[SHOP], &web)).await.unwrap();
    bed.handle.install(&authority.set(&[SHOP])).await.unwrap();
    let address = tls_address(&bed).await;
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut clients = Vec::new();
    for number in 0..6 {
        let (stop, answered, authority) = (stop.clone(), answered.clone(), authority.clone());
        clients.push(tokio::spawn(async move {
            let client = authority.client(&["http/1.1"]);
            let connect = async || {
                let stream = TcpStream::connect(address).await.unwrap();
                let stream = client.connect(ServerName::try_from(SHOP).unwrap(), stream).await.unwrap();
                let (sender, connection) =
                    hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
                tokio::spawn(connection);
                sender
            };
            let mut sender = connect().await;
            while !stop.load(SeqCst) {
                sender.ready().await.unwrap();
                let request = Request::get("/").header("host", SHOP).body(empty()).unwrap();
                let answer = sender.send_request(request).await.unwrap();
                let is_last = answer.headers().get("connection").is_some_and(|value| value == "close");
                assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "fine");
                answered.fetch_add(1, SeqCst);
                if is_last || number % 2 == 0 {
                    sender = connect().await;
                }
            }
        }));
    }
    for _ in 0..5 {
        let goal = answered.load(SeqCst) + 60;
        until(|| answered.load(SeqCst) > goal).await;
        bed.handle.install(&authority.set(&[SHOP])).await.unwrap();
        let goal = answered.load(SeqCst) + 60;
        until(|| answered.load(SeqCst) > goal).await;
        let successor = bed.start_successor_with(|config| config.listen_tls = vec![address]).await;
        std::mem::replace(&mut bed, successor).ended().await.unwrap();
    }
    stop.store(true, SeqCst);
    for client in clients {
        client.await.unwrap();
    }
    assert_eq!(tls_address(&bed).await, address);
}

#[tokio::test]
async fn nothing_of_a_key_is_in_the_proxys_folder() {
    let (bed, authority) = (bed().await, Authority::new());
    let set = authority.set(&[SHOP]);
    bed.handle.install(&set).await.unwrap();
    let line = set.certificates[0].key.reveal().lines().nth(1).unwrap().to_owned();
    for entry in std::fs::read_dir(bed.run()).unwrap() {
        let Ok(text) = std::fs::read(entry.unwrap().path()) else { continue };
        assert!(!String::from_utf8_lossy(&text).contains(&line));
    }
}

#[tokio::test]
async fn plain_http_is_led_to_https_where_it_is_wanted_and_works() {
    let (bed, authority) = (bed().await, Authority::new());
    let web = Instance::saying("fine").await;
    bed.handle.publish(&at_domains(1, &[SHOP], &web)).await.unwrap();
    assert_eq!(bed.get(SHOP, "/").await.text(), "fine", "without a certificate nothing would be there");
    bed.handle.install(&authority.set(&[SHOP])).await.unwrap();
    let port = tls_address(&bed).await.port();
    for (host, location) in [
        (SHOP.to_owned(), format!("https://{SHOP}/a?b=c")),
        (format!("{SHOP}:8080"), format!("https://{SHOP}:{port}/a?b=c")),
    ] {
        let answer = bed.get(&host, "/a?b=c").await;
        assert_eq!(answer.status, StatusCode::PERMANENT_REDIRECT);
        assert_eq!(answer.headers["location"], location);
    }
    assert_eq!(bed.get(HOST, "/").await.text(), "fine", "the address that Mirage gives stays as it is");
    let mut table = at_domains(2, &[SHOP], &web);
    table.routes[1].domain = Some(DomainRoute { redirect_https: false });
    bed.handle.publish(&table).await.unwrap();
    assert_eq!(bed.get(SHOP, "/").await.text(), "fine");
}

#[tokio::test]
async fn whoever_comes_through_a_trusted_proxy_that_speaks_tls_is_not_led_in_a_circle() {
    let authority = Authority::new();
    let bed = Bed::start_with(|config| {
        config.listen_tls = vec!["127.0.0.1:0".parse().unwrap()];
        config.trusted = vec!["127.0.0.1".parse().unwrap()];
    })
    .await;
    let web = Instance::saying("fine").await;
    bed.handle.publish(&at_domains(1, &[SHOP], &web)).await.unwrap();
    bed.handle.install(&authority.set(&[SHOP])).await.unwrap();
    for (scheme, status) in [("https", StatusCode::OK), ("http", StatusCode::PERMANENT_REDIRECT)] {
        let request = Request::get("/").header("host", SHOP).header("x-forwarded-proto", scheme);
        let answer = bed.connect().await.send(request.body(empty()).unwrap()).await;
        assert_eq!(answer.status, status, "{scheme}");
    }
}

fn challenge(method: ChallengeMethod, domain: &str) -> Challenge {
    Challenge {
        domain: domain.parse().unwrap(),
        method,
        file: "a-file".into(),
        proof: "a-file.thumbprint".into(),
    }
}

#[tokio::test]
async fn whom_the_proxy_leads_to_https_or_gives_a_proof_has_found_what_was_looked_for() {
    let (bed, authority, web) = (bed().await, Authority::new(), echo().await);
    bed.handle.publish(&at_domains(1, &[SHOP], &web)).await.unwrap();
    bed.handle.install(&authority.set(&[SHOP])).await.unwrap();
    assert_eq!(bed.get(SHOP, "/").await.status, 308);
    assert_eq!(bed.get(SHOP, "/.well-known/acme-challenge/x").await.status, 404);
    let counted = bed.handle.traffic(&[]).await.unwrap();
    assert_eq!(counted[0].unrouted, 0);
    assert_eq!(counted[0].services[0].counts.classes, [0, 0, 1, 1, 0]);
}

#[tokio::test]
async fn the_path_of_challenges_is_the_proxys_own_on_domains_and_nobody_elses_elsewhere() {
    let (bed, authority) = (bed().await, Authority::new());
    let web = Instance::saying("fine").await;
    bed.handle.publish(&at_domains(1, &[SHOP], &web)).await.unwrap();
    let mut set = authority.set(&[SHOP]);
    set.challenges = vec![
        challenge(ChallengeMethod::Http, SHOP),
        // Its route is not there yet.
        challenge(ChallengeMethod::Http, "new.example.com"),
    ];
    bed.handle.install(&set).await.unwrap();
    let path = "/.well-known/acme-challenge/a-file";
    for host in [SHOP, "new.example.com"] {
        let answer = bed.get(host, path).await;
        assert_eq!((answer.status, answer.text()), (StatusCode::OK, "a-file.thumbprint"), "and no redirect");
    }
    assert_eq!(bed.get(SHOP, "/.well-known/acme-challenge/b").await.status, StatusCode::NOT_FOUND);
    assert_eq!(bed.get(HOST, path).await.text(), "fine", "this address can have no certificate");
    let stream = shake(&bed, &authority.client(&[]), SHOP).await.unwrap();
    assert_eq!(get(stream, SHOP, path).await.1, b"a-file.thumbprint");
    bed.handle.install(&authority.set(&[SHOP])).await.unwrap();
    assert_eq!(bed.get(SHOP, path).await.status, StatusCode::NOT_FOUND, "it is over");
}

#[tokio::test]
async fn a_challenge_by_tls_is_answered_with_a_certificate_that_has_the_proof_and_serves_nothing() {
    use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
    #[derive(Debug)]
    struct Anybody;
    impl ServerCertVerifier for Anybody {
        fn verify_server_cert(
            &self,
            _: &rustls::pki_types::CertificateDer<'_>,
            _: &[rustls::pki_types::CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: rustls::pki_types::UnixTime,
        ) -> Result<ServerCertVerified, rustls::Error> {
            Ok(ServerCertVerified::assertion())
        }
        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &rustls::pki_types::CertificateDer<'_>,
            _: &rustls::DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, rustls::Error> {
            Ok(HandshakeSignatureValid::assertion())
        }
        fn verify_tls13_signature(
            &self,
            _: &[u8],
            _: &rustls::pki_types::CertificateDer<'_>,
            _: &rustls::DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, rustls::Error> {
            Ok(HandshakeSignatureValid::assertion())
        }
        fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
            rustls::crypto::ring::default_provider().signature_verification_algorithms.supported_schemes()
        }
    }
    let (bed, authority) = (bed().await, Authority::new());
    let mut set = authority.set(&[SHOP]);
    set.challenges = vec![challenge(ChallengeMethod::TlsAlpn, SHOP)];
    bed.handle.install(&set).await.unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"acme-tls/1".to_vec()];
    let client: TlsConnector = Arc::new(config).into();
    let mut stream = shake(&bed, &client, SHOP).await.unwrap();
    let session = stream.get_ref().1;
    assert_eq!(session.alpn_protocol(), Some(&b"acme-tls/1"[..]));
    let certificate = session.peer_certificates().unwrap()[0].to_vec();
    let proof = digest(&SHA256, b"a-file.thumbprint");
    assert!(certificate.windows(32).any(|window| window == proof.as_ref()));
    let mut rest = Vec::new();
    let _ = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut rest).await;
    assert!(rest.is_empty());
    let other = shake(&bed, &client, "other.example.com").await.unwrap_err();
    assert_eq!(alert(&other), Some(AlertDescription::UnrecognisedName));
    let ordinary = shake(&bed, &authority.client(&["http/1.1"]), SHOP).await;
    assert!(ordinary.is_ok(), "the others get the real one meanwhile");
}

#[tokio::test]
async fn openssl_and_curl_get_along_with_it() {
    let present = |program: &str| std::path::Path::new("/usr/bin").join(program).exists();
    if !present("curl") || !present("openssl") {
        eprintln!("skipped: needs curl and openssl");
        return;
    }
    let (bed, authority) = (bed().await, Authority::new());
    let web = Instance::saying("fine").await;
    bed.handle.publish(&at_domains(1, &[SHOP], &web)).await.unwrap();
    bed.handle.install(&authority.set(&[SHOP])).await.unwrap();
    let address = tls_address(&bed).await;
    let folder = tempfile::tempdir().unwrap();
    let roots = folder.path().join("roots.pem");
    std::fs::write(&roots, authority.0.pem()).unwrap();
    let run = async |program: &str, args: &[&str]| {
        let mut command = tokio::process::Command::new(program);
        let output = command.args(args).stdin(Stdio::null()).output().await.unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    };
    let resolve = format!("{SHOP}:{}:127.0.0.1", address.port());
    let url = format!("https://{SHOP}:{}/", address.port());
    for version in ["--http1.1", "--http2"] {
        let args = [
            "-sS",
            "--cacert",
            roots.to_str().unwrap(),
            "--resolve",
            &resolve,
            version,
            "-w",
            " %{http_version}",
            &url,
        ];
        let (done, said) = run("curl", &args).await;
        let expected = if version == "--http2" { "fine 2" } else { "fine 1.1" };
        assert!(done && said == expected, "{version}: {said}");
    }
    let connect = address.to_string();
    for (version, spoken) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let args = [
            "s_client",
            "-connect",
            &connect,
            "-servername",
            SHOP,
            "-CAfile",
            roots.to_str().unwrap(),
            "-verify_return_error",
            version,
        ];
        let (_, said) = run("openssl", &args).await;
        assert!(said.contains(spoken) && said.contains("Verify return code: 0 (ok)"), "{version}: {said}");
    }
    let (done, _) = run("openssl", &["s_client", "-connect", &connect, "-servername", SHOP, "-tls1_1"]).await;
    assert!(!done, "older versions are not spoken");
}
