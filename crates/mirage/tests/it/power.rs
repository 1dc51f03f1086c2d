//! The power goes out: what was acknowledged is there when it comes back, and everything else is taken up again.

use std::time::Duration;

use serde_json::{Value, json};
use xtask::bed::{PlatformOptions, Registry, eventually};

use crate::sample::{pushed, web};
use crate::stage::Stage;

/// Room for a few small images.
const DISK_MIB: u64 = 160;

/// A stage on a disk of its own. While it has no power another platform of this machine could take its block of
/// addresses, as no machine's own could; so it has one that is given to nobody by itself.
fn set(test: &str, from: u32) -> Option<Stage> {
    let block = format!("10.{}.0.0/16", 1 + from + std::process::id() % 60);
    let arguments = vec!["--network".to_owned(), block];
    Stage::with(test, PlatformOptions { disk_mib: Some(DISK_MIB), arguments, ..PlatformOptions::default() })
}

impl Stage {
    /// What `/api` says about something; nothing where it is refused.
    fn seen(&self, path: &str) -> Option<Value> {
        let answer = self.platform.api("GET", path, None).ok()?;
        (answer.status == 200).then(|| answer.json().unwrap())
    }

    /// The phases of a service's deployments, newest first.
    fn phases(&self, service: &str) -> Vec<String> {
        let path = format!("/api/services/default%2Fproduction%2F{service}/deployments");
        let all = self.seen(&path).unwrap_or_default();
        let all = all["deployments"].as_array().cloned().unwrap_or_default();
        all.iter().map(|one| one["phase"].as_str().unwrap_or_default().to_owned()).collect()
    }

    fn has_power_again(&mut self) {
        self.platform.cut_power().unwrap();
        self.platform.serve().unwrap();
    }
}

#[test]
fn what_was_acknowledged_is_there_after_the_power_was_cut() {
    let test = "what was acknowledged is there after the power was cut";
    let Some(mut stage) = set(test, 0) else { return };
    let token = stage.platform.token();
    stage.has_power_again();
    assert_eq!(stage.platform.token(), token, "it may have been copied by somebody");

    let foreign = pushed(&stage.registry, "acme/web:1", &web("foreign"));
    stage.done(&["deploy", &foreign, "--name", "foreign"]);
    stage.has_power_again();
    let own = format!("127.0.0.1:{}/acme/deep/er:1", stage.platform.api_port());
    web("own").push_as(&own, ("any", &token)).unwrap();
    stage.has_power_again();
    stage.done(&["deploy", &own, "--name", "own"]);
    stage.has_power_again();
    let login = ["--username", Registry::LOGIN.0];
    stage.done_told(&[&["credential", "set", "registry.example"], &login[..]].concat(), "hunter22");
    stage.has_power_again();
    stage.done(&["scale", "own", "2"]);
    // What is on the disk has to do.
    stage.registry = Registry::start().unwrap();
    stage.has_power_again();

    assert_eq!((stage.served("foreign"), stage.served("own")), ("foreign".into(), "own".into()));
    assert_eq!(stage.phases("foreign"), ["active"]);
    let replicas = stage.seen("/api/services/default%2Fproduction%2Fown").unwrap()["replicas"].clone();
    assert_eq!(replicas, 2);
    let credentials = stage.seen("/api/credentials").unwrap().to_string();
    assert!(credentials.contains("registry.example"), "{credentials}");
    // The vault opens what it sealed: a new key would not.
    stage.done(&["vault", "rotate"]);
    let removed = "/v2/acme/deep/er/manifests/1";
    assert!(matches!(stage.platform.api("DELETE", removed, None).unwrap().status, 202));
    stage.has_power_again();
    let back = stage.platform.api("GET", removed, None).unwrap();
    assert_eq!(back.status, 404, "what was removed stays removed");
    assert_eq!(stage.served("own"), "own");
}

#[test]
fn a_deploy_that_the_power_cut_broke_off_is_finished() {
    let test = "a deploy that the power cut broke off is finished";
    let Some(mut stage) = set(test, 60) else { return };
    let first = pushed(&stage.registry, "acme/web:0", &web("page 0"));
    stage.done(&["deploy", &first, "--name", "web"]);
    // From the answer to the request on, each round a little later; the last ones are past the end.
    for round in 1..=8_u64 {
        let page = format!("page {round}");
        let image = pushed(&stage.registry, &format!("acme/web:{round}"), &web(&page));
        let asked = stage.platform.api(
            "POST",
            "/api/services/default%2Fproduction%2Fweb/deploy",
            Some(&json!({ "image": image })),
        );
        let asked = asked.unwrap();
        assert_eq!(asked.status, 202, "{}", asked.text());
        std::thread::sleep(Duration::from_millis((round - 1) * 40));
        stage.has_power_again();
        let settled = || {
            let phases = stage.phases("web");
            let over = |phase: &String| phase == "active" || phase == "superseded";
            (!phases.is_empty() && phases.iter().all(over)).then_some(phases)
        };
        let phases = eventually("a deployment", Duration::from_secs(30), settled);
        let phases = phases
            .unwrap_or_else(|error| panic!("{error}: {:?}\n{}", stage.phases("web"), stage.narration()));
        assert_eq!(phases.len() as u64, round + 1, "the request was acknowledged");
        assert_eq!(phases[0], "active");
        assert_eq!(stage.served("web"), page);
        for folder in ["content/tmp", "content/repositories/_unfinished"] {
            let left = std::fs::read_dir(stage.platform.data().join(folder)).unwrap().count();
            assert_eq!(left, 0, "something half-made in {folder}");
        }
    }
}
