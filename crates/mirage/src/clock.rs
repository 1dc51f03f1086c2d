//! The real clock and the real randomness; everything else gets them as arguments.

use jiff::Timestamp;
use mirage_core::port::{Clock, Randomness};

/// The clock of the machine.
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one clock that others are handed")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// The randomness of the kernel.
pub(crate) struct SystemRandomness;

impl Randomness for SystemRandomness {
    #[expect(
        clippy::disallowed_methods,
        clippy::expect_used,
        reason = "without the kernel's randomness no token is safe"
    )]
    fn bytes32(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).expect("the kernel gives randomness");
        bytes
    }
}
