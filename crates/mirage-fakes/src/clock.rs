//! A clock that goes from a fixed day on, and numbers instead of chance.

use std::sync::atomic::Ordering;

use jiff::Timestamp;
use mirage_core::port::{Clock, Randomness};

use crate::World;

impl Clock for World {
    fn now(&self) -> Timestamp {
        let start: Timestamp = "2026-11-21T00:00:00Z".parse().unwrap();
        start + self.began.elapsed()
    }
}

impl Randomness for World {
    fn bytes32(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        let number = self.random.fetch_add(1, Ordering::Relaxed);
        bytes[24..].copy_from_slice(&number.to_be_bytes());
        bytes
    }
}
