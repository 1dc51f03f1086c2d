//! Asking again: how often, and after how long a pause.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::fault::{Fault, Transience};
use super::options::RetryOptions;

/// Attempts of one transfer in all, so that a registry which hands out a few bytes a connection
/// does not keep Mirage busy for ever.
const MAX_ATTEMPTS: u32 = 100;

/// The tries of one request or one transfer.
pub(crate) struct Tries<'a> {
    options: &'a RetryOptions,
    jitter: &'a Jitter,
    /// Whether a registry that is not there is waited for.
    patient: bool,
    in_vain: u32,
    total: u32,
}

impl<'a> Tries<'a> {
    /// For a request somebody waits for: a registry that is not there is reported at once.
    pub(crate) fn brisk(options: &'a RetryOptions, jitter: &'a Jitter) -> Self {
        Self { options, jitter, patient: false, in_vain: 0, total: 0 }
    }

    /// For a long transfer: a registry may be gone for a while, as in a restart.
    pub(crate) fn patient(options: &'a RetryOptions, jitter: &'a Jitter) -> Self {
        Self { patient: true, ..Self::brisk(options, jitter) }
    }

    /// Waits before the next attempt, or gives the fault back where another one is pointless.
    /// `progressed`: whether the attempt that failed brought anything.
    pub(crate) async fn pause_after(&mut self, fault: Fault, progressed: bool) -> Result<(), Fault> {
        self.in_vain = if progressed { 0 } else { self.in_vain + 1 };
        self.total += 1;
        let worth_it = match fault.transience() {
            Transience::Never => false,
            Transience::Interrupted => true,
            Transience::Absent => self.patient,
        };
        if !worth_it || self.in_vain >= self.options.attempts || self.total >= MAX_ATTEMPTS {
            return Err(fault);
        }
        let pause = match fault.retry_after() {
            Some(asked) if asked > self.options.longest_pause => return Err(fault),
            Some(asked) => asked.max(self.own_pause()),
            None => self.own_pause(),
        };
        tracing::debug!(%fault, attempt = self.total, pause_ms = pause.as_millis() as u64, "asking the registry again");
        tokio::time::sleep(pause).await;
        Ok(())
    }

    /// Doubles with each failure; half of it is chance, so that many clients do not come back at once.
    fn own_pause(&self) -> Duration {
        let doubled = self.options.first_pause.saturating_mul(1 << self.in_vain.saturating_sub(1).min(16));
        let full = doubled.min(self.options.longest_pause);
        full / 2 + (full / 2).mul_f64(self.jitter.next())
    }
}

/// A cheap sequence of numbers for jitter (splitmix64); nothing secret hangs on it.
pub(crate) struct Jitter(AtomicU64);

impl Jitter {
    /// The sequence that follows from `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// The next number, from 0 up to but not including 1.
    fn next(&self) -> f64 {
        const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self.0.fetch_add(GOLDEN, Ordering::Relaxed).wrapping_add(GOLDEN);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        (z >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mirage_core::DigestAlgorithm;

    fn quick() -> RetryOptions {
        RetryOptions {
            attempts: 3,
            first_pause: Duration::from_micros(10),
            longest_pause: Duration::from_millis(1),
        }
    }

    fn stalled() -> Fault {
        Fault::Stalled(Duration::from_secs(1))
    }

    #[tokio::test]
    async fn progress_renews_patience_and_its_lack_ends_it() {
        let (options, jitter) = (quick(), Jitter::new(7));
        let mut tries = Tries::patient(&options, &jitter);
        assert!(tries.pause_after(stalled(), false).await.is_ok());
        assert!(tries.pause_after(stalled(), false).await.is_ok());
        assert!(tries.pause_after(stalled(), true).await.is_ok());
        assert!(tries.pause_after(stalled(), false).await.is_ok());
        assert!(tries.pause_after(stalled(), false).await.is_ok());
        assert!(tries.pause_after(stalled(), false).await.is_err());
    }

    #[tokio::test]
    async fn a_registry_that_hands_out_single_bytes_is_given_up_in_the_end() {
        let (options, jitter) = (quick(), Jitter::new(7));
        let mut tries = Tries::patient(&options, &jitter);
        let mut attempts = 0;
        while tries.pause_after(stalled(), true).await.is_ok() {
            attempts += 1;
        }
        assert_eq!(attempts, MAX_ATTEMPTS - 1);
    }

    #[tokio::test]
    async fn what_will_not_change_is_not_asked_again() {
        let (options, jitter) = (quick(), Jitter::new(7));
        assert!(Tries::brisk(&options, &jitter).pause_after(stalled(), false).await.is_err());
        let digest = crate::hash::digest_of(DigestAlgorithm::Sha256, b"x");
        let wrong = Fault::WrongDigest { expected: digest.clone(), actual: digest };
        assert!(Tries::patient(&options, &jitter).pause_after(wrong, false).await.is_err());
    }

    #[test]
    fn pauses_double_stay_within_their_bounds_and_differ() {
        let options = RetryOptions {
            attempts: 9,
            first_pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(1),
        };
        let jitter = Jitter::new(1);
        let mut tries = Tries::patient(&options, &jitter);
        for (in_vain, top) in [(1, 100), (2, 200), (3, 400), (4, 800), (5, 1000), (40, 1000)] {
            tries.in_vain = in_vain;
            let pause = tries.own_pause().as_millis();
            assert!((top / 2..=top).contains(&pause), "{pause} of {top}");
        }
        assert_ne!(tries.own_pause(), tries.own_pause());
    }
}
