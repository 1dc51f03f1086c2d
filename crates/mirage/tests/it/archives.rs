//! Images that come and go as files.

use std::process::{Command, Stdio};

use xtask::bed::run;

use crate::sample::{pushed, web};
use crate::stage::{BINARY, Stage};

#[test]
fn an_image_that_came_as_a_file_is_deployed_and_leaves_as_a_file() {
    let Some(stage) = Stage::set("an image that came as a file is deployed and leaves as a file") else {
        return;
    };
    let folder = tempfile::Builder::new().prefix("mirage-archives-").tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let reference = pushed(&stage.registry, "acme/web:1", &web("from a file"));
    let (from, file) = (format!("docker://{reference}"), path("web.tar"));
    let to = format!("docker-archive:{file}:example.com/acme/web:1");
    run("skopeo", &["copy", "--insecure-policy", "--src-tls-verify=false", &from, &to]).unwrap();

    let own = format!("127.0.0.1:{}/acme/web:1", stage.platform.api_port());
    let loaded = stage.done(&["image", "load", &file]);
    assert_eq!(loaded.stdout.trim(), own, "{}", loaded.stderr);
    stage.done(&["deploy", loaded.stdout.trim(), "--name", "web"]);
    assert_eq!(stage.served("web"), "from a file");
    let again = stage.done(&["image", "load", &file, "--json"]);
    assert!(again.stderr.contains("0 of "), "{}", again.stderr);

    let (layout, docker) = (path("layout.tar"), path("docker.tar"));
    stage.done(&["image", "save", &own, &layout]);
    stage.done(&["image", "save", &own, &docker, "--format", "docker"]);
    for archive in [format!("oci-archive:{layout}:{own}"), format!("docker-archive:{docker}:{own}")] {
        let told = run("skopeo", &["inspect", "--config", &archive]).unwrap();
        assert!(told.contains("/bin/httpd"), "{told}");
    }
    // From one platform to another through a pipe; here, under another name.
    let mut save = stage.platform.command();
    let mut saving =
        save.args(["image", "save", &own, "-"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut load = stage.platform.command();
    load.args(["image", "load", "-", "--as", "acme/piped:2"]).stdin(saving.stdout.take().unwrap());
    let loaded = load.output().unwrap();
    assert!(saving.wait().unwrap().success());
    let text =
        String::from_utf8_lossy(&loaded.stdout).into_owned() + &String::from_utf8_lossy(&loaded.stderr);
    assert!(loaded.status.success(), "{text}");
    stage.done(&["deploy", &own.replace("web:1", "piped:2"), "--name", "piped"]);
    assert_eq!(stage.served("piped"), "from a file");

    stage.refused(&["image", "load", &path("absent.tar")], "INVALID_REQUEST");
    stage.refused(&["image", "load", BINARY], "IMAGE_PULL_ERROR");
    stage.refused(&["image", "save", &own.replace(":1", ":9"), &path("none.tar")], "IMAGE_NOT_FOUND");
    let wrong =
        stage.platform.run(stage.platform.command().args(["image", "load", &file]).env("MIRAGE_TOKEN", "x"));
    assert!(wrong.unwrap().stderr.contains("UNAUTHENTICATED"));
    let mut names: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["docker.tar", "layout.tar", "web.tar"]);
}

#[test]
fn an_image_is_taken_away_by_whoever_means_it_and_can_still_be_rolled_back_to() {
    let test = "an image is taken away by whoever means it, and can still be rolled back to";
    let Some(stage) = Stage::set(test) else { return };
    let folder = tempfile::Builder::new().prefix("mirage-archives-").tempdir().unwrap();
    let file = folder.path().join("web.tar").display().to_string();
    let reference = pushed(&stage.registry, "acme/web:1", &web("one"));
    let to = format!("docker-archive:{file}:example.com/acme/web:1");
    let from = format!("docker://{reference}");
    run("skopeo", &["copy", "--insecure-policy", "--src-tls-verify=false", &from, &to]).unwrap();
    let own = format!("127.0.0.1:{}/acme/web:1", stage.platform.api_port());
    stage.done(&["image", "load", &file]);
    stage.done(&["deploy", &own, "--name", "web"]);
    assert!(stage.done(&["image", "list"]).stdout.contains("acme/web:1"));
    assert_eq!(stage.done(&["image", "tags", &own]).stdout.trim(), "1");

    stage.refused(&["image", "remove", "acme/web:1"], "CONFLICT");
    let gone = stage.done(&["image", "remove", &own, "--force"]);
    assert!(gone.stderr.contains("the next deploy finds no image"), "{}", gone.stderr);
    stage.refused(&["image", "remove", "acme/web"], "NOT_FOUND");
    stage.refused(&["deploy", &own, "--name", "web"], "IMAGE_NOT_FOUND");
    assert_eq!(stage.served("web"), "one");
    let two = pushed(&stage.registry, "acme/web:2", &web("two"));
    stage.done(&["deploy", &two, "--name", "web", "--replace"]);
    assert_eq!(stage.served("web"), "two");
    stage.done(&["rollback", "web"]);
    assert_eq!(stage.served("web"), "one");
}

#[test]
fn an_interrupted_save_leaves_no_draft() {
    let Some(stage) = Stage::set("an interrupted save leaves no draft") else { return };
    let folder = tempfile::Builder::new().prefix("mirage-interrupted-").tempdir().unwrap();
    // Takes the connection and says nothing.
    let registry = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let reference = format!("{}/acme/web:1", registry.local_addr().unwrap());
    let mut command = Command::new(BINARY);
    command.args(["image", "save", &reference]).arg(folder.path().join("web.tar"));
    let mut saving = command.stderr(Stdio::null()).spawn().unwrap();
    let asked = registry.accept().unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    let id = nix::unistd::Pid::from_raw(i32::try_from(saving.id()).unwrap());
    nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGINT).unwrap();
    assert_eq!(saving.wait().unwrap().code(), Some(130));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    drop((asked, stage));
}
