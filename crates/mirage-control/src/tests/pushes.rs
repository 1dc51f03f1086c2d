//! The built-in registry: who may use it, and what a push sets off.

use mirage_core::{Repository, ServiceSpec, Tag, Trigger};

use super::*;
use crate::{Action, NewToken};

const IMAGE: &str = "127.0.0.1:7070/shop/web:live";

fn pushed() -> (Repository, Tag) {
    ("shop/web".parse().unwrap(), "live".parse().unwrap())
}

impl Stage {
    /// Makes a service that waits for pushes.
    async fn waiting(&self) -> Deployment {
        self.world.publish_image(IMAGE, 1, Behaviour::Serves);
        let mut spec = ServiceSpec::image(IMAGE.parse().unwrap());
        spec.auto_deploy = true;
        let request = CreateService { name: "web".parse().ok(), ..CreateService::new(spec) };
        let (_, deployment) = self.control.create_service(&self.actor, request).await.unwrap();
        self.ended(deployment.id).await
    }

    async fn newest(&self) -> Deployment {
        let newest = self.control.service(&self.actor, &web()).await.unwrap().newest.unwrap();
        self.ended(newest.id).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_push_deploys_the_services_that_wait_for_its_tag_and_no_others() {
    let stage = Stage::new().await;
    let first = stage.waiting().await;
    let still = stage.create_as("still", IMAGE).await.unwrap();
    stage.ended(still.id).await;
    stage.world.publish_image(IMAGE, 2, Behaviour::Serves);
    let (repository, tag) = pushed();
    stage.control.pushed(&repository, &"other".parse().unwrap()).await;
    stage.control.pushed(&"shop/other".parse().unwrap(), &tag).await;
    assert_eq!(stage.newest().await.id, first.id);
    stage.control.pushed(&repository, &tag).await;
    let second = stage.newest().await;
    assert_eq!((second.trigger, second.phase), (Trigger::Push, Phase::Active));
    assert_eq!(stage.world.behind(HOST), [digest(2)]);
    let still = stage.control.service(&stage.actor, &"still".parse().unwrap()).await.unwrap();
    assert_eq!(still.newest.unwrap().revision, 1);
}

#[tokio::test(start_paused = true)]
async fn a_push_that_nobody_saw_is_followed_at_the_next_start_and_once() {
    let mut stage = Stage::new().await;
    let first = stage.waiting().await;
    stage.restart_control().await;
    stage.control.catch_up().await;
    assert_eq!(stage.newest().await.id, first.id, "nothing was pushed");
    stage.world.publish_image(IMAGE, 2, Behaviour::ExitsAtOnce(1));
    stage.restart_control().await;
    stage.control.catch_up().await;
    let second = stage.newest().await;
    assert_eq!((second.trigger, second.phase), (Trigger::Push, Phase::Failed));
    stage.control.catch_up().await;
    assert_eq!(stage.newest().await.id, second.id, "what failed is not tried again and again");
    assert_eq!(stage.world.behind(HOST), [digest(1)]);
}

#[tokio::test(start_paused = true)]
async fn the_same_image_pushed_again_and_a_change_that_waits_set_nothing_off() {
    let mut stage = Stage::new().await;
    let first = stage.waiting().await;
    let (repository, tag) = pushed();
    stage.control.pushed(&repository, &tag).await;
    assert_eq!(stage.newest().await.id, first.id, "the tag means what runs");
    let next = "127.0.0.1:7070/shop/web:next";
    stage.world.publish_image(next, 2, Behaviour::Serves);
    let patch = ServicePatch { image: next.parse().ok(), ..ServicePatch::default() };
    stage.control.update(&stage.actor, &web(), patch).await.unwrap();
    stage.restart_control().await;
    stage.control.catch_up().await;
    assert_eq!(stage.newest().await.id, first.id, "whoever changed the image has not deployed it yet");
}

#[tokio::test(start_paused = true)]
async fn of_two_pushes_at_once_the_second_one_runs_in_the_end() {
    let stage = Stage::new().await;
    stage.waiting().await;
    let (repository, tag) = pushed();
    for n in 2..6 {
        stage.world.publish_image(IMAGE, n, Behaviour::Serves);
        let (control, repository, tag) = (stage.control.clone(), repository.clone(), tag.clone());
        tokio::spawn(async move { control.pushed(&repository, &tag).await });
    }
    stage.control.pushed(&repository, &tag).await;
    stage.settle().await;
    assert_eq!(stage.world.behind(HOST), [digest(5)]);
}

#[tokio::test(start_paused = true)]
async fn a_push_that_cannot_be_deployed_is_told_as_an_event() {
    let stage = Stage::new().await;
    stage.waiting().await;
    stage.world.tags.lock().unwrap().clear();
    let (repository, tag) = pushed();
    stage.control.pushed(&repository, &tag).await;
    let all = stage.store.events(&mirage_store::EventFilter::default(), 0, 500).await.unwrap();
    let told = all.iter().find_map(|event| match &event.kind {
        EventKind::PushNotDeployed { image, reason } => Some(format!("{image}: {reason}")),
        _ => None,
    });
    assert!(told.unwrap().starts_with("127.0.0.1:7070/shop/web:live: IMAGE_NOT_FOUND: "));
}

#[tokio::test(start_paused = true)]
async fn waiting_for_pushes_that_nobody_hears_of_is_refused() {
    let stage = Stage::new().await;
    stage.waiting().await;
    let pinned = format!("127.0.0.1:7070/shop/web@sha256:{}", "0".repeat(64));
    let through = "127.0.0.1:7070/docker.io/library/nginx:1";
    let by_port = "127.0.0.1:7070/localhost_5000/team/web:1";
    for image in ["docker.io/acme/web:1", pinned.as_str(), through, by_port] {
        stage.world.publish_image(image, 1, Behaviour::Serves);
        let patch = ServicePatch { image: image.parse().ok(), ..ServicePatch::default() };
        let error = stage.control.deploy(&stage.actor, &web(), patch.clone()).await.err().unwrap();
        assert_eq!((error.code(), error.at_field()), (Code::InvalidRequest, Some("autoDeploy")));
        assert!(error.next_step().unwrap().contains("--no-auto-deploy"));
        let off = ServicePatch { auto_deploy: Some(false), ..patch };
        let mut copy = stage.control.service(&stage.actor, &web()).await.unwrap().service;
        assert!(off.apply(&stage.control.parts.vault, copy.id, &mut copy.spec, &mut copy.replicas).is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_of_a_project_opens_its_repositories_and_nothing_else() {
    let mut stage = Stage::new().await;
    let make = async |name: &str, push| {
        let new = NewToken { name: name.parse().unwrap(), project: "shop".parse().ok(), push };
        stage.control.create_token(&stage.actor, new).await
    };
    let (grant, ci) = make("ci", true).await.unwrap();
    let (_, reader) = make("reader", false).await.unwrap();
    assert_eq!(make("ci", false).await.err().unwrap().code(), Code::NameTaken);
    stage.restart_control().await;
    let (own, foreign): (Repository, Repository) = ("shop/web".parse().unwrap(), "bank/web".parse().unwrap());
    for (token, action, allowed) in [
        (&ci, Action::PullImages(&own), true),
        (&ci, Action::PushImages(&own), true),
        (&reader, Action::PullImages(&own), true),
        (&reader, Action::PushImages(&own), false),
        (&ci, Action::PullImages(&foreign), false),
        (&ci, Action::PushImages(&foreign), false),
        (&ci, Action::ListImages, false),
        (&ci, Action::Read, false),
        (&ci, Action::ReadLogs, false),
        (&ci, Action::Inspect, false),
        (&ci, Action::Deploy, false),
        (&ci, Action::Remove, false),
        (&ci, Action::ManageCredentials, false),
        (&ci, Action::ManageTokens, false),
        (&ci, Action::ManageVault, false),
        (&ci, Action::Diagnose, false),
        (&ci, Action::Backup, false),
    ] {
        let actor = stage.control.authenticate(token.reveal()).unwrap();
        let answer = stage.control.allow(&actor, action);
        assert_eq!(answer.is_ok(), allowed, "{} {action:?}", actor.name());
        assert!(answer.err().is_none_or(|error| error.code() == Code::Forbidden));
    }
    let actor = stage.control.authenticate(ci.reveal()).unwrap();
    assert_eq!(actor.name(), "shop/ci");
    assert_eq!(stage.control.tokens(&actor, None, 100).await.unwrap_err().code(), Code::Forbidden);
    stage.control.remove_token(&stage.actor, grant.id).await.unwrap();
    assert_eq!(stage.control.authenticate(ci.reveal()).unwrap_err().code(), Code::Unauthenticated);
    assert_eq!(stage.control.tokens(&stage.actor, None, 100).await.unwrap().items.len(), 1);
}
