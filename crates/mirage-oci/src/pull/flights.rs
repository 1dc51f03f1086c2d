//! One transfer a blob: who comes second waits for the first.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mirage_core::{Digest, Error};
use tokio::sync::{Mutex as AsyncMutex, MutexGuard as AsyncMutexGuard};

use crate::client::{RemoteImage, Source};

/// The transfers that go on in this process.
#[derive(Clone, Default)]
pub(super) struct Flights(Arc<Mutex<HashMap<Digest, Arc<Flight>>>>);

#[derive(Default)]
struct Flight {
    alone: AsyncMutex<()>,
    arrived: Arc<AtomicU64>,
    /// How the last attempt from this repository ended, for those who waited through it.
    failure: Mutex<Option<(Source, Error)>>,
}

/// An interest in one blob. The last to leave ends the flight.
pub(super) struct Seat {
    flights: Flights,
    digest: Digest,
    flight: Arc<Flight>,
}

/// The right, and the duty, to transfer the blob.
pub(super) struct Turn<'a> {
    flight: &'a Flight,
    source: Source,
    _alone: AsyncMutexGuard<'a, ()>,
}

impl Flights {
    /// Takes part in the transfer of a blob.
    pub(super) fn join(&self, digest: &Digest) -> Seat {
        let flight = Arc::clone(self.lock().entry(digest.clone()).or_default());
        Seat { flights: self.clone(), digest: digest.clone(), flight }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Digest, Arc<Flight>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// How many bytes have arrived, whoever moves them.
    pub(super) fn arrived(&self) -> &Arc<AtomicU64> {
        &self.flight.arrived
    }

    /// Waits until nobody moves this blob. Who gets a turn looks whether the blob is here now, and
    /// moves it if not: the one before may have been cancelled.
    ///
    /// # Errors
    /// What the one before got from the same repository with the same login, so that ten who wait for a
    /// broken blob do not ask for it ten times.
    pub(super) async fn turn(&self, image: RemoteImage<'_>) -> Result<Turn<'_>, Error> {
        let source = image.source();
        let alone = self.flight.alone.lock().await;
        match &*self.failure() {
            Some((from, error)) if *from == source => return Err(error.clone()),
            _ => {}
        }
        Ok(Turn { flight: &self.flight, source, _alone: alone })
    }

    fn failure(&self) -> MutexGuard<'_, Option<(Source, Error)>> {
        self.flight.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn<'_> {
    /// Tells those who wait that it did not work.
    pub(super) fn failed(&self, error: &Error) {
        let mut failure = self.flight.failure.lock().unwrap_or_else(PoisonError::into_inner);
        *failure = Some((self.source.clone(), error.clone()));
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut flights = self.flights.lock();
        // One is the map's, one is ours. Joining takes the same lock, so nobody slips in.
        if Arc::strong_count(&self.flight) <= 2 {
            flights.remove(&self.digest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mirage_core::{Code, Reference};

    fn reference(text: &str) -> Reference {
        text.parse().unwrap()
    }

    fn anybody(reference: &Reference) -> RemoteImage<'_> {
        RemoteImage { reference, login: None }
    }

    #[tokio::test]
    async fn who_waited_through_a_failure_hears_of_it_and_who_comes_later_tries_again() {
        let flights = Flights::default();
        let digest = Digest::sha256([1; 32]);
        let (first, second, third) = (flights.join(&digest), flights.join(&digest), flights.join(&digest));
        let (here, there) = (reference("ghcr.io/acme/web:1"), reference("quay.io/acme/web:1"));
        let turn = first.turn(anybody(&here)).await.unwrap();
        turn.failed(&Error::new(Code::ImagePullError, "it broke off"));
        drop(turn);
        assert!(second.turn(anybody(&here)).await.is_err());
        assert!(third.turn(anybody(&there)).await.is_ok(), "another registry may do better");
        drop((first, second, third));
        assert!(flights.lock().is_empty());
        assert!(flights.join(&digest).turn(anybody(&here)).await.is_ok());
    }

    #[tokio::test]
    async fn a_turn_that_was_cancelled_is_taken_over() {
        let flights = Flights::default();
        let digest = Digest::sha256([1; 32]);
        let (first, second) = (flights.join(&digest), flights.join(&digest));
        let reference = reference("ghcr.io/acme/web:1");
        let turn = first.turn(anybody(&reference)).await.unwrap();
        let waiting = second.turn(anybody(&reference));
        drop(turn);
        drop(first.turn(anybody(&reference)).await);
        assert!(waiting.await.is_ok());
    }
}
