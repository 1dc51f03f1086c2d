//! Images that say themselves how they are.

use std::time::Duration;

use mirage_core::{
    Code, EventKind, ExecEnding, ExecOutcome, HealthTiming, ImageConfig, Phase, ServiceSpec, VariableInput,
};

use super::fakes::{Behaviour, digest};
use super::{HOST, Stage, web};
use crate::{CreateService, ServicePatch, ServiceStatus};

fn checked(config: &mut ImageConfig) {
    config.health_command = ["CMD-SHELL", "/check || exit 1"].map(str::to_owned).into();
    config.health_timing = HealthTiming {
        interval_millis: Some(10_000),
        retries: Some(2),
        start_period_millis: Some(30_000),
        ..HealthTiming::default()
    };
}

fn ill(output: &str) -> ExecOutcome {
    ExecOutcome { ending: ExecEnding::Code(1), output: output.to_owned() }
}

#[tokio::test(start_paused = true)]
async fn the_image_s_own_command_is_run_where_no_path_is_named() {
    let stage = Stage::new().await;
    stage.world.publish_config("docker.io/acme/web:1", 1, checked);
    let mut request = CreateService {
        name: Some("web".parse().unwrap()),
        ..CreateService::new(ServiceSpec::image("acme/web:1".parse().unwrap()))
    };
    request.variables = vec![("KEY".parse().unwrap(), VariableInput { text: "treasure".into(), seal: true })]
        .into_iter()
        .collect();
    let (_, deployment) = stage.control.create_service(&stage.actor, request).await.unwrap();
    let deployment = stage.ended(deployment.id).await;
    assert_eq!(deployment.phase, Phase::Active);
    assert!(
        deployment.steps.iter().any(|step| step.summary == "its HEALTHCHECK ended well"),
        "{deployment:?}"
    );
    let executed = stage.world.executed.lock().unwrap().clone();
    assert_eq!(executed.len(), 1);
    let (words, key) = &executed[0];
    assert_eq!((words.join("|").as_str(), key.as_deref()), ("/bin/sh|-c|/check || exit 1", Some("treasure")));

    // A path that is named is asked from outside instead.
    let probe = mirage_core::Probe { path: Some("/up".into()), ..Default::default() };
    let patch = ServicePatch { probe: Some(probe), ..ServicePatch::default() };
    let deployment = stage.control.deploy(&stage.actor, &web(), patch).await.unwrap();
    let deployment = stage.ended(deployment.id).await;
    assert!(deployment.steps.iter().any(|step| step.summary == "GET /up answered"), "{deployment:?}");
}

#[tokio::test(start_paused = true)]
async fn a_command_that_never_ends_well_fails_the_deployment_in_the_image_s_own_time() {
    let stage = Stage::new().await;
    stage.world.publish_config("docker.io/acme/web:1", 1, checked);
    stage.world.commands.lock().unwrap().insert(digest(1), ill("trying\nno database\n"));
    let deployment = stage.create("acme/web:1").await;
    let deployment = stage.ended(deployment.id).await;
    let failure = deployment.failure.unwrap();
    assert_eq!((deployment.phase, failure.code), (Phase::Failed, Code::ProbeFailed));
    // A minute, and what the image says that it takes to start.
    assert_eq!(
        failure.message,
        "`web` was not healthy after 90 s: its HEALTHCHECK gave exit code 1: no database"
    );
    assert!(failure.log_tail.ends_with(&["HEALTHCHECK: trying".into(), "HEALTHCHECK: no database".into()]));
    assert!(failure.hint.unwrap().contains("--health-path"));
    // Some ninety commands in ninety seconds, and not one for each millisecond.
    assert!((60..=110).contains(&stage.world.executed.lock().unwrap().len()));
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_turns_unhealthy_leaves_the_route_and_comes_back() {
    let stage = Stage::new().await;
    stage.world.publish_config("docker.io/acme/web:1", 1, checked);
    let deployment = stage.create("acme/web:1").await;
    stage.ended(deployment.id).await;
    assert_eq!(stage.world.behind(HOST), [digest(1)]);

    stage.world.commands.lock().unwrap().insert(digest(1), ill("overloaded"));
    stage.pass(Duration::from_secs(12)).await;
    assert_eq!(stage.world.behind(HOST), [digest(1)], "once is not enough");
    stage.pass(Duration::from_secs(12)).await;
    assert_eq!(stage.world.behind(HOST), []);
    assert_eq!(stage.status().await, ServiceStatus::Unhealthy);
    stage.world.commands.lock().unwrap().clear();
    stage.pass(Duration::from_secs(12)).await;
    assert_eq!(stage.world.behind(HOST), [digest(1)]);
    assert_eq!(stage.status().await, ServiceStatus::Active);
    let events = stage.store.events(&mirage_store::EventFilter::default(), 0, 1000).await.unwrap();
    let reasons: Vec<_> = events
        .into_iter()
        .filter_map(|event| match event.kind {
            EventKind::InstanceUnhealthy { reason, .. } => Some(reason),
            _ => None,
        })
        .collect();
    assert_eq!(reasons, ["exit code 1: overloaded"]);
}

#[tokio::test(start_paused = true)]
async fn an_adopted_instance_is_believed_before_its_command_is_run() {
    let mut stage = Stage::new().await;
    stage.world.publish_config("docker.io/acme/web:1", 1, checked);
    let deployment = stage.create("acme/web:1").await;
    stage.ended(deployment.id).await;
    stage.restart_control().await;
    stage.settle().await;
    assert_eq!(stage.status().await, ServiceStatus::Active);
    assert_eq!(stage.world.behind(HOST), [digest(1)]);
    stage.world.commands.lock().unwrap().insert(digest(1), ill(""));
    stage.pass(Duration::from_secs(32)).await;
    assert_eq!(stage.world.behind(HOST), []);
}

#[tokio::test(start_paused = true)]
async fn a_bad_moment_at_the_start_of_control_takes_nobody_out_of_the_route() {
    let mut stage = Stage::new().await;
    stage.world.publish_image("docker.io/acme/web:1", 1, Behaviour::Serves);
    let deployment = stage.create("acme/web:1").await;
    stage.ended(deployment.id).await;
    stage.world.behaviour.lock().unwrap().insert(digest(1), Behaviour::NeverAnswers);
    stage.restart_control().await;
    stage.pass(Duration::from_secs(7)).await;
    assert_eq!(stage.world.behind(HOST), [digest(1)], "three bad answers, five seconds apart, are needed");
    stage.world.behaviour.lock().unwrap().insert(digest(1), Behaviour::Serves);
    stage.pass(Duration::from_secs(20)).await;
    assert_eq!(stage.world.behind(HOST), [digest(1)]);
    stage.world.behaviour.lock().unwrap().insert(digest(1), Behaviour::NeverAnswers);
    stage.pass(Duration::from_secs(20)).await;
    assert_eq!(stage.world.behind(HOST), []);
}
