//! Images that say themselves whether they are well, and probes that are not simple.

use std::time::Duration;

use serde_json::{Value, json};
use xtask::bed::{Image, eventually, is_installed, skipped};

use crate::sample::{SERVE, pushed, script};
use crate::stage::Stage;

const PATIENCE: Duration = Duration::from_secs(30);

/// A server with this HEALTHCHECK, asked every second, and unhealthy after two bad endings.
fn checked(test: &[&str]) -> Image {
    const SECOND: u64 = 1_000_000_000;
    let check = json!({"Test": test, "Interval": SECOND, "Timeout": 5 * SECOND, "Retries": 2});
    script(SERVE).set("Healthcheck", check).set("User", json!("app")).set("Env", json!(["GREETING=hello"]))
}

/// Well as long as the file is there, and a witness of what the command is.
const WITNESS: &str = "id -u > /tmp/who; echo $GREETING >> /tmp/who; grep -E 'NoNewPrivs|Seccomp:' \
    /proc/self/status >> /tmp/who; echo I look; test -e /tmp/well || { echo the file is gone; exit 3; }";

fn service(stage: &Stage, name: &str) -> Value {
    let path = format!("/api/services/default%2Fproduction%2F{name}");
    stage.platform.api("GET", &path, None).unwrap().json().unwrap()
}

/// The folder that the only instance of the platform writes to.
fn root(stage: &Stage, name: &str) -> std::path::PathBuf {
    let pid = service(stage, name)["instances"][0]["pid"].as_i64().unwrap();
    format!("/proc/{pid}/root").into()
}

#[test]
fn an_image_with_a_healthcheck_is_judged_by_it_before_and_after_it_is_active() {
    let Some(stage) = Stage::set("an image with a HEALTHCHECK is judged by it before and after it is active")
    else {
        return;
    };
    told_by_its_own_command(&stage);
}

#[test]
fn a_healthcheck_is_run_the_same_by_runc() {
    let test = "a HEALTHCHECK is run the same by runc";
    if !is_installed("runc") {
        return skipped(test, "needs `runc`; `cargo xtask test` installs it");
    }
    let Some(stage) = Stage::set_with(test, &["--runtime", "runc"]) else { return };
    told_by_its_own_command(&stage);
}

fn told_by_its_own_command(stage: &Stage) {
    let late = format!("touch /tmp/well; {SERVE}");
    let mut image = checked(&["CMD-SHELL", WITNESS]);
    image.layers[0] = script(&late).layers.remove(0);
    let reference = pushed(&stage.registry, "acme/checked:1", &image);
    let inspected = stage.done(&["inspect", &reference]).stdout;
    assert!(inspected.contains("the image's HEALTHCHECK: /bin/sh -c id -u"), "{inspected}");
    let deployed = stage.done(&["deploy", &reference, "--name", "checked"]);
    assert!(deployed.stderr.contains("its HEALTHCHECK ended well"), "{}", deployed.stderr);
    assert_eq!(stage.served("checked"), "it runs");
    let status = stage.done(&["status", "checked"]).stdout;
    assert!(status.contains("health    the image's HEALTHCHECK: /bin/sh -c id -u"), "{status}");
    let who = std::fs::read_to_string(root(stage, "checked").join("tmp/who")).unwrap();
    assert_eq!(who, "1000\nhello\nNoNewPrivs:\t1\nSeccomp:\t2\n");

    // Nothing is deployed, and yet it leaves the route, and comes back.
    let well = root(stage, "checked").join("tmp/well");
    std::fs::remove_file(&well).unwrap();
    let status_of = |status: &str| {
        eventually(status, PATIENCE, || Some(()).filter(|()| service(stage, "checked")["status"] == status))
    };
    status_of("unhealthy").unwrap();
    let turned_away =
        || Some(()).filter(|()| stage.platform.visit("checked-production").unwrap().status == 503);
    eventually("no route to it", PATIENCE, turned_away).unwrap();
    let shown = stage.done(&["status", "checked"]).stdout;
    assert!(shown.contains("unhealthy: exit code 3: the file is gone"), "{shown}");
    std::fs::write(&well, "").unwrap();
    status_of("active").unwrap();
    let served = || Some(()).filter(|()| stage.platform.visit("checked-production").unwrap().status == 200);
    eventually("a route to it again", PATIENCE, served).unwrap();
    assert_eq!(stage.served("checked"), "it runs");
}

#[test]
fn a_healthcheck_that_fails_fails_the_deployment_with_its_last_lines() {
    let Some(stage) = Stage::set("a HEALTHCHECK that fails fails the deployment with its last lines") else {
        return;
    };
    let good = pushed(&stage.registry, "acme/web:1", &checked(&["CMD", "true"]));
    stage.done(&["deploy", &good, "--name", "web", "--health-timeout", "20"]);
    let failing = |tag: &str, test: &[&str]| {
        let reference = pushed(&stage.registry, &format!("acme/web:{tag}"), &checked(test));
        stage
            .refused(&["deploy", &reference, "--name", "web", "--health-timeout", "3"], "PROBE_FAILED")
            .stderr
    };
    let told = failing("2", &["CMD-SHELL", "echo looking for the database; echo none there >&2; exit 7"]);
    assert!(told.contains("its HEALTHCHECK gave exit code 7: none there"), "{told}");
    assert!(told.contains("HEALTHCHECK: looking for the database"), "{told}");
    let told = failing("3", &["CMD", "curl", "-f", "http://localhost/"]);
    assert!(told.contains("no such program `curl`") && told.contains("--health-path"), "{told}");
    assert_eq!(stage.served("web"), "it runs", "the old one never noticed");
    // `NONE` switches off what an image was built on.
    let none =
        pushed(&stage.registry, "acme/web:4", &script(SERVE).set("Healthcheck", json!({"Test": ["NONE"]})));
    let told = stage.done(&["deploy", &none, "--name", "web"]).stderr;
    assert!(told.contains("port 8080 accepts connections"), "{told}");
}

#[test]
fn a_healthcheck_that_hangs_and_forks_leaves_nothing_behind() {
    let Some(stage) = Stage::set("a HEALTHCHECK that hangs and forks leaves nothing behind") else { return };
    let hangs = "(setsid sleep 98764 &); test -e /tmp/asked || { touch /tmp/asked; exit 0; }; sleep 98764";
    let mut image = checked(&["CMD-SHELL", hangs]);
    image.config["Healthcheck"]["Timeout"] = json!(300_000_000);
    let reference = pushed(&stage.registry, "acme/hangs:1", &image);
    stage.done(&["deploy", &reference, "--name", "hangs"]);
    let unhealthy = || Some(()).filter(|()| service(&stage, "hangs")["status"] == "unhealthy");
    eventually("unhealthy", PATIENCE, unhealthy).unwrap();
    let shown = stage.done(&["status", "hangs"]).stdout;
    assert!(shown.contains("unhealthy: no end in time"), "{shown}");
    // Between two questions there is nothing but the service itself.
    let alone = || {
        let pid = service(&stage, "hangs")["instances"][0]["pid"].as_i64()?;
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
        let sleepers = xtask::bed::run("pgrep", &["-f", "sleep 98764"]).unwrap_or_default();
        (children.is_empty() && sleepers.is_empty()).then_some(())
    };
    eventually("nothing left", PATIENCE, alone).unwrap();
    stage.done(&["remove", "hangs"]);
}

#[test]
fn a_probe_path_that_redirects_hangs_or_needs_a_host_is_told_apart() {
    let Some(stage) = Stage::set("a probe path that redirects, hangs or needs a host is told apart") else {
        return;
    };
    // A server of one answer, by what it is asked.
    let text = r#"answer() {
  read method path rest; host=
  while read line; do line=${line%?}; [ -z "$line" ] && break; case $line in Host:*|host:*) host=${line#*: };; esac; done
  case $path in
    /moved) say="302 Found" ;; /ill) say="500 Oh" ;; /hangs) sleep 100 ;;
    /picky) [ "$host" = shop.example ] && say="200 OK" || say="421 Who" ;; *) say="200 OK" ;;
  esac
  printf "HTTP/1.1 $say\r\nLocation: /ill\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
}
[ "$1" = answer ] && { answer; exit; }
exec nc -ll -p 8080 -e /app/run answer"#;
    let mut image = script(text);
    let layer = image.layers.remove(0).symlink("bin/nc", "busybox");
    image.layers.push(layer);
    let reference = pushed(&stage.registry, "acme/answers:1", &image);
    fn words_of<'a>(reference: &'a str, name: &'a str, words: &[&'a str]) -> Vec<&'a str> {
        ["deploy", reference, "--name", name].iter().chain(words).copied().collect()
    }
    let deploy = |name, words: &[_]| words_of(&reference, name, words);
    stage.done(&deploy("moved", &["--health-path", "/moved"]));
    stage.done(&deploy("picky", &["--health-path", "/picky", "--health-host", "shop.example"]));
    let status = stage.done(&["status", "picky"]).stdout;
    assert!(status.contains("GET /picky on port 8080 at shop.example (200-399)"), "{status}");
    for (name, words, told) in [
        ("strict", &["--health-path", "/moved", "--health-status", "200-299"][..], "status 302"),
        ("ill", &["--health-path", "/ill"], "`GET /ill` on port 8080 gave status 500"),
        ("hangs", &["--health-path", "/hangs"], "no answer in time"),
        ("who", &["--health-path", "/picky"], "--health-host"),
    ] {
        let mut words = deploy(name, words);
        words.extend(["--health-timeout", "4"]);
        let said = stage.refused(&words, "PROBE_FAILED").stderr;
        assert!(said.contains(told), "{name}: {said}");
    }
    for wrong in ["2xx", "99", "300-200"] {
        assert_eq!(stage.platform.cli(&deploy("wrong", &["--health-status", wrong])).unwrap().code, 2);
    }
    stage.refused(&deploy("wrong", &["--health-path", "/", "--health-host", "a b"]), "INVALID_REQUEST");
}
