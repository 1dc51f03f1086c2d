//! TLS handshakes under way on one worker. They cost memory and time before it is known who asks, so there are only so
//! many.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use super::Worker;
use super::client::{Client, ClientOrder};

/// Everybody who is shaking hands, in the order of their arrival.
#[derive(Default)]
pub(super) struct Handshakes {
    under_way: RefCell<BTreeMap<u64, Rc<Client>>>,
    next: Cell<u64>,
}

/// A place among them, until this is dropped.
pub(super) struct Place<'a> {
    handshakes: &'a Handshakes,
    number: u64,
}

impl Worker {
    /// Takes a place for a client. Where there is none left, the handshake that has lasted longest is broken off: an
    /// honest one takes milliseconds.
    pub(super) fn begin_handshake(&self, client: &Rc<Client>) -> Place<'_> {
        let handshakes = &self.handshakes;
        let number = handshakes.next.get();
        handshakes.next.set(number + 1);
        let mut under_way = handshakes.under_way.borrow_mut();
        if under_way.len() >= self.limits().handshakes
            && let Some((_, oldest)) = under_way.pop_first()
        {
            oldest.tell(ClientOrder::Abort);
        }
        under_way.insert(number, client.clone());
        Place { handshakes, number }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.handshakes.under_way.borrow_mut().remove(&self.number);
    }
}
