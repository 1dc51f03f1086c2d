//! The moments in which nobody can answer: from the kill of what answers until it answers again.

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

/// A window, watched by a thread of its own.
pub(super) struct Window {
    /// What was killed.
    pub(super) what: String,
    /// Whose failures are excused; everybody's where it is nobody.
    pub(super) service: Option<usize>,
    pub(super) from: Instant,
    until: Arc<Mutex<Option<Instant>>>,
    hurry: Arc<AtomicBool>,
    watcher: Option<JoinHandle<()>>,
}

impl Window {
    /// Opens now, and ends when this process is gone and each of these URLs is answered well again.
    pub(super) fn open(what: &str, service: Option<usize>, killed: u32, urls: Vec<String>) -> Self {
        let until = Arc::<Mutex<Option<Instant>>>::default();
        let hurry = Arc::<AtomicBool>::default();
        let from = Instant::now();
        let watcher = std::thread::spawn({
            let (until, hurry) = (Arc::clone(&until), Arc::clone(&hurry));
            move || {
                if watch(from, killed, &urls, &hurry) {
                    *until.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
                }
            }
        });
        Self { what: what.to_owned(), service, from, until, hurry, watcher: Some(watcher) }
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
        let about = self.service.is_none_or(|own| own == service);
        about && within && !matches!(failure.fault, Fault::Wrong(_))
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

fn watch(from: Instant, killed: u32, urls: &[String], hurry: &AtomicBool) -> bool {
    let mut good = 0;
    while from.elapsed() < LIMIT && !hurry.load(Ordering::Relaxed) {
        let all = || urls.iter().all(|url| http::get(url).is_ok_and(|answer| answer.status == 200));
        good = if is_gone(killed) && all() { good + 1 } else { 0 };
        if good == ENOUGH {
            return true;
        }
        std::thread::sleep(PAUSE);
    }
    false
}

/// Whether a process runs no more; one that nobody has collected yet does not.
fn is_gone(id: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with(['Z', 'X']))
}
