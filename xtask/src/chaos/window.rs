//! The moments in which a request may fail, of one service each. Where nobody else answers for it, they last from the
//! kill until it is answered again; where somebody does, only what was in flight is excused.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::bed::http;
use crate::load::{Failure, Fault};

/// Good answers in a row that end a window, and the pause between two questions.
const ENOUGH: u32 = 5;
const PAUSE: Duration = Duration::from_millis(20);
/// The longest that a killed instance may take to be replaced: its restart may have to wait for a minute.
const LIMIT: Duration = Duration::from_secs(80);

/// Between two looks at a process that was killed, where its end is all that is waited for.
const GLANCE: Duration = Duration::from_millis(1);

/// A window, watched by a thread of its own.
pub(super) struct Window {
    /// What was killed.
    pub(super) what: String,
    /// Whose failures are excused.
    service: usize,
    /// Whether nobody else was there to answer.
    pub(super) is_absence: bool,
    pub(super) from: Instant,
    until: Arc<Mutex<Option<Instant>>>,
    hurry: Arc<AtomicBool>,
    watcher: Option<JoinHandle<()>>,
}

impl Window {
    /// Ends when this process is gone, with what it had open, and the URL is answered well again.
    pub(super) fn absence(what: &str, service: usize, from: Instant, killed: u32, url: String) -> Self {
        Self::open(what, service, from, killed, Some(url))
    }

    /// Ends when this process is gone, with what it had open: whoever asks later can be answered by another.
    pub(super) fn flight(what: &str, service: usize, from: Instant, killed: u32) -> Self {
        Self::open(what, service, from, killed, None)
    }

    fn open(what: &str, service: usize, from: Instant, killed: u32, url: Option<String>) -> Self {
        let is_absence = url.is_some();
        let until = Arc::<Mutex<Option<Instant>>>::default();
        let hurry = Arc::<AtomicBool>::default();
        let watcher = std::thread::spawn({
            let (until, hurry) = (Arc::clone(&until), Arc::clone(&hurry));
            move || {
                if watch(from, killed, url.as_deref(), &hurry) {
                    *until.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
                }
            }
        });
        Self { what: what.to_owned(), service, is_absence, from, until, hurry, watcher: Some(watcher) }
    }

    /// Waits for its end; `None` where nobody answered in time.
    pub(super) fn length(&mut self) -> Option<Duration> {
        if let Some(watcher) = self.watcher.take() {
            watcher.join().ok();
        }
        let until = *self.until.lock().unwrap_or_else(PoisonError::into_inner);
        Some(until?.duration_since(self.from))
    }

    /// Whether this failure of this service could not be avoided. A wrong answer always could.
    pub(super) fn excuses(&self, service: usize, failure: &Failure) -> bool {
        let until = *self.until.lock().unwrap_or_else(PoisonError::into_inner);
        let within = until.is_none_or(|until| failure.from <= until) && failure.until >= self.from;
        self.service == service && within && !matches!(failure.fault, Fault::Wrong(_))
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        self.hurry.store(true, Ordering::Relaxed);
        if let Some(watcher) = self.watcher.take() {
            watcher.join().ok();
        }
    }
}

fn watch(from: Instant, killed: u32, url: Option<&str>, hurry: &AtomicBool) -> bool {
    let mut good = 0;
    while from.elapsed() < LIMIT && !hurry.load(Ordering::Relaxed) {
        match url {
            None if is_gone(killed) => return true,
            None => std::thread::sleep(GLANCE),
            Some(url) => {
                let well = || http::get(url).is_ok_and(|answer| answer.status == 200);
                good = if is_gone(killed) && well() { good + 1 } else { 0 };
                if good == ENOUGH {
                    return true;
                }
                std::thread::sleep(PAUSE);
            }
        }
    }
    false
}

/// Whether a process runs no more; one that nobody has collected yet does not.
fn is_gone(id: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with(['Z', 'X']))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No process has this number.
    const NOBODY: u32 = 1 << 30;

    #[test]
    fn what_began_after_the_end_of_one_of_several_instances_is_not_excused() {
        let from = Instant::now();
        let mut window = Window::flight("a-1", 0, from, NOBODY);
        let length = window.length().unwrap();
        let failure = |from: Instant, fault: Fault| Failure { from, until: from + length, fault };
        let short = |from| failure(from, Fault::Short);
        assert!(window.excuses(0, &short(from)) && !window.is_absence);
        assert!(!window.excuses(1, &short(from)), "another service");
        assert!(!window.excuses(0, &short(from + length + GLANCE)), "whoever came later");
        assert!(!window.excuses(0, &failure(from, Fault::Wrong("x".into()))), "a wrong answer never");
    }
}
