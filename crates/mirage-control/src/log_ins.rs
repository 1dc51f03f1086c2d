//! How often somebody may be wrong who logs in.
//!
//! Failures count for the address that they came from, so that a stranger shuts out nobody but themselves. Where many
//! fail in all, an address has one try: whoever guesses has more addresses than that. Somebody who is logged in is never
//! asked, and the right token opens from every address that is not shut out.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use mirage_core::{Code, Error, Result};

use crate::Control;

/// So many log-ins from one address may fail within [`WITHIN`].
const EACH_MAX: usize = 10;
/// From so many failures of all addresses on, each has one.
const ALL_MAX: usize = 100;
const WITHIN: SignedDuration = SignedDuration::from_secs(60);
/// Failures that are remembered; the oldest are forgotten first.
const REMEMBERED: usize = 4_096;
/// Addresses of an `X-Forwarded-For` that are looked at, from its end.
const HOPS_MAX: usize = 20;

/// When log-ins failed, and from where, the oldest first.
#[derive(Default)]
pub(crate) struct LogIns(Mutex<VecDeque<(Timestamp, Option<IpAddr>)>>);

impl LogIns {
    /// Makes an attempt, unless too many from there failed a moment ago. Attempts are made one after the other.
    pub(crate) fn attempt<T>(
        &self,
        now: Timestamp,
        from: Option<IpAddr>,
        log_in: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let mut failed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was put right leaves times behind that are still to come.
        failed.retain(|(time, _)| now.duration_since(*time).abs() < WITHIN);
        let from = from.map(whole);
        let most = if failed.len() < ALL_MAX { EACH_MAX } else { 1 };
        let own: Vec<Timestamp> =
            failed.iter().filter(|(_, there)| *there == from).map(|(time, _)| *time).collect();
        if let Some(first) = own.len().checked_sub(most).and_then(|at| own.get(at)) {
            let wait = (WITHIN - now.duration_since(*first)).as_secs().clamp(0, WITHIN.as_secs()) + 1;
            let what = match most {
                1 => {
                    "so many log-ins failed within a minute that each address has one try, and the one from here failed"
                }
                _ => "too many log-ins from this address failed within a minute, so none is accepted for now",
            };
            return Err(Error::new(Code::Forbidden, what).hint(format!("try again in {wait} s")));
        }
        log_in().inspect_err(|_| {
            if failed.len() >= REMEMBERED {
                failed.pop_front();
            }
            failed.push_back((now, from));
        })
    }
}

impl Control {
    /// Whose request it is that came from `peer`: where that is a proxy which is trusted, the last address of its
    /// `X-Forwarded-For` that is not another such proxy. Anybody may send that header, so nobody else is believed.
    pub fn client_address<'a>(
        &self,
        peer: Option<IpAddr>,
        forwarded: impl DoubleEndedIterator<Item = &'a str>,
    ) -> Option<IpAddr> {
        let trusted = &self.parts.settings.trusted_proxies;
        let mut client = peer?.to_canonical();
        for address in forwarded.rev().flat_map(|value| value.rsplit(',')).take(HOPS_MAX) {
            match read(address.trim()) {
                Some(before) if trusted.iter().any(|proxy| proxy.contains(client)) => client = before,
                _ => break,
            }
        }
        Some(client)
    }
}

/// All that one customer of a provider has: of IPv6 that is a network of 64 bits.
fn whole(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        address => address,
    }
}

/// An address, with a port or without.
fn read(text: &str) -> Option<IpAddr> {
    let plain = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let with_port = || text.parse::<std::net::SocketAddr>().ok().map(|address| address.ip());
    plain.parse().ok().or_else(with_port).map(|address: IpAddr| address.to_canonical())
}
