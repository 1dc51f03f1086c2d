//! A platform in a file, and out of it again on another machine.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use xtask::bed::{Platform, PlatformOptions, Registry, eventually};

use crate::sample::{pushed, pushed_with_login, script, web};
use crate::stage::{BINARY, Stage};

/// Another machine: an empty data folder, other ports.
fn elsewhere() -> Platform {
    Platform::unstarted(Path::new(BINARY), PlatformOptions::default()).unwrap()
}

/// Which bytes a service runs.
fn digest(platform: &Platform, service: &str) -> String {
    let path = format!("/api/services/default%2Fproduction%2F{service}");
    let shown: Value = platform.api("GET", &path, None).unwrap().json().unwrap();
    shown["imageDigest"].as_str().unwrap().to_owned()
}

/// The names in a folder; none where there is no folder.
fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Nothing but what an attempt that was refused may leave: the lock.
#[track_caller]
fn is_empty(platform: &Platform) {
    let left = names(&platform.data());
    assert!(left.iter().all(|name| name == "lock"), "{left:?}");
}

#[track_caller]
fn refused(platform: &Platform, words: &[&str], code: &str) -> String {
    let cli = platform.cli(words).unwrap();
    assert_eq!(cli.code, 1, "{words:?}: {}", cli.stderr);
    assert!(cli.stderr.contains(code) && cli.stderr.contains("hint: "), "{words:?}: {}", cli.stderr);
    cli.stderr
}

#[track_caller]
fn done(platform: &Platform, words: &[&str]) -> String {
    let cli = platform.cli(words).unwrap();
    assert_eq!(cli.code, 0, "{words:?}: {}", cli.stderr);
    cli.stderr
}

#[test]
fn a_backup_makes_the_same_platform_elsewhere_with_the_registries_gone() {
    let test = "a backup makes the same platform elsewhere with the registries gone";
    let Some(mut stage) = Stage::set_closed(test, PlatformOptions::default()) else { return };
    let (user, password) = Registry::LOGIN;
    let private = pushed_with_login(&stage.registry, "acme/web:1", &web("private"));
    let login = ["--registry-username", user, "--registry-password-stdin"];
    stage.done_told(&[&["deploy", &private, "--name", "private"], &login[..]].concat(), password);
    let own = format!("127.0.0.1:{}/acme/page:1", stage.platform.api_port());
    let page = script("echo $PAGE $PLAIN > /www/index.html; exec httpd -f -p 8080 -h /www");
    page.push_as(&own, ("any", &stage.platform.token())).unwrap();
    let folder = tempfile::Builder::new().prefix("mirage-backup-").tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::write(path("sealed.env"), "PAGE=sealed\n").unwrap();
    let sealed = path("sealed.env");
    stage.done(&["deploy", &own, "--name", "page", "--sealed-env-file", &sealed, "--env", "PLAIN=plain"]);
    // On its way while the backup is made.
    stage.done(&["deploy", &own, "--name", "late", "--env", "PAGE=late", "--detach"]);

    let file = path("mirage.backup");
    let told = stage.done(&["backup", &file, "--images"]).stderr;
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    stage.refused(&["backup", &file], "CONFLICT");
    stage.done(&["backup", &file, "--images", "--force"]);
    stage.refused(&["backup", &path("none/mirage.backup")], "INVALID_REQUEST");
    assert_eq!(names(folder.path()), ["mirage.backup", "sealed.env"]);
    let bytes = fs::read(&file).unwrap();
    let seen = |what: &[u8]| bytes.windows(what.len()).any(|window| window == what);
    let key = fs::read_to_string(stage.platform.data().join("vault.key")).unwrap();
    for secret in [password, key.trim(), &stage.platform.token()] {
        assert!(!seen(secret.as_bytes()), "a secret is in the backup");
    }

    assert_eq!((stage.served("private"), stage.served("late")), ("private".into(), "late\n".into()));
    let was: Vec<_> = ["private", "page", "late"].map(|name| digest(&stage.platform, name)).into();
    fs::copy(stage.platform.data().join("vault.key"), path("vault.key")).unwrap();
    assert_eq!(stage.platform.down().unwrap(), Vec::<String>::new());
    drop(stage);

    let mut there = elsewhere();
    let missing = refused(&there, &["restore", &file], "TARGET_UNAVAILABLE");
    let name = told.split_once("(key ").unwrap().1.split_once(')').unwrap().0;
    assert!(missing.contains(name), "{missing}");
    fs::write(path("other.key"), "5a".repeat(32)).unwrap();
    fs::set_permissions(path("other.key"), fs::Permissions::from_mode(0o600)).unwrap();
    let other = refused(&there, &["restore", &file, "--vault-key", &path("other.key")], "TARGET_UNAVAILABLE");
    assert!(other.contains(name), "{other}");
    is_empty(&there);
    done(&there, &["restore", &file, "--vault-key", &path("vault.key")]);
    assert_eq!(names(&there.data()), ["content", "lock", "mirage.db", "vault.key"]);
    there.serve().unwrap();
    for (service, page) in [("private", "private"), ("page", "sealed plain\n"), ("late", "late\n")] {
        there.until_served(&format!("{service}-production")).unwrap();
        assert_eq!(there.visit(&format!("{service}-production")).unwrap().text(), page);
    }
    let is: Vec<_> = ["private", "page", "late"].map(|name| digest(&there, name)).into();
    assert_eq!(is, was);
    // The registry that was restored goes by its old name, and takes new pushes.
    done(&there, &["redeploy", "page"]);
    let again = format!("127.0.0.1:{}/acme/page:2", there.api_port());
    page.push_as(&again, ("any", &there.token())).unwrap();
    done(&there, &["deploy", &again, "--name", "again", "--env", "PAGE=again"]);
}

#[test]
fn a_backup_that_is_not_whole_changes_nothing() {
    let Some(mut stage) = Stage::set("a backup that is not whole changes nothing") else { return };
    let own = format!("127.0.0.1:{}/acme/web:1", stage.platform.api_port());
    web("kept").push_as(&own, ("any", &stage.platform.token())).unwrap();
    stage.done(&["deploy", &own, "--name", "web"]);
    let folder = tempfile::Builder::new().prefix("mirage-damaged-").tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let file = path("mirage.backup");
    stage.done(&["backup", &file]);
    let whole = fs::read(&file).unwrap();

    let there = elsewhere();
    let bad = path("bad.backup");
    let wrong = |bytes: &[u8], code: &str, words: &str| {
        fs::write(&bad, bytes).unwrap();
        let told = refused(&there, &["restore", &bad, "--without-key"], code);
        assert!(told.contains(words), "{words}: {told}");
        is_empty(&there);
    };
    // The last 1024 bytes are the end of the archive.
    for end in [0, 100, 600, 2000, whole.len() / 2, whole.len() - 2000, whole.len() - 1024, whole.len() - 1] {
        wrong(&whole[..end], "INVALID_REQUEST", if end < 512 { "is no backup" } else { "is cut short" });
    }
    for step in 1..24 {
        let mut bytes = whole.clone();
        let at = bytes.len() * step / 24;
        bytes[at] ^= 0x40;
        // Most of it are layers; some are padding, which nobody reads.
        if bytes[at - 16..at + 16].iter().filter(|byte| **byte == 0).count() > 24 {
            continue;
        }
        wrong(&bytes, "INVALID_REQUEST", "is damaged");
    }
    let replaced = |from: &str, to: &str| {
        let at = whole.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
        [&whole[..at], to.as_bytes(), &whole[at + from.len()..]].concat()
    };
    wrong(&replaced(r#""format":1"#, r#""format":9"#), "CONFLICT", "newer Mirage");
    wrong(&replaced(r#"{"format":1"#, r#"[{"format":"#), "INVALID_REQUEST", "is damaged");
    wrong(&replaced("registry.json", "../gistry.jso"), "INVALID_REQUEST", "is damaged");
    wrong(&replaced("acme/web", "../../we"), "INVALID_REQUEST", "is damaged");
    wrong(&fs::read(BINARY).unwrap()[..100_000], "INVALID_REQUEST", "is no backup");
    refused(&there, &["restore", folder.path().to_str().unwrap()], "INVALID_REQUEST");
    refused(&there, &["restore", &path("absent")], "INVALID_REQUEST");
    is_empty(&there);

    refused(&stage.platform, &["restore", &file, "--force"], "CONFLICT");
    stage.platform.kill_control();
    let runs = refused(&stage.platform, &["restore", &file, "--force"], "CONFLICT");
    assert!(runs.contains("mirage down"), "{runs}");
    stage.platform.down().unwrap();
    let there_already = refused(&stage.platform, &["restore", &file], "CONFLICT");
    assert!(there_already.contains("--force"), "{there_already}");
    stage.platform.serve().unwrap();
    assert_eq!(stage.served("web"), "kept", "nothing of it was changed");

    // A service that came after the backup is gone with the database that is moved aside.
    stage.done(&["deploy", &own, "--name", "later"]);
    stage.platform.down().unwrap();
    done(&stage.platform, &["restore", &file, "--force"]);
    let aside: Vec<_> =
        names(&stage.platform.data()).into_iter().filter(|name| name.starts_with("replaced-")).collect();
    assert_eq!(names(&stage.platform.data().join(&aside[0])), ["content", "mirage.db"]);
    stage.platform.serve().unwrap();
    assert_eq!(stage.served("web"), "kept");
    stage.refused(&["status", "later"], "NOT_FOUND");
}

#[test]
fn a_restore_that_is_killed_leaves_an_empty_machine() {
    let Some(stage) = Stage::set("a restore that is killed leaves an empty machine") else { return };
    let reference = pushed(&stage.registry, "acme/web:1", &web("restored"));
    stage.done(&["deploy", &reference, "--name", "web"]);
    let own = format!("127.0.0.1:{}/acme/other:1", stage.platform.api_port());
    web("other").push_as(&own, ("any", &stage.platform.token())).unwrap();
    let folder = tempfile::Builder::new().prefix("mirage-killed-").tempdir().unwrap();
    let file = folder.path().join("mirage.backup").display().to_string();
    stage.done(&["backup", &file]);
    let Stage { platform, registry } = stage;
    drop(platform);

    let mut there = elsewhere();
    let mut command: Command = there.command();
    command.args(["restore", "-", "--without-key"]).stdin(Stdio::piped()).stderr(Stdio::null());
    let mut restoring = command.spawn().unwrap();
    let mut pipe = restoring.stdin.take().unwrap();
    let half = fs::read(&file).unwrap();
    let feeding = std::thread::spawn(move || {
        // Whoever reads is killed, which is no fault of the writer.
        let _ = std::io::Write::write_all(&mut pipe, &half[..half.len() / 2]);
        pipe
    });
    let blobs = there.data().join("restoring/content/blobs/sha256");
    eventually("a blob", Duration::from_secs(10), || (!names(&blobs).is_empty()).then_some(())).unwrap();
    let pipe = feeding.join().unwrap();
    restoring.kill().unwrap();
    restoring.wait().unwrap();
    drop(pipe);
    assert_eq!(names(&there.data()), ["lock", "restoring"]);

    done(&there, &["restore", &file, "--without-key"]);
    there.serve().unwrap();
    there.until_served("web-production").unwrap();
    assert_eq!(there.visit("web-production").unwrap().text(), "restored", "it was pulled again");
    drop((there, registry));
}
