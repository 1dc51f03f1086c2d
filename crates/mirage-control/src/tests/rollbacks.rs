//! What is set after a rollback, what the next deploy brings, and where the way back leads.

use mirage_core::{SettingChange, Trigger, VariableInput};

use super::*;

impl Stage {
    /// Revisions 1 to `most` were active, one after the other, each of the tag with its number.
    async fn revisions(&self, most: u8) {
        for n in 1..=most {
            let image = format!("acme/web:{n}");
            self.world.publish_image(&format!("docker.io/{image}"), n, Behaviour::Serves);
            let begun = match n {
                1 => self.create(&image).await,
                _ => self.deploy(&image).await,
            };
            assert_eq!(self.ended(begun.id).await.phase, Phase::Active);
        }
    }

    async fn go_back(&self, revision: Option<u32>) -> Deployment {
        let none = CredentialChange::default();
        let begun = self.control.rollback(&self.actor, &web(), revision, none).await.unwrap();
        let ended = self.ended(begun.id).await;
        assert_eq!((ended.phase, ended.trigger), (Phase::Active, Trigger::Rollback));
        ended
    }

    async fn set(&self, patch: ServicePatch) -> Deployment {
        let begun = self.control.deploy(&self.actor, &web(), patch).await.unwrap();
        self.ended(begun.id).await
    }

    async fn wanted(&self) -> String {
        let mirage_core::Source::Image(image) = self.view().await.service.spec.source;
        image.familiar()
    }

    async fn view(&self) -> crate::ServiceView {
        self.control.service(&self.actor, &web()).await.unwrap()
    }

    /// What was told of changed settings: names, and from what to what.
    async fn told_changes(&self) -> Vec<(Vec<String>, Vec<SettingChange>)> {
        let all = self.store.events(&mirage_store::EventFilter::default(), 0, 500).await.unwrap();
        let changed = all.into_iter().filter_map(|event| match event.kind {
            EventKind::ServiceChanged { fields, changes, .. } => Some((fields, changes)),
            _ => None,
        });
        changed.collect()
    }
}

fn variable(name: &str) -> ServicePatch {
    let input = VariableInput { text: "b".into(), seal: false };
    ServicePatch { variables: [(name.parse().unwrap(), Some(input))].into(), ..ServicePatch::default() }
}

#[tokio::test(start_paused = true)]
async fn a_deploy_of_another_setting_after_a_rollback_stays_on_what_was_rolled_back_to() {
    let stage = Stage::new().await;
    stage.revisions(3).await;
    assert_eq!(stage.go_back(None).await.revision, 2);
    assert_eq!(stage.wanted().await, "acme/web:2");
    assert!(stage.view().await.waiting().unwrap().is_empty(), "what runs is what is set");
    let (fields, changes) = stage.told_changes().await.pop().unwrap();
    assert_eq!(fields, ["image"]);
    let image = |n: u8| Some(format!("docker.io/acme/web:{n}"));
    assert_eq!(changes, [SettingChange { field: "image".into(), before: image(3), after: image(2) }]);

    let next = stage.set(variable("A")).await;
    assert_eq!((next.revision, next.phase), (4, Phase::Active));
    assert_eq!(stage.world.behind(HOST), [digest(2)]);
}

#[tokio::test(start_paused = true)]
async fn a_rollback_leaves_every_setting_but_the_image_as_it_is_set() {
    let stage = Stage::new().await;
    stage.revisions(1).await;
    stage.world.publish_image("docker.io/acme/web:2", 2, Behaviour::Serves);
    let patch = ServicePatch {
        image: "acme/web:2".parse().ok(),
        stop_grace_seconds: Some(7),
        replicas: Some(2),
        ..variable("A")
    };
    stage.set(patch).await;
    stage.go_back(None).await;
    let view = stage.view().await;
    let waiting = view.waiting().unwrap();
    let names: Vec<_> = waiting.settings.iter().map(|it| it.field.as_str()).collect();
    assert_eq!((names, waiting.variable_names), (vec!["stopGraceSeconds"], vec!["A".to_owned()]));
    assert_eq!((view.service.replicas, stage.wanted().await.as_str()), (2, "acme/web:1"));
}

#[tokio::test(start_paused = true)]
async fn where_only_the_tag_has_moved_the_reference_stays_and_what_it_means_now_is_known() {
    let stage = Stage::new().await;
    stage.world.publish_image("docker.io/acme/web:live", 1, Behaviour::Serves);
    stage.ended(stage.create("acme/web:live").await.id).await;
    assert_eq!(stage.control.moved_tag(&stage.actor, &stage.view().await).await.unwrap(), None);
    stage.world.publish_image("docker.io/acme/web:live", 2, Behaviour::Serves);
    stage.ended(stage.deploy("acme/web:live").await.id).await;
    let told = stage.told_changes().await.len();
    stage.go_back(None).await;
    assert_eq!((stage.wanted().await.as_str(), stage.told_changes().await.len()), ("acme/web:live", told));
    let moved = stage.control.moved_tag(&stage.actor, &stage.view().await).await.unwrap().unwrap();
    assert_eq!((moved.reference.familiar().as_str(), moved.runs, moved.newer), ("acme/web:live", 1, 2));

    stage.world.publish_image(&moved.pinned.to_string(), 1, Behaviour::Serves);
    let pinned = ServicePatch { image: Some(moved.pinned), ..ServicePatch::default() };
    stage.set(pinned).await;
    assert_eq!(stage.world.behind(HOST), [digest(1)]);
    assert_eq!(stage.control.moved_tag(&stage.actor, &stage.view().await).await.unwrap(), None);
    stage.ended(stage.deploy("acme/web:live").await.id).await;
    assert_eq!(stage.world.behind(HOST), [digest(2)], "a deploy asks the registry what the tag means");
}

#[tokio::test(start_paused = true)]
async fn the_way_back_never_leads_to_what_was_gone_back_from() {
    let stage = Stage::new().await;
    stage.revisions(3).await;
    let target = async || stage.control.rollback_target(&stage.actor, &web(), None).await;
    stage.go_back(None).await;
    assert_eq!(target().await.unwrap(), 1, "not 3");
    assert_eq!(stage.go_back(None).await.revision, 1);
    let refused = target().await.unwrap_err();
    assert_eq!((refused.code(), refused.message()), (Code::Conflict, "`web` has nothing to roll back to"));
    assert!(refused.next_step().unwrap().contains("a newer one is deployed again by its number"));
    assert_eq!(stage.go_back(Some(3)).await.revision, 3, "asked for by its number");
    assert_eq!(target().await.unwrap(), 1, "what ran before it");
}

#[tokio::test(start_paused = true)]
async fn a_rollback_to_what_no_push_can_change_ends_deploying_by_itself_and_says_so() {
    let stage = Stage::new().await;
    stage.revisions(1).await;
    let own = "127.0.0.1:7070/shop/web:live";
    stage.world.publish_image(own, 2, Behaviour::Serves);
    let patch = ServicePatch { image: own.parse().ok(), auto_deploy: Some(true), ..ServicePatch::default() };
    stage.set(patch).await;
    stage.go_back(None).await;
    let service = stage.view().await.service;
    assert_eq!((service.spec.auto_deploy, service.auto_deploy_paused), (false, false));
    assert_eq!(stage.told_changes().await.pop().unwrap().0, ["image", "autoDeploy"]);
    stage.set(variable("A")).await;
    assert_eq!(stage.world.behind(HOST), [digest(1)]);
}

#[tokio::test(start_paused = true)]
async fn pushes_of_the_tag_that_was_rolled_back_to_are_followed_once_they_are_again() {
    let mut stage = Stage::new().await;
    let (live, next) = ("127.0.0.1:7070/shop/web:live", "127.0.0.1:7070/shop/web:next");
    let (repository, tag) = ("shop/web".parse().unwrap(), "live".parse().unwrap());
    stage.world.publish_image(live, 1, Behaviour::Serves);
    stage.world.publish_image(next, 2, Behaviour::Serves);
    stage.ended(stage.create(live).await.id).await;
    let follow = ServicePatch { auto_deploy: Some(true), ..ServicePatch::default() };
    stage.set(ServicePatch { image: next.parse().ok(), ..follow.clone() }).await;
    stage.go_back(None).await;
    assert!(stage.view().await.service.auto_deploy_paused);
    stage.control.update(&stage.actor, &web(), follow).await.unwrap();
    stage.restart_control().await;
    stage.control.catch_up().await;
    assert_eq!(stage.view().await.newest.unwrap().trigger, Trigger::Rollback, "nothing was pushed");
    stage.world.publish_image(live, 3, Behaviour::Serves);
    stage.control.pushed(&repository, &tag).await;
    let newest = stage.view().await.newest.unwrap();
    assert_eq!((newest.trigger, stage.ended(newest.id).await.phase), (Trigger::Push, Phase::Active));
    assert_eq!(stage.world.behind(HOST), [digest(3)]);
}
