//! Crashes, deletions in between, and steps that hang or fail.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_crashed_process_is_started_again_until_it_has_failed_too_often() {
    let stage = Stage::new().await;
    stage.world.publish_image("docker.io/acme/web:1", 1, Behaviour::Serves);
    let first = stage.create("acme/web:1").await;
    stage.ended(first.id).await;
    stage.world.end(stage.world.instances()[0], 1);
    stage.settle().await;
    assert_eq!(stage.world.behind(HOST), [digest(1)]);

    stage.world.behaviour.lock().unwrap().insert(digest(1), Behaviour::ExitsAtOnce(1));
    stage.world.end(stage.world.instances()[0], 1);
    stage.time.pass(Duration::from_secs(300), Duration::from_millis(200)).await;
    assert_eq!(stage.status().await, ServiceStatus::Exited);
    let mut feed = stage.control.events(&stage.actor, &crate::EventSearch::default(), Some(0)).await.unwrap();
    let mut ended = 0;
    let newest = stage.store.newest_event().await.unwrap();
    while let Some(event) = feed.next().await.unwrap() {
        ended += usize::from(matches!(event.kind, EventKind::InstanceExited { .. }));
        if event.number == newest {
            break;
        }
    }
    assert_eq!(ended, 11, "the first crash, and ten tries in a row");
}

#[tokio::test(start_paused = true)]
async fn a_change_that_builds_on_what_was_there_is_refused_when_that_is_gone() {
    let stage = Stage::new().await;
    stage.world.publish_image("docker.io/acme/web:1", 1, Behaviour::Serves);
    stage.ended(stage.create("acme/web:1").await.id).await;
    let seen = Some(stage.control.service(&stage.actor, &web()).await.unwrap().service.updated_at);
    stage.pass(Duration::from_millis(20)).await;
    let patch = |replicas| ServicePatch { seen, replicas: Some(replicas), ..ServicePatch::default() };
    stage.control.update(&stage.actor, &web(), patch(2)).await.unwrap();
    let error = stage.control.update(&stage.actor, &web(), patch(3)).await.err().unwrap();
    assert_eq!(error.code(), Code::Conflict);
    let error = stage.control.deploy(&stage.actor, &web(), patch(3)).await.err().unwrap();
    assert_eq!(error.code(), Code::Conflict);
}

#[tokio::test(start_paused = true)]
async fn a_service_is_found_by_its_place_among_any_number_of_its_name() {
    let stage = Stage::new().await;
    stage.world.publish_image("docker.io/acme/web:1", 1, Behaviour::Serves);
    for n in 0..120 {
        let request = CreateService {
            name: Some("web".parse().unwrap()),
            environment: Some(format!("e{n}").parse().unwrap()),
            replicas: 0,
            ..CreateService::new(ServiceSpec::image("acme/web:1".parse().unwrap()))
        };
        stage.control.create_service(&stage.actor, request).await.unwrap();
    }
    for n in 0..120 {
        let place = format!("default/e{n}/web").parse().unwrap();
        assert!(stage.control.service(&stage.actor, &place).await.is_ok(), "{n}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_removed_before_it_starts_is_not_started_afterwards() {
    let stage = Stage::new().await;
    stage.world.publish_image("docker.io/acme/web:1", 1, Behaviour::Serves);
    stage.world.present.lock().unwrap().insert(digest(1));
    let motion = Arc::clone(&stage.control.parts);
    let collecting = motion.images_in_motion.write().await;
    stage.create("acme/web:1").await;
    stage.settle().await;
    stage.control.remove(&stage.actor, &web()).await.unwrap();
    stage.settle().await;
    drop(collecting);
    stage.settle().await;
    assert!(stage.control.service(&stage.actor, &web()).await.is_err(), "the service is gone");
    assert_eq!((stage.world.instances(), stage.world.behind(HOST)), (vec![], vec![]));
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_cleaned_up_is_cleaned_up_later() {
    let stage = Stage::new().await;
    stage.world.publish_image("docker.io/acme/web:1", 1, Behaviour::Serves);
    stage.ended(stage.create("acme/web:1").await.id).await;
    let ended = stage.world.instances()[0];
    stage.world.failing_stops.store(3, Ordering::Relaxed);
    stage.world.end(ended, 1);
    stage.pass(Duration::from_secs(10)).await;
    assert_eq!(stage.world.failing_stops.load(Ordering::Relaxed), 0);
    assert!(!stage.world.instances().contains(&ended), "the engine still has an instance that ended");
    assert_eq!(stage.status().await, ServiceStatus::Active);
}

#[tokio::test(start_paused = true)]
async fn a_pull_that_hangs_holds_nobody_else_up() {
    let stage = Stage::new().await;
    for (name, n) in [("docker.io/acme/slow:1", 1), ("docker.io/acme/web:1", 2), ("docker.io/acme/api:1", 3)]
    {
        stage.world.publish_image(name, n, Behaviour::Serves);
    }
    *stage.world.pull_gate.lock().unwrap() = Some(Arc::default());
    let slow = stage.create_as("slow", "acme/slow:1").await.unwrap();
    stage.until(slow.id, |deployment| deployment.phase == Phase::Preparing).await;
    stage.pass(Duration::from_millis(100)).await;
    *stage.world.pull_gate.lock().unwrap() = None;
    // What the first one leaves behind is collected, which must not wait for the pull.
    for name in ["web", "api"] {
        let deployment = stage.create_as(name, &format!("acme/{name}:1")).await.unwrap();
        assert_eq!(stage.ended(deployment.id).await.phase, Phase::Active);
    }
    assert_eq!(stage.store.deployment(slow.id).await.unwrap().unwrap().phase, Phase::Preparing);
}
