//! Network namespaces that are ready before somebody needs one: making one takes the kernel some
//! 20 ms, which would be half of the time a container takes to start.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use mirage_core::fault::point_io;

use super::addressing::Plan;
use super::link::{INNER, Links};
use super::namespace::Pins;
use super::sysctl;

/// Pause after a namespace could not be made.
const PAUSE: Duration = Duration::from_secs(2);

/// A pinned network namespace with a pair of links, not plugged in anywhere yet.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// Its number, from which its names follow.
    pub(crate) slot: u16,
    /// The links within.
    pub(crate) inside: Links,
    /// Number of the container's end among them.
    pub(crate) index: u32,
}

/// Prepared namespaces, and the thread that makes more of them.
#[derive(Debug)]
pub(crate) struct Pool {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    plan: Plan,
    pins: Pins,
    size: usize,
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Debug, Default)]
struct State {
    ready: Vec<Prepared>,
    /// Slots that are in use, ready or in the making.
    taken: HashSet<u16>,
    next: u16,
    closed: bool,
}

impl Pool {
    /// A pool that keeps `size` namespaces ready. The slots in `taken` belong to somebody.
    pub(crate) fn open(plan: Plan, pins: Pins, size: usize, taken: HashSet<u16>) -> io::Result<Self> {
        let state = Mutex::new(State { taken, ..State::default() });
        let shared = Arc::new(Shared { plan, pins, size, state, wake: Condvar::new() });
        let worker = shared.clone();
        let thread = thread::Builder::new().name("network pool".into()).stack_size(256 * 1024);
        let thread = thread.spawn(move || worker.refill())?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }

    /// A namespace, from the pool where one is ready, otherwise made now.
    pub(crate) fn take(&self) -> io::Result<Prepared> {
        let ready = {
            let mut state = self.shared.lock();
            if state.closed {
                return Err(io::Error::other("the network is being removed"));
            }
            state.ready.pop()
        };
        self.shared.wake.notify_all();
        match ready {
            Some(prepared) => Ok(prepared),
            None => self.shared.prepare(),
        }
    }

    /// Ends the making of namespaces; none can be taken afterwards.
    pub(crate) fn close(&self) {
        self.shared.lock().closed = true;
        self.shared.wake.notify_all();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that prepares network namespaces broke");
        }
    }

    /// Removes a namespace that was taken.
    pub(crate) fn discard(&self, slot: u16) -> io::Result<()> {
        self.shared.discard(slot)
    }

    /// Waits until the pool is full.
    #[cfg(test)]
    pub(crate) fn filled(&self) {
        let mut state = self.shared.lock();
        while state.ready.len() < self.shared.size {
            state = self.shared.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn refill(&self) {
        loop {
            let mut state = self.lock();
            while state.ready.len() >= self.size && !state.closed {
                state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            if state.closed {
                return;
            }
            drop(state);
            match self.prepare() {
                Ok(prepared) => {
                    self.lock().ready.push(prepared);
                    self.wake.notify_all();
                }
                Err(error) => {
                    tracing::warn!(%error, "no network namespace could be prepared");
                    let state = self.lock();
                    drop(self.wake.wait_timeout(state, PAUSE));
                }
            }
        }
    }

    fn prepare(&self) -> io::Result<Prepared> {
        let slot = self.reserve()?;
        prepare(&self.plan, &self.pins, slot).inspect_err(|_| {
            if let Err(error) = self.discard(slot) {
                tracing::warn!(%error, slot, "a half-made network namespace stays until the next start");
            }
        })
    }

    fn reserve(&self) -> io::Result<u16> {
        let mut state = self.lock();
        for _ in 0..=u16::MAX {
            let slot = state.next;
            state.next = slot.wrapping_add(1);
            if state.taken.insert(slot) {
                return Ok(slot);
            }
        }
        Err(io::Error::other("every network namespace is in use"))
    }

    fn discard(&self, slot: u16) -> io::Result<()> {
        discard(&self.plan, &self.pins, slot)?;
        self.lock().taken.remove(&slot);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The name of the pin in this slot.
pub(crate) fn pin_name(slot: u16) -> String {
    format!("{slot:04x}")
}

/// Removes the namespace and the links of a slot, or what there is of them.
pub(crate) fn discard(plan: &Plan, pins: &Pins, slot: u16) -> io::Result<()> {
    Links::open()?.remove(&plan.link(slot))?;
    point_io("network/unlinked")?;
    pins.remove(&pin_name(slot))
}

fn prepare(plan: &Plan, pins: &Pins, slot: u16) -> io::Result<Prepared> {
    let (mut inside, namespace) = pins.create(&pin_name(slot), || {
        // Links made from now on have no IPv6; `lo` keeps `::1`, as in Docker's containers.
        sysctl::set("net/ipv6/conf/default/disable_ipv6", "1")?;
        let mut inside = Links::open()?;
        inside.up("lo")?;
        Ok((inside, File::open("/proc/thread-self/ns/net")?))
    })?;
    let outer = plan.link(slot);
    point_io("network/namespace")?;
    Links::open()?.pair(&outer, namespace.as_fd())?;
    point_io("network/pair")?;
    sysctl::set(&format!("net/ipv6/conf/{outer}/disable_ipv6"), "1")?;
    let index = inside.index(INNER)?;
    Ok(Prepared { slot, inside, index })
}
