//! The route table, and how one service's part of it is changed.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mirage_core::{
    Backend, DomainRecord, DomainRoute, InstanceId, NameRecord, Port, Result, Revision, Route, RouteTable,
    Service, ServiceId, Zone,
};

use super::deadline;
use crate::parts::Parts;

/// The one who may change the route table.
pub(super) struct RouteBook {
    parts: Arc<Parts>,
    table: tokio::sync::Mutex<RouteTable>,
    /// Who is in the table, workers included, to be read without waiting.
    routed: Mutex<HashMap<ServiceId, BTreeSet<InstanceId>>>,
}

/// An instance that may get requests.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) instance: InstanceId,
    pub(super) address: IpAddr,
    pub(super) port: Option<Port>,
}

/// How a service is reached.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reach {
    /// Whether it has an address at all.
    routed: bool,
    /// How long a request waits for an instance where there is none.
    hold: Duration,
}

impl Default for Reach {
    fn default() -> Self {
        Self { routed: true, hold: Duration::ZERO }
    }
}

impl Reach {
    /// How a service of this revision is reached. Where the old instance has to be gone before the new one
    /// starts, requests wait in between, unless none is to start.
    pub(super) fn of(revision: &Revision, service: &Service) -> Self {
        let waits = revision.spec.is_exclusive() && service.replicas > 0;
        let hold = if waits { deadline::HOLD } else { Duration::ZERO };
        Self { routed: revision.routed_port().is_some(), hold }
    }
}

impl RouteBook {
    /// Takes over the table that the proxy serves.
    pub(super) async fn adopt(parts: Arc<Parts>) -> Result<Self> {
        let table = parts.router.table().await?;
        let instances = |route: &Route| route.backends.iter().map(|backend| backend.instance).collect();
        let routed = table.routes.iter().map(|route| (route.service, instances(route))).collect();
        Ok(Self { parts, table: tokio::sync::Mutex::new(table), routed: Mutex::new(routed) })
    }

    /// Every instance in the table.
    pub(super) fn routed(&self) -> BTreeSet<InstanceId> {
        self.lock().values().flatten().copied().collect()
    }

    /// The instances of a service that are in the table; `None` where the service itself is not.
    pub(super) fn of(&self, service: ServiceId) -> Option<BTreeSet<InstanceId>> {
        self.lock().get(&service).cloned()
    }

    /// Sends the requests of a service to exactly these instances, and its name to their addresses.
    pub(super) async fn set(
        &self,
        service: &Service,
        resolver: Ipv4Addr,
        reach: Reach,
        entries: &[Entry],
    ) -> Result<()> {
        let mut table = self.table.lock().await;
        let mut next = table.clone();
        next.generation += 1;
        next.routes.retain(|route| route.service != service.id);
        if reach.routed {
            let backend = |entry: &Entry| {
                let port = entry.port?;
                Some(Backend {
                    instance: entry.instance,
                    address: SocketAddr::new(entry.address, port.get()),
                })
            };
            next.routes.push(Route {
                host: self.parts.settings.host_of(service),
                service: service.id,
                service_name: service.name.to_string(),
                hold_millis: u64::try_from(reach.hold.as_millis()).unwrap_or(u64::MAX),
                backends: entries.iter().filter_map(backend).collect(),
                domain: None,
            });
        }
        with_domains(&mut next.routes, &self.parts.store.domains(Some(service.id)).await?, Some(service.id));
        set_name(&mut next.zones, resolver, service, entries);
        self.parts.router.publish(&next).await?;
        *table = next;
        self.lock().insert(service.id, entries.iter().map(|entry| entry.instance).collect());
        Ok(())
    }

    /// Makes the service known without instances, unless it is known: requests get a 503 instead of
    /// a 404, and what starts can already look up names.
    pub(super) async fn introduce(&self, service: &Service, resolver: Ipv4Addr, reach: Reach) -> Result<()> {
        match self.of(service.id) {
            Some(_) => Ok(()),
            None => self.set(service, resolver, reach, &[]).await,
        }
    }

    /// Takes a service out of the table.
    pub(super) async fn remove(&self, service: &Service, resolver: Ipv4Addr) -> Result<()> {
        let mut table = self.table.lock().await;
        let mut next = table.clone();
        next.generation += 1;
        next.routes.retain(|route| route.service != service.id);
        set_name(&mut next.zones, resolver, service, &[]);
        self.parts.router.publish(&next).await?;
        *table = next;
        self.lock().remove(&service.id);
        Ok(())
    }

    /// Routes every domain to where its service is routed already, and none else.
    pub(super) async fn follow_domains(&self) -> Result<()> {
        let mut table = self.table.lock().await;
        let mut next = table.clone();
        with_domains(&mut next.routes, &self.parts.store.domains(None).await?, None);
        if next.routes == table.routes {
            return Ok(());
        }
        next.generation += 1;
        self.parts.router.publish(&next).await?;
        *table = next;
        Ok(())
    }

    /// Hands the table out once more, for a proxy that may have another one.
    pub(super) async fn publish(&self) -> Result<()> {
        let mut table = self.table.lock().await;
        let next = RouteTable { generation: table.generation + 1, ..table.clone() };
        self.parts.router.publish(&next).await?;
        *table = next;
        Ok(())
    }

    /// Takes out what belongs to services that are no more.
    pub(super) async fn forget_strangers(&self, services: &[ServiceId]) -> Result<()> {
        let known: HashSet<_> = services.iter().collect();
        let mut table = self.table.lock().await;
        if table.routes.iter().all(|route| known.contains(&route.service)) {
            return Ok(());
        }
        let mut next = table.clone();
        next.generation += 1;
        next.routes.retain(|route| known.contains(&route.service));
        self.parts.router.publish(&next).await?;
        *table = next;
        self.lock().retain(|service, _| known.contains(service));
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ServiceId, BTreeSet<InstanceId>>> {
        self.routed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives the domains of a service, or of all, the backends of that service's own address.
fn with_domains(routes: &mut Vec<Route>, domains: &[DomainRecord], service: Option<ServiceId>) {
    routes.retain(|route| route.domain.is_none() || service.is_some_and(|service| service != route.service));
    let own: HashMap<ServiceId, &Route> =
        routes.iter().filter(|route| route.domain.is_none()).map(|route| (route.service, route)).collect();
    let routed: Vec<Route> = domains
        .iter()
        .filter_map(|record| {
            let own = *own.get(&record.service)?;
            let domain = Some(DomainRoute { redirect_https: record.redirect_https });
            Some(Route { host: record.domain.to_string(), domain, ..own.clone() })
        })
        .collect();
    routes.extend(routed);
}

/// Writes a service's name into the zone of its environment. A name without addresses goes; the
/// zone stays, because its instances also ask it for names outside.
fn set_name(zones: &mut Vec<Zone>, resolver: Ipv4Addr, service: &Service, entries: &[Entry]) {
    let mut all: BTreeMap<Ipv4Addr, Zone> = zones.drain(..).map(|zone| (zone.resolver, zone)).collect();
    let zone = all.entry(resolver).or_insert_with(|| Zone { resolver, records: Vec::new() });
    zone.records.retain(|record| record.name != service.name.as_str());
    if !entries.is_empty() {
        let addresses = entries.iter().map(|entry| entry.address).collect();
        zone.records.push(NameRecord { name: service.name.to_string(), addresses });
    }
    *zones = all.into_values().collect();
}
