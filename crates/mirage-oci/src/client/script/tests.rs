//! The registries of the tests are what they say they are: `skopeo` sees the same.

use std::fs;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use mirage_core::Reference;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::debian::{ALICE, Access, BOB, DebianRegistry};
use super::skopeo::{push, skopeo};
use super::{TestImage, TokenService};
use crate::client::transport::Transport;

fn image() -> TestImage {
    TestImage::new("amd64", vec![vec![0; 1024]])
}

fn creds((user, password): (&str, &str)) -> String {
    format!("{user}:{password}")
}

/// Whether `skopeo` may read the manifest.
fn inspect(reference: &Reference, options: &[&str]) -> Result<String, String> {
    let name = format!("docker://{reference}");
    let words: Vec<&str> =
        ["inspect", "--raw"].iter().chain(options).copied().chain([name.as_str()]).collect();
    skopeo(&words)
}

#[tokio::test]
async fn a_closed_registry_lets_in_who_has_a_password_and_trusts_its_authority() {
    let test = "a_closed_registry_lets_in_who_has_a_password_and_trusts_its_authority";
    let Some(registry) = DebianRegistry::start_closed(test) else { return };
    let (certificates, reference) = (TempDir::new().unwrap(), registry.reference("acme/web:1"));
    fs::copy(registry.authority(), certificates.path().join("authority.crt")).unwrap();
    let trust = format!("--cert-dir={}", certificates.path().display());
    push(&image(), &reference, &["--dest-creds", &creds(ALICE)]);
    for user in [ALICE, BOB] {
        inspect(&reference, &[&trust, "--creds", &creds(user)]).unwrap();
    }
    let error = inspect(&reference, &[&trust, "--creds", "alice:wrong"]).unwrap_err();
    assert!(error.contains("unauthorized"), "{error}");
    let error = inspect(&reference, &[&trust]).unwrap_err();
    assert!(error.contains("unauthorized"), "{error}");
    let error = inspect(&reference, &["--creds", &creds(ALICE)]).unwrap_err();
    assert!(error.contains("certificate"), "{error}");

    let path = "/v2/acme/web/manifests/1";
    let by = |user: (&str, &str)| Access {
        method: "GET".into(),
        path: path.into(),
        status: 200,
        user: Some(user.0.into()),
    };
    for user in [ALICE, BOB] {
        registry.answered(|access| *access == by(user)).await;
    }
    assert!(registry.requests().iter().any(|access| access.status == 401 && access.user.is_none()));
}

#[test]
fn a_token_opens_what_its_user_may_do_and_nothing_else() {
    let test = "a_token_opens_what_its_user_may_do_and_nothing_else";
    let Some(tokens) = TokenService::start(test) else { return };
    let Some(registry) = DebianRegistry::start_with_tokens(test, &tokens) else { return };
    let plain = "--tls-verify=false";
    let [web, other, open] =
        ["acme/web:1", "acme/other:1", "public/web:1"].map(|rest| registry.reference(rest));
    for reference in [&web, &other, &open] {
        push(&image(), reference, &["--dest-creds", &creds(ALICE)]);
        inspect(reference, &[plain, "--creds", &creds(ALICE)]).unwrap();
    }
    inspect(&web, &[plain, "--creds", &creds(BOB)]).unwrap();
    inspect(&open, &[plain]).unwrap();
    for (reference, options) in [
        (&other, vec![plain, "--creds", "bob:another:word"]),
        (&web, vec![plain]),
        (&web, vec![plain, "--creds", "alice:wrong"]),
        (&open, vec![plain, "--creds", "alice:wrong"]),
    ] {
        let error = inspect(reference, &options).unwrap_err();
        assert!(error.contains("unauthorized") || error.contains("denied"), "{options:?}: {error}");
    }
    let refused = tokens.asked().into_iter().filter(|asked| asked.status == 401).count();
    assert!(refused >= 2, "{:?}", tokens.asked());
    assert_eq!(tokens.given("repository:public/web:pull"), 2);
}

#[test]
fn an_identity_token_stands_for_a_password() {
    let test = "an_identity_token_stands_for_a_password";
    let Some(tokens) = TokenService::start(test) else { return };
    let Some(registry) = DebianRegistry::start_with_tokens(test, &tokens) else { return };
    let reference = registry.reference("acme/web:1");
    push(&image(), &reference, &["--dest-creds", &creds(ALICE)]);
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("auth.json");
    let option = format!("--authfile={}", file.display());
    let host = registry.host.as_str();
    for (identity, fine) in [("identity-of-alice", true), ("made up", false)] {
        let auth = BASE64_STANDARD.encode("<token>:");
        let logins = json!({ "auths": { host: { "auth": auth, "identitytoken": identity } } });
        fs::write(&file, logins.to_string()).unwrap();
        assert_eq!(inspect(&reference, &["--tls-verify=false", &option]).is_ok(), fine, "{identity}");
    }
    let last = tokens.asked().pop().unwrap();
    assert_eq!((last.how.as_str(), last.status), ("POST refresh_token", 401));
}

#[test]
fn a_token_that_ran_out_is_refused_by_the_registry() {
    let test = "a_token_that_ran_out_is_refused_by_the_registry";
    let Some(tokens) = TokenService::start(test) else { return };
    let Some(registry) = DebianRegistry::start_with_tokens(test, &tokens) else { return };
    let (reference, alice) = (registry.reference("acme/web:1"), creds(ALICE));
    push(&image(), &reference, &["--dest-creds", &alice]);
    let options = ["--tls-verify=false", "--creds", &alice];
    tokens.rule(|rules| (rules.life, rules.claimed) = (0, Some(300)));
    let error = inspect(&reference, &options).unwrap_err();
    assert!(error.contains("unauthorized") || error.contains("invalid token"), "{error}");
    tokens.rule(|rules| (rules.life, rules.claimed) = (300, None));
    inspect(&reference, &options).unwrap();
}

#[tokio::test]
async fn a_token_is_had_by_get_and_by_post_and_by_post_only_where_that_is_offered() {
    let test = "a_token_is_had_by_get_and_by_post_and_by_post_only_where_that_is_offered";
    let Some(tokens) = TokenService::start(test) else { return };
    let transport = Transport::new(super::options()).unwrap();
    let host = "localhost".parse().unwrap();
    let client = transport.client(&host, false).await.unwrap().client;
    let scope = "repository:acme/web:pull,push";
    let query = format!("{}?service=registry.test&scope={scope}&offline_token=true", tokens.realm());
    let got = client.get(query).basic_auth(BOB.0, Some(BOB.1)).send().await.unwrap();
    let got: Value = got.json().await.unwrap();
    assert_eq!(
        (&got["scope"], &got["refresh_token"]),
        (&json!("repository:acme/web:pull"), &json!("identity-of-bob"))
    );
    assert_eq!(got["expires_in"], 300);

    let form = |more: &str| {
        let body = format!("service=registry.test&client_id=test&scope={scope}&{more}");
        client
            .post(tokens.realm())
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body)
            .send()
    };
    let password = "grant_type=password&username=alice&password=open+sesame&access_type=offline";
    let got: Value = form(password).await.unwrap().json().await.unwrap();
    assert_eq!((&got["scope"], &got["refresh_token"]), (&json!(scope), &json!("identity-of-alice")));
    let wrong = form("grant_type=password&username=alice&password=wrong").await.unwrap();
    assert_eq!(wrong.status(), 401);
    tokens.rule(|rules| rules.oauth = false);
    assert_eq!(form(password).await.unwrap().status(), 404);
    let how: Vec<String> = tokens.asked().into_iter().map(|asked| asked.how).collect();
    assert_eq!(how, ["GET", "POST password", "POST password"]);
}
