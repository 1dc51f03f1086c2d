//! Deployments as others see them in their tracing system: one trace each, whatever became of it.

use mirage_core::{Span, SpanOutcome, SpanValue};

use super::*;

impl Stage {
    /// What was told of a deployment: names of spans, in the order in which they were told.
    fn told(&self, id: DeploymentId) -> Vec<String> {
        self.spans(id).into_iter().map(|span| span.name).collect()
    }

    fn spans(&self, id: DeploymentId) -> Vec<Span> {
        let all = self.world.traces.lock().unwrap();
        all.iter().flatten().filter(|span| span.trace == id.bytes()).cloned().collect()
    }

    fn outcome(&self, id: DeploymentId) -> (SpanOutcome, String) {
        let root = self.spans(id).into_iter().find(|span| span.parent.is_none()).unwrap();
        let said = root.attributes.into_iter().find(|(name, _)| *name == "mirage.deployment.outcome");
        let Some((_, SpanValue::Text(said))) = said else { panic!("no outcome") };
        (root.outcome, said)
    }
}

#[tokio::test(start_paused = true)]
async fn each_deployment_is_told_once_when_it_ends_and_its_draining_when_that_is_over() {
    let stage = Stage::new().await;
    stage.world.publish_image("docker.io/acme/web:1", 1, Behaviour::Serves);
    stage.world.publish_image("docker.io/acme/web:2", 2, Behaviour::Serves);
    stage.world.publish_image("docker.io/acme/web:3", 3, Behaviour::ExitsAtOnce(3));
    let first = stage.create("acme/web:1").await;
    assert_eq!(stage.told(first.id), [""; 0], "nothing before it ends");
    stage.ended(first.id).await;
    let second = stage.deploy("acme/web:2").await;
    stage.ended(second.id).await;
    stage.settle().await;
    let third = stage.deploy("acme/web:3").await;
    stage.ended(third.id).await;
    stage.settle().await;

    let whole = ["deploy default/web", "resolve", "pull", "start", "probe", "route"];
    assert_eq!(stage.told(first.id), whole, "being superseded does not tell it again");
    assert_eq!(stage.told(second.id), [&whole[..], &["drain"]].concat());
    assert_eq!(stage.outcome(first.id), (SpanOutcome::Good, "active".into()));
    assert_eq!(stage.outcome(second.id), (SpanOutcome::Good, "active".into()));
    assert_eq!(stage.outcome(third.id), (SpanOutcome::Bad(Some(Code::StartFailed)), "failed".into()));
    assert_eq!(stage.told(third.id)[..3], ["deploy default/web", "resolve", "pull"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_cancelled_or_never_had_its_turn_is_told_too() {
    let stage = Stage::new().await;
    for n in 1..=4 {
        stage.world.publish_image(&format!("docker.io/acme/web:{n}"), n, Behaviour::Serves);
    }
    *stage.world.pull_gate.lock().unwrap() = Some(Arc::default());
    let running = stage.create("acme/web:1").await;
    stage.until(running.id, |d| d.phase == Phase::Preparing).await;
    let superseded = stage.deploy("acme/web:2").await;
    let waiting = stage.deploy("acme/web:3").await;
    stage.control.cancel(&stage.actor, waiting.id).await.unwrap();
    stage.control.cancel(&stage.actor, running.id).await.unwrap();
    stage.settle().await;
    assert_eq!(stage.outcome(superseded.id), (SpanOutcome::Open, "superseded".into()));
    assert_eq!(stage.outcome(waiting.id), (SpanOutcome::Open, "cancelled".into()));
    assert_eq!(stage.outcome(running.id), (SpanOutcome::Open, "cancelled".into()));
    assert_eq!(stage.told(running.id), ["deploy default/web", "resolve", "pull"]);
}

#[tokio::test(start_paused = true)]
async fn a_control_plane_that_is_killed_in_between_makes_no_second_trace() {
    let mut stage = Stage::new().await;
    stage.world.publish_image("docker.io/acme/web:1", 1, Behaviour::Serves);
    let gate = Arc::default();
    *stage.world.pull_gate.lock().unwrap() = Some(Arc::clone(&gate));
    let first = stage.create("acme/web:1").await;
    stage.until(first.id, |d| d.phase == Phase::Preparing).await;
    stage.restart_control().await;
    *stage.world.pull_gate.lock().unwrap() = None;
    gate.notify_waiters();
    stage.ended(first.id).await;
    stage.restart_control().await;
    stage.settle().await;
    assert_eq!(stage.told(first.id), ["deploy default/web", "resolve", "pull", "start", "probe", "route"]);
}
