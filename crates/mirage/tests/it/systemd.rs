//! `mirage serve` below a service manager: it opens the sockets, and hears how things are.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use xtask::bed::{Authority, PlatformOptions, eventually, is_installed, run, skipped};

use crate::sample::{pushed, web};
use crate::stage::{BINARY, Stage};
use crate::upgrade::Load;

/// The units as they ship.
const UNITS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../contrib/systemd");

#[test]
fn no_connection_is_refused_while_the_control_plane_is_restarted() {
    let test = "no connection is refused while the control plane is restarted";
    let options = PlatformOptions { handed: true, ..PlatformOptions::default() };
    let Some(mut stage) = Stage::with(test, options) else { return };
    let reference = pushed(&stage.registry, "acme/web:1", &web("waited for"));
    stage.done(&["deploy", &reference, "--name", "web"]);
    let api = format!("http://127.0.0.1:{}/healthz", stage.platform.api_port());
    let load = [Load::on(&api), Load::on(&stage.platform.url("web-production"))];
    for _ in 0..3 {
        // Nobody accepts now: who comes waits in the socket's queue.
        stage.platform.kill_control();
        stage.platform.serve().unwrap();
        stage.platform.stop_control().unwrap();
        stage.platform.serve().unwrap();
    }
    let [api, services] = load.map(Load::end);
    // A request that the killed process had accepted is lost with it, one for each time it was killed.
    let (answered, failed) = api;
    let lost = failed.iter().filter(|failure| failure.contains("refused")).count();
    assert!(answered > 10 && lost == 0, "{answered} answered, {failed:?}");
    // Nobody has touched the proxy.
    let (answered, failed) = services;
    assert!(answered > 10 && failed.is_empty(), "{answered} answered, {failed:?}");
    assert_eq!(stage.served("web"), "waited for");
}

#[test]
fn a_proxy_that_is_killed_leaves_its_queue_to_the_next_one() {
    let options = PlatformOptions { handed: true, ..PlatformOptions::default() };
    let test = "a proxy that is killed leaves its queue to the next one";
    let Some(stage) = Stage::with(test, options) else { return };
    let reference = pushed(&stage.registry, "acme/web:1", &web("queued"));
    stage.done(&["deploy", &reference, "--name", "web"]);
    for _ in 0..5 {
        let before = stage.proxy();
        kill(Pid::from_raw(before.cast_signed()), Signal::SIGKILL).unwrap();
        // At once, whether one is there again or not.
        let answer = stage.platform.visit("web-production");
        assert_eq!(answer.unwrap().text(), "queued");
        eventually("another proxy", Duration::from_secs(10), || (stage.proxy() != before).then_some(()))
            .unwrap();
    }
}

#[test]
fn a_visit_over_tls_waits_in_the_socket_whoever_is_killed() {
    let test = "a visit over TLS waits in the socket whoever is killed";
    for program in ["openssl", "curl"] {
        if !is_installed(program) {
            return skipped(test, &format!("needs `{program}`"));
        }
    }
    let options = PlatformOptions { handed: true, handed_tls: true, ..PlatformOptions::default() };
    let Some(mut stage) = Stage::with(test, options) else { return };
    let reference = pushed(&stage.registry, "acme/web:1", &web("waited for"));
    stage.done(&["deploy", &reference, "--name", "web"]);
    let domain = "shop.example.test";
    stage.done(&["domain", "add", "web", domain, "--no-certificate"]);
    let (file, key) = Authority::sign_own(&stage.platform.data(), domain).unwrap();
    let [file, key] = [file, key].map(|path| path.display().to_string());
    stage.done(&["domain", "certificate", domain, "--cert", &file, "--key", &key]);
    let tls = stage.platform.tls_port().unwrap();
    let (resolve, url) = (format!("{domain}:{tls}:127.0.0.1"), format!("https://{domain}:{tls}/"));
    let words = ["--silent", "--show-error", "--fail", "--resolve", &resolve, "--cacert", &file, &url];
    let visit = || run("curl", &words).map_err(|error| format!("{error:#}"));
    assert_eq!(visit().unwrap(), "waited for");
    for _ in 0..3 {
        stage.platform.kill_control();
        assert_eq!(visit().unwrap(), "waited for", "control is not in the way");
        stage.platform.serve().unwrap();
        let before = stage.proxy();
        kill(Pid::from_raw(before.cast_signed()), Signal::SIGKILL).unwrap();
        // A proxy that has no certificate yet says that there is none; nobody is ever refused.
        let visited = || {
            let visited = visit();
            assert!(!visited.as_ref().is_err_and(|why| why.contains("refused")), "{visited:?}");
            visited.ok()
        };
        assert_eq!(eventually("a visit", Duration::from_secs(20), visited).unwrap(), "waited for");
        eventually("another proxy", Duration::from_secs(10), || (stage.proxy() != before).then_some(()))
            .unwrap();
    }
}

#[test]
fn the_service_manager_hears_that_all_is_well_until_the_end() {
    let folder = tempfile::Builder::new().prefix("mirage-notify-").tempdir().unwrap();
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let variables = vec![
        ("NOTIFY_SOCKET".to_owned(), path.display().to_string()),
        ("WATCHDOG_USEC".to_owned(), "100000".to_owned()),
    ];
    let options = PlatformOptions { variables, ..PlatformOptions::default() };
    let test = "the service manager hears that all is well until the end";
    let Some(mut stage) = Stage::with(test, options) else { return };
    let heard = || {
        let mut text = [0; 256];
        let length = manager.recv(&mut text).unwrap();
        String::from_utf8_lossy(&text[..length]).into_owned()
    };
    assert!(heard().starts_with("READY=1\nSTATUS=API on 127.0.0.1:"));
    assert_eq!([heard(), heard()], ["WATCHDOG=1", "WATCHDOG=1"]);
    stage.platform.stop_control().unwrap();
    let last = std::iter::repeat_with(heard).find(|told| told != "WATCHDOG=1");
    assert_eq!(last.as_deref(), Some("STOPPING=1"));
}

#[test]
fn the_units_are_ones_that_systemd_understands() {
    if !is_installed("systemd-analyze") {
        return skipped("the units are ones that systemd understands", "needs `systemd-analyze`");
    }
    let folder = tempfile::Builder::new().prefix("mirage-units-").tempdir().unwrap();
    let names = ["mirage.service", "mirage.socket", "mirage-proxy.socket", "mirage-proxy-tls.socket"];
    let paths = names.map(|name| {
        let text = fs::read_to_string(Path::new(UNITS).join(name)).unwrap();
        let path = folder.path().join(name);
        fs::write(&path, text.replace("/usr/local/bin/mirage", BINARY)).unwrap();
        path.display().to_string()
    });
    run("systemd-analyze", &[&["verify".to_owned(), "--man=no".to_owned()], &paths[..]].concat()).unwrap();
}
