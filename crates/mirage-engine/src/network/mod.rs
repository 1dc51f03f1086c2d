//! The network of the local engine: a bridge per environment, a network namespace per instance, and
//! the rules between them. Everything is done by netlink and system calls, and every step can be cut
//! off at any point: [`Network::open`] takes up what is whole and clears away what is not.

mod addressing;
mod counters;
mod doctor;
mod firewall;
mod lease;
mod link;
mod namespace;
mod netlink;
mod pool;
mod setup;
mod sysctl;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use mirage_core::fault::point_io;
use mirage_core::{Code, Error, InstanceId, Result};

pub use addressing::Subnet;
use addressing::{NETWORK_PREFIX, Plan};
pub(crate) use counters::NetworkUsage;
use lease::{Lease, Leases};
use link::Links;
use namespace::Pins;
use pool::{Pool, Prepared, pin_name};
pub(crate) use setup::require_root;

/// What a network needs to know.
#[derive(Clone, Debug)]
pub struct NetworkConfig {
    /// Names this platform among others on the machine: 4 to 8 hexadecimal digits, unique per data
    /// folder.
    pub node: String,
    /// Folder for pins and leases.
    pub run: PathBuf,
    /// Addresses for all environments, 256 of them each. `None` takes a block that no route of this
    /// machine leads into, and remembers it in `run`.
    pub subnet: Option<Subnet>,
    /// How many network namespaces to keep ready.
    pub pool: usize,
}

/// An instance's place in its environment's network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// The network namespace, as a file that can be joined.
    pub namespace: PathBuf,
    /// The instance's address.
    pub address: Ipv4Addr,
    /// The bridge's address: the way out, and the resolver.
    pub gateway: Ipv4Addr,
}

/// The networks of all environments. Its calls block for some milliseconds.
#[derive(Debug)]
pub struct Network {
    plan: Plan,
    run: PathBuf,
    pins: Pins,
    leases: Leases,
    pool: Pool,
    ability: firewall::Ability,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    leases: HashMap<InstanceId, Lease>,
    /// Leases on their way out: their addresses are not free yet.
    leaving: HashMap<InstanceId, Lease>,
    /// Number of the bridge's link, by number of the network.
    bridges: BTreeMap<u16, u32>,
    /// Where the search for a free address goes on, by number of the network. An address that was
    /// just given back is the last to be given out again: somebody may still be talking to it.
    cursors: HashMap<u16, usize>,
    /// It is being taken down.
    closed: bool,
}

impl Network {
    /// Opens the network, taking up the leases of a previous life. [`Self::adopt`] should follow.
    ///
    /// # Errors
    /// `TARGET_UNAVAILABLE` where the caller is not root, the kernel has no nf_tables, bridges or
    /// network namespaces, or no block of addresses is free.
    pub fn open(config: &NetworkConfig) -> Result<Self> {
        setup::open(config)
    }

    /// Gives an instance its place; one that has it keeps it. Takes 1 to 2 ms while the pool lasts.
    ///
    /// # Errors
    /// `TARGET_UNAVAILABLE` where the network's addresses are all in use, its number is beyond the
    /// block of addresses, or the kernel refuses.
    pub fn attach(&self, instance: InstanceId, network: u16) -> Result<Attachment> {
        let last = self.plan.last_network();
        if network > last {
            return Err(Error::new(
                Code::TargetUnavailable,
                format!("`{}` has room for {} environments only", self.plan.base(), u32::from(last) + 1),
            )
            .hint("start with a larger block of addresses, such as `--network 10.208.0.0/12`"));
        }
        self.try_attach(instance, network).map_err(|error| match error.kind() {
            io::ErrorKind::QuotaExceeded => Error::new(
                Code::TargetUnavailable,
                format!(
                    "all {} addresses of `{}` are in use",
                    self.plan.hosts(network).len(),
                    self.plan.subnet(network)
                ),
            )
            .hint("scale a service down, or use a second environment"),
            _ => unavailable("an instance could not be connected to its network", error),
        })
    }

    /// Takes an instance's place away; one that has none is done already.
    ///
    /// # Errors
    /// `TARGET_UNAVAILABLE` where the kernel refuses; the instance then keeps its lease.
    pub fn release(&self, instance: InstanceId) -> Result<()> {
        self.try_release(instance)
            .map_err(|error| unavailable("an instance could not be disconnected from its network", error))
    }

    /// Releases what none of these instances owns, and removes the bridges that nobody needs.
    ///
    /// # Errors
    /// As [`Self::release`].
    pub fn adopt(&self, owners: &HashSet<InstanceId>) -> Result<()> {
        let orphans: Vec<_> = self.lock().leases.keys().filter(|id| !owners.contains(id)).copied().collect();
        for orphan in orphans {
            tracing::info!(instance = %orphan, "releasing the network of an instance that is gone");
            self.release(orphan)?;
        }
        self.remove_idle_bridges().map_err(|error| unavailable("an idle bridge could not be removed", error))
    }

    /// Makes an environment's bridge, and so its resolver's address, before its first instance.
    ///
    /// # Errors
    /// `TARGET_UNAVAILABLE` where the kernel refuses.
    pub fn ensure(&self, network: u16) -> Result<()> {
        let done = self.ensure_bridge(&mut self.lock(), network);
        done.map(drop).map_err(|error| unavailable("an environment's bridge could not be made", error))
    }

    /// The instance's address, where it has a place.
    pub fn address(&self, instance: InstanceId) -> Option<Ipv4Addr> {
        self.lock().leases.get(&instance).map(|lease| lease.address)
    }

    /// What went over the network of each instance. One look at the kernel's table for all of them.
    pub(crate) fn usage(&self) -> io::Result<HashMap<InstanceId, NetworkUsage>> {
        let by_link = counters::read(&self.plan.link_prefix())?;
        let state = self.lock();
        let of = |(id, lease): (&InstanceId, &Lease)| {
            by_link.get(&self.plan.link(lease.slot)).map(|usage| (*id, *usage))
        };
        Ok(state.leases.iter().filter_map(of).collect())
    }

    /// The address at which the instances of a network ask for names: the bridge's own.
    pub fn resolver(&self, network: u16) -> Ipv4Addr {
        self.plan.gateway(network)
    }

    /// The block of all environments.
    pub fn subnet(&self) -> Subnet {
        self.plan.base()
    }

    /// Puts the rules back that somebody took away, as reloading a firewall does, and those for a Docker
    /// that came up later. Answers whether ours were gone. To be called now and then.
    ///
    /// # Errors
    /// `TARGET_UNAVAILABLE` where the kernel refuses.
    pub fn mend(&self) -> Result<bool> {
        let mend = || {
            // The look may take a while where others have many rules; nobody waits for it.
            let gone = !firewall::foreign(&self.plan)?.own;
            let state = self.lock();
            if state.closed {
                return Ok(false);
            }
            if gone {
                let networks: Vec<_> = state.bridges.keys().copied().collect();
                firewall::apply(&self.plan, &networks)?;
            }
            firewall::make_way(&self.plan)?;
            Ok(gone)
        };
        mend().map_err(|error| unavailable("the packet filter could not be looked after", error))
    }

    /// Removes everything that [`Self::open`] and [`Self::attach`] made on this machine. Instances
    /// that still run lose their network; nothing can be attached afterwards.
    ///
    /// # Errors
    /// `TARGET_UNAVAILABLE` with the first thing that could not be removed; the others are.
    pub fn teardown(&self) -> Result<()> {
        setup::teardown(self)
    }

    fn try_attach(&self, instance: InstanceId, network: u16) -> io::Result<Attachment> {
        if let Some(lease) = self.lock().leases.get(&instance) {
            return Ok(self.attachment(lease));
        }
        let prepared = self.pool.take()?;
        let slot = prepared.slot;
        let (lease, bridge) = self.lease(instance, network, slot).inspect_err(|_| self.discard(slot))?;
        if let Err(error) = self.connect(prepared, &lease, bridge) {
            if let Err(error) = self.try_release(instance) {
                tracing::warn!(%error, %instance, "a half-made network stays until the next start");
            }
            return Err(error);
        }
        Ok(self.attachment(&lease))
    }

    /// Picks an address and writes it down.
    fn lease(&self, instance: InstanceId, network: u16, slot: u16) -> io::Result<(Lease, u32)> {
        let mut state = self.lock();
        let bridge = self.ensure_bridge(&mut state, network)?;
        let address = state.free_address(&self.plan, network).ok_or(io::ErrorKind::QuotaExceeded)?;
        let lease = Lease { network, address, slot };
        point_io("network/lease")?;
        self.leases.write_turn(network, state.cursors.get(&network).copied().unwrap_or_default())?;
        self.leases.write(instance, &lease)?;
        state.leases.insert(instance, lease.clone());
        Ok((lease, bridge))
    }

    fn connect(&self, mut prepared: Prepared, lease: &Lease, bridge: u32) -> io::Result<()> {
        point_io("network/leased")?;
        let mut links = Links::open()?;
        links.introduce(bridge, lease.address)?;
        links.plug(&self.plan.link(lease.slot), bridge)?;
        point_io("network/plug")?;
        let gateway = self.plan.gateway(lease.network);
        prepared.inside.configure(prepared.index, lease.address, NETWORK_PREFIX, gateway)
    }

    fn try_release(&self, instance: InstanceId) -> io::Result<()> {
        // Taken out first, so that two at once do not both remove it: its slot may be another's then.
        let (lease, bridge) = {
            let mut state = self.lock();
            let Some(lease) = state.leases.remove(&instance) else { return Ok(()) };
            state.leaving.insert(instance, lease.clone());
            let bridge = state.bridges.get(&lease.network).copied();
            (lease, bridge)
        };
        // A neighbour that is gone is asked for again, in vain, and so whoever looks for it hears of it.
        let forget = || bridge.map_or(Ok(()), |bridge| Links::open()?.forget(bridge, lease.address));
        let done = point_io("network/release")
            .and_then(|()| forget())
            .and_then(|()| self.pool.discard(lease.slot))
            .and_then(|()| point_io("network/unpinned"))
            .and_then(|()| self.leases.remove(instance));
        let mut state = self.lock();
        state.leaving.remove(&instance);
        if done.is_err() {
            state.leases.insert(instance, lease);
        }
        done
    }

    fn discard(&self, slot: u16) {
        if let Err(error) = self.pool.discard(slot) {
            tracing::warn!(%error, slot, "an unused network namespace stays until the next start");
        }
    }

    fn attachment(&self, lease: &Lease) -> Attachment {
        let namespace = self.pins.path(&pin_name(lease.slot));
        Attachment { namespace, address: lease.address, gateway: self.plan.gateway(lease.network) }
    }

    /// The bridge of a network; the rules know it before it exists.
    fn ensure_bridge(&self, state: &mut State, network: u16) -> io::Result<u32> {
        if let Some(index) = state.bridges.get(&network) {
            return Ok(*index);
        }
        let networks: Vec<_> = state.bridges.keys().copied().chain([network]).collect();
        point_io("network/rules")?;
        firewall::apply(&self.plan, &networks)?;
        firewall::make_way(&self.plan)?;
        point_io("network/bridge")?;
        let index = setup::bridge(&self.plan, network)?;
        point_io("network/bridged")?;
        state.bridges.insert(network, index);
        Ok(index)
    }

    fn remove_idle_bridges(&self) -> io::Result<()> {
        let mut state = self.lock();
        let used: HashSet<u16> = state.leases.values().map(|lease| lease.network).collect();
        let idle: Vec<u16> =
            state.bridges.keys().filter(|network| !used.contains(network)).copied().collect();
        for network in idle {
            Links::open()?.remove(&self.plan.bridge(network))?;
            state.bridges.remove(&network);
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn free_address(&mut self, plan: &Plan, network: u16) -> Option<Ipv4Addr> {
        let leases = self.leases.values().chain(self.leaving.values());
        let used: HashSet<Ipv4Addr> = leases.map(|lease| lease.address).collect();
        let hosts: Vec<Ipv4Addr> = plan.hosts(network).collect();
        let cursor = self.cursors.entry(network).or_default();
        let order = (0..hosts.len()).map(|step| (*cursor + step) % hosts.len());
        let index = order.into_iter().find(|index| !used.contains(&hosts[*index]))?;
        *cursor = index + 1;
        Some(hosts[index])
    }
}

/// An error of the kernel, for people.
fn unavailable(what: &str, error: io::Error) -> Error {
    let error_text = error.to_string();
    Error::new(Code::TargetUnavailable, format!("{what}: {error_text}"))
        .hint("`mirage doctor` shows what this machine lacks")
        .because(error)
}
