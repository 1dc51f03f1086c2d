//! Time and chance that a test rules.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use mirage_core::port::{Clock, Randomness};

/// Time that follows tokio's, which a test may pause and advance, and that can be set.
pub(super) struct TestClock {
    since: tokio::time::Instant,
    ahead: AtomicU64,
}

impl TestClock {
    pub(super) fn new() -> Self {
        Self { since: tokio::time::Instant::now(), ahead: AtomicU64::new(1_000_000_000) }
    }

    pub(super) fn set_ahead(&self, time: Duration) {
        self.ahead.fetch_add(time.as_secs(), Ordering::SeqCst);
    }

    pub(super) fn set_back(&self, time: Duration) {
        self.ahead.fetch_sub(time.as_secs(), Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        let ahead = self.ahead.load(Ordering::SeqCst).cast_signed();
        let start = Timestamp::from_second(790_000_000 + ahead).unwrap();
        start.checked_add(self.since.elapsed()).unwrap()
    }
}

/// Counts instead of guessing.
#[derive(Default)]
pub(super) struct Counter(AtomicU64);

impl Randomness for Counter {
    fn bytes32(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes[24..].copy_from_slice(&(self.0.fetch_add(1, Ordering::Relaxed) + 1).to_be_bytes());
        bytes
    }
}
