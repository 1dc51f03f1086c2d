//! An image is judged before anything is written.

use std::sync::atomic::Ordering;

use mirage_core::{Code, CredentialChange, ImageConfig, Phase, Severity, StepKind};

use super::Stage;
use super::web;
use crate::{InspectImage, RepositoryView, ServicePatch, TagQuery};

const IMAGE: &str = "docker.io/acme/web:1";

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Runs as root, and declares a volume.
fn careless(config: &mut ImageConfig) {
    config.user.clear();
    config.volumes = words(&["/data"]);
}

#[tokio::test(start_paused = true)]
async fn warnings_stop_nothing_and_are_kept_with_the_deployment() {
    let stage = Stage::new().await;
    stage.world.publish_config(IMAGE, 1, careless);
    let deployment = stage.create("acme/web:1").await;
    let resolve = deployment.steps.iter().find(|step| step.kind == StepKind::Resolve).unwrap();
    assert_eq!(
        resolve.summary,
        "acme/web:1 → 010101010101  linux/amd64, 1000 B; 2 warnings: RUNS_AS_ROOT, VOLUME_NOT_KEPT"
    );
    assert_eq!(stage.ended(deployment.id).await.phase, Phase::Active);
}

#[tokio::test(start_paused = true)]
async fn an_image_that_cannot_run_is_refused_before_anything_is_written() {
    let stage = Stage::new().await;
    stage.world.publish_config(IMAGE, 1, |config| config.entrypoint = words(&["/web", "--port=$PORT"]));
    let error = stage.try_create("acme/web:1").await.unwrap_err();
    assert_eq!((error.code(), error.at_field()), (Code::StartFailed, None));
    assert!(error.message().starts_with("`acme/web:1` cannot run here: `$PORT`"), "{}", error.message());

    stage.world.publish_config(IMAGE, 2, |_| {});
    stage.world.free_bytes.store(999, Ordering::Relaxed);
    let error = stage.try_create("acme/web:1").await.unwrap_err();
    assert_eq!(error.code(), Code::ImageTooLarge);
    assert_eq!(
        error.message(),
        "`acme/web:1` cannot run here: it does not fit on the disk: 1000 B are to be pulled, 999 B are free"
    );
    assert!(stage.store.newest_event().await.unwrap() == 0, "not even a project was made");
}

#[tokio::test(start_paused = true)]
async fn a_command_that_cannot_work_leaves_the_service_as_it_is() {
    let stage = Stage::new().await;
    stage.world.publish_config(IMAGE, 1, |_| {});
    let first = stage.create("acme/web:1").await;
    stage.ended(first.id).await;
    let wrong = ServicePatch { command: Some(Some(words(&["--port", "$PORT"]))), ..ServicePatch::default() };
    let error = stage.control.deploy(&stage.actor, &web(), wrong).await.unwrap_err();
    assert_eq!((error.code(), error.at_field()), (Code::InvalidRequest, Some("command")));
    let service = stage.control.service(&stage.actor, &web()).await.unwrap().service;
    assert_eq!((service.spec.command, stage.ended(first.id).await.phase), (None, Phase::Active));
    // The image is here, so that a full disk is no reason against it.
    stage.world.free_bytes.store(0, Ordering::Relaxed);
    let again = stage.deploy("acme/web:1").await;
    assert_eq!(stage.ended(again.id).await.phase, Phase::Active);
}

#[tokio::test(start_paused = true)]
async fn somebody_who_only_looks_is_told_everything() {
    let stage = Stage::new().await;
    stage.world.publish_config(IMAGE, 1, careless);
    let wanted = || InspectImage::new("acme/web:1".parse().unwrap());
    let found = stage.control.inspect(&stage.actor, wanted()).await.unwrap();
    assert_eq!(found.verdict.line(), "runs here, 2 warnings");
    assert_eq!((found.stock.present, found.stock.missing_bytes), (false, Some(1000)));
    assert!(found.verdict.findings.iter().all(|finding| finding.severity == Severity::Warning));
    stage.world.free_bytes.store(1, Ordering::Relaxed);
    let elsewhere = InspectImage { platform: "linux/arm64".parse().ok(), ..wanted() };
    let found = stage.control.inspect(&stage.actor, elsewhere).await.unwrap();
    assert_eq!(found.verdict.line(), "runs on linux/arm64, 2 warnings", "another machine has another disk");
}

#[tokio::test(start_paused = true)]
async fn the_tags_of_a_repository_are_offered_to_whoever_may_look() {
    let stage = Stage::new().await;
    for (tag, n) in [("1", 1), ("2", 2), ("latest", 2)] {
        stage.world.publish_config(&format!("docker.io/acme/web:{tag}"), n, |_| {});
    }
    stage.world.publish_config("docker.io/acme/website:3", 3, |_| {});
    let query = || TagQuery {
        reference: "acme/web".parse().unwrap(),
        credentials: CredentialChange::default(),
        project: None,
        environment: None,
    };
    let found = stage.control.tags(&stage.actor, query()).await.unwrap();
    assert_eq!(found.tags.iter().map(|tag| tag.as_str()).collect::<Vec<_>>(), ["latest", "2", "1"]);
    let half = CredentialChange { username: Some("eve".into()), ..CredentialChange::default() };
    let query = TagQuery { credentials: half, ..query() };
    let error = stage.control.tags(&stage.actor, query).await.unwrap_err();
    assert_eq!(error.code(), Code::CredentialIncomplete);
}

#[tokio::test(start_paused = true)]
async fn a_deployment_remembers_who_asked_for_it() {
    let stage = Stage::new().await;
    stage.world.publish_config(IMAGE, 1, |_| {});
    let first = stage.create("acme/web:1").await;
    assert_eq!(first.requested_by, "admin");
}

#[tokio::test(start_paused = true)]
async fn a_repository_of_the_built_in_registry_shows_who_uses_it() {
    let stage = Stage::new().await;
    stage.world.publish_config("127.0.0.1:7070/acme/web:1", 1, |_| {});
    stage.world.publish_config("127.0.0.1:7070/acme/idle:1", 1, |_| {});
    stage.world.publish_config(IMAGE, 1, |_| {});
    stage.create_as("mine", "127.0.0.1:7070/acme/web:1").await.unwrap();
    stage.create_as("theirs", "acme/web:1").await.unwrap();
    let found = stage.control.repositories(&stage.actor, None, 1).await.unwrap();
    let users = |view: &RepositoryView| view.used_by.iter().map(|it| it.name.to_string()).collect::<Vec<_>>();
    assert_eq!((found.items[0].repository.as_str(), found.more), ("acme/idle", true));
    assert!(users(&found.items[0]).is_empty());
    let after = Some(&found.items[0].repository);
    let rest = stage.control.repositories(&stage.actor, after, 10).await.unwrap();
    assert_eq!((users(&rest.items[0]), rest.items.len(), rest.more), (vec!["mine".to_owned()], 1, false));
}
