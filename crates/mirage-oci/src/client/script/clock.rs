use std::sync::Mutex;
use std::time::Duration;

use jiff::Timestamp;
use mirage_core::port::Clock;

/// A clock that is moved by hand.
pub(crate) struct HandClock(Mutex<Timestamp>);

impl HandClock {
    pub(crate) fn at(start: Timestamp) -> Self {
        Self(Mutex::new(start))
    }

    pub(crate) fn advance(&self, by: Duration) {
        let mut now = self.0.lock().unwrap();
        *now += by;
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}
