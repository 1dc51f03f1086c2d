//! From a reference to an address that answers, and away again.

use serde_json::Value;
use xtask::bed::http;

use crate::sample::{busybox, pushed, web};
use crate::stage::Stage;

#[test]
fn an_image_that_skopeo_pushed_is_inspected_deployed_read_and_removed() {
    let Some(stage) = Stage::set("an image that skopeo pushed is inspected, deployed, read and removed")
    else {
        return;
    };
    let reference = stage.registry.reference("acme/web:1");
    let digest = web("hello from the image").push(&reference).unwrap();

    let inspected = stage.done(&["inspect", &reference, "--json"]);
    let inspected: Value = serde_json::from_str(&inspected.stdout).unwrap();
    assert_eq!(inspected["imageDigest"], *digest);

    let deployed = stage.done(&["deploy", &reference]);
    let url = deployed.stdout.lines().rev().find(|line| line.contains("http://")).unwrap();
    let url = url.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
    assert_eq!(url.trim_end_matches('/'), stage.platform.url("web-production").trim_end_matches('/'));
    let answer = http::get(url).unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (200, "hello from the image"));

    let status = stage.done(&["status", "web"]);
    assert!(status.stdout.contains("active") && status.stdout.contains(&digest[7..19]), "{}", status.stdout);
    let services = stage.done(&["services"]);
    assert!(services.stdout.contains("web"), "{}", services.stdout);

    // httpd writes a line for each request, to stderr.
    let logs = stage.done(&["logs", "web"]);
    assert!(logs.stdout.contains("response:200"), "{}", logs.stdout);

    stage.done(&["remove", "web"]);
    let gone = http::get(url).unwrap();
    assert_eq!(gone.status, 404, "{}", gone.text());
    stage.refused(&["status", "web"], "NOT_FOUND");
}

#[test]
fn a_docker_schema_2_image_runs_with_its_user_its_directory_and_the_port_it_is_given() {
    let Some(stage) = Stage::set("a docker schema 2 image runs with its user, directory and port") else {
        return;
    };
    let script = "#!/bin/sh\nid -u > /tmp/index.html; pwd >> /tmp/index.html; echo $PORT $GREETING >> /tmp/index.html\n\
                  exec httpd -f -p $PORT -h /tmp\n";
    let mut image = web("");
    image.layers = vec![busybox().file("tmp/run", 0o755, script)];
    image.config = serde_json::json!({"Entrypoint": ["/tmp/run"], "User": "app", "WorkingDir": "/etc", "StopSignal": "SIGKILL"});
    let reference = stage.registry.reference("acme/schema2:1");
    image.push_as_docker(&reference).unwrap();
    stage.done(&["deploy", &reference, "--name", "user", "--env", "GREETING=hello"]);
    assert_eq!(stage.served("user"), "1000\n/etc\n8080 hello\n");
}

#[test]
fn a_new_revision_replaces_the_old_one_and_rollback_brings_back_its_bytes() {
    let Some(stage) = Stage::set("a new revision replaces the old one and rollback brings back its bytes")
    else {
        return;
    };
    let reference = pushed(&stage.registry, "acme/web:1", &web("one"));
    stage.done(&["deploy", &reference, "--name", "web"]);
    assert_eq!(stage.served("web"), "one");
    // The tag moves; only a deploy follows it.
    pushed(&stage.registry, "acme/web:1", &web("two"));
    stage.done(&["redeploy", "web"]);
    assert_eq!(stage.served("web"), "one");
    stage.done(&["deploy", &reference, "--name", "web"]);
    assert_eq!(stage.served("web"), "two");
    stage.done(&["rollback", "web", "1"]);
    assert_eq!(stage.served("web"), "one");
    let deployments = stage.done(&["deployments", "web"]);
    assert!(deployments.stdout.contains("superseded"), "{}", deployments.stdout);
}

#[test]
fn a_service_is_scaled_restarted_and_reached_by_its_name_from_its_siblings() {
    let Some(stage) = Stage::set("a service is scaled, restarted and reached by its name from its siblings")
    else {
        return;
    };
    let reference = pushed(&stage.registry, "acme/web:1", &web("sibling"));
    stage.done(&["deploy", &reference, "--name", "web"]);
    stage.done(&["scale", "web", "3"]);
    stage.done(&["restart", "web"]);
    assert_eq!(stage.served("web"), "sibling");
    let asking = "wget -q -O /www/index.html http://web:8080/ && wget -q -O - http://web.internal:8080/ >> /www/index.html\n\
                  exec httpd -f -p 8080 -h /www";
    let asker = pushed(&stage.registry, "acme/asker:1", &crate::sample::script(asking));
    stage.done(&["deploy", &asker, "--name", "asker"]);
    assert_eq!(stage.served("asker"), "siblingsibling");
    stage.done(&["scale", "web", "0"]);
    let nobody = stage.platform.visit("web-production").unwrap();
    assert_eq!(nobody.status, 503, "{}", nobody.text());
    stage.done(&["scale", "web", "1"]);
    assert_eq!(stage.served("web"), "sibling");
}
