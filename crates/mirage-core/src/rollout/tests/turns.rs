//! Taking turns: with little room, with a volume, after an illness, with an overlap.

use super::*;

impl Story {
    /// Deployment 1 is active with `count` routed instances, `a0` and on; deployment 2 arrives.
    fn turns(count: u8, surge: u32) -> Self {
        let mut story = Self::serving().candidate(Phase::Starting, ImageState::Present);
        story.desired.candidate.as_mut().unwrap().surge = Some(surge);
        story.desired.replicas = count.into();
        story.observed.instances =
            (0..count).map(|n| ObservedInstance { ordinal: n.into(), ..instance(1, 0xa0 + n) }).collect();
        story
    }

    /// Deployment 1 has the volume, deployment 2 wants it.
    fn exclusive() -> Self {
        let mut story = Self::serving().candidate(Phase::Queued, ImageState::Present);
        story.desired.active.as_mut().unwrap().exclusive = true;
        story.desired.candidate.as_mut().unwrap().exclusive = true;
        story
    }

    fn one(&mut self, n: u8) -> &mut ObservedInstance {
        let id = InstanceId::from_random([n; 16]);
        self.observed.instances.iter_mut().find(|i| i.id == id).unwrap()
    }
}

#[test]
fn with_room_for_one_more_instances_are_replaced_in_turns() {
    let story = Story::turns(3, 1);
    story.expect(&["start d2/0"]);
    let mut story = story.with(0xb0, |i| i.verdict = Verdict::Unknown);
    story.expect(&[]);
    story.one(0xb0).verdict = Verdict::Healthy;
    story.expect(&["route to [a1a1a1a1 a2a2a2a2 b0b0b0b0]"]);
    story.one(0xb0).routed = true;
    story.one(0xa0).routed = false;
    story.expect(&["retire a0a0a0a0"]);
    story.one(0xa0).state = InstanceState::Stopping;
    story.expect(&[]);
    story.one(0xa0).state = exited(0, 90);
    story.one(0xa0).stopped = true;
    story.expect(&["start d2/1"]);
}

#[test]
fn the_last_of_the_old_instances_stay_until_the_new_deployment_is_active() {
    let mut story = Story::turns(2, 1);
    story.observed.instances.remove(0);
    let mut story = story.with(0xb0, |i| i.routed = true).with(0xb1, |i| {
        i.ordinal = 1;
    });
    story.expect(&["enter probing d2", "enter switching d2", "route to [b0b0b0b0 b1b1b1b1]"]);
    story.one(0xb1).routed = true;
    story.one(0xa1).routed = false;
    story.expect(&["enter probing d2", "enter switching d2", "activate d2"]);
}

#[test]
fn a_rollout_in_turns_that_fails_brings_the_old_instances_back() {
    let mut story = Story::turns(2, 1);
    story.one(0xa0).state = exited(0, 90);
    story.one(0xa0).stopped = true;
    story.one(0xa0).routed = false;
    let mut story = story.with(0xb0, |i| i.routed = true).with(0xb1, |i| {
        i.ordinal = 1;
        i.state = exited(1, 95);
    });
    story.expect(&["abandon d2: b1b1b1b1 ended: exit code 1"]);
    story.desired.candidate.as_mut().unwrap().doomed = Some(Phase::Failed);
    story.expect(&["start d1/0", "route to [a1a1a1a1]"]);
}

#[test]
fn a_service_with_a_volume_is_stopped_before_the_new_one_starts() {
    let mut story = Story::exclusive();
    story.expect(&["enter starting d2", "route to []"]);
    story.one(0xa1).routed = false;
    story.expect(&["enter starting d2", "retire a1a1a1a1"]);
    story.one(0xa1).state = InstanceState::Stopping;
    story.expect(&["enter starting d2"]);
    story.one(0xa1).state = exited(0, 90);
    story.one(0xa1).stopped = true;
    story.expect(&["enter starting d2", "start d2/0"]);
    story.with(0xb1, |_| {}).expect(&["enter probing d2", "enter switching d2", "route to [b1b1b1b1]"]);
}

#[test]
fn the_old_owner_of_a_volume_comes_back_when_the_new_one_is_gone() {
    let mut story = Story::exclusive();
    story.one(0xa1).state = exited(0, 90);
    story.one(0xa1).stopped = true;
    story.one(0xa1).routed = false;
    story.desired.candidate.as_mut().unwrap().doomed = Some(Phase::Failed);
    let mut story = story.with(0xb1, |i| i.verdict = Verdict::Unknown);
    story.expect(&["retire b1b1b1b1"]);
    story.one(0xb1).state = InstanceState::Stopping;
    story.expect(&[]);
    story.one(0xb1).state = exited(0, 95);
    story.expect(&["enter failed d2", "start d1/0"]);
}

#[test]
fn an_image_is_brought_before_the_owner_of_a_volume_is_stopped() {
    let mut story = Story::exclusive();
    story.observed.candidate_image = ImageState::Absent;
    story.expect(&["enter preparing d2", "pull d2"]);
    story.observed.candidate_image = ImageState::Pulling;
    story.expect(&[]);
}

#[test]
fn a_restart_of_a_service_with_a_volume_stops_first() {
    let mut story = Story::serving();
    story.desired.active.as_mut().unwrap().exclusive = true;
    story.desired.generation = 1;
    story.expect(&["route to []"]);
    story.one(0xa1).routed = false;
    story.expect(&["retire a1a1a1a1"]);
    story.one(0xa1).state = exited(0, 90);
    story.one(0xa1).stopped = true;
    story.expect(&["start d1/0"]);
}

#[test]
fn an_instance_that_does_not_get_well_is_replaced_by_policy() {
    let mut story = Story::serving();
    let sick = story.one(0xa1);
    sick.verdict = Verdict::Unhealthy(ProbeFailure::Status(500));
    sick.unwell_since = Some(at(0));
    sick.routed = false;
    story.expect(&[]);
    assert_eq!(plan(&story.desired, &story.observed, story.now).wake_at, Some(at(60_000)));
    story.now = at(60_000);
    story.expect(&["start d1/0 again (1)"]);
    story.observed.instances.push(ObservedInstance {
        state: InstanceState::Starting,
        verdict: Verdict::Unknown,
        created_at: at(60_000),
        attempt: 1,
        routed: false,
        ..instance(1, 0xa2)
    });
    story.expect(&["retire a1a1a1a1"]);
    story.observed.instances.pop();
    story.desired.active.as_mut().unwrap().restart = RestartPolicy::Never;
    story.expect(&[]);
}

#[test]
fn the_sick_owner_of_a_volume_is_stopped_before_another_one_is_started() {
    let mut story = Story::serving();
    story.desired.active.as_mut().unwrap().exclusive = true;
    let sick = story.one(0xa1);
    sick.verdict = Verdict::Unhealthy(ProbeFailure::TimedOut);
    sick.unwell_since = Some(at(0));
    sick.routed = false;
    story.now = at(60_000);
    story.expect(&["retire a1a1a1a1"]);
    story.one(0xa1).state = exited(0, 60_100);
    story.one(0xa1).stopped = true;
    story.expect(&["start d1/0"]);
}

#[test]
fn the_instances_before_stay_for_as_long_as_they_are_to_overlap() {
    let mut story = Story::serving();
    let active = story.desired.active.as_mut().unwrap();
    (active.overlap_millis, active.active_since) = (5_000, Some(at(0)));
    story.observed.instances.push(ObservedInstance { routed: false, ..instance(7, 0xc1) });
    story.expect(&[]);
    assert_eq!(plan(&story.desired, &story.observed, story.now).wake_at, Some(at(5_000)));
    story.now = at(5_000);
    story.expect(&["retire c1c1c1c1"]);
}

#[test]
fn of_two_instances_the_healthy_one_stays_when_there_is_to_be_one() {
    let mut story = Story::serving();
    story.observed.instances.push(ObservedInstance { ordinal: 1, ..instance(1, 0xa2) });
    story.one(0xa1).state = exited(1, 90);
    story.one(0xa1).routed = false;
    story.expect(&[]);
    story.now = at(290);
    story.expect(&["start d1/0 again (1)"]);
    story.one(0xa1).state = InstanceState::Running { since: at(300) };
    story.expect(&["route to [a1a1a1a1]"]);
    story.one(0xa1).routed = true;
    story.one(0xa2).routed = false;
    story.expect(&["retire a2a2a2a2"]);
}
