//! The story of a platform: what a user asks for, and what runs and is routed in the end. The
//! database is real (in memory), the world is [`fakes`], and time is tokio's, moved by the test.

mod clock;
mod commands;
mod credentials;
mod domains;
mod drafts;
mod events;
mod fakes;
mod metrics;
mod preflight;
mod pushes;
mod removal;
mod rollbacks;
mod rollouts;
mod search;
mod sessions;
mod traces;
mod trouble;
mod volumes;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mirage_core::port::Clock;
use mirage_core::{
    Code, CredentialChange, Deployment, DeploymentId, Error, EventKind, Phase, Platform, ServiceSpec,
};
use mirage_store::{KeySource, Store, Vault};

use crate::access::AdminToken;
use crate::{Actor, Control, CreateService, Ports, ServicePatch, ServiceRef, ServiceStatus, Settings};
use clock::{Counter, TestClock};
use fakes::{Behaviour, World, digest};

const TOKEN: &str = "a token of the tests";
const HOST: &str = "web-production.localhost";

/// Keeps tokio's paused time where it is: tokio would move it on while everybody waits for the
/// database, whose thread it does not know. It does not while blocking work is under way.
struct StillTime {
    _held: std::sync::mpsc::Sender<()>,
}

impl StillTime {
    fn hold() -> Self {
        let (held, receiver) = std::sync::mpsc::channel::<()>();
        tokio::task::spawn_blocking(move || receiver.recv());
        Self { _held: held }
    }

    /// Lets time pass in steps, and after each gives everybody a moment of real time to act on it.
    async fn pass(&self, time: Duration, step: Duration) {
        let mut passed = Duration::ZERO;
        while passed < time {
            tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_micros(500))).await.unwrap();
            tokio::time::advance(step).await;
            passed += step;
        }
    }
}

/// A whole platform in a value.
struct Stage {
    time: StillTime,
    world: Arc<World>,
    store: Store,
    clock: Arc<TestClock>,
    random: Arc<Counter>,
    control: Control,
    actor: Actor,
}

impl Stage {
    async fn new() -> Self {
        let time = StillTime::hold();
        let clock = Arc::new(TestClock::new());
        let world = World::new(clock.clone());
        let store = Store::in_memory().await.unwrap();
        let random = Arc::new(Counter::default());
        let control = start(&world, &store, &clock, &random).await;
        let actor = control.authenticate(TOKEN).unwrap();
        Self { time, world, store, clock, random, control, actor }
    }

    /// The control plane dies and starts again; the world goes on.
    async fn restart_control(&mut self) {
        self.control.reconciler.stop().await;
        self.control = start(&self.world, &self.store, &self.clock, &self.random).await;
    }

    async fn create(&self, reference: &str) -> Deployment {
        self.try_create(reference).await.unwrap()
    }

    async fn try_create(&self, reference: &str) -> Result<Deployment, Error> {
        self.create_as("web", reference).await
    }

    async fn create_as(&self, name: &str, reference: &str) -> Result<Deployment, Error> {
        let request = CreateService {
            name: Some(name.parse().unwrap()),
            ..CreateService::new(ServiceSpec::image(reference.parse().unwrap()))
        };
        self.control.create_service(&self.actor, request).await.map(|(_, deployment)| deployment)
    }

    async fn deploy(&self, reference: &str) -> Deployment {
        let patch = ServicePatch { image: Some(reference.parse().unwrap()), ..ServicePatch::default() };
        self.control.deploy(&self.actor, &web(), patch).await.unwrap()
    }

    /// Waits until a deployment is where it ends.
    async fn ended(&self, id: DeploymentId) -> Deployment {
        self.until(id, |deployment| !deployment.phase.is_moving()).await
    }

    async fn until(&self, id: DeploymentId, done: impl Fn(&Deployment) -> bool) -> Deployment {
        for _ in 0..100_000 {
            let deployment = self.store.deployment(id).await.unwrap().unwrap();
            if done(&deployment) {
                return deployment;
            }
            self.pass(Duration::from_millis(20)).await;
        }
        panic!("the deployment never got there: {:?}", self.store.deployment(id).await);
    }

    /// Lets everything come to rest.
    async fn settle(&self) {
        self.pass(Duration::from_secs(3)).await;
    }

    async fn pass(&self, time: Duration) {
        self.time.pass(time, Duration::from_millis(20)).await;
    }

    async fn status(&self) -> ServiceStatus {
        self.control.service(&self.actor, &web()).await.unwrap().status
    }
}

async fn start(world: &Arc<World>, store: &Store, clock: &Arc<TestClock>, random: &Arc<Counter>) -> Control {
    let ports = Ports {
        registry: world.clone(),
        images: world.clone(),
        engine: world.clone(),
        volumes: world.clone(),
        router: world.clone(),
        authority: world.clone(),
        clock: clock.clone(),
        random: random.clone(),
        machine: Arc::new(Vec::new),
        pack: crate::Pack::nothing(),
        traces: Some(world.clone()),
    };
    let settings = Settings {
        platform: Platform::linux("x86_64"),
        base_domain: "localhost".into(),
        proxy_port: 8080,
        proxy_tls_port: Some(8443),
        admin_token: AdminToken::new(TOKEN),
        registry_hosts: ["127.0.0.1:7070".parse().unwrap()].into(),
        trusted_proxies: vec!["10.0.0.1".parse().unwrap()],
        setup: crate::Setup::default(),
    };
    let keys = KeySource::Given { variable: "MIRAGE_VAULT_KEY", keys: "5a".repeat(32).into() };
    let vault = Vault::open(store, keys, random.clone()).await.unwrap();
    Control::start(store.clone(), vault, ports, settings).await.unwrap()
}

fn web() -> ServiceRef {
    "web".parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_deployment_is_active_when_its_digest_runs_and_is_routed() {
    let stage = Stage::new().await;
    stage.world.publish_image("docker.io/acme/web:1", 1, Behaviour::Serves);
    let deployment = stage.create("acme/web:1").await;
    assert_eq!(deployment.phase, Phase::Queued);

    let deployment = stage.ended(deployment.id).await;
    assert_eq!(deployment.phase, Phase::Active);
    assert_eq!(stage.world.running(), [digest(1)]);
    assert_eq!(stage.world.behind(HOST), [digest(1)]);
    let steps: Vec<_> = deployment.steps.iter().map(|s| format!("{:?}: {}", s.kind, s.summary)).collect();
    assert_eq!(
        steps,
        [
            "Resolve: acme/web:1 → 010101010101  linux/amd64, 1000 B",
            "Pull: 1 of 1 layers, 1000 B",
            "Start: web #1 on local",
            "Probe: port 80 accepts connections",
            "Route: web-production.localhost",
        ]
    );
    assert_eq!(stage.status().await, ServiceStatus::Active);
}

#[tokio::test(start_paused = true)]
async fn a_new_version_takes_over_and_the_old_one_goes() {
    let stage = Stage::new().await;
    stage.world.publish_image("docker.io/acme/web:1", 1, Behaviour::Serves);
    stage.world.publish_image("docker.io/acme/web:2", 2, Behaviour::Serves);
    let first = stage.create("acme/web:1").await;
    stage.ended(first.id).await;
    let second = stage.deploy("acme/web:2").await;
    assert_eq!(stage.ended(second.id).await.phase, Phase::Active);
    stage.settle().await;

    assert_eq!(stage.world.running(), [digest(2)]);
    assert_eq!(stage.world.behind(HOST), [digest(2)]);
    assert_eq!(stage.ended(first.id).await.phase, Phase::Superseded);
    let never_empty =
        stage.world.tables.lock().unwrap().iter().skip(2).all(|table| !table.routes[0].backends.is_empty());
    assert!(never_empty, "from the first route on, somebody always answers");
}

#[tokio::test(start_paused = true)]
async fn what_exits_at_once_fails_with_its_last_lines_and_the_old_version_serves_on() {
    let stage = Stage::new().await;
    stage.world.publish_image("docker.io/acme/web:1", 1, Behaviour::Serves);
    stage.world.publish_image("docker.io/acme/web:2", 2, Behaviour::ExitsAtOnce(3));
    let first = stage.create("acme/web:1").await;
    stage.ended(first.id).await;
    let second = stage.deploy("acme/web:2").await;
    let failed = stage.ended(second.id).await;

    let failure = failed.failure.unwrap();
    assert_eq!(failed.phase, Phase::Failed);
    assert_eq!(failure.code, Code::StartFailed);
    assert_eq!(failure.message, "the process of `web` ended before it was healthy: exit code 3");
    assert_eq!(
        failure.hint.as_deref(),
        Some("a variable seems to be missing (`DATABASE_URL is not set`); set it with `--env NAME=value`")
    );
    assert_eq!(failure.log_tail, ["DATABASE_URL is not set"]);
    assert_eq!(stage.world.running(), [digest(1)]);
    assert_eq!(stage.world.behind(HOST), [digest(1)]);
    assert_eq!(stage.status().await, ServiceStatus::Active);
}

#[tokio::test(start_paused = true)]
async fn what_never_answers_fails_with_a_guess_and_is_gone() {
    let stage = Stage::new().await;
    stage.world.publish_image("docker.io/acme/web:1", 1, Behaviour::NeverAnswers);
    let failed = stage.create("acme/web:1").await;
    let failed = stage.ended(failed.id).await;

    let failure = failed.failure.unwrap();
    assert_eq!(failure.code, Code::ProbeFailed);
    assert_eq!(failure.message, "`web` was not healthy after 60 s: port 80 gave connection refused");
    assert_eq!(failure.hint.as_deref(), Some("it listens on port 3000 instead; deploy with `--port 3000`"));
    assert_eq!(stage.world.instances(), []);
    assert_eq!(stage.status().await, ServiceStatus::Failed);
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_cannot_start_anything_gives_its_own_reason() {
    let stage = Stage::new().await;
    stage.world.publish_image("docker.io/acme/web:1", 1, Behaviour::Serves);
    *stage.world.refuse_starts.lock().unwrap() =
        Some(Error::new(Code::DiskFull, "the disk is full").hint("free some"));
    let failed = stage.create("acme/web:1").await;
    let failure = stage.ended(failed.id).await.failure.unwrap();
    assert_eq!((failure.code, failure.message.as_str()), (Code::DiskFull, "the disk is full"));
}

#[tokio::test(start_paused = true)]
async fn an_unknown_image_writes_nothing() {
    let stage = Stage::new().await;
    let error = stage.try_create("acme/web:9").await.unwrap_err();
    assert_eq!(error.code(), Code::ImageNotFound);
    assert_eq!(stage.control.service(&stage.actor, &web()).await.unwrap_err().code(), Code::NotFound);
    assert_eq!(stage.store.newest_event().await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_taken_is_refused() {
    let stage = Stage::new().await;
    stage.world.publish_image("docker.io/acme/web:1", 1, Behaviour::Serves);
    stage.create("acme/web:1").await;
    let error = stage.try_create("acme/web:1").await.unwrap_err();
    assert_eq!((error.code(), error.at_field()), (Code::NameTaken, Some("name")));
}

#[tokio::test(start_paused = true)]
async fn a_control_plane_that_starts_again_changes_nothing_that_serves() {
    let mut stage = Stage::new().await;
    stage.world.publish_image("docker.io/acme/web:1", 1, Behaviour::Serves);
    let first = stage.create("acme/web:1").await;
    stage.ended(first.id).await;
    let (instances, tables) = (stage.world.instances(), stage.world.tables.lock().unwrap().len());
    stage.restart_control().await;
    stage.settle().await;
    assert_eq!(stage.world.instances(), instances);
    assert_eq!(stage.world.tables.lock().unwrap().len(), tables, "no route was touched");
    assert_eq!(stage.status().await, ServiceStatus::Active);
}

#[tokio::test(start_paused = true)]
async fn a_deployment_goes_on_where_a_killed_control_plane_left_it() {
    let mut stage = Stage::new().await;
    stage.world.publish_image("docker.io/acme/web:1", 1, Behaviour::Serves);
    let gate = Arc::default();
    *stage.world.pull_gate.lock().unwrap() = Some(Arc::clone(&gate));
    let first = stage.create("acme/web:1").await;
    stage.until(first.id, |d| d.phase == Phase::Preparing).await;
    stage.restart_control().await;
    *stage.world.pull_gate.lock().unwrap() = None;
    gate.notify_waiters();
    assert_eq!(stage.ended(first.id).await.phase, Phase::Active);
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_knows_nothing_is_told_everything() {
    let stage = Stage::new().await;
    stage.world.publish_image("docker.io/acme/web:1", 1, Behaviour::Serves);
    stage.ended(stage.create("acme/web:1").await.id).await;
    *stage.world.table.lock().unwrap() = mirage_core::RouteTable::default();
    stage.control.introduce_proxy().await.unwrap();
    assert_eq!(stage.world.behind(HOST), [digest(1)]);
}

#[tokio::test(start_paused = true)]
async fn after_a_reboot_everything_is_started_again() {
    let mut stage = Stage::new().await;
    stage.world.publish_image("docker.io/acme/web:1", 1, Behaviour::Serves);
    let first = stage.create("acme/web:1").await;
    stage.ended(first.id).await;
    stage.world.reboot();
    stage.restart_control().await;
    stage.settle().await;
    assert_eq!(stage.world.behind(HOST), [digest(1)]);
}

#[tokio::test(start_paused = true)]
async fn rollback_runs_the_old_digest_although_the_tag_has_moved() {
    let stage = Stage::new().await;
    stage.world.publish_image("docker.io/acme/web:1", 1, Behaviour::Serves);
    let first = stage.create("acme/web:1").await;
    stage.ended(first.id).await;
    stage.world.publish_image("docker.io/acme/web:1", 2, Behaviour::Serves);
    let second = stage.deploy("acme/web:1").await;
    stage.ended(second.id).await;
    assert_eq!(stage.world.behind(HOST), [digest(2)]);

    stage.world.tags.lock().unwrap().clear();
    let back = stage.control.rollback(&stage.actor, &web(), None, CredentialChange::default()).await.unwrap();
    assert_eq!(back.revision, 1);
    assert_eq!(stage.ended(back.id).await.phase, Phase::Active);
    assert_eq!(stage.world.behind(HOST), [digest(1)]);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_deployment_is_gone_and_a_waiting_one_gets_its_turn() {
    let stage = Stage::new().await;
    stage.world.publish_image("docker.io/acme/web:1", 1, Behaviour::Serves);
    stage.world.publish_image("docker.io/acme/web:2", 2, Behaviour::Serves);
    stage.world.publish_image("docker.io/acme/web:3", 3, Behaviour::Serves);
    let first = stage.create("acme/web:1").await;
    stage.ended(first.id).await;
    *stage.world.pull_gate.lock().unwrap() = Some(Arc::default());
    let second = stage.deploy("acme/web:2").await;
    stage.until(second.id, |d| d.phase == Phase::Preparing).await;
    let third = stage.deploy("acme/web:3").await;
    stage.settle().await;
    assert_eq!(stage.until(third.id, |_| true).await.phase, Phase::Queued, "one deployment at a time");

    *stage.world.pull_gate.lock().unwrap() = None;
    stage.control.cancel(&stage.actor, second.id).await.unwrap();
    assert_eq!(stage.ended(second.id).await.phase, Phase::Cancelled);
    assert_eq!(stage.ended(third.id).await.phase, Phase::Active);
    assert_eq!(stage.world.behind(HOST), [digest(3)]);
    let error = stage.control.cancel(&stage.actor, second.id).await.unwrap_err();
    assert_eq!(error.code(), Code::Conflict);
}

#[tokio::test(start_paused = true)]
async fn scaling_and_restarting_keep_somebody_answering() {
    let stage = Stage::new().await;
    stage.world.publish_image("docker.io/acme/web:1", 1, Behaviour::Serves);
    let first = stage.create("acme/web:1").await;
    stage.ended(first.id).await;
    let scale = |replicas| ServicePatch { replicas: Some(replicas), ..ServicePatch::default() };
    stage.control.update(&stage.actor, &web(), scale(3)).await.unwrap();
    stage.settle().await;
    assert_eq!(stage.world.behind(HOST).len(), 3);

    let before = stage.world.instances();
    let tables = stage.world.tables.lock().unwrap().len();
    stage.control.restart(&stage.actor, &web()).await.unwrap();
    stage.settle().await;
    assert_eq!(stage.world.behind(HOST).len(), 3);
    assert!(stage.world.instances().iter().all(|id| !before.contains(id)));
    let meanwhile: Vec<_> = stage.world.tables.lock().unwrap()[tables..]
        .iter()
        .map(|table| table.routes[0].backends.len())
        .collect();
    assert!(meanwhile.iter().all(|n| *n >= 3), "{meanwhile:?}");

    stage.control.update(&stage.actor, &web(), scale(0)).await.unwrap();
    stage.settle().await;
    assert_eq!(stage.world.instances(), []);
    assert_eq!(stage.status().await, ServiceStatus::Stopped);
}

#[tokio::test(start_paused = true)]
async fn a_removed_service_leaves_nothing_but_its_events() {
    let stage = Stage::new().await;
    stage.world.publish_image("docker.io/acme/web:1", 1, Behaviour::Serves);
    let first = stage.create("acme/web:1").await;
    stage.ended(first.id).await;
    stage.control.remove(&stage.actor, &web()).await.unwrap();
    stage.settle().await;
    assert_eq!(stage.world.instances(), []);
    assert!(stage.world.table.lock().unwrap().routes.is_empty());
    assert_eq!(stage.control.service(&stage.actor, &web()).await.unwrap_err().code(), Code::NotFound);
    assert!(stage.world.present.lock().unwrap().is_empty(), "nobody needs the image any more");
    assert!(stage.store.newest_event().await.unwrap() > 0);

    stage.create("acme/web:1").await;
}

#[tokio::test(start_paused = true)]
async fn an_image_stays_as_long_as_one_of_the_last_ten_revisions_needs_it() {
    let stage = Stage::new().await;
    for n in 1..=12 {
        stage.world.publish_image("docker.io/acme/web:1", n, Behaviour::Serves);
        let deployment =
            if n == 1 { stage.create("acme/web:1").await } else { stage.deploy("acme/web:1").await };
        assert_eq!(stage.ended(deployment.id).await.phase, Phase::Active);
    }
    stage.settle().await;
    let mut kept: Vec<_> = stage.world.present.lock().unwrap().iter().cloned().collect();
    kept.sort();
    assert_eq!(kept, (3..=12).map(digest).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn an_image_that_is_here_is_not_pulled() {
    let stage = Stage::new().await;
    stage.world.publish_image("docker.io/acme/web:1", 1, Behaviour::Serves);
    let first = stage.create("acme/web:1").await;
    stage.ended(first.id).await;
    let again = stage.control.redeploy(&stage.actor, &web()).await.unwrap();
    assert_eq!(stage.ended(again.id).await.phase, Phase::Active);
    assert_eq!(stage.world.pulls.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_token_opens_nothing() {
    let stage = Stage::new().await;
    let error = stage.control.authenticate("a token of somebody else").unwrap_err();
    assert_eq!(error.code(), Code::Unauthenticated);
}

#[tokio::test(start_paused = true)]
async fn settings_out_of_range_are_refused_with_their_field() {
    let stage = Stage::new().await;
    stage.world.publish_image("docker.io/acme/web:1", 1, Behaviour::Serves);
    stage.create("acme/web:1").await;
    let patch = ServicePatch { replicas: Some(10_000), ..ServicePatch::default() };
    let error = stage.control.update(&stage.actor, &web(), patch).await.unwrap_err();
    assert_eq!((error.code(), error.at_field()), (Code::InvalidRequest, Some("replicas")));
}

#[tokio::test(start_paused = true)]
async fn a_name_alone_removes_nothing_of_another_project() {
    let stage = Stage::new().await;
    stage.world.publish_image("docker.io/acme/web:1", 1, Behaviour::Serves);
    let request = CreateService {
        name: Some("web".parse().unwrap()),
        project: Some("shop".parse().unwrap()),
        ..CreateService::new(ServiceSpec::image("acme/web:1".parse().unwrap()))
    };
    stage.control.create_service(&stage.actor, request).await.unwrap();
    let error = stage.control.remove(&stage.actor, &web()).await.unwrap_err();
    assert_eq!(error.code(), Code::NotFound);
    assert_eq!(error.next_step(), Some("did you mean `shop/production/web`?"));
    let there = "shop/production/web".parse().unwrap();
    assert_eq!(stage.control.remove(&stage.actor, &there).await.unwrap().status, ServiceStatus::Removing);
}
