//! A push to Mirage itself is enough to deploy.

use std::time::Duration;

use serde_json::Value;
use xtask::bed::{Docker, eventually, skipped};

use crate::sample::web;
use crate::stage::Stage;

impl Stage {
    /// `127.0.0.1:<port>/shop/web:live` of the built-in registry.
    fn own(&self, name: &str) -> String {
        format!("127.0.0.1:{}/{name}", self.platform.api_port())
    }

    /// Waits until a service answers with this page.
    fn until_page(&self, service: &str, page: &str) {
        let label = format!("{service}-production");
        let seen = || self.platform.visit(&label).ok().filter(|answer| answer.text() == page);
        eventually("the page that was pushed", Duration::from_secs(30), seen).unwrap();
    }

    fn triggers(&self, service: &str) -> Vec<String> {
        let told = self.done(&["deployments", service, "--json"]);
        let told: Value = serde_json::from_str(&told.stdout).unwrap();
        let all = told["deployments"].as_array().unwrap().iter();
        all.map(|one| format!("{} {}", one["trigger"].as_str().unwrap(), one["phase"].as_str().unwrap()))
            .collect()
    }
}

#[test]
fn a_second_push_by_skopeo_deploys_by_itself_also_when_nobody_was_there_to_see_it() {
    let test = "a second push by skopeo deploys by itself";
    let Some(mut stage) = Stage::set(test) else { return };
    let token = stage.done(&["token", "create", "ci", "--project", "shop", "--push"]);
    let ci = ("ci", token.stdout.trim());
    let reference = stage.own("shop/web:live");
    web("one").push_as(&reference, ci).unwrap();
    let foreign = web("stolen").push_as(&stage.own("bank/web:live"), ci).unwrap_err().to_string();
    assert!(foreign.contains("403 (Forbidden)"), "{foreign}");

    stage.done(&["deploy", &reference, "--name", "web", "--auto-deploy"]);
    assert_eq!(stage.served("web"), "one");
    web("two").push_as(&reference, ci).unwrap();
    stage.until_page("web", "two");
    web("elsewhere").push_as(&stage.own("shop/web:other"), ci).unwrap();

    // A push whose deploy was killed with the platform.
    web("three").push_as(&reference, ci).unwrap();
    stage.platform.kill_control();
    stage.platform.serve().unwrap();
    stage.until_page("web", "three");
    let label = "the deployments' end";
    let ended = || Some(stage.triggers("web")).filter(|all| all[0] == "push active");
    let all = eventually(label, Duration::from_secs(30), ended).unwrap();
    assert_eq!(all.last().unwrap(), "deploy superseded", "{all:?}");
    let back = stage.done(&["rollback", "web"]).stderr;
    assert!(back.contains("auto-deploy is paused"), "{back}");
    let status = stage.done(&["status", "web"]).stdout;
    assert!(status.contains("pushes    auto-deploy is paused"), "{status}");
    stage.done(&["deploy", &reference, "--name", "web", "--no-auto-deploy"]);
    stage.refused(&["deploy", "nginx:1", "--name", "other", "--auto-deploy"], "INVALID_REQUEST");
}

#[test]
fn an_image_that_docker_pushed_is_deployed() {
    let test = "an image that docker pushed is deployed";
    if let Some(obstacle) = Docker::obstacle().unwrap() {
        return skipped(test, obstacle);
    }
    let Some(stage) = Stage::set(test) else { return };
    let docker = Docker::start().unwrap();
    let from = stage.registry.reference("acme/web:1");
    web("pushed by docker").push(&from).unwrap();
    let to = stage.own("acme/web:1");
    let token = stage.platform.token();
    docker.call(&["login", "--username", "anybody", "--password", &token, &stage.own("")]).unwrap();
    docker.call(&["pull", "--quiet", &from]).unwrap();
    docker.call(&["tag", &from, &to]).unwrap();
    docker.call(&["push", "--quiet", &to]).unwrap();
    docker.call(&["logout", &stage.own("")]).unwrap();
    stage.done(&["deploy", &to]);
    assert_eq!(stage.served("web"), "pushed by docker");
}
