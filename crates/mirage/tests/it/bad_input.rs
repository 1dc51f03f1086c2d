//! What goes wrong ends with a code, a sentence and a hint, and nothing else changes.

use std::io::Write;
use std::net::TcpListener;

use serde_json::json;
use xtask::bed::{Compression, Image, Index, Layer, Registry};

use crate::sample::{SERVE, busybox, pushed, script, web};
use crate::stage::Stage;

/// A stage on which `steady` serves; [`Steady::still_serves`] proves that it was not disturbed.
struct Steady {
    stage: Stage,
}

impl Steady {
    fn set(test: &str) -> Option<Self> {
        let stage = Stage::set(test)?;
        let reference = pushed(&stage.registry, "acme/steady:1", &web("steady"));
        stage.done(&["deploy", &reference, "--name", "steady"]);
        Some(Self { stage })
    }

    /// Deploys something bad, once as a service of its own and once over the steady one.
    fn refuses(&self, reference: &str, code: &str) -> String {
        let words = |name| ["deploy", reference, "--name", name, "--replace", "--health-timeout", "3"];
        let alone = self.stage.refused(&words("bad"), code);
        self.stage.refused(&words("steady"), code);
        self.still_serves();
        alone.stderr
    }

    fn still_serves(&self) {
        assert_eq!(self.stage.served("steady"), "steady");
        let status = self.stage.done(&["status", "steady"]);
        assert!(status.stdout.contains("active"), "{}", status.stdout);
        let drafts = self.stage.platform.data().join("content/tmp");
        let left: Vec<_> = std::fs::read_dir(&drafts).into_iter().flatten().filter_map(Result::ok).collect();
        assert!(left.is_empty(), "half-made in {}: {left:?}", drafts.display());
    }

    fn registry(&self) -> &Registry {
        &self.stage.registry
    }
}

#[test]
fn a_wrong_reference_is_refused_before_anything_happens() {
    let Some(steady) = Steady::set("a wrong reference is refused before anything happens") else { return };
    let hex = "a".repeat(64);
    for wrong in
        ["", "acme/Web", "a b", "web:", "web:ta g", "web@sha256:12", "web/", &hex, "127.0.0.1:70000x/web"]
    {
        steady.refuses(wrong, "INVALID_IMAGE_REFERENCE");
    }
}

#[test]
fn an_image_that_is_not_there_is_not_found() {
    let Some(steady) = Steady::set("an image that is not there is not found") else { return };
    let registry = steady.registry();
    pushed(registry, "acme/web:1", &web("there"));
    for missing in ["acme/web:2", "acme/other:1", &format!("acme/web@sha256:{}", "0".repeat(64))] {
        let told = steady.refuses(&registry.reference(missing), "IMAGE_NOT_FOUND");
        assert!(told.contains(missing.split(['@', ':']).next().unwrap()), "{told}");
    }
}

#[test]
fn a_registry_that_wants_a_login_says_so() {
    let Some(steady) = Steady::set("a registry that wants a login says so") else { return };
    let closed = Registry::start_with_login().unwrap();
    steady.refuses(&closed.reference("acme/web:1"), "REGISTRY_AUTH_ERROR");
}

#[test]
fn an_image_for_another_processor_is_refused_with_what_is_offered() {
    let Some(steady) = Steady::set("an image for another processor is refused with what is offered") else {
        return;
    };
    let other = if cfg!(target_arch = "aarch64") { "amd64" } else { "arm64" };
    let image = Image { architecture: other.to_owned(), ..web("other") };
    let registry = steady.registry();
    let single = pushed(registry, "acme/single:1", &image);
    let index = registry.reference("acme/index:1");
    Index { images: vec![image] }.push(&index).unwrap();
    for reference in [single, index] {
        let told = steady.refuses(&reference, "NO_MATCHING_PLATFORM");
        assert!(told.contains(&format!("linux/{other}")), "{told}");
    }
}

#[test]
fn wrong_and_truncated_bytes_are_never_used() {
    let Some(steady) = Steady::set("wrong and truncated bytes are never used") else { return };
    let registry = steady.registry();
    for (name, spoil) in [("acme/wrong:1", false), ("acme/short:1", true)] {
        let image =
            Image::new(vec![busybox(), Layer::new().file("unique", 0o644, name).packed(Compression::None)]);
        let reference = pushed(registry, name, &image.entrypoint(&["/bin/httpd", "-f"]).expose(80));
        for layer in registry.layers_of(&reference).unwrap() {
            let path = registry.blob(&layer);
            let bytes = std::fs::read(&path).unwrap();
            let middle = bytes.len() / 2;
            let mut file = std::fs::File::create(&path).unwrap();
            file.write_all(&bytes[..middle]).unwrap();
            if !spoil {
                let turned: Vec<u8> = bytes[middle..].iter().map(|byte| !byte).collect();
                file.write_all(&turned).unwrap();
            }
        }
        steady.refuses(&reference, "IMAGE_PULL_ERROR");
    }
}

#[test]
fn a_registry_that_is_down_or_hangs_is_unreachable() {
    let Some(mut steady) = Steady::set("a registry that is down or hangs is unreachable") else { return };
    let reference = pushed(steady.registry(), "acme/web:1", &web("soon gone"));
    steady.stage.registry.stop();
    steady.refuses(&reference, "REGISTRY_UNREACHABLE");

    // Connections are taken by the kernel; nobody ever answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("{}/acme/web:1", silent.local_addr().unwrap());
    steady.stage.refused(&["deploy", &silent, "--name", "bad"], "REGISTRY_UNREACHABLE");
    steady.still_serves();
}

#[test]
fn a_full_disk_is_said_to_be_full() {
    let Some(stage) = Stage::set_on_small_disk("a full disk is said to be full", 48) else { return };
    let small = pushed(&stage.registry, "acme/steady:1", &web("steady"));
    stage.done(&["deploy", &small, "--name", "steady"]);
    // It compresses to next to nothing and needs more than the disk has.
    let big = Layer::new().file("zeros", 0o644, vec![0; 80 << 20]);
    let mut image = web("big");
    image.layers.push(big);
    let reference = pushed(&stage.registry, "acme/big:1", &image);
    stage.refused(&["deploy", &reference, "--name", "big"], "DISK_FULL");
    assert_eq!(stage.served("steady"), "steady");
    let again = pushed(&stage.registry, "acme/again:1", &web("still room"));
    stage.done(&["deploy", &again, "--name", "again"]);
    assert_eq!(stage.served("again"), "still room");
}

#[test]
fn a_port_that_nothing_listens_on_fails_the_probe_and_the_right_port_is_guessed() {
    let Some(steady) =
        Steady::set("a port that nothing listens on fails the probe and the right port is guessed")
    else {
        return;
    };
    let elsewhere = script("echo I listen somewhere else\nexec httpd -f -p 9090 -h /www");
    let told = steady.refuses(&pushed(steady.registry(), "acme/elsewhere:1", &elsewhere), "PROBE_FAILED");
    assert!(told.contains("9090") && told.contains("8080"), "{told}");
    assert!(told.contains("I listen somewhere else"), "{told}");
}

#[test]
fn a_process_bound_to_loopback_fails_the_probe_and_is_told_so() {
    let Some(steady) = Steady::set("a process bound to loopback fails the probe and is told so") else {
        return;
    };
    let loopback = script("exec httpd -f -p 127.0.0.1:8080 -h /www");
    let told = steady.refuses(&pushed(steady.registry(), "acme/loopback:1", &loopback), "PROBE_FAILED");
    assert!(told.contains("127.0.0.1") && told.contains("0.0.0.0"), "{told}");
}

#[test]
fn a_process_that_exits_shows_its_code_its_last_lines_and_what_it_may_miss() {
    let Some(steady) =
        Steady::set("a process that exits shows its code, its last lines and what it may miss")
    else {
        return;
    };
    let exits = script("echo starting; : ${DATABASE_URL:?must be set}");
    let told = steady.refuses(&pushed(steady.registry(), "acme/exits:1", &exits), "START_FAILED");
    assert!(told.contains("starting") && told.contains("DATABASE_URL: must be set"), "{told}");
    assert!(told.contains("exit code 2"), "{told}");

    let missing = web("").entrypoint(&["/no/such/program"]);
    let told = steady.refuses(&pushed(steady.registry(), "acme/missing:1", &missing), "START_FAILED");
    assert!(told.contains("/no/such/program"), "{told}");
}

#[test]
fn an_http_probe_that_is_answered_badly_names_the_answer() {
    let Some(steady) = Steady::set("an http probe that is answered badly names the answer") else { return };
    let reference = pushed(steady.registry(), "acme/web:1", &script(SERVE));
    let words =
        ["deploy", &reference, "--name", "bad", "--health-path", "/no/such/page", "--health-timeout", "3"];
    let told = steady.stage.refused(&words, "PROBE_FAILED").stderr;
    assert!(told.contains("404") && told.contains("/no/such/page"), "{told}");
    steady.still_serves();
}

#[test]
fn a_name_that_is_taken_is_refused_to_a_second_service() {
    let Some(steady) = Steady::set("a name that is taken is refused to a second service") else { return };
    let body = json!({"name": "steady", "image": steady.registry().reference("acme/steady:1")});
    let answer = steady.stage.platform.api("POST", "/api/services/from-image", Some(&body)).unwrap();
    let problem = answer.json().unwrap();
    assert_eq!((answer.status, &problem["code"]), (409, &json!("NAME_TAKEN")), "{problem}");
    assert!(problem["hint"].is_string());
    steady.still_serves();
}

#[test]
fn usage_that_is_wrong_exits_with_2() {
    let Some(stage) = Stage::set("usage that is wrong exits with 2") else { return };
    for words in [&["deploy"][..], &["no-such-verb"], &["scale", "web", "many"]] {
        assert_eq!(stage.platform.cli(words).unwrap().code, 2, "{words:?}");
    }
}
