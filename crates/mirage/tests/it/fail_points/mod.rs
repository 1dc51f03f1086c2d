//! At every point before and after something changes, once the process crashes and once what it did fails: all
//! comes right by itself, nothing is left over, and who had asked goes on.
//!
//! The points are in the binary only where it is built with the feature `fail-points`, as `cargo xtask test` does.

#[cfg(feature = "fail-points")]
mod act;
#[cfg(feature = "fail-points")]
mod deeds;
#[cfg(feature = "fail-points")]
mod elsewhere;
#[cfg(feature = "fail-points")]
mod later;
#[cfg(feature = "fail-points")]
mod pushed;
#[cfg(feature = "fail-points")]
mod range;
#[cfg(feature = "fail-points")]
mod round;
#[cfg(feature = "fail-points")]
mod sealed;

#[cfg(not(feature = "fail-points"))]
fn told(test: &str) {
    xtask::bed::skipped(test, "needs the feature `fail-points`; `cargo xtask test` builds with it");
}

#[cfg(feature = "fail-points")]
fn told(test: &str, how: round::How) {
    if xtask::bed::may_run_as_root(test) {
        round::at_every_point(test, how);
    }
}

#[test]
fn whatever_point_a_process_crashes_at_everything_comes_right_and_nothing_is_left_over() {
    let test = "whatever point a process crashes at, everything comes right";
    #[cfg(feature = "fail-points")]
    told(test, round::How::Crash);
    #[cfg(not(feature = "fail-points"))]
    told(test);
}

#[test]
fn whatever_point_fails_it_is_tried_again_or_said_why_and_the_old_instances_do_not_notice() {
    let test = "whatever point fails, it is tried again or said why";
    #[cfg(feature = "fail-points")]
    told(test, round::How::Error);
    #[cfg(not(feature = "fail-points"))]
    told(test);
}
