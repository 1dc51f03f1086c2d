//! The life of one container as decisions: what has happened goes in, what is to be done comes out.

use std::time::{Duration, Instant};

use mirage_core::Exit;

/// Ended processes that are remembered while it is not known which one is the container's first.
const MAX_UNKNOWN: usize = 16;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Send this signal to the container's first process.
    Signal(i32),
    /// Kill everything, the start included.
    Kill,
    /// It is over: clean up, and tell.
    Finish(Verdict),
}

/// How it went, without the time and without what only the kernel knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The first process ended.
    Ended {
        /// How.
        ending: Ending,
        /// Whether we killed it, so that nobody takes the signal for the kernel's.
        killed: bool,
    },
    /// The program was never executed.
    NotStarted(String),
}

/// A container from start to end.
#[derive(Debug)]
pub(super) struct Life {
    stage: Stage,
    start_by: Instant,
    start_limit: Duration,
    stop: Option<Stop>,
    killed: bool,
    unknown: Vec<(i32, Ending)>,
}

#[derive(Debug, PartialEq, Eq)]
enum Stage {
    Starting,
    Running { pid: i32 },
    Over,
}

#[derive(Debug)]
struct Stop {
    signal: i32,
    sent: bool,
    kill_at: Instant,
}

impl Life {
    /// A container that is being started, and has so long for it.
    pub(super) fn new(now: Instant, start: Duration) -> Self {
        Self {
            stage: Stage::Starting,
            start_by: now + start,
            start_limit: start,
            stop: None,
            killed: false,
            unknown: Vec::new(),
        }
    }

    /// The first process, while it runs.
    pub(super) fn pid(&self) -> Option<i32> {
        if let Stage::Running { pid } = self.stage { Some(pid) } else { None }
    }

    /// Whether somebody asked for the end.
    pub(super) fn is_stopping(&self) -> bool {
        self.stop.is_some()
    }

    /// The program has been executed, or it is clear why not.
    pub(super) fn launched(&mut self, outcome: Result<i32, String>) -> Option<Action> {
        if self.stage != Stage::Starting {
            return None;
        }
        match outcome {
            Ok(pid) => {
                self.stage = Stage::Running { pid };
                let ended = self.unknown.iter().find(|(known, _)| *known == pid).map(|(_, ending)| *ending);
                self.unknown.clear();
                match ended {
                    Some(ending) => Some(self.finish(ending)),
                    None => self.signal_once(),
                }
            }
            Err(why) => {
                self.stage = Stage::Over;
                let verdict = match (self.killed, &self.stop) {
                    (false, _) => Verdict::NotStarted(why),
                    (true, Some(_)) => Verdict::Ended { ending: Ending::Signal(libc::SIGKILL), killed: true },
                    (true, None) => Verdict::NotStarted(format!(
                        "the container did not start within {} seconds",
                        self.start_limit.as_secs()
                    )),
                };
                Some(Action::Finish(verdict))
            }
        }
    }

    /// A child of the shim is gone.
    pub(super) fn reaped(&mut self, pid: i32, ending: Ending) -> Option<Action> {
        match self.stage {
            Stage::Running { pid: first } if first == pid => Some(self.finish(ending)),
            Stage::Starting if self.unknown.len() < MAX_UNKNOWN => {
                self.unknown.push((pid, ending));
                None
            }
            _ => None,
        }
    }

    /// Somebody asked for the end: this signal, and the kill after `grace`.
    pub(super) fn stop(&mut self, now: Instant, signal: i32, grace: Duration) -> Option<Action> {
        // A time that the clock cannot hold is as good as a day.
        let kill_at = now.checked_add(grace).unwrap_or(now + Duration::from_secs(86_400));
        match &mut self.stop {
            Some(stop) => stop.kill_at = stop.kill_at.min(kill_at),
            None => self.stop = Some(Stop { signal, sent: false, kill_at }),
        }
        self.signal_once()
    }

    /// Time has passed.
    pub(super) fn tick(&mut self, now: Instant) -> Option<Action> {
        let due = self.wake_at().is_some_and(|at| at <= now);
        if !due {
            return None;
        }
        self.killed = true;
        Some(Action::Kill)
    }

    /// When [`Self::tick`] has something to say.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        if self.killed {
            return None;
        }
        let kill_at = self.stop.as_ref().map(|stop| stop.kill_at);
        match self.stage {
            Stage::Starting => Some(kill_at.map_or(self.start_by, |at| at.min(self.start_by))),
            Stage::Running { .. } => kill_at,
            Stage::Over => None,
        }
    }

    fn signal_once(&mut self) -> Option<Action> {
        let running = matches!(self.stage, Stage::Running { .. });
        let stop = self.stop.as_mut().filter(|stop| running && !stop.sent)?;
        stop.sent = true;
        Some(Action::Signal(stop.signal))
    }

    fn finish(&mut self, ending: Ending) -> Action {
        self.stage = Stage::Over;
        Action::Finish(Verdict::Ended { ending, killed: self.killed })
    }
}

impl Verdict {
    /// The verdict with what the kernel and the clock add to it.
    pub(super) fn exit(self, oom_kills: u64, at: jiff::Timestamp) -> Exit {
        let none = Exit { code: None, signal: None, oom: false, start_error: None, at };
        match self {
            Self::NotStarted(why) => Exit { start_error: Some(why), ..none },
            Self::Ended { ending: Ending::Code(code), killed } => {
                // A shell says 137 for a child that was killed.
                let oom = oom_kills > 0 && !killed && code == 128 + libc::SIGKILL;
                Exit { code: Some(code), oom, ..none }
            }
            Self::Ended { ending: Ending::Signal(signal), killed } => {
                let oom = oom_kills > 0 && !killed && signal == libc::SIGKILL;
                Exit { signal: Some(signal), oom, ..none }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(10);

    fn life() -> (Life, Instant) {
        let now = Instant::now();
        (Life::new(now, Duration::from_secs(60)), now)
    }

    fn ended(ending: Ending, killed: bool) -> Option<Action> {
        Some(Action::Finish(Verdict::Ended { ending, killed }))
    }

    #[test]
    fn a_process_runs_and_ends() {
        let (mut life, _) = life();
        assert_eq!(life.launched(Ok(7)), None);
        assert_eq!(life.pid(), Some(7));
        assert_eq!(life.reaped(6, Ending::Code(0)), None);
        assert_eq!(life.reaped(7, Ending::Code(3)), ended(Ending::Code(3), false));
        assert_eq!(life.pid(), None);
    }

    #[test]
    fn a_process_may_end_before_it_is_known_to_run() {
        let (mut life, _) = life();
        assert_eq!(life.reaped(7, Ending::Code(3)), None);
        assert_eq!(life.launched(Ok(7)), ended(Ending::Code(3), false));
    }

    #[test]
    fn a_stop_is_a_signal_then_a_kill() {
        let (mut life, now) = life();
        life.launched(Ok(7));
        assert_eq!(life.wake_at(), None);
        assert_eq!(life.stop(now, 15, GRACE), Some(Action::Signal(15)));
        assert_eq!(life.tick(now + GRACE / 2), None);
        assert_eq!(life.tick(now + GRACE), Some(Action::Kill));
        assert_eq!(life.tick(now + GRACE * 2), None);
        assert_eq!(life.reaped(7, Ending::Signal(9)), ended(Ending::Signal(9), true));
    }

    #[test]
    fn a_second_stop_can_only_hasten() {
        let (mut life, now) = life();
        life.launched(Ok(7));
        life.stop(now, 15, GRACE);
        assert_eq!(life.stop(now, 15, GRACE * 9), None);
        assert_eq!(life.wake_at(), Some(now + GRACE));
        assert_eq!(life.stop(now, 9, Duration::ZERO), None);
        assert_eq!(life.tick(now), Some(Action::Kill));
    }

    #[test]
    fn a_stop_during_the_start_takes_effect_when_the_process_runs() {
        let (mut life, now) = life();
        assert_eq!(life.stop(now, 2, GRACE), None);
        assert_eq!(life.launched(Ok(7)), Some(Action::Signal(2)));
    }

    #[test]
    fn a_stop_during_a_start_that_hangs_ends_in_a_kill() {
        let (mut life, now) = life();
        life.stop(now, 2, GRACE);
        assert_eq!(life.tick(now + GRACE), Some(Action::Kill));
        assert_eq!(life.launched(Err("gone".into())), ended(Ending::Signal(9), true));
    }

    #[test]
    fn a_start_that_hangs_is_given_up() {
        let (mut life, now) = life();
        assert_eq!(life.wake_at(), Some(now + Duration::from_secs(60)));
        assert_eq!(life.tick(now + Duration::from_secs(60)), Some(Action::Kill));
        let verdict = Verdict::NotStarted("the container did not start within 60 seconds".into());
        assert_eq!(life.launched(Err("gone".into())), Some(Action::Finish(verdict)));
    }

    #[test]
    fn only_a_kill_that_was_not_ours_is_out_of_memory() {
        let at = jiff::Timestamp::UNIX_EPOCH;
        let oom = |ending, killed, kills| Verdict::Ended { ending, killed }.exit(kills, at).oom;
        assert!(oom(Ending::Signal(9), false, 1));
        assert!(oom(Ending::Code(137), false, 1));
        assert!(!oom(Ending::Signal(9), true, 1));
        assert!(!oom(Ending::Signal(9), false, 0));
        assert!(!oom(Ending::Code(1), false, 1));
        assert!(!oom(Ending::Signal(15), false, 1));
    }
}
