//! When a process that ended is started again.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::instance::Exit;

/// Tries in a row before [`RestartPolicy::OnFailure`] gives up.
pub(crate) const MAX_TRIES: u32 = 10;

/// An instance that ran this long has proven itself: its failure counts as the first again.
pub(crate) const PROVEN: Duration = Duration::from_secs(60);

/// The longest pause before another try.
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What happens when the process of an active deployment exits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RestartPolicy {
    /// Started again after a failure, up to ten times in a row.
    #[default]
    OnFailure,
    /// Started again whenever it exits.
    Always,
    /// Left as it is.
    Never,
}

impl RestartPolicy {
    /// The try that follows an instance which was created at `created`, was try number `attempt`
    /// (from 0) and ended as `exit` says: its number and its earliest time. `None`: never.
    pub(crate) fn next_try(self, attempt: u32, created: Timestamp, exit: &Exit) -> Option<(u32, Timestamp)> {
        let at = |next: u32| exit.at.saturating_add(backoff(next)).unwrap_or(exit.at);
        if exit.start_error.is_some() {
            // Not the process failed but the machine, and that may be mended at any time: no try is the last, and
            // none is taken from those that the process has.
            let next = (attempt + 1).min(MAX_TRIES - 1);
            return Some((next, at(next)));
        }
        let again = match self {
            // A process that vanished with its machine or its shim did not end by itself.
            RestartPolicy::Never => exit.is_vanished(),
            RestartPolicy::Always => true,
            RestartPolicy::OnFailure => !exit.is_success(),
        };
        let next = self.count(attempt, created, exit.at).filter(|_| again)?;
        Some((next, at(next)))
    }

    /// The number of the try that follows an instance which runs and does not get well. Nothing is added to the
    /// time that it had for that.
    pub(crate) fn next_after_illness(self, attempt: u32, created: Timestamp, now: Timestamp) -> Option<u32> {
        match self {
            RestartPolicy::Never => None,
            RestartPolicy::Always | RestartPolicy::OnFailure => self.count(attempt, created, now),
        }
    }

    fn count(self, attempt: u32, created: Timestamp, end: Timestamp) -> Option<u32> {
        let lived = end.duration_since(created).unsigned_abs();
        let next = if lived >= PROVEN { 1 } else { attempt + 1 };
        (self != RestartPolicy::OnFailure || next <= MAX_TRIES).then_some(next)
    }
}

/// A fifth of a second, doubled with each failure in a row, at most a minute.
fn backoff(tries: u32) -> Duration {
    Duration::from_millis(200 << (tries.saturating_sub(1)).min(9)).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit(code: i32, second: i64) -> Exit {
        let at = Timestamp::from_second(second).unwrap();
        Exit { code: Some(code), signal: None, oom: false, start_error: None, at }
    }

    #[test]
    fn failures_are_tried_again_ten_times_with_growing_pauses() {
        let start = Timestamp::from_second(1_000).unwrap();
        let mut pauses = Vec::new();
        let mut attempt = 0;
        while let Some((next, at)) = RestartPolicy::OnFailure.next_try(attempt, start, &exit(1, 1_000)) {
            pauses.push(at.duration_since(start).as_millis());
            attempt = next;
        }
        assert_eq!(pauses, [200, 400, 800, 1600, 3200, 6400, 12800, 25600, 51200, 60000]);
    }

    #[test]
    fn a_start_that_the_machine_failed_is_tried_again_under_every_policy_and_for_good() {
        let start = Timestamp::from_second(1_000).unwrap();
        let failed = Exit { code: None, start_error: Some("the disk is full".into()), ..exit(0, 1_000) };
        for policy in [RestartPolicy::OnFailure, RestartPolicy::Always, RestartPolicy::Never] {
            let mut attempt = 0;
            for _ in 0..100 {
                let (next, at) = policy.next_try(attempt, start, &failed).unwrap();
                assert!(at.duration_since(start).unsigned_abs() <= LONGEST_PAUSE);
                attempt = next;
            }
        }
        let after = RestartPolicy::OnFailure.next_try(MAX_TRIES - 1, start, &exit(1, 1_000));
        assert!(after.is_some(), "the process has a try of its own");
    }

    #[test]
    fn success_ends_a_service_unless_it_is_always_restarted() {
        let start = Timestamp::from_second(0).unwrap();
        assert_eq!(RestartPolicy::OnFailure.next_try(0, start, &exit(0, 1)), None);
        assert_eq!(RestartPolicy::Never.next_try(0, start, &exit(1, 1)), None);
        assert_eq!(RestartPolicy::Always.next_try(40, start, &exit(0, 1)).unwrap().0, 41);
    }

    #[test]
    fn an_instance_that_ran_for_a_minute_starts_a_new_count() {
        let start = Timestamp::from_second(0).unwrap();
        assert_eq!(RestartPolicy::OnFailure.next_try(10, start, &exit(1, 60)).unwrap().0, 1);
    }
}
