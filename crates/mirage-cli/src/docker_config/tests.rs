use std::io::Write as _;
use std::process::{Command, Stdio};

use mirage_core::Code;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;

/// A folder with a file of logins and a folder of helpers.
struct Machine {
    folder: TempDir,
}

impl Machine {
    fn with(config: &Value) -> Self {
        Self::with_text(&config.to_string())
    }

    fn with_text(text: &str) -> Self {
        let machine = Self { folder: TempDir::new().unwrap() };
        std::fs::create_dir(machine.programs()).unwrap();
        std::fs::write(machine.config(), text).unwrap();
        machine
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("config.json")
    }

    fn programs(&self) -> PathBuf {
        self.folder.path().join("bin")
    }

    /// Installs a helper. Another process writes the file: one that this process had open for writing
    /// could be inherited by a child of another test, and would then not be run.
    fn helper(self, name: &str, script: &str) -> Self {
        let file = self.programs().join(format!("docker-credential-{name}"));
        let mut install = Command::new("install");
        install.args(["-m", "755", "/dev/stdin"]).arg(file).stdin(Stdio::piped());
        let mut install = install.spawn().unwrap();
        let text = format!("#!/bin/sh\n{script}\n");
        install.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        assert!(install.wait().unwrap().success());
        self
    }

    async fn found(&self) -> Found {
        self.found_within(PATIENCE).await
    }

    async fn found_within(&self, patience: Duration) -> Found {
        found_within(patience, &self.config(), &[self.programs()]).await.unwrap()
    }
}

/// `docker.io alice:secret from config.json`, one line a login.
fn lines(found: &Found) -> Vec<String> {
    let line = |login: &FoundLogin| {
        let prefix = login.prefix.as_ref().map(|prefix| format!("/{prefix}")).unwrap_or_default();
        let from = login.from.rsplit('/').next().unwrap();
        let hours = if login.short_lived { ", for hours" } else { "" };
        format!("{}{prefix} {}:{} from {from}{hours}", login.host, login.username, login.password.reveal())
    };
    found.logins.iter().map(line).collect()
}

fn reasons(found: &Found) -> Vec<(&str, &str)> {
    found.skipped.iter().map(|skipped| (skipped.key.as_str(), skipped.why.as_str())).collect()
}

fn auth(text: &str) -> Value {
    use base64::Engine as _;
    json!({ "auth": base64::prelude::BASE64_STANDARD.encode(text) })
}

/// Has `alice` with the password `secret of <registry>` for everything but `empty.example`.
const HONEST: &str = r#"read -r registry
case "$1 $registry" in
"get empty.example") echo "credentials not found in native keychain"; exit 1;;
"get "*) echo "{\"ServerURL\":\"$registry\",\"Username\":\"alice\",\"Secret\":\"secret of $registry\"}";;
"list unused") echo '{"https://index.docker.io/v1/":"alice","quay.io":"alice","empty.example":"x"}';;
*) exit 2;;
esac"#;

#[tokio::test]
async fn logins_in_plain_are_read_in_every_form() {
    let machine = Machine::with(&json!({
        "HttpHeaders": { "User-Agent": "Docker-Client" },
        "auths": {
            "https://index.docker.io/v1/": auth("alice:open: sesame"),
            "ghcr.io": { "username": "bob", "password": "of ghcr" },
            "ghcr.io/acme": auth("robot$acme:of acme"),
            "registry.example:5000": auth("carol:padded\0\0"),
            "acr.example": { "auth": "PHRva2VuPjo=", "identitytoken": "an identity" },
        },
    }));
    let found = machine.found().await;
    assert_eq!(
        lines(&found),
        [
            "acr.example <token>:an identity from config.json",
            "ghcr.io bob:of ghcr from config.json",
            "ghcr.io/acme robot$acme:of acme from config.json",
            "docker.io alice:open: sesame from config.json",
            "registry.example:5000 carol:padded from config.json",
        ]
    );
    assert_eq!(reasons(&found), []);
}

#[tokio::test]
async fn entries_that_make_no_sense_are_skipped_with_the_reason_and_the_others_count() {
    let machine = Machine::with(&json!({ "auths": {
        "a.example": { "auth": "?" },
        "b.example": auth("no colon"),
        "c.example": auth(":nobody"),
        "d.example": { "username": "alice" },
        "e.example": { "registrytoken": "for minutes" },
        "f.example": {},
        "g.example": auth("alice:fine"),
        "https://g.example/v2/": auth("bob:second"),
        "h example\n": auth("alice:nowhere"),
        "https://index.docker.io/v1/refresh-token": auth("alice:of docker"),
    }}));
    let found = machine.found().await;
    assert_eq!(lines(&found), ["g.example alice:fine from config.json"]);
    let reasons = reasons(&found);
    for (key, why) in [
        ("a.example", "not in Base64"),
        ("b.example", "without a colon"),
        ("c.example", "without a user name"),
        ("d.example", "user name without a password"),
        ("e.example", "runs out within minutes"),
        ("f.example", "has no user name and password"),
        ("https://g.example/v2/", "has a login from"),
        ("h example\\n", "is not a registry"),
        ("https://index.docker.io/v1/refresh-token", "docker's own login"),
    ] {
        assert!(reasons.iter().any(|(k, w)| *k == key && w.contains(why)), "{key}: {reasons:?}");
    }
    assert_eq!(reasons.len(), 9);
    assert!(!format!("{reasons:?}").contains("second"));
}

#[tokio::test]
async fn helpers_and_stores_are_asked_and_go_before_the_file() {
    let config = json!({
        "credsStore": "desk-top",
        "credHelpers": { "ghcr.io": "honest", "empty.example": "honest" },
        "auths": { "quay.io": {}, "ghcr.io": auth("old:old"), "other.example": auth("alice:in plain") },
    });
    let machine = Machine::with(&config).helper("honest", HONEST).helper("desk-top", HONEST);
    let found = machine.found().await;
    assert_eq!(
        lines(&found),
        [
            "ghcr.io alice:secret of ghcr.io from docker-credential-honest",
            "docker.io alice:secret of https://index.docker.io/v1/ from docker-credential-desk-top",
            "quay.io alice:secret of quay.io from docker-credential-desk-top",
            "other.example alice:in plain from config.json",
        ]
    );
    let expected = [
        ("empty.example", "`docker-credential-honest` has no login for it"),
        ("empty.example", "`docker-credential-desk-top` has no login for it"),
        ("ghcr.io", "has a login from `docker-credential-honest` already"),
    ];
    assert_eq!(reasons(&found), expected);
}

#[tokio::test]
async fn an_identity_token_of_a_helper_and_a_password_for_hours_are_told_apart() {
    let config = json!({ "credHelpers": { "a.example": "token", "b.example": "ecr-login" } });
    let token = r#"echo '{"ServerURL":"x","Username":"<token>","Secret":"identity"}'"#;
    let brief = r#"echo '{"ServerURL":"x","Username":"AWS","Secret":"for hours"}'"#;
    let machine = Machine::with(&config).helper("token", token).helper("ecr-login", brief);
    assert_eq!(
        lines(&machine.found().await),
        [
            "a.example <token>:identity from docker-credential-token",
            "b.example AWS:for hours from docker-credential-ecr-login, for hours",
        ]
    );
}

#[tokio::test]
async fn a_helper_is_a_plain_word_so_that_no_path_is_started() {
    let folder = TempDir::new().unwrap();
    let started = folder.path().join("started");
    let script = format!("touch {}", started.display());
    for name in ["../evil", "/evil", "evil/x", "Evil", "e vil", "evil;x", "..", "$(evil)"] {
        let config = json!({ "credsStore": name, "credHelpers": { "ghcr.io": name } });
        let found = Machine::with(&config).helper("evil", &script).found().await;
        let reasons = reasons(&found);
        assert_eq!(reasons.len(), 2, "{reasons:?}");
        assert!(reasons.iter().all(|(_, why)| why.contains("no name of a credential helper")), "{reasons:?}");
    }
    assert!(!started.exists());
}

#[tokio::test]
async fn a_helper_that_is_not_installed_or_lies_in_a_folder_without_a_root_is_not_started() {
    let machine = Machine::with(&json!({ "credHelpers": { "ghcr.io": "honest" } })).helper("honest", HONEST);
    for folders in [vec![], vec![PathBuf::from("bin"), PathBuf::from(""), PathBuf::from(".")]] {
        let found = found_logins(&machine.config(), &folders).await.unwrap();
        let why = "wants `docker-credential-honest`, which is not installed";
        assert_eq!(reasons(&found), [("ghcr.io", why)]);
    }
}

#[tokio::test]
async fn a_helper_that_misbehaves_costs_its_own_entries_alone() {
    for (script, why) in [
        ("echo 'the keyring\x1b is locked'; exit 1", "failed: the keyring\\u{1b} is locked"),
        ("exit 3", "failed and said nothing"),
        ("echo '{}'", "gave an answer that is no login"),
        ("printf '\\377'", "said what is no text"),
        ("exec head -c 3000000 /dev/zero", "said more than 1 MiB"),
        (r#"echo '{"ServerURL":"","Username":"","Secret":""}'"#, "has no login for it"),
        ("kill -9 $$", "failed and said nothing"),
    ] {
        let config =
            json!({ "credHelpers": { "a.example": "bad" }, "auths": { "b.example": auth("bob:fine") } });
        let found = Machine::with(&config).helper("bad", script).found().await;
        assert_eq!(lines(&found), ["b.example bob:fine from config.json"]);
        let expected = format!("`docker-credential-bad` {why}");
        assert_eq!(reasons(&found), [("a.example", expected.as_str())], "{script}");
    }
}

#[tokio::test]
async fn a_helper_that_hangs_is_ended_and_not_asked_again() {
    let script = r#"[ "$1" = list ] && { echo '{"a.example":"x","b.example":"x"}'; exit; }
exec tail -f /dev/null"#;
    let machine = Machine::with(&json!({ "credsStore": "slow" })).helper("slow", script);
    let found = machine.found_within(Duration::from_millis(500)).await;
    let expected = [
        ("a.example", "`docker-credential-slow` did not answer within 0.5 s"),
        ("b.example", "`docker-credential-slow` did not answer before"),
    ];
    assert_eq!(reasons(&found), expected);
}

#[tokio::test]
async fn a_file_that_is_none_is_refused_and_not_quoted() {
    let fine = Machine::with(&json!({}));
    assert_eq!((fine.found().await.logins.len(), fine.found().await.skipped.len()), (0, 0));
    let large = " ".repeat((1 << 20) + 1);
    for text in ["", "[]", "{\"auths\": \"secret\"}", r#"{"auths":{"a":{"auth":5}}}"#, "secret", &large] {
        let machine = Machine::with_text(text);
        let error = found_logins(&machine.config(), &[]).await.err().unwrap();
        assert_eq!(error.code(), Code::InvalidRequest, "{text}");
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }
    let many: serde_json::Map<_, _> = (0..1001).map(|n| (format!("r{n}.example"), json!({}))).collect();
    let machine = Machine::with(&json!({ "auths": many }));
    assert!(found_logins(&machine.config(), &[]).await.err().unwrap().message().contains("more than 1000"));
    for path in [machine.folder.path().to_owned(), machine.folder.path().join("absent")] {
        let error = found_logins(&path, &[]).await.err().unwrap();
        assert_eq!(error.code(), Code::InvalidRequest, "{error:?}");
    }
}
