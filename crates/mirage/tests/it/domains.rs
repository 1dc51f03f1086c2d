//! Domains: a certificate is had, served, renewed, tried for again, and brought; by a real certificate authority that
//! really looks for its proofs.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use xtask::bed::{Authority, eventually, free_port, run};

use crate::sample::web;
use crate::stage::Stage;

const SHOP: &str = "shop.example.test";

/// A platform with an authority that signs for so many seconds.
struct Town {
    stage: Stage,
    authority: Authority,
    tls: u16,
}

impl Town {
    fn set(test: &str, valid_seconds: u64) -> Option<Self> {
        let mut authority = Authority::prepare(test).unwrap()?;
        let tls = free_port().unwrap();
        let mut arguments = authority.arguments();
        arguments.extend(["--proxy-tls-listen".to_owned(), format!("127.0.0.1:{tls}")]);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let stage = Stage::set_with(test, &arguments)?;
        authority.start(stage.platform.proxy_port(), tls, valid_seconds).unwrap();
        let image = stage.registry.reference("acme/web:1");
        web("hello").push(&image).unwrap();
        stage.done(&["deploy", &image, "--name", "web"]);
        Some(Self { stage, authority, tls })
    }

    /// What a visitor gets who believes in this root.
    fn visit(&self, domain: &str, root: &Path, more: &[&str]) -> Result<String, String> {
        let resolve = format!("{domain}:{}:127.0.0.1", self.tls);
        let url = format!("https://{domain}:{}/", self.tls);
        let root = root.display().to_string();
        let fixed = ["--silent", "--show-error", "--fail", "--resolve", &resolve, "--cacert", &root];
        run("curl", &[&fixed[..], more, &[&url]].concat()).map_err(|error| format!("{error:#}"))
    }

    fn certificate(&self, domain: &str) -> Value {
        let all = self.stage.platform.api("GET", "/api/domains", None).unwrap().json().unwrap();
        let all = all["domains"].as_array().unwrap().clone();
        all.into_iter().find(|one| one["domain"] == domain).unwrap()["certificate"].take()
    }

    fn until(&self, domain: &str, what: &str, done: impl Fn(&Value) -> bool) -> Value {
        let found = || Some(self.certificate(domain)).filter(&done);
        let found = eventually(what, Duration::from_secs(60), found);
        let told =
            || format!("{}\n{}\n{}", self.certificate(domain), self.stage.narration(), self.authority.said());
        assert!(found.is_ok(), "no {what}: {}", told());
        found.unwrap()
    }

    /// Visits until it works: a process that was killed is started again first.
    fn until_visited(&self, domain: &str, root: &Path) -> String {
        let visited = || self.visit(domain, root, &[]).ok();
        eventually("a visit", Duration::from_secs(20), visited).unwrap()
    }
}

#[test]
fn a_domain_gets_a_certificate_and_keeps_having_one_whoever_is_killed() {
    let test = "a domain gets a certificate and keeps having one whoever is killed";
    let Some(mut town) = Town::set(test, 15) else { return };
    town.stage.done(&["domain", "add", "web", SHOP]);
    let first = town.until(SHOP, "certificate", |it| it["issuedAt"].is_string());
    assert!(first["nextRenewalAt"].is_string() && first["lastError"].is_null(), "{first}");
    let root = town.authority.roots().unwrap();
    assert_eq!(town.until_visited(SHOP, &root), "hello");
    let told = town.visit(SHOP, &root, &["--http2", "--write-out", " %{http_version}"]).unwrap();
    assert_eq!(told, "hello 2");
    let resolve = format!("{SHOP}:{}:127.0.0.1", town.stage.platform.proxy_port());
    let url = format!("http://{SHOP}:{}/a", town.stage.platform.proxy_port());
    let led = run(
        "curl",
        &["--silent", "--resolve", &resolve, "--write-out", "%{http_code} %{redirect_url}", &url],
    );
    assert_eq!(led.unwrap(), format!("308 https://{SHOP}:{}/a", town.tls));
    assert_eq!(town.stage.served("web"), "hello", "its own address stays as it is");
    let shown = town.stage.done(&["status", "web"]);
    assert!(shown.stdout.contains(SHOP), "{}", shown.stdout);

    let renewed = town.until(SHOP, "renewal", |it| it["issuedAt"] != first["issuedAt"]);
    assert!(renewed["expiresAt"].as_str() > first["expiresAt"].as_str());

    town.stage.platform.kill_control();
    assert_eq!(town.until_visited(SHOP, &root), "hello", "control is not in the way");
    town.stage.platform.serve().unwrap();
    let proxy =
        town.stage.platform.processes().into_iter().find(|(_, line)| line.contains("proxy --run")).unwrap();
    run("kill", &["-9", &proxy.0.to_string()]).unwrap();
    assert_eq!(town.until_visited(SHOP, &root), "hello", "a new proxy has its certificates from control");
    let before = town.certificate(SHOP);
    town.stage.done(&["vault", "rotate"]);
    town.until(SHOP, "renewal after a rotation", |it| it["issuedAt"] != before["issuedAt"]);
    assert_eq!(town.until_visited(SHOP, &root), "hello");
    town.stage.done(&["domain", "remove", SHOP]);
    eventually("refusal", Duration::from_secs(10), || town.visit(SHOP, &root, &[]).err()).unwrap();
}

#[test]
fn a_domain_that_leads_elsewhere_says_so_and_has_its_certificate_once_it_does_not() {
    let test = "a domain that leads elsewhere says so and has its certificate once it does not";
    let Some(town) = Town::set(test, 3600) else { return };
    town.authority.lead(SHOP, Ipv4Addr::new(127, 0, 0, 99)).unwrap();
    town.stage.done(&["domain", "add", "web", SHOP]);
    let failed = town.until(SHOP, "failure", |it| it["lastError"].is_string());
    let error = failed["lastError"].as_str().unwrap();
    assert!(error.contains("did not find the proof") && error.contains("connection"), "{error}");
    assert!(failed["issuedAt"].is_null() && failed["nextRenewalAt"].is_string(), "{failed}");
    let listed = town.stage.done(&["domain", "list"]);
    assert!(
        listed.stdout.contains("waiting") && listed.stdout.contains("did not find the proof"),
        "{}",
        listed.stdout
    );
    let doctor = town.stage.platform.cli(&["doctor"]).unwrap();
    assert!(doctor.stdout.contains("mirage domain renew"), "{}", doctor.stdout);
    town.authority.lead_back(SHOP).unwrap();
    town.stage.done(&["domain", "renew", SHOP]);
    let had = town.until(SHOP, "certificate", |it| it["issuedAt"].is_string());
    assert!(had["lastError"].is_null(), "{had}");
    assert_eq!(town.until_visited(SHOP, &town.authority.roots().unwrap()), "hello");
    let said = town.authority.said();
    // It names its way where it asks by HTTP alone.
    let second = said.rsplit("validations.").next().unwrap();
    assert!(second.contains("set VALID") && !second.contains("w/ HTTP"), "by TLS this time: {said}");
}

#[test]
fn a_certificate_that_is_brought_is_served_and_one_that_cannot_be_changes_nothing() {
    let test = "a certificate that is brought is served and one that cannot be changes nothing";
    let Some(town) = Town::set(test, 3600) else { return };
    let stage = &town.stage;
    let folder = stage.platform.data();
    let other = stage.registry.reference("acme/other:1");
    web("other").push(&other).unwrap();
    stage.done(&["deploy", &other, "--name", "other"]);
    stage.done(&["domain", "add", "web", SHOP, "--no-certificate"]);
    stage.refused(&["domain", "add", "other", SHOP], "ROUTE_CONFLICT");
    stage.refused(&["domain", "add", "other", "other-production.localhost"], "INVALID_REQUEST");
    let (file, key) = Authority::sign_own(&folder, SHOP).unwrap();
    let (stranger, strange_key) = Authority::sign_own(&folder, "stranger.example.test").unwrap();
    let text = |path: &Path| path.display().to_string();
    let bring = |file: &Path, key: &Path| {
        ["domain", "certificate", SHOP, "--cert", &text(file), "--key", &text(key)].map(str::to_owned)
    };
    for (file, key, why) in [
        (&file, &strange_key, "does not belong"),
        (&stranger, &strange_key, "is not for"),
        (&key, &file, "no certificate in it"),
    ] {
        let words = bring(file, key);
        let refused = stage.refused(&words.each_ref().map(String::as_str), "INVALID_REQUEST");
        assert!(refused.stderr.contains(why), "{}", refused.stderr);
        assert_eq!(town.certificate(SHOP)["source"], "none");
    }
    stage.done(&bring(&file, &key).each_ref().map(String::as_str));
    assert_eq!(town.certificate(SHOP)["source"], "own");
    assert_eq!(town.visit(SHOP, &file, &[]).unwrap(), "hello");
    let secret = std::fs::read_to_string(&key).unwrap();
    let line = secret.lines().nth(1).unwrap();
    std::fs::remove_file(&key).unwrap();
    let found = std::process::Command::new("grep").args(["-rlaF", line]).arg(&folder).output().unwrap();
    assert!(found.stdout.is_empty(), "the key is in {}", String::from_utf8_lossy(&found.stdout));
}

#[test]
fn a_service_comes_with_its_domains_or_not_at_all() {
    let test = "a service comes with its domains, or not at all";
    // Nobody is asked for certificates.
    let Some(stage) = Stage::set_with(test, &["--acme-directory", "https://127.0.0.1:1/"]) else { return };
    let image = stage.registry.reference("acme/web:1");
    web("hello").push(&image).unwrap();
    stage.done(&[
        "deploy",
        &image,
        "--name",
        "web",
        "--domain",
        "Shop.Example.test",
        "--domain",
        "b.example.test",
    ]);
    let resolve = format!("{SHOP}:{}:127.0.0.1", stage.platform.proxy_port());
    let url = format!("http://{SHOP}:{}/", stage.platform.proxy_port());
    let visit = || run("curl", &["--silent", "--fail", "--resolve", &resolve, &url]).ok();
    assert_eq!(eventually("a visit", Duration::from_secs(10), visit).unwrap(), "hello");

    let other = ["deploy", &image, "--name", "other", "--domain", "c.example.test", "--domain", SHOP];
    stage.refused(&other, "ROUTE_CONFLICT");
    stage.refused(&["status", "other"], "NOT_FOUND");
    stage.refused(&["deploy", &image, "--name", "other", "--domain", "no domain"], "INVALID_REQUEST");

    // What is there keeps what holds for it; what is new comes with the next deploy.
    stage.done(&["domain", "add", "web", SHOP, "--no-certificate", "--no-redirect"]);
    stage.done(&["deploy", &image, "--name", "web", "--domain", SHOP, "--domain", "c.example.test"]);
    let all = stage.platform.api("GET", "/api/domains", None).unwrap().json().unwrap();
    let all: Vec<_> = all["domains"].as_array().unwrap().iter().collect();
    let names: Vec<_> = all.iter().map(|one| one["domain"].as_str().unwrap()).collect();
    assert_eq!(names, ["b.example.test", "c.example.test", SHOP]);
    assert_eq!((&all[2]["redirectHttps"], &all[2]["certificate"]["source"]), (&false.into(), &"none".into()));
}
