//! The name service for instances: names of their environment are answered from the route table,
//! everything else by the host's resolvers. It lives in the proxy process, so that names resolve
//! while the control plane is down.

mod answer;
mod resolv_conf;
mod upstream;
mod zone;

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;

use mirage_core::Zone;
use mirage_core::port::Randomness;
use tokio::task::AbortHandle;

use crate::config::NameConfig;
use crate::control::{InheritedSocket, SocketUse};
use upstream::Upstream;
use zone::{ZoneServer, ZoneSockets};

/// All zones of the platform.
pub(crate) struct Names {
    port: u16,
    upstream: Rc<Upstream>,
    zones: RefCell<HashMap<Ipv4Addr, (Rc<ZoneServer>, AbortHandle)>>,
    inherited: RefCell<HashMap<SocketUse, OwnedFd>>,
}

impl Names {
    /// A name service without zones, but with the sockets of the process before.
    pub(crate) fn new(
        config: NameConfig,
        randomness: Arc<dyn Randomness>,
        inherited: Vec<InheritedSocket>,
    ) -> Self {
        let inherited = inherited.into_iter().map(|socket| (socket.purpose, socket.descriptor)).collect();
        Self {
            port: config.port,
            upstream: Rc::new(Upstream::new(config, randomness)),
            zones: RefCell::default(),
            inherited: RefCell::new(inherited),
        }
    }

    /// Makes these the zones: known ones get their new records, new ones are listened for, the
    /// others are closed.
    pub(crate) fn follow(&self, zones: &[Zone]) {
        let mut served = self.zones.borrow_mut();
        served.retain(|resolver, (_, task)| {
            let stays = zones.iter().any(|zone| zone.resolver == *resolver);
            if !stays {
                task.abort();
            }
            stays
        });
        let addresses = zones.iter().map(|zone| self.address(zone.resolver)).collect();
        self.upstream.avoid(addresses);
        for zone in zones {
            match served.get(&zone.resolver) {
                Some((server, _)) => server.follow(zone),
                None => drop(served.insert(zone.resolver, self.open(zone))),
            }
        }
        // What the process before listened on and nobody wants any more.
        self.inherited.borrow_mut().clear();
    }

    /// Zones whose address could not be listened on yet.
    pub(crate) fn unbound(&self) -> Vec<Ipv4Addr> {
        let zones = self.zones.borrow();
        let mut unbound: Vec<_> = zones
            .iter()
            .filter(|(_, (server, _))| !server.is_bound())
            .map(|(resolver, _)| *resolver)
            .collect();
        unbound.sort();
        unbound
    }

    /// Copies of all sockets, for a successor.
    pub(crate) fn copies(&self) -> Vec<(SocketUse, OwnedFd)> {
        self.zones.borrow().values().flat_map(|(server, _)| server.copies()).collect()
    }

    /// Waits until every query that is being forwarded has its answer.
    pub(crate) async fn settled(&self) {
        self.upstream.settled().await;
    }

    /// Stops listening.
    pub(crate) fn close(&self) {
        for (_, (_, task)) in self.zones.borrow_mut().drain() {
            task.abort();
        }
    }

    fn open(&self, zone: &Zone) -> (Rc<ZoneServer>, AbortHandle) {
        let address = self.address(zone.resolver);
        let mut inherited = self.inherited.borrow_mut();
        let sockets = ZoneSockets {
            udp: inherited.remove(&SocketUse::NamesUdp(address)),
            tcp: inherited.remove(&SocketUse::NamesTcp(address)),
        };
        let server = ZoneServer::new(address, zone, sockets);
        let task = tokio::task::spawn_local(server.clone().serve(self.upstream.clone()));
        (server, task.abort_handle())
    }

    fn address(&self, resolver: Ipv4Addr) -> SocketAddr {
        SocketAddr::new(IpAddr::V4(resolver), self.port)
    }
}
