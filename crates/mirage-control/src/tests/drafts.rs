//! What somebody typed for a service that is not made yet.

use mirage_core::DraftId;

use super::*;
use crate::{DRAFT_BYTES_MAX, Draft, DraftFields, NewToken};

const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

fn fields(pairs: &[(&str, &str)]) -> DraftFields {
    let mut fields = DraftFields::default();
    pairs.iter().for_each(|(name, text)| fields.set(*name, *text));
    fields
}

fn refused<T>(result: Result<T, Error>) -> Error {
    result.err().expect("a refusal")
}

impl Stage {
    async fn open(&self, pairs: &[(&str, &str)]) -> DraftId {
        self.control.open_draft(&self.actor, fields(pairs)).await.unwrap()
    }

    async fn read(&self, id: DraftId) -> Result<Draft, Error> {
        self.control.draft(&self.actor, id).await
    }

    async fn type_in(&self, id: DraftId, name: &str, text: &str) -> Result<Draft, Error> {
        let change = |fields: &mut DraftFields| {
            fields.set(name, text);
            Ok(())
        };
        self.control.keep_draft(&self.actor, id, change).await
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_typed_is_there_after_a_restart_and_in_the_database_nobody_can_read_it() {
    let mut stage = Stage::new().await;
    let id = stage.open(&[("image", "acme/web:1"), ("password", "sesame")]).await;
    stage.type_in(id, "name", "web").await.unwrap();
    stage.restart_control().await;
    let draft = stage.read(id).await.unwrap();
    let all: Vec<_> = draft.fields.names().map(|name| (name, draft.fields.get(name))).collect();
    assert_eq!(all, [("image", "acme/web:1"), ("name", "web"), ("password", "sesame")]);
    let kept = stage.store.draft(id).await.unwrap().unwrap();
    assert!(!String::from_utf8_lossy(kept.fields.record()).contains("web"));
    stage.control.drop_draft(&stage.actor, id).await.unwrap();
    stage.control.drop_draft(&stage.actor, id).await.unwrap();
    assert_eq!(refused(stage.read(id).await).code(), Code::NotFound);
    assert_eq!(refused(stage.type_in(id, "a", "b").await).code(), Code::NotFound, "it does not come back");
}

#[tokio::test(start_paused = true)]
async fn a_draft_is_seen_by_nobody_else() {
    let stage = Stage::new().await;
    let id = stage.open(&[("image", "acme/web:1")]).await;
    let new = NewToken { name: "ci".parse().unwrap(), project: None, push: true };
    let (_, token) = stage.control.create_token(&stage.actor, new).await.unwrap();
    let other = stage.control.authenticate(token.reveal()).unwrap();
    assert_eq!(refused(stage.control.draft(&other, id).await).code(), Code::Forbidden);
    assert_eq!(refused(stage.control.open_draft(&other, fields(&[])).await).code(), Code::Forbidden);
    let platform = Actor::platform();
    assert_eq!(refused(stage.control.draft(&platform, id).await).code(), Code::NotFound);
    stage.control.drop_draft(&platform, id).await.unwrap();
    assert!(stage.read(id).await.is_ok(), "only its owner drops it");
}

#[tokio::test(start_paused = true)]
async fn the_newest_fifty_drafts_of_a_week_are_kept() {
    let stage = Stage::new().await;
    let first = stage.open(&[]).await;
    stage.clock.set_ahead(Duration::from_secs(1));
    let second = stage.open(&[]).await;
    for number in 0..48 {
        stage.clock.set_ahead(Duration::from_secs(1));
        stage.open(&[("number", &number.to_string())]).await;
    }
    assert!(stage.read(first).await.is_ok());
    stage.clock.set_ahead(Duration::from_secs(1));
    stage.type_in(first, "image", "nginx").await.unwrap();
    stage.clock.set_ahead(Duration::from_secs(1));
    let newest = stage.open(&[]).await;
    assert!(stage.read(first).await.is_ok(), "it was just typed in");
    assert_eq!(refused(stage.read(second).await).code(), Code::NotFound);
    let listed = stage.control.drafts(&stage.actor, 100).await.unwrap();
    assert_eq!((listed.len(), listed[0].id, listed[1].id), (50, newest, first));

    stage.clock.set_ahead(WEEK - Duration::from_secs(60));
    assert!(stage.read(newest).await.is_ok());
    stage.clock.set_ahead(Duration::from_secs(120));
    assert_eq!(refused(stage.read(newest).await).code(), Code::NotFound);
    assert!(stage.store.draft(newest).await.unwrap().is_some(), "until somebody looks");
    stage.control.parts.forget_old_drafts().await.unwrap();
    assert!(stage.store.draft(newest).await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_draft_has_limits_and_what_they_refuse_changes_nothing() {
    let stage = Stage::new().await;
    let id = stage.open(&[("a", "1")]).await;
    let large = "x".repeat(DRAFT_BYTES_MAX);
    let error = refused(stage.type_in(id, "b", &large).await);
    assert_eq!(error.code(), Code::InvalidRequest);
    assert!(!error.message().contains("xxx"));
    assert!(refused(stage.type_in(id, &"n".repeat(101), "").await).message().contains("a name of more than"));
    let many = stage.control.keep_draft(&stage.actor, id, |fields| {
        (0..2_001).for_each(|number| fields.set(format!("f{number}"), ""));
        Ok(())
    });
    assert!(refused(many.await).message().contains("at most 2000"));
    let draft = stage.read(id).await.unwrap();
    assert_eq!(draft.fields.names().collect::<Vec<_>>(), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn two_pages_that_are_typed_into_at_once_lose_nothing() {
    let stage = Stage::new().await;
    let id = stage.open(&[]).await;
    let writes = (0..10).map(|number| {
        let (control, actor) = (stage.control.clone(), stage.actor.clone());
        tokio::spawn(async move {
            let change = move |fields: &mut DraftFields| {
                fields.set(format!("f{number}"), "x");
                Ok(())
            };
            control.keep_draft(&actor, id, change).await.map(drop)
        })
    });
    for write in writes.collect::<Vec<_>>() {
        write.await.unwrap().unwrap();
    }
    assert_eq!(stage.read(id).await.unwrap().fields.names().count(), 10);
}

#[tokio::test(start_paused = true)]
async fn what_a_request_would_come_to_is_told_before_it_is_made() {
    let stage = Stage::new().await;
    stage.world.publish_image("docker.io/acme/web:1", 1, Behaviour::Serves);
    let request = || CreateService::new(ServiceSpec::image("acme/web:1".parse().unwrap()));
    let ahead = stage.control.prospect(&stage.actor, &request()).await.unwrap();
    assert_eq!(ahead.name.as_str(), "web");
    assert!(ahead.is_new_project && ahead.is_new_environment);
    assert_eq!(ahead.url.as_deref(), Some("http://web-production.localhost:8080"));
    let mut worker = request();
    worker.spec.ports = Some(Vec::new());
    assert_eq!(stage.control.prospect(&stage.actor, &worker).await.unwrap().url, None);

    stage.create("acme/web:1").await;
    assert_eq!(refused(stage.control.prospect(&stage.actor, &request()).await).code(), Code::NameTaken);
    let elsewhere = CreateService { project: Some("shop".parse().unwrap()), ..request() };
    let ahead = stage.control.prospect(&stage.actor, &elsewhere).await.unwrap();
    assert_eq!(
        ahead.url.as_deref(),
        Some("http://web-production-shop.localhost:8080"),
        "the short one is taken"
    );
    let mut wrong = elsewhere;
    wrong.spec.resources.memory_bytes = Some(1);
    assert_eq!(
        refused(stage.control.prospect(&stage.actor, &wrong).await).at_field(),
        Some("resources.memory")
    );
}

#[tokio::test(start_paused = true)]
async fn a_draft_is_deployed_once_however_often_somebody_presses() {
    let mut stage = Stage::new().await;
    stage.world.publish_image("docker.io/acme/web:1", 1, Behaviour::Serves);
    let id = stage.open(&[("image", "acme/web:1"), ("password", "sesame")]).await;
    let presses = (0..4).map(|_| {
        let (control, actor) = (stage.control.clone(), stage.actor.clone());
        let request = CreateService::new(ServiceSpec::image("acme/web:1".parse().unwrap()));
        tokio::spawn(async move { control.deploy_draft(&actor, id, request).await })
    });
    let mut began = Vec::new();
    for press in presses.collect::<Vec<_>>() {
        began.push(press.await.unwrap().unwrap());
    }
    assert!(began.iter().all(|it| *it == began[0]), "{began:?}");
    stage.restart_control().await;
    let request = CreateService::new(ServiceSpec::image("acme/web:1".parse().unwrap()));
    assert_eq!(stage.control.deploy_draft(&stage.actor, id, request.clone()).await.unwrap(), began[0]);
    assert_eq!(stage.control.became(&stage.actor, id).await.unwrap(), Some(began[0]));
    assert_eq!(stage.control.became(&Actor::platform(), id).await.unwrap(), None, "of nobody else");
    assert_eq!(refused(stage.read(id).await).code(), Code::NotFound, "there is nothing to type in any more");
    assert_eq!(refused(stage.type_in(id, "a", "b").await).code(), Code::NotFound);
    assert!(stage.control.drafts(&stage.actor, 10).await.unwrap().is_empty());
    let other = stage.open(&[]).await;
    assert_eq!(refused(stage.type_in(other, "became", "x").await).code(), Code::InvalidRequest);
    assert_eq!(
        refused(stage.control.deploy_draft(&stage.actor, other, request.clone()).await).code(),
        Code::NameTaken,
        "another draft"
    );
    assert!(stage.read(other).await.is_ok(), "what is refused is still there");
    stage.clock.set_ahead(WEEK + Duration::from_secs(60));
    assert_eq!(stage.control.became(&stage.actor, id).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn all_that_speaks_against_a_request_is_told_at_once() {
    let stage = Stage::new().await;
    stage.world.publish_image("docker.io/acme/web:1", 1, Behaviour::Serves);
    let domain = |text: &str| crate::NewDomain {
        domain: text.parse().unwrap(),
        redirect_https: None,
        certificate: None,
    };
    let mut first = CreateService::new(ServiceSpec::image("acme/web:1".parse().unwrap()));
    first.domains = vec![domain("shop.example.com")];
    assert!(stage.control.objections(&stage.actor, &first).await.unwrap().is_empty());
    stage.control.create_service(&stage.actor, first.clone()).await.unwrap();
    let mut wrong = first;
    wrong.domains.extend([domain("*.example.com"), domain("fine.example.com")]);
    wrong.spec.resources.memory_bytes = Some(1);
    wrong.spec.probe.path = Some("up".into());
    wrong.spec.auto_deploy = true;
    wrong.replicas = 5_000;
    let told = stage.control.objections(&stage.actor, &wrong).await.unwrap();
    let told: Vec<_> = told.iter().map(|error| (error.code(), error.at_field().unwrap())).collect();
    assert_eq!(
        told,
        [
            (Code::InvalidRequest, "replicas"),
            (Code::InvalidRequest, "resources.memory"),
            (Code::InvalidRequest, "healthcheck.path"),
            (Code::InvalidRequest, "autoDeploy"),
            (Code::RouteConflict, "domain"),
            (Code::InvalidRequest, "certificate"),
            (Code::NameTaken, "name"),
        ]
    );
    let error = refused(stage.control.prospect(&stage.actor, &wrong).await);
    assert_eq!(error.at_field(), Some("replicas"), "the first");
}
