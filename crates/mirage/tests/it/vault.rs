//! The key that secrets are sealed with: lost, found, changed, and given up.

use std::fs;

use xtask::bed::{PlatformOptions, Registry};

use crate::sample::{pushed_with_login, script, web};
use crate::stage::Stage;

impl Stage {
    /// Kills the control plane and starts it again.
    fn restarted(&mut self) {
        self.platform.kill_control();
        self.platform.serve().unwrap();
    }
}

#[test]
fn without_its_key_the_vault_stops_what_needs_it_and_nothing_else() {
    let test = "without its key the vault stops what needs it and nothing else";
    let Some(mut stage) = Stage::set_closed(test, PlatformOptions::default()) else { return };
    let (user, password) = Registry::LOGIN;
    let private = pushed_with_login(&stage.registry, "acme/web:1", &web("private"));
    let login = ["--registry-username", user, "--registry-password-stdin"];
    stage.done_told(&[&["deploy", &private, "--name", "private"], &login[..]].concat(), password);
    let secret = stage.platform.data().join("sealed.env");
    fs::write(&secret, "PAGE=sealed\n").unwrap();
    let own = format!("127.0.0.1:{}/acme/page:1", stage.platform.api_port());
    let token = stage.platform.token();
    let page = script("echo $PAGE > /www/index.html; exec httpd -f -p 8080 -h /www");
    page.push_as(&own, ("any", &token)).unwrap();
    stage.done(&["deploy", &own, "--name", "page", "--sealed-env-file", secret.to_str().unwrap()]);
    assert_eq!(stage.served("page"), "sealed\n");

    let key = stage.platform.data().join("vault.key");
    let elsewhere = stage.platform.data().join("elsewhere");
    fs::rename(&key, &elsewhere).unwrap();
    stage.restarted();
    assert_eq!((stage.served("private"), stage.served("page")), ("private".into(), "sealed\n".into()));
    let shown = key.display().to_string();
    for words in [&["deploy", &private, "--name", "private"][..], &["vault", "rotate"], &["redeploy", "page"]]
    {
        let refused = stage.refused(words, "TARGET_UNAVAILABLE");
        assert!(refused.stderr.contains(&shown), "{}", refused.stderr);
    }
    let doctor = stage.platform.cli(&["doctor"]).unwrap();
    assert!(doctor.stdout.contains(&shown), "{}", doctor.stdout);
    assert_eq!(stage.served("page"), "sealed\n", "what runs is left alone");
    let open = format!("127.0.0.1:{}/acme/open:1", stage.platform.api_port());
    web("open").push_as(&open, ("any", &token)).unwrap();
    stage.done(&["deploy", &open, "--name", "open"]);
    assert_eq!(stage.served("open"), "open");
    assert!(!key.exists(), "another key would hide what happened");

    fs::rename(&elsewhere, &key).unwrap();
    stage.restarted();
    stage.done(&["vault", "rotate"]);
    stage.done(&["redeploy", "page"]);
    stage.done(&["deploy", &private, "--name", "private"]);
    assert_eq!((stage.served("private"), stage.served("page")), ("private".into(), "sealed\n".into()));

    fs::remove_file(&key).unwrap();
    stage.restarted();
    stage.done(&["vault", "reset", "--drop-secrets"]);
    let left = stage.done(&["credential", "list", "--json"]);
    assert_eq!(left.stdout.trim(), "[]");
    stage.done_told(&[&["deploy", &private, "--name", "private"], &login[..]].concat(), password);
    stage.done(&["deploy", &own, "--name", "page", "--env", "PAGE=plain"]);
    assert_eq!((stage.served("private"), stage.served("page")), ("private".into(), "plain\n".into()));
}
