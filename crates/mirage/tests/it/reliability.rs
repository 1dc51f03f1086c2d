//! What docs/RELIABILITY.md says, in short: whatever is done to a service, nobody who asks it loses a
//! request.

use std::path::Path;

use xtask::bed::may_run_as_root;
use xtask::reliability::{Trial, held, killed_control, moved_tag, rollouts, upgraded};

use crate::stage::BINARY;

/// Every request was answered, and there were some.
fn nothing_was_lost(trial: &Trial) {
    let Trial { what, counts } = trial;
    assert_eq!(counts.failed, 0, "{what}: {}", counts.faults());
    assert!(counts.good > 0, "{what}: nobody asked");
}

#[test]
fn rollouts_and_rollbacks_lose_no_request_in_any_shape_of_load() {
    if !may_run_as_root("rollouts and rollbacks lose no request in any shape of load") {
        return;
    }
    rollouts(Path::new(BINARY), 12, 4).unwrap().iter().for_each(nothing_was_lost);
}

#[test]
fn requests_to_a_service_with_a_volume_wait_while_its_instance_is_replaced() {
    if !may_run_as_root("requests to a service with a volume wait while its instance is replaced") {
        return;
    }
    nothing_was_lost(&held(Path::new(BINARY), 4).unwrap());
}

#[test]
fn a_rollout_whose_control_process_is_killed_is_finished_by_the_next_and_loses_no_request() {
    if !may_run_as_root("a rollout whose control process is killed is finished by the next") {
        return;
    }
    nothing_was_lost(&killed_control(Path::new(BINARY), 4).unwrap());
}

#[test]
fn the_running_binary_is_replaced_under_load_without_a_lost_request_or_a_restarted_container() {
    if !may_run_as_root("the running binary is replaced under load") {
        return;
    }
    nothing_was_lost(&upgraded(Path::new(BINARY), 2).unwrap());
}

#[test]
fn a_rollback_runs_the_old_digest_although_its_tag_has_moved_and_its_registry_is_gone() {
    if !may_run_as_root("a rollback runs the old digest although its tag has moved") {
        return;
    }
    nothing_was_lost(&moved_tag(Path::new(BINARY)).unwrap());
}
