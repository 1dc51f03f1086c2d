//! What becomes of a login that is stored, for every combination of what is stored and what is sent.

use std::time::Duration;

use serde_json::{Value, json};
use xtask::bed::{PlatformOptions, Registry, eventually, may_run_as_root};

use crate::sample::{pushed, pushed_with_login, web};
use crate::stage::Stage;

const EVE: (&str, &str) = Registry::LOGIN;
const BOB: (&str, &str) = Registry::GUEST;
const INCOMPLETE: (u16, &str) = (400, "CREDENTIAL_INCOMPLETE");
const REFUSED: (u16, &str) = (422, "REGISTRY_AUTH_ERROR");

/// A service `web` whose image is private, and how many images were pushed.
struct Table {
    stage: Stage,
    images: u32,
}

impl Table {
    /// Starts `web` with the login of [`EVE`].
    fn set(test: &str, options: PlatformOptions) -> Option<Self> {
        let stage = Stage::set_closed(test, options)?;
        let image = pushed_with_login(&stage.registry, "acme/web:0", &web("0"));
        let words =
            ["deploy", &image, "--name", "web", "--registry-username", EVE.0, "--registry-password-stdin"];
        stage.done_told(&words, EVE.1);
        Some(Self { stage, images: 0 })
    }

    fn ask(&self, method: &str, rest: &str, body: Option<&Value>) -> (u16, Value) {
        let answer = self.stage.platform.api(method, &format!("/api/services/web{rest}"), body).unwrap();
        (answer.status, answer.json().unwrap())
    }

    /// Service, its deployments, all services, every login.
    fn now(&self) -> Vec<Value> {
        self.stage.at_rest("web")
    }

    /// A request that must be refused like this, and change nothing.
    fn refuses(&self, method: &str, rest: &str, body: &Value, (status, code): (u16, &str)) -> Value {
        let before = self.now();
        let (answered, problem) = self.ask(method, rest, Some(body));
        assert_eq!((answered, &problem["code"]), (status, &json!(code)), "{body}: {problem}");
        assert!(problem["hint"].is_string(), "{problem}");
        assert!(self.now() == before, "{body} changed something");
        problem
    }

    /// Sends logins to be stored, each of which must be refused.
    fn keeps(&self, logins: &[Value]) {
        for login in logins {
            self.refuses("PATCH", "", &json!({ "registryCredentials": login }), INCOMPLETE);
        }
    }

    /// Sends a login to be stored.
    fn takes(&self, login: &Value) {
        let (status, answer) = self.ask("PATCH", "", Some(&json!({ "registryCredentials": login })));
        assert_eq!(status, 200, "{login}: {answer}");
    }

    /// When the stored password was last replaced.
    fn replaced_at(&self) -> Value {
        self.now()[3]["credentials"][0]["updatedAt"].clone()
    }

    /// Deploys an image that nobody has seen, which the registry must hand out to this user.
    fn pulls_as(&mut self, user: &str) {
        self.images += 1;
        let (page, path) = (self.images.to_string(), format!("/v2/acme/web/manifests/{}", self.images));
        let seen = self.stage.registry.requests().len();
        let image = pushed_with_login(&self.stage.registry, &format!("acme/web:{page}"), &web(&page));
        self.stage.done(&["deploy", &image, "--name", "web"]);
        assert_eq!(self.stage.served("web"), page);
        let pulled = || {
            let requests = self.stage.registry.requests();
            requests
                .into_iter()
                .skip(seen)
                .find(|one| one.method == "GET" && one.path == path && one.status == 200)
        };
        let pulled = eventually("a line in the registry's log", Duration::from_secs(5), pulled).unwrap();
        assert_eq!(pulled.user.as_deref(), Some(user));
        assert_eq!(self.now()[0]["registryUsername"], user);
    }

    /// Rolls back, and sees the page of that revision.
    fn rolls_back(&self, to: &Value, page: &str) {
        let (status, deployment) = self.ask("POST", "/rollback", Some(to));
        assert_eq!(status, 202, "{to}: {deployment}");
        let path = format!("/api/deployments/{}", deployment["id"].as_str().unwrap());
        let active = || {
            let shown = self.stage.platform.api("GET", &path, None).unwrap().json().unwrap();
            (shown["phase"] == "active").then_some(())
        };
        eventually("the rollback", Duration::from_secs(20), active).unwrap();
        assert_eq!(self.stage.served("web"), page);
    }
}

fn login((user, password): (&str, &str)) -> Value {
    json!({ "username": user, "password": password })
}

#[test]
fn a_stored_login_is_kept_replaced_removed_or_refused_as_the_table_says() {
    let test = "a stored login is kept, replaced, removed or refused as the table says";
    let Some(mut table) = Table::set(test, PlatformOptions::default()) else { return };
    let (mut at, alone) = (table.replaced_at(), json!({ "username": EVE.0 }));
    // The same user, without a password.
    table.takes(&alone);
    assert_eq!(table.replaced_at(), at);
    table.pulls_as(EVE.0);
    // The same user, with one.
    table.refuses("PATCH", "", &json!({ "registryCredentials": login((EVE.0, "wrong")) }), REFUSED);
    table.takes(&login(EVE));
    assert_ne!(table.replaced_at(), at);
    table.pulls_as(EVE.0);
    // Another user, without a password; a password without its user.
    let problem =
        table.refuses("PATCH", "", &json!({ "registryCredentials": { "username": BOB.0 } }), INCOMPLETE);
    assert_eq!(problem["field"], "registryCredentials.password");
    assert!(problem["detail"].as_str().unwrap().contains("password"), "{problem}");
    table.keeps(&[
        json!({ "username": BOB.0, "password": "" }),
        json!({ "password": EVE.1 }),
        json!({ "username": "", "password": EVE.1 }),
    ]);
    // Nothing at all.
    at = table.replaced_at();
    for nothing in [json!({}), json!({ "password": "" }), Value::Null] {
        table.takes(&nothing);
    }
    assert_eq!(table.replaced_at(), at);
    table.pulls_as(EVE.0);
    // Another user, with a password.
    table.refuses("PATCH", "", &json!({ "registryCredentials": login((BOB.0, EVE.1)) }), REFUSED);
    table.takes(&login(BOB));
    table.pulls_as(BOB.0);
    // Away with it, twice; then there is none to keep.
    for empty in [json!({ "username": "" }), json!({ "username": "", "password": "" })] {
        table.takes(&empty);
        let now = table.now();
        let (service, logins) = (&now[0], &now[3]);
        assert_eq!(
            (&service["registryUsername"], &service["imageAuthRequired"]),
            (&Value::Null, &json!(false))
        );
        assert_eq!(logins["credentials"], json!([]));
        let body = json!({ "image": table.stage.registry.reference("acme/web:1") });
        table.refuses("POST", "/deploy", &body, REFUSED);
        table.keeps(&[alone.clone(), json!({ "password": EVE.1 })]);
        table.takes(&login(BOB));
    }
    table.pulls_as(BOB.0);
    assert_eq!(table.now()[3].to_string().matches("\"username\"").count(), 1, "one service, one login");
}

#[test]
fn a_password_is_not_sent_to_a_registry_that_it_was_not_given_for() {
    let test = "a password is not sent to a registry that it was not given for";
    if !may_run_as_root(test) {
        return;
    }
    let other = Registry::start_with_login_and_tls().unwrap();
    let trust = format!("{}={}", other.address(), other.authority().unwrap().display());
    let options =
        PlatformOptions { arguments: vec!["--registry-ca".into(), trust], ..PlatformOptions::default() };
    let Some(mut table) = Table::set(test, options) else { return };
    let open = Registry::start().unwrap();
    let there = pushed_with_login(&other, "acme/web:there", &web("there"));
    let anybody = pushed(&open, "acme/web:anybody", &web("anybody"));
    let seen = other.requests().len();
    let with = |image: &str, login: Value| json!({ "image": image, "registryCredentials": login });
    for (method, rest) in [("PATCH", ""), ("POST", "/deploy")] {
        for image in [&there, &anybody] {
            table.refuses(method, rest, &json!({ "image": image }), INCOMPLETE);
            table.refuses(method, rest, &with(image, json!({ "username": EVE.0 })), INCOMPLETE);
        }
        table.refuses(method, rest, &with(&there, login((EVE.0, "wrong"))), REFUSED);
    }
    let shown = other.requests().into_iter().skip(seen).filter(|one| one.status == 200);
    assert_eq!(shown.count(), 0, "nobody but who sent a login was let in");

    let (status, answer) = table.ask("PATCH", "", Some(&with(&there, login(BOB))));
    assert_eq!(status, 200, "{answer}");
    table.stage.done(&["deploy", &there, "--name", "web"]);
    assert_eq!(table.stage.served("web"), "there");
    let private = || json!({ "revision": 1 });
    let with_login = |who| json!({ "revision": 1, "registryCredentials": login(who) });
    table.refuses("POST", "/rollback", &private(), INCOMPLETE);
    table.refuses("POST", "/rollback", &with_login((BOB.0, BOB.1)), INCOMPLETE);
    table.rolls_back(&with_login(EVE), "0");
    // Where anybody may pull, the login has to be taken away by name.
    let (status, answer) = table.ask("PATCH", "", Some(&with(&anybody, json!({ "username": "" }))));
    assert_eq!(status, 200, "{answer}");
    table.stage.done(&["deploy", &anybody, "--name", "web"]);
    assert_eq!(table.stage.served("web"), "anybody");
    table.refuses("POST", "/rollback", &private(), INCOMPLETE);
    table.rolls_back(&with_login(EVE), "0");
    let first = table.stage.registry.reference("acme/web:0");
    table.stage.done(&["deploy", &first, "--name", "web", "--replace"]);
    table.pulls_as(EVE.0);
}

#[test]
fn a_rollback_runs_with_the_login_of_the_user_it_was_made_with_or_not_at_all() {
    let test = "a rollback runs with the login of the user it was made with, or not at all";
    let Some(mut table) = Table::set(test, PlatformOptions::default()) else { return };
    let to = |revision: u32, login: Value| json!({ "revision": revision, "registryCredentials": login });
    table.pulls_as(EVE.0);
    // The user that is stored: kept unasked, kept by name, replaced.
    table.rolls_back(&json!({ "revision": 1 }), "0");
    let at = table.replaced_at();
    table.rolls_back(&to(2, json!({ "username": EVE.0 })), "1");
    assert_eq!(table.replaced_at(), at);
    table.refuses("POST", "/rollback", &to(1, login((EVE.0, "wrong"))), REFUSED);
    table.rolls_back(&to(1, login(EVE)), "0");
    assert_ne!(table.replaced_at(), at);
    for login in [
        json!({ "username": BOB.0 }),
        login(BOB),
        json!({ "password": EVE.1 }),
        json!({ "username": "" }),
        json!({ "username": "", "password": EVE.1 }),
    ] {
        table.refuses("POST", "/rollback", &to(2, login), INCOMPLETE);
    }
    // Another user is stored by now.
    table.takes(&login(BOB));
    table.pulls_as(BOB.0);
    for login in [json!({}), json!({ "username": BOB.0 }), json!({ "username": EVE.0 }), login(BOB)] {
        table.refuses("POST", "/rollback", &to(1, login), INCOMPLETE);
    }
    let first = table.now()[1]["deployments"].as_array().unwrap().last().unwrap()["id"].clone();
    table.refuses("POST", "/rollback", &json!({ "deploymentId": first }), INCOMPLETE);
    table.refuses("POST", "/rollback", &to(1, login((EVE.0, BOB.1))), REFUSED);
    table.rolls_back(&json!({ "deploymentId": first, "registryCredentials": login(EVE) }), "0");
    table.pulls_as(EVE.0);
    // None is stored.
    table.takes(&json!({ "username": "" }));
    for login in [json!({}), json!({ "username": EVE.0 })] {
        table.refuses("POST", "/rollback", &to(1, login), INCOMPLETE);
    }
    table.rolls_back(&to(1, login(EVE)), "0");
    table.pulls_as(EVE.0);
}
