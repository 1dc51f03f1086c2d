//! Images that are taken away from the built-in registry.

use std::collections::BTreeMap;

use mirage_core::port::Registry;
use mirage_core::{Digest, Reference, Repository, Tag};

use super::*;
use crate::{EventSearch, HeldName, NewToken};

const ONE: &str = "127.0.0.1:7070/shop/web:1";
const TWO: &str = "127.0.0.1:7070/shop/web:2";

/// Takes a tag, or a whole repository, from what this world calls its own; answers with what no other tag means.
pub(super) fn take(
    tags: &mut BTreeMap<String, Digest>,
    repository: &Repository,
    tag: Option<&Tag>,
) -> Option<Vec<Digest>> {
    let of_it = |name: &String| {
        let reference: Reference = name.parse().unwrap();
        let is_held = reference.host().as_str() == "127.0.0.1:7070" && reference.repository() == repository;
        is_held.then(|| reference.tag().cloned())
    };
    let is_wanted = |name: &String| of_it(name).is_some_and(|held| tag.is_none() || held.as_ref() == tag);
    let wanted: Vec<String> = tags.keys().filter(|name| is_wanted(name)).cloned().collect();
    let mut gone: Vec<Digest> = wanted.iter().filter_map(|name| tags.remove(name)).collect();
    let is_empty = gone.is_empty();
    let means = |name: &String| of_it(name).flatten().is_some();
    gone.retain(|digest| !tags.iter().any(|(name, other)| other == digest && means(name)));
    (!is_empty).then_some(gone)
}

impl Stage {
    async fn has(&self, image: &str) -> bool {
        let (reference, platform) = (image.parse().unwrap(), Platform::linux("amd64"));
        self.world.resolve(&reference, &platform, None).await.is_ok()
    }
}

fn name(text: &str) -> HeldName {
    text.parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_image_that_services_are_set_to_is_taken_away_only_by_whoever_means_it() {
    let stage = Stage::new().await;
    stage.world.publish_image(ONE, 1, Behaviour::Serves);
    stage.world.publish_image(TWO, 2, Behaviour::Serves);
    let deployment = stage.create(ONE).await;
    stage.ended(deployment.id).await;

    let free = stage.control.remove_images(&stage.actor, &name("shop/web:2"), false).await.unwrap();
    assert_eq!((free.manifests, free.used_by.len(), free.kept.len()), (1, 0, 0));
    let refused = stage.control.remove_images(&stage.actor, &name("shop/web:1"), false).await.unwrap_err();
    assert_eq!(refused.code(), Code::Conflict);
    assert_eq!(refused.message(), "`shop/web:1` is the image of `web`");
    assert!(stage.has(ONE).await);

    let meant = stage.control.remove_images(&stage.actor, &name("shop/web:1"), true).await.unwrap();
    assert_eq!(meant.used_by[0].name.as_str(), "web");
    assert_eq!((meant.kept[0].path.name.as_str(), meant.kept[0].revision), ("web", 1));
    assert!(!stage.has(ONE).await);
    assert_eq!(stage.world.behind(HOST), [digest(1)], "what runs goes on");
    let gone = stage.control.remove_images(&stage.actor, &name("shop/web:1"), true).await.unwrap_err();
    assert_eq!((gone.code(), gone.at_field()), (Code::NotFound, Some("image")));

    let events =
        stage.control.events_before(&stage.actor, &EventSearch::default(), i64::MAX, 10).await.unwrap();
    let removed = events.items.iter().filter_map(|event| match &event.kind {
        EventKind::ImagesRemoved { repository, tag, manifests } => {
            Some((event.actor.as_str(), repository.as_str(), tag.as_deref(), *manifests))
        }
        _ => None,
    });
    let removed: Vec<_> = removed.collect();
    assert_eq!(removed, [("admin", "shop/web", Some("2"), 1), ("admin", "shop/web", Some("1"), 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_removal_says_who_uses_what_and_which_revisions_keep_their_bytes() {
    let stage = Stage::new().await;
    stage.world.publish_image(ONE, 1, Behaviour::Serves);
    stage.world.publish_image("127.0.0.1:7070/shop/web:also-1", 1, Behaviour::Serves);
    stage.world.publish_image(TWO, 2, Behaviour::Serves);
    stage.world.publish_image("127.0.0.1:7070/shop/web-next:1", 3, Behaviour::Serves);
    stage.world.publish_image("registry.test/shop/web:1", 1, Behaviour::Serves);
    let pinned = format!("127.0.0.1:7070/shop/web@{}", digest(2));
    stage.world.publish_image(&pinned, 2, Behaviour::Serves);
    for (service, image) in [
        ("web", ONE),
        ("pinned", pinned.as_str()),
        ("next", "127.0.0.1:7070/shop/web-next:1"),
        ("elsewhere", "registry.test/shop/web:1"),
    ] {
        let deployment = stage.create_as(service, image).await.unwrap();
        stage.ended(deployment.id).await;
    }
    let deployment = stage.deploy(TWO).await;
    stage.ended(deployment.id).await;

    let removal = async |text: &str| {
        let removal = stage.control.image_removal(&stage.actor, &name(text)).await.unwrap();
        let users: Vec<_> = removal.used_by.iter().map(|path| path.name.to_string()).collect();
        let kept: Vec<_> =
            removal.kept.iter().map(|it| format!("{} {}", it.path.name, it.revision)).collect();
        (removal.manifests, users.join(", "), kept.join(", "))
    };
    assert_eq!(removal("shop/web:1").await, (0, String::new(), String::new()), "another tag means it");
    let two = (1, "pinned, web".to_owned(), "pinned 1, web 2".to_owned());
    assert_eq!(removal("shop/web:2").await, two, "who names the digest is not forgotten");
    let all = (2, "pinned, web".to_owned(), "pinned 1, web 2, web 1".to_owned());
    assert_eq!((removal("shop/web").await.1, removal("shop/web").await.2), (all.1, all.2));
}

#[tokio::test(start_paused = true)]
async fn a_deployment_that_still_brings_an_image_uses_it() {
    let stage = Stage::new().await;
    stage.world.publish_image(ONE, 1, Behaviour::Serves);
    stage.world.publish_image(TWO, 2, Behaviour::Serves);
    let gate: Arc<tokio::sync::Notify> = Arc::default();
    *stage.world.pull_gate.lock().unwrap() = Some(Arc::clone(&gate));
    let deployment = stage.create(ONE).await;
    stage.until(deployment.id, |deployment| deployment.phase == Phase::Preparing).await;
    stage.pass(Duration::from_millis(100)).await;
    // The tag moves on, and with it what the service is set to.
    let patch = ServicePatch { image: Some(TWO.parse().unwrap()), ..ServicePatch::default() };
    stage.control.update(&stage.actor, &web(), patch).await.unwrap();
    let refused = stage.control.remove_images(&stage.actor, &name("shop/web:1"), false).await.unwrap_err();
    assert_eq!(refused.message(), "`shop/web:1` is the image of `web`");
    assert!(stage.control.while_images_rest(async {}).await.is_none(), "a pull goes on");
    gate.notify_one();
    stage.ended(deployment.id).await;
    stage.settle().await;
    assert!(stage.control.while_images_rest(async {}).await.is_some());
    stage.control.remove_images(&stage.actor, &name("shop/web:1"), false).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_token_of_a_project_removes_images_by_the_registry_alone() {
    let stage = Stage::new().await;
    stage.world.publish_image(ONE, 1, Behaviour::Serves);
    let repository: Repository = "shop/web".parse().unwrap();
    for (push, allowed) in [(true, true), (false, false)] {
        let token =
            NewToken { name: format!("ci-{push}").parse().unwrap(), project: "shop".parse().ok(), push };
        let (_, secret) = stage.control.create_token(&stage.actor, token).await.unwrap();
        let ci = stage.control.authenticate(secret.reveal()).unwrap();
        assert_eq!(stage.control.allow(&ci, crate::Action::RemoveImages(&repository)).is_ok(), allowed);
        let other: Repository = "other/web".parse().unwrap();
        assert!(stage.control.allow(&ci, crate::Action::RemoveImages(&other)).is_err());
        let refused = stage.control.remove_images(&ci, &name("shop/web:1"), true).await.unwrap_err();
        assert_eq!(refused.code(), Code::Forbidden, "it may not hear of services");
    }
    assert!(stage.has(ONE).await);
}

#[tokio::test(start_paused = true)]
async fn the_name_of_an_image_may_begin_with_that_of_the_registry() {
    let stage = Stage::new().await;
    let read = |text: &str| stage.control.held_name(text).map(|name| name.to_string());
    assert_eq!(read("127.0.0.1:7070/shop/web:1").unwrap(), "shop/web:1");
    assert_eq!(read("shop/web").unwrap(), "shop/web");
    assert_eq!(
        read("docker.io/library/nginx:1").unwrap(),
        "docker.io/library/nginx:1",
        "read through this one"
    );
    let elsewhere = read("localhost:5000/shop/web").unwrap_err();
    assert!(elsewhere.message().contains("`localhost:5000/shop/web`"), "{}", elsewhere.message());
    for wrong in ["", "Shop/web", "shop/web:", "shop/web@sha256:00", "shop//web"] {
        let error = read(wrong).unwrap_err();
        assert_eq!(error.at_field(), Some("image"), "{wrong}: {}", error.message());
    }
}
