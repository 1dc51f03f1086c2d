//! A deployment in, spans out.

use super::*;
use crate::deployment::{Failure, Trigger};
use crate::id::{DeploymentId, ServiceId};
use crate::image::digest::Digest;
use crate::image::resolved::ImageConfig;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

fn step(kind: StepKind, summary: &str, from: i64, to: Option<i64>) -> StepRecord {
    StepRecord { kind, summary: summary.into(), started_at: at(from), finished_at: to.map(at), failed: false }
}

fn deployment(phase: Phase, steps: Vec<StepRecord>) -> Deployment {
    Deployment {
        requested_by: "admin".into(),
        id: DeploymentId::from_random([0xff; 16]),
        service: ServiceId::from_random([2; 16]),
        revision: 3,
        phase,
        trigger: Trigger::Rollback,
        replaces: None,
        steps,
        failure: None,
        created_at: at(1),
        finished_at: Some(at(9)),
    }
}

fn traced<T>(deployment: &Deployment, told: impl FnOnce(TracedDeployment<'_>) -> T) -> T {
    let name = |text: &str| text.parse::<Name>().unwrap();
    let mut config = ImageConfig::default();
    config.environment.push("PASSWORD=hunter2".into());
    let image = ResolvedImage {
        reference: "ghcr.io/acme/api:1".parse().unwrap(),
        digest: Digest::sha256([1; 32]),
        manifest: Digest::sha256([1; 32]),
        platform: "linux/amd64".parse().unwrap(),
        platforms: Vec::new(),
        size_bytes: 1000,
        layers: 1,
        config,
    };
    told(TracedDeployment {
        deployment,
        project: &name("shop"),
        environment: &name("production"),
        service: &name("api"),
        image: &image,
    })
}

#[test]
fn a_deployment_is_a_trace_and_its_steps_are_the_parts() {
    let active = deployment(
        Phase::Active,
        vec![
            step(StepKind::Resolve, "ghcr.io/acme/api:1", 0, Some(1)),
            step(StepKind::Pull, "1 of 1 layers", 2, Some(4)),
            step(StepKind::Probe, "GET /up?key=hunter2 answered", 5, Some(8)),
            step(StepKind::Route, "", 8, Some(10)),
            step(StepKind::Drain, "", 9, None),
        ],
    );
    let spans = traced(&active, |it| it.spans());
    let told: Vec<_> = spans.iter().map(|it| (it.name.as_str(), it.started_at, it.ended_at)).collect();
    assert_eq!(
        told,
        [
            ("deploy shop/api", at(0), at(10)),
            ("resolve", at(0), at(1)),
            ("pull", at(2), at(4)),
            ("probe", at(5), at(8)),
            ("route", at(8), at(10)),
        ]
    );
    assert!(spans.iter().all(|span| span.trace == active.id.bytes() && span.outcome == SpanOutcome::Good));
    assert!(spans[0].parent.is_none() && spans[1..].iter().all(|part| part.parent == Some(spans[0].id)));
    let mut ids: Vec<_> = spans.iter().map(|span| span.id).collect();
    ids.dedup();
    assert_eq!(ids.len(), spans.len());
    assert!(ids.is_sorted() && ids[0] > [0; 8], "they do not run over: {ids:?}");
    let facts: Vec<_> = spans[0].attributes.iter().map(|(name, value)| format!("{name} {value:?}")).collect();
    assert_eq!(
        facts,
        [
            "mirage.project Text(\"shop\")",
            "mirage.service Text(\"api\")",
            "deployment.environment.name Text(\"production\")",
            "deployment.id Text(\"ffffffff-ffff-4fff-bfff-ffffffffffff\")",
            "mirage.deployment.trigger Text(\"rollback\")",
            "mirage.deployment.outcome Text(\"active\")",
            "mirage.revision Number(3)",
            "container.image.name Text(\"ghcr.io/acme/api:1\")",
            &format!("oci.manifest.digest Text(\"sha256:{}\")", "01".repeat(32)),
        ]
    );
    assert_eq!(spans[2].attributes, [("mirage.step.summary", SpanValue::Text("1 of 1 layers".into()))]);
    assert!(!format!("{spans:?}").contains("hunter2"));
}

#[test]
fn draining_is_told_when_it_is_over_as_a_part_of_the_same_trace() {
    let steps = |to| vec![step(StepKind::Route, "", 8, Some(9)), step(StepKind::Drain, "gone", 9, to)];
    let open = deployment(Phase::Active, steps(None));
    assert_eq!(traced(&open, |it| it.drained()), []);
    let over = deployment(Phase::Superseded, steps(Some(40)));
    let [root, _] = &traced(&open, |it| it.spans())[..] else { panic!("the whole and one part") };
    let [part] = &traced(&over, |it| it.drained())[..] else { panic!("one part") };
    assert_eq!((part.trace, part.parent), (root.trace, Some(root.id)));
    assert_eq!((part.name.as_str(), part.started_at, part.ended_at), ("drain", at(9), at(40)));
}

#[test]
fn a_failure_is_told_by_its_code_alone() {
    let mut bad = step(StepKind::Start, "cannot run `/app --password=hunter2`", 2, Some(3));
    bad.failed = true;
    let mut failed = deployment(Phase::Failed, vec![bad]);
    failed.failure = Some(Failure {
        code: Code::StartFailed,
        message: "cannot run `/app --password=hunter2`".into(),
        hint: Some("hunter2".into()),
        log_tail: vec!["hunter2".into()],
    });
    let spans = traced(&failed, |it| it.spans());
    assert!(spans.iter().all(|span| span.outcome == SpanOutcome::Bad(Some(Code::StartFailed))));
    assert!(spans[0].attributes.contains(&("error.type", SpanValue::Text("START_FAILED".into()))));
    assert!(!format!("{spans:?}").contains("hunter2"));
}

#[test]
fn what_somebody_stopped_is_neither_good_nor_bad() {
    let mut pull = step(StepKind::Pull, "cancelled", 2, Some(3));
    pull.failed = true;
    for phase in [Phase::Cancelled, Phase::Superseded] {
        let spans = traced(&deployment(phase, vec![pull.clone()]), |it| it.spans());
        assert!(spans.iter().all(|span| span.outcome == SpanOutcome::Open), "{spans:?}");
    }
}

#[test]
fn no_part_ends_before_it_began_whatever_the_clock_did() {
    let jumped = deployment(Phase::Active, vec![step(StepKind::Pull, "", 100, Some(2))]);
    for span in traced(&jumped, |it| it.spans()) {
        assert!(span.ended_at >= span.started_at, "{span:?}");
    }
}
