//! Limits of time on requests. A timer of the runtime for each request costs more than it is worth:
//! nearly none ever fires, and half a second sooner or later does not matter.

use std::cell::{Cell, RefCell};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::{Worker, beats};

/// Everybody of a worker who waits.
#[derive(Default)]
pub(super) struct Waits {
    places: RefCell<Vec<Place>>,
    free: RefCell<Vec<usize>>,
}

#[derive(Default)]
struct Place {
    due: u32,
    waker: Option<Waker>,
}

/// A wait that ends when its time is over.
pub(crate) struct Wait<'a> {
    worker: &'a Worker,
    place: usize,
    due: Cell<u32>,
}

impl Worker {
    /// Starts a wait of at least this long, and at most two beats longer.
    pub(crate) fn wait(&self, time: Duration) -> Wait<'_> {
        let free = self.waits.free.borrow_mut().pop();
        let place = free.unwrap_or_else(|| {
            let mut places = self.waits.places.borrow_mut();
            places.push(Place::default());
            places.len() - 1
        });
        let wait = Wait { worker: self, place, due: Cell::new(0) };
        wait.restart(time);
        wait
    }
}

impl Waits {
    /// Wakes everybody whose time is over.
    pub(super) fn sweep(&self, now: u32) {
        for place in self.places.borrow_mut().iter_mut() {
            if place.due <= now
                && let Some(waker) = place.waker.take()
            {
                waker.wake();
            }
        }
    }
}

impl Wait<'_> {
    /// Waits this long from now on.
    pub(crate) fn restart(&self, time: Duration) {
        self.due.set(self.worker.beat().saturating_add(beats(time)).saturating_add(1));
    }

    /// Ready when the time is over.
    pub(crate) fn poll(&mut self, cx: &Context<'_>) -> Poll<()> {
        if self.due.get() <= self.worker.beat() {
            return Poll::Ready(());
        }
        let mut places = self.worker.waits.places.borrow_mut();
        let place = &mut places[self.place];
        place.due = self.due.get();
        match &mut place.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            waker => *waker = Some(cx.waker().clone()),
        }
        Poll::Pending
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.worker.waits.places.borrow_mut()[self.place].waker = None;
        self.worker.waits.free.borrow_mut().push(self.place);
    }
}
