//! The beginning and the end of a platform's network on this machine.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Mutex;
use std::thread;

use mirage_core::fault::point_io;
use mirage_core::{Code, Error, Result};

use super::addressing::{NETWORK_PREFIX, Plan, Subnet};
use super::lease::Leases;
use super::link::Links;
use super::namespace::Pins;
use super::pool::{Pool, discard, pin_name};
use super::{Network, NetworkConfig, State, firewall, sysctl, unavailable};
use crate::shim::state::boot;

/// Where the block of addresses is remembered.
const SUBNET_FILE: &str = "subnet";
/// Names the boot of the machine in which we told it to forward.
const FORWARD_FILE: &str = "ip_forward";
/// Threads that remove links at once.
const REMOVERS: usize = 16;
const FORWARD: &str = "net/ipv4/ip_forward";

/// See [`Network::open`].
pub(super) fn open(config: &NetworkConfig) -> Result<Network> {
    require_root()?;
    let plan = Plan::new(&config.node, subnet(config)?)?;
    try_open(config, plan).map_err(|error| unavailable("the network for services could not be set up", error))
}

fn try_open(config: &NetworkConfig, plan: Plan) -> io::Result<Network> {
    let run = config.run.clone();
    let pins = Pins::open(&run.join("netns"))?;
    let leases = Leases::open(&run)?;
    let mut state = State { cursors: leases.turns()?, ..State::default() };
    for (instance, lease) in leases.read()? {
        match pins.namespace(&pin_name(lease.slot))? {
            Some(_) if plan.subnet(lease.network).contains(lease.address) => {
                state.leases.insert(instance, lease);
            }
            _ => leases.remove(instance)?,
        }
    }
    let taken: HashSet<u16> = state.leases.values().map(|lease| lease.slot).collect();
    clear(&plan, &pins, &taken)?;
    let networks: Vec<u16> =
        state.leases.values().map(|lease| lease.network).collect::<HashSet<_>>().into_iter().collect();
    let ability = firewall::apply(&plan, &networks)?;
    forward(&run)?;
    firewall::make_way(&plan)?;
    state.bridges = bridges(&plan, &networks)?;
    let pool = Pool::open(plan.clone(), pins.clone(), config.pool, taken)?;
    Ok(Network { plan, run, pins, leases, pool, ability, state: Mutex::new(state) })
}

/// Containers need privileges that only root has.
pub(crate) fn require_root() -> Result<()> {
    if nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    Err(Error::new(Code::TargetUnavailable, "only `root` can run services on this machine")
        .hint("run `sudo mirage serve`, or point `MIRAGE_URL` at a platform elsewhere"))
}

/// See [`Network::teardown`].
pub(super) fn teardown(network: &Network) -> Result<()> {
    let Network { plan, run, pins, leases, pool, .. } = network;
    network.lock().closed = true;
    pool.close();
    let steps: [(&str, &dyn Fn() -> io::Result<()>); 7] = [
        ("links", &|| clear(plan, pins, &HashSet::new())),
        ("bridges", &|| bridges(plan, &[]).map(drop)),
        ("block of addresses", &|| Links::open()?.disclaim(&plan.base())),
        ("rules for Docker", &|| firewall::forget_docker(plan)),
        ("rules", &|| firewall::remove(plan)),
        ("forwarding", &|| stop_forwarding(plan, run)),
        ("files", &|| pins.close().and(leases.close()).and(forget(&run.join(SUBNET_FILE)))),
    ];
    let mut outcome = Ok(());
    for (what, step) in steps {
        let done =
            step().map_err(|error| unavailable(&format!("the network's {what} could not be removed"), error));
        outcome = outcome.and(done);
    }
    *network.lock() = State { closed: true, ..State::default() };
    outcome
}

/// Makes the bridge of a network, or takes up the one there is; answers with its number.
pub(super) fn bridge(plan: &Plan, network: u16) -> io::Result<u32> {
    let name = plan.bridge(network);
    let mut links = Links::open()?;
    links.bridge(&name, plan.bridge_hardware(network), plan.gateway(network), NETWORK_PREFIX)?;
    sysctl::set(&format!("net/ipv6/conf/{name}/disable_ipv6"), "1")?;
    sysctl::set(&format!("net/ipv4/conf/{name}/forwarding"), "1")?;
    sysctl::set(&format!("net/ipv4/conf/{name}/rp_filter"), "1")?;
    sysctl::set(&format!("net/ipv4/conf/{name}/route_localnet"), "0")?;
    links.index(&name)
}

/// Removes the links and namespaces in every slot but these.
fn clear(plan: &Plan, pins: &Pins, keep: &HashSet<u16>) -> io::Result<()> {
    let prefix = plan.link_prefix();
    let links = Links::open()?.list()?;
    let linked = links.iter().filter_map(|link| link.name.strip_prefix(&prefix));
    let names: HashSet<String> = linked.map(str::to_owned).chain(pins.names()?).collect();
    let slot = |name: &String| u16::from_str_radix(name, 16).ok();
    let (slots, strangers): (Vec<_>, Vec<_>) = names.into_iter().partition(|name| slot(name).is_some());
    let slots: Vec<u16> = slots.iter().filter_map(slot).filter(|slot| !keep.contains(slot)).collect();
    // The kernel takes some 30 ms for each, nearly all of it waiting, and waits for several at once.
    thread::scope(|scope| {
        let share = slots.len().div_ceil(REMOVERS).max(1);
        let remove = |slots: &[u16]| slots.iter().try_for_each(|slot| discard(plan, pins, *slot));
        let removers: Vec<_> = slots.chunks(share).map(|slots| scope.spawn(move || remove(slots))).collect();
        let broken = || Err(io::Error::other("a thread broke"));
        removers.into_iter().try_for_each(|remover| remover.join().unwrap_or_else(|_| broken()))
    })?;
    strangers.iter().try_for_each(|name| pins.remove(name))
}

/// Makes exactly these bridges exist.
fn bridges(plan: &Plan, networks: &[u16]) -> io::Result<BTreeMap<u16, u32>> {
    let mut links = Links::open()?;
    for link in links.list()? {
        if plan.network_of(&link.name).is_some_and(|network| !networks.contains(&network)) {
            links.remove(&link.name)?;
        }
    }
    networks.iter().map(|network| Ok((*network, bridge(plan, *network)?))).collect()
}

/// Has the machine forward packets, and remembers if it did not before.
fn forward(run: &Path) -> io::Result<()> {
    if sysctl::get(FORWARD)?.as_deref() == Some("0") {
        fs::write(run.join(FORWARD_FILE), boot()?)?;
        sysctl::set(FORWARD, "1")?;
        tracing::info!("packets are forwarded from now on (net.ipv4.ip_forward was 0)");
    }
    Ok(())
}

/// Whether the machine forwards packets because we told it to.
pub(super) fn forwards_for_us(run: &Path) -> bool {
    let marked = fs::read_to_string(run.join(FORWARD_FILE)).ok();
    // Whoever had it forward since a later boot is not us.
    marked.is_some_and(|marked| boot().is_ok_and(|boot| boot == marked))
}

/// Stops forwarding where we began it and nobody else seems to count on it by now.
fn stop_forwarding(plan: &Plan, run: &Path) -> io::Result<()> {
    if forwards_for_us(run) && !firewall::foreign(plan)?.forwarding_used {
        sysctl::set(FORWARD, "0")?;
    }
    forget(&run.join(FORWARD_FILE))
}

/// The block of addresses: the remembered one while it serves somebody, then the configured one,
/// then the remembered one, then a free one.
fn subnet(config: &NetworkConfig) -> Result<Subnet> {
    let file = config.run.join(SUBNET_FILE);
    let remembered = fs::read_to_string(&file).ok().and_then(|text| text.trim().parse::<Subnet>().ok());
    let in_use = fs::read_dir(config.run.join("leases")).is_ok_and(|mut leases| leases.next().is_some());
    let chosen = match (remembered, config.subnet) {
        (Some(old), Some(new)) if in_use && old != new => {
            tracing::warn!(%old, %new, "the block of addresses stays as it is while instances use it");
            old
        }
        (_, Some(configured)) => configured,
        (Some(old), None) => old,
        (None, None) => free_subnet()?,
    };
    claim(&chosen).map_err(|error| unavailable("the block of addresses could not be claimed", error))?;
    // Whole at every moment: without it, a start that follows a killed one would choose another block.
    let draft = file.with_extension("new");
    let remember = || {
        fs::create_dir_all(&config.run)?;
        fs::write(&draft, chosen.to_string())?;
        point_io("network/block")?;
        fs::rename(&draft, &file)
    };
    remember().map_err(|error| unavailable("the block of addresses could not be remembered", error))?;
    Ok(chosen)
}

/// Claims a block that is ours to use; one that is claimed already, by an earlier life, stays so.
fn claim(block: &Subnet) -> io::Result<()> {
    Links::open()?.claim(block).map(drop)
}

fn free_subnet() -> Result<Subnet> {
    let mut links = Links::open().map_err(|error| unavailable("routing could not be reached", error))?;
    let routes =
        links.routes().map_err(|error| unavailable("the routes of this machine could not be read", error))?;
    let candidates =
        (210..=254).chain(128..210).map(|second| Subnet::new(Ipv4Addr::new(10, second, 0, 0), 16));
    let free =
        |block: &Subnet| routes.iter().all(|route| route.to.prefix() == 0 || !route.to.overlaps(block));
    let mut claimed = |block: &Subnet| {
        free(block)
            && links
                .claim(block)
                .inspect_err(|error| tracing::warn!(%error, %block, "not claimed"))
                .unwrap_or(false)
    };
    candidates.into_iter().find(|block| claimed(block)).ok_or_else(|| {
        Error::new(
            Code::TargetUnavailable,
            "no block of addresses from `10.128.0.0/16` to `10.254.0.0/16` is free",
        )
        .hint("name one that no route of this machine leads into: `--network 172.24.0.0/16`")
    })
}

fn forget(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
