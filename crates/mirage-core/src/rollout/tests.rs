use super::*;
use crate::error::Code;

mod simulation;
mod turns;

/// A service's story: desired and observed as values, the plan as text.
struct Story {
    desired: Desired,
    observed: Observed,
    now: Timestamp,
}

fn deployment(n: u8) -> DeploymentId {
    DeploymentId::from_random([n; 16])
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(1_000_000 + millis).unwrap()
}

fn attempt(n: u8, phase: Phase) -> Attempt {
    Attempt {
        deployment: deployment(n),
        phase,
        doomed: None,
        restart: RestartPolicy::OnFailure,
        budget_millis: 60_000,
        surge: None,
        exclusive: false,
        overlap_millis: 0,
        active_since: None,
    }
}

fn instance(deployment_number: u8, n: u8) -> ObservedInstance {
    ObservedInstance {
        id: InstanceId::from_random([n; 16]),
        deployment: deployment(deployment_number),
        ordinal: 0,
        generation: 0,
        attempt: 0,
        created_at: at(0),
        state: InstanceState::Running { since: at(0) },
        engine_failure: None,
        verdict: Verdict::Healthy,
        unwell_since: None,
        routed: true,
        stopped: false,
    }
}

fn exited(code: i32, millis: i64) -> InstanceState {
    InstanceState::Exited(Exit {
        code: Some(code),
        signal: None,
        oom: false,
        start_error: None,
        at: at(millis),
    })
}

impl Story {
    fn new() -> Self {
        let desired = Desired { active: None, candidate: None, replicas: 1, generation: 0, removed: false };
        Self { desired, observed: Observed::default(), now: at(100) }
    }

    /// Deployment 1 is active with one routed instance `a1`.
    fn serving() -> Self {
        let mut story = Self::new();
        story.desired.active = Some(attempt(1, Phase::Active));
        story.observed.active_image = ImageState::Present;
        story.observed.instances.push(instance(1, 0xa1));
        story
    }

    fn candidate(mut self, phase: Phase, image: ImageState) -> Self {
        self.desired.candidate = Some(attempt(2, phase));
        self.observed.candidate_image = image;
        self
    }

    fn with(mut self, n: u8, change: impl FnOnce(&mut ObservedInstance)) -> Self {
        let mut new = instance(2, n);
        new.routed = false;
        change(&mut new);
        self.observed.instances.push(new);
        self
    }

    #[track_caller]
    fn expect(&self, text: &[&str]) {
        let plan = plan(&self.desired, &self.observed, self.now);
        let seen: Vec<_> = plan.steps.iter().map(Step::to_string).collect();
        let short = |text: &str| text.replace("02020202", "d2").replace("01010101", "d1");
        let seen: Vec<_> = seen.iter().map(|line| short(line)).collect();
        assert_eq!(seen, text);
    }
}

#[test]
fn the_first_deployment_is_pulled_started_probed_routed_and_active() {
    Story::new().candidate(Phase::Queued, ImageState::Absent).expect(&["enter preparing d2", "pull d2"]);
    Story::new().candidate(Phase::Preparing, ImageState::Pulling).expect(&[]);
    Story::new()
        .candidate(Phase::Preparing, ImageState::Present)
        .expect(&["enter starting d2", "start d2/0"]);

    let started = Story::new().candidate(Phase::Starting, ImageState::Present);
    started.with(0xb1, |i| i.state = InstanceState::Starting).expect(&[]);
    let running = Story::new().candidate(Phase::Starting, ImageState::Present);
    running.with(0xb1, |i| i.verdict = Verdict::Unknown).expect(&["enter probing d2"]);
    let healthy = Story::new().candidate(Phase::Probing, ImageState::Present);
    healthy.with(0xb1, |_| {}).expect(&["enter switching d2", "route to [b1b1b1b1]"]);
    let routed = Story::new().candidate(Phase::Switching, ImageState::Present);
    routed.with(0xb1, |i| i.routed = true).expect(&["activate d2"]);
}

#[test]
fn a_start_that_has_to_wait_is_not_a_probe_that_failed() {
    let mut story = Story::new().candidate(Phase::Starting, ImageState::Present).with(0xb1, |i| {
        i.state = InstanceState::Starting;
        i.verdict = Verdict::Unknown;
    });
    story.now = at(600_000);
    story.expect(&[]);
    story.observed.instances[0].state = InstanceState::Running { since: at(590_000) };
    story.expect(&["enter probing d2"]);
    assert_eq!(plan(&story.desired, &story.observed, story.now).wake_at, Some(at(650_000)));
}

#[test]
fn a_candidate_whose_instance_nobody_saw_end_starts_it_again_a_few_times() {
    let vanished = |attempt| {
        let exit = Exit { code: None, signal: None, oom: false, start_error: None, at: at(50) };
        Story::serving().candidate(Phase::Probing, ImageState::Present).with(0xb1, |i| {
            i.state = InstanceState::Exited(exit);
            i.attempt = attempt;
        })
    };
    vanished(0).expect(&["start d2/0 again (1)"]);
    vanished(2).expect(&["start d2/0 again (3)"]);
    vanished(3).expect(&["abandon d2: b1b1b1b1 ended: vanished"]);
    vanished(0).with(0xb2, |i| i.attempt = 1).expect(&["enter switching d2", "route to [b2b2b2b2]"]);
}

#[test]
fn scaling_down_in_the_middle_of_a_rollout_does_not_end_it() {
    let mut story = Story::new().candidate(Phase::Probing, ImageState::Present);
    story = story.with(0xb1, |i| i.verdict = Verdict::Unknown).with(0xb2, |i| i.ordinal = 1);
    story.expect(&["retire b2b2b2b2"]);
    story.observed.instances[1].stopped = true;
    story.observed.instances[1].state = InstanceState::Stopping;
    story.expect(&[]);
    story.observed.instances[1].state = exited(143, 60);
    story.expect(&[]);
    story.observed.instances[0].verdict = Verdict::Healthy;
    story.expect(&["enter switching d2", "route to [b1b1b1b1]"]);
    story.observed.instances[0].routed = true;
    story.expect(&["enter switching d2", "activate d2"]);
}

#[test]
fn what_the_engine_still_has_of_an_instance_that_ended_is_cleaned_up() {
    let mut story = Story::serving();
    let remains = Remains { instance: InstanceId::from_random([0xa0; 16]), sweeping: false };
    story.observed.remains = vec![remains];
    story.expect(&["clean up behind a0a0a0a0"]);
    story.desired.removed = true;
    story.observed.instances.clear();
    story.expect(&["clean up behind a0a0a0a0"]);
    story.observed.remains = vec![Remains { sweeping: true, ..remains }];
    story.expect(&[]);
    story.observed.remains.clear();
    story.expect(&["forget the service"]);
}

#[test]
fn an_image_that_is_here_is_started_at_once() {
    Story::new().candidate(Phase::Queued, ImageState::Present).expect(&["enter starting d2", "start d2/0"]);
}

#[test]
fn the_old_instance_serves_until_every_new_one_is_healthy() {
    let mut story = Story::serving().candidate(Phase::Starting, ImageState::Present);
    story.desired.replicas = 2;
    story.observed.instances.push(ObservedInstance { ordinal: 1, ..instance(1, 0xa2) });
    let story = story.with(0xb1, |_| {});
    story.expect(&["start d2/1"]);
    let story = story.with(0xb2, |i| {
        i.ordinal = 1;
        i.verdict = Verdict::Unknown;
    });
    story.expect(&["enter probing d2"]);
}

#[test]
fn after_the_switch_the_old_one_is_drained_and_stopped() {
    let mut story =
        Story::serving().candidate(Phase::Switching, ImageState::Present).with(0xb1, |i| i.routed = true);
    story.observed.instances[0].routed = false;
    story.expect(&["activate d2"]);

    story.desired.active = story.desired.candidate.take();
    story.observed.active_image = ImageState::Present;
    story.expect(&["retire a1a1a1a1"]);
    story.observed.instances[0].state = InstanceState::Stopping;
    story.expect(&[]);
}

#[test]
fn a_new_process_that_exits_is_given_up_and_the_old_one_never_notices() {
    let mut story = Story::serving()
        .candidate(Phase::Probing, ImageState::Present)
        .with(0xb1, |i| i.state = exited(3, 50));
    story.expect(&["abandon d2: b1b1b1b1 ended: exit code 3"]);
    story.desired.candidate.as_mut().unwrap().doomed = Some(Phase::Failed);
    story.expect(&["enter failed d2"]);
}

#[test]
fn a_new_process_that_never_answers_is_given_up_after_its_time() {
    let mut story = Story::serving()
        .candidate(Phase::Probing, ImageState::Present)
        .with(0xb1, |i| i.verdict = Verdict::Unhealthy(ProbeFailure::Refused));
    story.expect(&[]);
    assert_eq!(plan(&story.desired, &story.observed, story.now).wake_at, Some(at(60_000)));
    story.now = at(60_000);
    story.expect(&["abandon d2: b1b1b1b1 is not well: connection refused"]);
    story.desired.candidate.as_mut().unwrap().doomed = Some(Phase::Failed);
    story.expect(&["retire b1b1b1b1"]);
}

#[test]
fn an_image_that_cannot_be_brought_fails_the_deployment() {
    let failure =
        Failure { code: Code::ImagePullError, message: "wrong bytes".into(), hint: None, log_tail: vec![] };
    Story::serving()
        .candidate(Phase::Preparing, ImageState::Failed(failure))
        .expect(&["abandon d2: wrong bytes"]);
}

#[test]
fn a_crashed_instance_leaves_the_route_and_is_started_again_after_a_pause() {
    let mut story = Story::serving();
    story.observed.instances[0].state = exited(1, 90);
    story.expect(&["route to []"]);
    assert_eq!(plan(&story.desired, &story.observed, story.now).wake_at, Some(at(290)));
    story.observed.instances[0].routed = false;
    story.now = at(290);
    story.expect(&["start d1/0 again (1)"]);
}

#[test]
fn a_clock_that_was_set_back_keeps_nobody_waiting_and_starts_nobody_twice() {
    let day = 86_400_000;
    let mut story = Story::serving();
    story.observed.instances[0].state = exited(1, day);
    story.observed.instances[0].created_at = at(day);
    story.observed.instances[0].routed = false;
    story.expect(&["start d1/0 again (1)"]);
    // The one that was started then seems to be older than the one before it.
    story.observed.instances.push(ObservedInstance { attempt: 1, ..instance(1, 0xa2) });
    story.expect(&[]);

    let mut story = Story::serving().candidate(Phase::Probing, ImageState::Present);
    let state = InstanceState::Running { since: at(day) };
    let verdict = Verdict::Unknown;
    story.observed.instances.push(ObservedInstance { state, verdict, routed: false, ..instance(2, 0xb1) });
    story.expect(&["abandon d2: b1b1b1b1 never answered"]);
}

#[test]
fn a_service_whose_process_succeeded_is_left_alone() {
    let mut story = Story::serving();
    story.observed.instances[0].state = exited(0, 90);
    story.observed.instances[0].routed = false;
    story.now = at(100_000);
    story.expect(&[]);
}

#[test]
fn an_unhealthy_instance_leaves_the_route_and_comes_back() {
    let mut story = Story::serving();
    story.observed.instances[0].verdict = Verdict::Unhealthy(ProbeFailure::Status(500));
    story.expect(&["route to []"]);
    story.observed.instances[0].verdict = Verdict::Healthy;
    story.observed.instances[0].routed = false;
    story.expect(&["route to [a1a1a1a1]"]);
}

#[test]
fn a_restart_starts_the_new_one_before_the_old_one_goes() {
    let mut story = Story::serving();
    story.desired.generation = 1;
    story.expect(&["start d1/0"]);
    story.observed.instances.push(ObservedInstance {
        generation: 1,
        verdict: Verdict::Unknown,
        routed: false,
        ..instance(1, 0xa2)
    });
    story.expect(&[]);
    story.observed.instances[1].verdict = Verdict::Healthy;
    story.expect(&["route to [a2a2a2a2]"]);
    story.observed.instances[1].routed = true;
    story.observed.instances[0].routed = false;
    story.expect(&["retire a1a1a1a1"]);
}

#[test]
fn scaling_up_starts_and_scaling_down_drains() {
    let mut story = Story::serving();
    story.desired.replicas = 3;
    story.expect(&["start d1/1", "start d1/2"]);
    story.desired.replicas = 0;
    story.expect(&["route to []"]);
    story.observed.instances[0].routed = false;
    story.expect(&["retire a1a1a1a1"]);
}

#[test]
fn removal_stops_the_traffic_then_the_instances_then_forgets() {
    let mut story = Story::serving();
    story.desired.removed = true;
    story.expect(&["route to []"]);
    story.observed.instances[0].routed = false;
    story.expect(&["retire a1a1a1a1"]);
    story.observed.instances[0].state = InstanceState::Stopping;
    story.expect(&[]);
    story.observed.instances[0].state = exited(0, 50);
    story.expect(&["forget the service"]);
}

#[test]
fn an_instance_that_was_stopped_by_request_does_not_count_as_a_failure() {
    let mut story = Story::serving();
    story.observed.instances[0].state = exited(137, 50);
    story.observed.instances[0].stopped = true;
    story.observed.instances[0].routed = false;
    story.expect(&["start d1/0"]);
}

#[test]
fn instances_of_a_superseded_deployment_go() {
    let mut story = Story::serving();
    story.observed.instances.push(ObservedInstance { routed: false, ..instance(7, 0xc1) });
    story.expect(&["retire c1c1c1c1"]);
}
