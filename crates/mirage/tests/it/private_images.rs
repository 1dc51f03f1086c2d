//! Images of a registry that wants a login, over TLS with an authority of its own.

use std::time::Duration;

use xtask::bed::{Access, PlatformOptions, Registry, eventually};

use crate::sample::{pushed_with_login, web};
use crate::stage::Stage;

/// Waits until the registry has written down that this was handed out, and answers with everything that
/// was, from `seen` on.
fn handed_out(registry: &Registry, seen: usize, what: &str) -> Vec<Access> {
    let given = || -> Vec<Access> {
        let requests = registry.requests().into_iter().skip(seen);
        requests.filter(|access| access.status == 200 && access.method == "GET").collect()
    };
    let found = || given().iter().any(|access| access.path.ends_with(what)).then_some(());
    eventually("a line in the registry's log", Duration::from_secs(5), found).unwrap();
    given()
}

#[test]
fn a_private_image_is_deployed_and_its_login_is_not_asked_for_again() {
    let test = "a private image is deployed and its login is not asked for again";
    let Some(mut stage) = Stage::set_closed(test, PlatformOptions::default()) else { return };
    let one = pushed_with_login(&stage.registry, "acme/web:1", &web("one"));
    let (user, password) = Registry::GUEST;
    let with_login =
        ["deploy", &one, "--name", "web", "--registry-username", user, "--registry-password-stdin"];
    let fresh = stage.at_rest("web");
    stage.refused(&["deploy", &one, "--name", "web"], "REGISTRY_AUTH_ERROR");
    let told = stage.refused_told(&with_login, "wrong", "REGISTRY_AUTH_ERROR");
    assert!(told.stderr.contains(user) && !told.stderr.contains("wrong"), "{}", told.stderr);
    assert!(stage.at_rest("web") == fresh, "nothing is written for a login that is refused");

    let seen = stage.registry.requests().len();
    stage.done_told(&with_login, &format!("{password}\n"));
    assert_eq!(stage.served("web"), "one");
    stage.platform.kill_control();
    stage.platform.serve().unwrap();
    stage.done(&["redeploy", "web"]);
    assert_eq!(stage.served("web"), "one");
    let two = pushed_with_login(&stage.registry, "acme/web:2", &web("two"));
    stage.done(&["deploy", &two, "--name", "web"]);
    assert_eq!(stage.served("web"), "two");
    let pulled = handed_out(&stage.registry, seen, "/v2/acme/web/manifests/2");
    assert!(pulled.iter().any(|access| access.path.contains("/blobs/")), "{pulled:#?}");
    assert!(pulled.iter().all(|access| access.user.as_deref() == Some(user)), "{pulled:#?}");

    let before = stage.at_rest("web");
    stage.refused_told(&with_login, "wrong", "REGISTRY_AUTH_ERROR");
    assert!(stage.at_rest("web") == before, "a service that runs keeps the login that works");
    stage.done(&["deploy", &one, "--name", "web"]);
    assert_eq!(stage.served("web"), "one");
}

#[test]
fn a_private_image_goes_on_while_its_registry_is_gone_and_a_new_one_is_refused() {
    let test = "a private image goes on while its registry is gone and a new one is refused";
    let Some(mut stage) = Stage::set_closed(test, PlatformOptions::default()) else { return };
    let (user, password) = Registry::LOGIN;
    let tags = ["one", "two", "three"];
    let references = tags.map(|tag| {
        let reference = pushed_with_login(&stage.registry, &format!("acme/web:{tag}"), &web(tag));
        if tag != "three" {
            let login = ["--registry-username", user, "--registry-password-stdin"];
            let deploy = [&["deploy", &reference, "--name", "web"], &login[..]].concat();
            stage.done_told(&deploy, password);
        }
        reference
    });
    stage.registry.stop();
    stage.platform.kill_control();
    stage.platform.serve().unwrap();
    stage.done(&["redeploy", "web"]);
    assert_eq!(stage.served("web"), "two");
    stage.done(&["restart", "web"]);
    stage.done(&["rollback", "web", "1"]);
    assert_eq!(stage.served("web"), "one");
    stage.done(&["scale", "web", "3"]);
    let instances = || stage.at_rest("web")[0]["instances"].as_array().map(Vec::len);
    eventually("three instances", Duration::from_secs(10), || (instances() == Some(3)).then_some(()))
        .unwrap();

    let before = stage.at_rest("web");
    for name in ["web", "other"] {
        stage.refused(&["deploy", &references[2], "--name", name], "REGISTRY_UNREACHABLE");
    }
    assert!(stage.at_rest("web") == before, "nothing is written for an image that is not there");
    assert_eq!(stage.served("web"), "one");
}
