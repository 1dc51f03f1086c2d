//! Going forward, back, and not at all: what a rollout may be told, and what ends one.

use mirage_core::{InstanceState, Rollout, StepKind, Trigger};

use super::*;

impl Stage {
    /// Revision 1 is active, revision 2 ended before it was.
    async fn one_good_one_bad(&self) -> Deployment {
        self.world.publish_image("docker.io/acme/web:1", 1, Behaviour::Serves);
        self.world.publish_image("docker.io/acme/web:2", 2, Behaviour::ExitsAtOnce(1));
        self.ended(self.create("acme/web:1").await.id).await;
        let bad = self.ended(self.deploy("acme/web:2").await.id).await;
        assert_eq!(bad.phase, Phase::Failed);
        bad
    }

    async fn roll_back(&self, revision: u32) -> Result<Deployment, Error> {
        self.control.rollback(&self.actor, &web(), Some(revision), CredentialChange::default()).await
    }

    async fn events(&self) -> Vec<EventKind> {
        let all = self.store.events(&mirage_store::EventFilter::default(), 0, 500).await.unwrap();
        all.into_iter().map(|event| event.kind).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn cancelling_answers_when_nothing_of_the_deployment_is_left() {
    let stage = Stage::new().await;
    stage.world.publish_image("docker.io/acme/web:1", 1, Behaviour::Serves);
    stage.world.publish_image("docker.io/acme/web:2", 2, Behaviour::NeverAnswers);
    stage.ended(stage.create("acme/web:1").await.id).await;
    let second = stage.deploy("acme/web:2").await;
    stage.until(second.id, |d| d.phase == Phase::Probing).await;
    assert_eq!(stage.world.running().len(), 2);
    let cancelled = stage.control.cancel(&stage.actor, second.id).await.unwrap();
    assert_eq!(cancelled.phase, Phase::Cancelled);
    assert_eq!(stage.world.running(), [digest(1)], "the old one never noticed");
}

#[tokio::test(start_paused = true)]
async fn cancelling_answers_when_the_pull_has_stopped() {
    let stage = Stage::new().await;
    stage.world.publish_image("docker.io/acme/web:1", 1, Behaviour::Serves);
    *stage.world.pull_gate.lock().unwrap() = Some(Arc::default());
    let first = stage.create("acme/web:1").await;
    stage.until(first.id, |d| d.phase == Phase::Preparing).await;
    assert_eq!(Arc::strong_count(&stage.world.pulling), 2);
    let cancelled = stage.control.cancel(&stage.actor, first.id).await.unwrap();
    assert_eq!(cancelled.phase, Phase::Cancelled);
    assert_eq!(Arc::strong_count(&stage.world.pulling), 1);
}

#[tokio::test(start_paused = true)]
async fn cancelling_answers_when_nothing_can_start_any_more() {
    let stage = Stage::new().await;
    stage.world.publish_image("docker.io/acme/web:1", 1, Behaviour::Serves);
    stage.world.publish_image("docker.io/acme/web:2", 2, Behaviour::Serves);
    stage.ended(stage.create("acme/web:1").await.id).await;
    let gate = Arc::new(tokio::sync::Notify::new());
    *stage.world.start_gate.lock().unwrap() = Some(Arc::clone(&gate));
    let second = stage.deploy("acme/web:2").await;
    stage.until(second.id, |d| d.phase == Phase::Starting).await;
    stage.settle().await;
    let cancel = async {
        let cancelled = stage.control.cancel(&stage.actor, second.id).await.unwrap();
        assert_eq!(cancelled.phase, Phase::Cancelled);
        assert_eq!(stage.world.running(), [digest(1)]);
    };
    let opened = async {
        stage.settle().await;
        let phase = stage.store.deployment(second.id).await.unwrap().unwrap().phase;
        assert_eq!(phase, Phase::Starting, "the engine may still start it");
        gate.notify_one();
        stage.settle().await;
    };
    tokio::join!(cancel, opened);
}

#[tokio::test(start_paused = true)]
async fn an_instance_has_the_grace_of_the_deployment_that_it_is_of() {
    let stage = Stage::new().await;
    for n in 1..=3 {
        stage.world.publish_image(&format!("docker.io/acme/web:{n}"), n, Behaviour::Serves);
    }
    let mut spec = ServiceSpec::image("acme/web:1".parse().unwrap());
    spec.stop_grace_seconds = 120;
    let request = CreateService { name: "web".parse().ok(), ..CreateService::new(spec) };
    let (_, first) = stage.control.create_service(&stage.actor, request).await.unwrap();
    stage.ended(first.id).await;
    let image = Some("acme/web:2".parse().unwrap());
    let patch = ServicePatch { image, stop_grace_seconds: Some(7), ..ServicePatch::default() };
    let second = stage.control.deploy(&stage.actor, &web(), patch).await.unwrap();
    stage.ended(second.id).await;
    stage.settle().await;
    let back = stage.roll_back(1).await.unwrap();
    stage.ended(back.id).await;
    stage.settle().await;
    stage.ended(stage.deploy("acme/web:3").await.id).await;
    stage.settle().await;
    let graces: Vec<_> = stage.world.graces.lock().unwrap().iter().map(Duration::as_secs).collect();
    assert_eq!(graces, [120, 7, 120]);
}

#[tokio::test(start_paused = true)]
async fn whoever_follows_a_deployment_hears_that_a_newer_one_took_its_turn() {
    let stage = Stage::new().await;
    for n in 1..=3 {
        stage.world.publish_image(&format!("docker.io/acme/web:{n}"), n, Behaviour::Serves);
    }
    *stage.world.pull_gate.lock().unwrap() = Some(Arc::default());
    let first = stage.create("acme/web:1").await;
    stage.until(first.id, |d| d.phase == Phase::Preparing).await;
    let second = stage.deploy("acme/web:2").await;
    stage.deploy("acme/web:3").await;
    let about = mirage_store::EventFilter { deployment: Some(second.id), ..Default::default() };
    let last = stage.store.events(&about, 0, 10).await.unwrap().pop().unwrap();
    assert_eq!(last.kind, EventKind::PhaseChanged { phase: Phase::Superseded });
}

#[tokio::test(start_paused = true)]
async fn a_restart_that_the_engine_cannot_do_is_in_the_log_of_events() {
    let stage = Stage::new().await;
    stage.world.publish_image("docker.io/acme/web:1", 1, Behaviour::Serves);
    stage.ended(stage.create("acme/web:1").await.id).await;
    let full = Error::new(Code::DiskFull, "the disk is full");
    *stage.world.refuse_starts.lock().unwrap() = Some(full);
    stage.world.reboot();
    stage.settle().await;
    let why = stage.events().await.into_iter().filter_map(|kind| match kind {
        EventKind::InstanceExited { reason, .. } => Some(reason),
        _ => None,
    });
    assert!(why.into_iter().any(|reason| reason.contains("the disk is full")));
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_makes_nobody_ill() {
    let stage = Stage::new().await;
    stage.world.publish_image("docker.io/acme/web:1", 1, Behaviour::Serves);
    stage.ended(stage.create("acme/web:1").await.id).await;
    stage.clock.set_back(Duration::from_secs(24 * 3600));
    // What is started from now on needs a while to answer.
    stage.world.behaviour.lock().unwrap().insert(digest(1), Behaviour::NeverAnswers);
    stage.world.reboot();
    stage.settle().await;
    let started = stage.world.instances();
    assert_eq!(started.len(), 1);
    stage.time.pass(Duration::from_secs(20), Duration::from_millis(200)).await;
    assert_eq!(stage.world.instances(), started);
    let graces = stage.world.graces.lock().unwrap();
    assert!(graces.iter().all(Duration::is_zero), "nobody was stopped, as each has its time to get well");
}

#[tokio::test(start_paused = true)]
async fn a_deployment_that_waits_for_its_turn_is_cancelled_at_once() {
    let stage = Stage::new().await;
    for n in 1..=3 {
        stage.world.publish_image(&format!("docker.io/acme/web:{n}"), n, Behaviour::Serves);
    }
    stage.ended(stage.create("acme/web:1").await.id).await;
    *stage.world.pull_gate.lock().unwrap() = Some(Arc::default());
    let second = stage.deploy("acme/web:2").await;
    stage.until(second.id, |d| d.phase == Phase::Preparing).await;
    let third = stage.deploy("acme/web:3").await;
    assert_eq!(stage.control.cancel(&stage.actor, third.id).await.unwrap().phase, Phase::Cancelled);
    assert_eq!(stage.until(second.id, |_| true).await.phase, Phase::Preparing, "that one goes on");
}

#[tokio::test(start_paused = true)]
async fn there_is_no_way_back_to_what_never_was_active() {
    let stage = Stage::new().await;
    let bad = stage.one_good_one_bad().await;
    let error = stage.roll_back(bad.revision).await.unwrap_err();
    assert_eq!((error.code(), error.at_field()), (Code::Conflict, Some("revision")));
    let none = CredentialChange::default();
    let error = stage.control.rollback_to(&stage.actor, &web(), bad.id, none.clone()).await.unwrap_err();
    assert_eq!(error.code(), Code::Conflict);
    assert_eq!(stage.roll_back(7).await.unwrap_err().code(), Code::NotFound);

    let other = stage.create_as("other", "acme/web:1").await.unwrap();
    stage.ended(other.id).await;
    let error = stage.control.rollback_to(&stage.actor, &web(), other.id, none).await.unwrap_err();
    assert_eq!((error.code(), error.at_field()), (Code::NotFound, Some("deploymentId")));
    let newest = stage.control.service(&stage.actor, &web()).await.unwrap().newest.unwrap();
    assert_eq!(newest.id, bad.id, "nothing was written");
}

#[tokio::test(start_paused = true)]
async fn pushes_set_nothing_off_after_a_rollback_until_somebody_deploys() {
    let mut stage = Stage::new().await;
    let image = "127.0.0.1:7070/shop/web:live";
    let (repository, tag) = ("shop/web".parse().unwrap(), "live".parse().unwrap());
    stage.world.publish_image(image, 1, Behaviour::Serves);
    let mut spec = ServiceSpec::image(image.parse().unwrap());
    spec.auto_deploy = true;
    let request = CreateService { name: "web".parse().ok(), ..CreateService::new(spec) };
    let (_, first) = stage.control.create_service(&stage.actor, request).await.unwrap();
    stage.ended(first.id).await;
    stage.world.publish_image(image, 2, Behaviour::Serves);
    stage.control.pushed(&repository, &tag).await;
    let newest = async |stage: &Stage| {
        let newest = stage.control.service(&stage.actor, &web()).await.unwrap().newest.unwrap();
        stage.ended(newest.id).await
    };
    assert_eq!(newest(&stage).await.trigger, Trigger::Push);

    let back = stage.roll_back(1).await.unwrap();
    stage.ended(back.id).await;
    assert!(stage.control.service(&stage.actor, &web()).await.unwrap().service.auto_deploy_paused);
    assert!(stage.events().await.contains(&EventKind::AutoDeployPaused { revision: 1 }));
    stage.world.publish_image(image, 3, Behaviour::Serves);
    stage.control.pushed(&repository, &tag).await;
    stage.restart_control().await;
    stage.control.catch_up().await;
    assert_eq!(newest(&stage).await.id, back.id);
    let refused = stage.events().await.into_iter().find_map(|kind| match kind {
        EventKind::PushNotDeployed { reason, .. } => Some(reason),
        _ => None,
    });
    assert!(refused.unwrap().contains("since the rollback"));

    let patch = ServicePatch::default();
    let forward = stage.control.deploy(&stage.actor, &web(), patch).await.unwrap();
    assert_eq!(stage.ended(forward.id).await.phase, Phase::Active);
    assert_eq!(stage.world.behind(HOST), [digest(3)]);
    assert!(stage.events().await.contains(&EventKind::AutoDeployResumed));
    stage.world.publish_image(image, 4, Behaviour::Serves);
    stage.control.pushed(&repository, &tag).await;
    assert_eq!(newest(&stage).await.trigger, Trigger::Push);

    let back = stage.roll_back(1).await.unwrap();
    stage.ended(back.id).await;
    let resumed =
        async || stage.events().await.iter().filter(|e| **e == EventKind::AutoDeployResumed).count();
    let turn = async |on: bool| {
        let patch = ServicePatch { auto_deploy: Some(on), ..ServicePatch::default() };
        stage.control.update(&stage.actor, &web(), patch).await.unwrap();
    };
    turn(false).await;
    assert_eq!(resumed().await, 1, "what is switched off is not resumed");
    turn(true).await;
    stage.world.publish_image(image, 5, Behaviour::Serves);
    stage.control.pushed(&repository, &tag).await;
    assert_eq!(newest(&stage).await.trigger, Trigger::Push);
}

#[tokio::test(start_paused = true)]
async fn a_deployment_that_is_overtaken_while_the_one_before_drains_leaves_no_step_open() {
    let stage = Stage::new().await;
    for n in 1..=3 {
        stage.world.publish_image(&format!("docker.io/acme/web:{n}"), n, Behaviour::Serves);
    }
    stage.ended(stage.create("acme/web:1").await.id).await;
    *stage.world.drain_gate.lock().unwrap() = Some(Arc::default());
    let second = stage.deploy("acme/web:2").await;
    assert_eq!(stage.ended(second.id).await.phase, Phase::Active);
    let drain = async |id| {
        let steps = stage.store.deployment(id).await.unwrap().unwrap().steps;
        steps.into_iter().find(|step| step.kind == StepKind::Drain).unwrap()
    };
    assert_eq!(drain(second.id).await.finished_at, None);
    let third = stage.deploy("acme/web:3").await;
    assert_eq!(stage.ended(third.id).await.phase, Phase::Active);
    assert!(drain(second.id).await.finished_at.is_some(), "the third has taken it over");
    assert_eq!(stage.world.running().len(), 3, "both still serve what they began");
}

#[tokio::test(start_paused = true)]
async fn with_room_for_one_more_there_are_never_more_than_that() {
    let stage = Stage::new().await;
    stage.world.publish_image("docker.io/acme/web:1", 1, Behaviour::Serves);
    stage.world.publish_image("docker.io/acme/web:2", 2, Behaviour::Serves);
    stage.ended(stage.create("acme/web:1").await.id).await;
    let rollout = Rollout { surge: Some(1), ..Rollout::default() };
    let patch = ServicePatch { replicas: Some(3), rollout: Some(rollout), ..ServicePatch::default() };
    stage.control.update(&stage.actor, &web(), patch).await.unwrap();
    stage.settle().await;
    let before = stage.world.tables.lock().unwrap().len();
    let second = stage.deploy("acme/web:2").await;
    let mut most = 0;
    while stage.store.deployment(second.id).await.unwrap().unwrap().phase.is_moving() {
        most = most.max(stage.world.running().len());
        stage.pass(Duration::from_millis(20)).await;
    }
    assert_eq!(most, 4);
    stage.settle().await;
    assert_eq!(stage.world.behind(HOST), [digest(2), digest(2), digest(2)]);
    let tables = stage.world.tables.lock().unwrap();
    let fewest = tables[before..].iter().map(|table| table.routes[0].backends.len()).min();
    assert_eq!(fewest, Some(3), "three serve all the time");
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_stays_ill_is_replaced() {
    let stage = Stage::new().await;
    stage.world.publish_image("docker.io/acme/web:1", 1, Behaviour::Serves);
    stage.ended(stage.create("acme/web:1").await.id).await;
    let before = stage.world.instances();
    stage.world.behaviour.lock().unwrap().insert(digest(1), Behaviour::NeverAnswers);
    stage.time.pass(Duration::from_secs(30), Duration::from_millis(200)).await;
    assert!(stage.world.behind(HOST).is_empty(), "it gets no requests");
    assert_eq!(stage.world.instances(), before, "and some time to get well");
    stage.time.pass(Duration::from_secs(60), Duration::from_millis(200)).await;
    assert!(!stage.world.instances().contains(&before[0]));
    stage.world.behaviour.lock().unwrap().insert(digest(1), Behaviour::Serves);
    stage.settle().await;
    assert_eq!(stage.world.behind(HOST), [digest(1)]);
    let view = stage.control.service(&stage.actor, &web()).await.unwrap();
    assert!(matches!(view.instances[0].state, InstanceState::Running { .. }));
}

#[tokio::test(start_paused = true)]
async fn what_a_rollback_would_deploy_is_known_before_and_so_is_why_not() {
    let stage = Stage::new().await;
    let target = async |revision| stage.control.rollback_target(&stage.actor, &web(), revision).await;
    stage.one_good_one_bad().await;
    assert_eq!(target(Some(1)).await.unwrap(), 1);
    let refused = target(Some(2)).await.unwrap_err();
    assert_eq!(refused.message(), stage.roll_back(2).await.unwrap_err().message());
    assert!(target(None).await.unwrap_err().message().contains("nothing to roll back to"));
    stage.world.publish_image("docker.io/acme/web:3", 3, Behaviour::Serves);
    stage.ended(stage.deploy("acme/web:3").await.id).await;
    assert_eq!(target(None).await.unwrap(), 1, "the failed one is passed over");
}

#[tokio::test(start_paused = true)]
async fn two_deployments_are_compared_without_a_value_of_a_variable() {
    let stage = Stage::new().await;
    stage.world.publish_image("docker.io/acme/web:1", 1, Behaviour::Serves);
    stage.world.publish_image("docker.io/acme/web:2", 2, Behaviour::Serves);
    let first = stage.ended(stage.create("acme/web:1").await.id).await;
    let text = mirage_core::VariableText::from("hush");
    let input = mirage_core::VariableInput { text, seal: false };
    let patch = ServicePatch {
        image: Some("acme/web:2".parse().unwrap()),
        variables: [("KEY".parse().unwrap(), Some(input))].into(),
        rollout: Some(Rollout { drain_seconds: 7, ..Rollout::default() }),
        command: Some(Some(vec!["serve".into(), "--password=hush".into()])),
        ..ServicePatch::default()
    };
    let second = stage.control.deploy(&stage.actor, &web(), patch).await.unwrap();
    let second = stage.ended(second.id).await;
    for (one, with) in [(first.id, second.id), (second.id, first.id)] {
        let told = stage.control.compare(&stage.actor, one, with).await.unwrap();
        assert_eq!((told.older.deployment.id, told.newer.deployment.id), (first.id, second.id));
        let changes: Vec<_> = told
            .differences
            .settings
            .iter()
            .map(|it| {
                (it.field.as_str(), it.before.as_deref().unwrap_or(""), it.after.as_deref().unwrap_or(""))
            })
            .collect();
        let expected =
            [("rollout.drainSeconds", "30", "7"), ("image", "docker.io/acme/web:1", "docker.io/acme/web:2")];
        assert_eq!(changes.len(), 2, "{changes:?}");
        assert!(expected.iter().all(|change| changes.contains(change)), "{changes:?}");
        assert_eq!(told.differences.variable_names, ["KEY"]);
        assert!(told.differences.command);
        assert!(!format!("{:?}", told.differences).contains("hush"));
    }
    let view = stage.control.service(&stage.actor, &web()).await.unwrap();
    assert!(view.waiting().unwrap().is_empty());
    let patch = ServicePatch { stop_grace_seconds: Some(3), ..ServicePatch::default() };
    let view = stage.control.update(&stage.actor, &web(), patch).await.unwrap();
    assert_eq!(view.waiting().unwrap().settings[0].field, "stopGraceSeconds");
}
