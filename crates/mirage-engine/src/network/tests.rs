//! The network, in a machine of its own: a network namespace in which the test is the host.

mod life;

use std::fs::File;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::process::Command;
use std::thread;
use std::time::Duration;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use super::namespace::within;
use super::*;
use crate::{Finding, Level};

/// How long a packet that should be dropped may take to arrive after all.
const SILENCE: Duration = Duration::from_millis(300);
/// How long one that should arrive may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(5);

/// A machine with a platform on it.
struct Machine {
    network: Network,
    config: NetworkConfig,
    _folder: tempfile::TempDir,
}

impl Machine {
    fn new() -> Self {
        ip("link set lo up");
        // What a machine has: an address that is not the loopback's.
        ip("link add uplink type bridge");
        ip("addr add 192.0.2.10/24 dev uplink");
        ip("link set uplink up");
        let folder = tempfile::tempdir().unwrap();
        let config = NetworkConfig {
            node: format!("{:08x}", std::process::id()),
            run: folder.path().join("run"),
            subnet: None,
            pool: 2,
        };
        Self { network: Network::open(&config).unwrap(), config, _folder: folder }
    }

    /// The control process dies at once and another one starts.
    fn restart(&mut self) {
        let elsewhere =
            NetworkConfig { run: self.config.run.with_extension("other"), pool: 0, ..self.config.clone() };
        let elsewhere = NetworkConfig { node: "dead".into(), ..elsewhere };
        drop(std::mem::replace(&mut self.network, Network::open(&elsewhere).unwrap()));
        let other = std::mem::replace(&mut self.network, Network::open(&self.config).unwrap());
        other.teardown().unwrap();
    }

    fn attach(&self, id: u8, network: u16) -> Container {
        let attachment = self.network.attach(instance(id), network).unwrap();
        let namespace = File::open(&attachment.namespace).unwrap();
        Container { namespace, attachment }
    }
}

/// What would be in a container.
struct Container {
    namespace: File,
    attachment: Attachment,
}

impl Container {
    fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        within(&self.namespace, || Ok(work())).unwrap()
    }

    /// Whether a connection comes about.
    fn reaches(&self, to: impl Into<IpAddr>, port: u16, patience: Duration) -> bool {
        let to = SocketAddr::new(to.into(), port);
        self.run(|| TcpStream::connect_timeout(&to, patience)).is_ok()
    }

    fn listen(&self) -> TcpListener {
        self.run(|| TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap())
    }
}

fn instance(id: u8) -> InstanceId {
    InstanceId::from_random([id; 16])
}

fn port(listener: &TcpListener) -> u16 {
    listener.local_addr().unwrap().port()
}

fn ip(arguments: &str) -> String {
    let output = Command::new("ip").args(arguments.split(' ')).output().unwrap();
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn nft(arguments: &[&str]) -> String {
    let output = Command::new("nft").args(arguments).output().unwrap();
    assert!(output.status.success(), "nft {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a test on a machine of its own, where it may make one.
fn on_a_machine(test: &str, story: impl FnOnce() + Send) {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: {test}: needs root");
        return;
    }
    thread::scope(|scope| {
        let host = scope.spawn(|| {
            // Mounts of its own too, so that a test that fails leaves none behind.
            unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).unwrap();
            let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
            mount(None::<&str>, "/", None::<&str>, private, None::<&str>).unwrap();
            story();
        });
        if let Err(panic) = host.join() {
            std::panic::resume_unwind(panic);
        }
    });
}

#[test]
fn siblings_reach_each_other_and_environments_do_not() {
    on_a_machine("siblings_reach_each_other_and_environments_do_not", || {
        let machine = Machine::new();
        let [web, api, stranger] = [machine.attach(1, 3), machine.attach(2, 3), machine.attach(3, 4)];
        let listener = api.listen();
        assert!(web.reaches(api.attachment.address, port(&listener), PATIENCE));
        assert!(!stranger.reaches(api.attachment.address, port(&listener), SILENCE));
        machine.network.teardown().unwrap();
    });
}

#[test]
fn this_machine_reaches_instances() {
    on_a_machine("this_machine_reaches_instances", || {
        let machine = Machine::new();
        let web = machine.attach(1, 3);
        let listener = web.listen();
        let to = SocketAddr::new(web.attachment.address.into(), port(&listener));
        let mut client = TcpStream::connect_timeout(&to, PATIENCE).unwrap();
        let (mut server, from) = listener.accept().unwrap();
        assert_eq!(from.ip(), IpAddr::V4(machine.network.resolver(3)));
        server.write_all(b"hello").unwrap();
        let mut answer = [0; 5];
        client.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"hello");
        machine.network.teardown().unwrap();
    });
}

#[test]
fn an_instance_and_this_machine_know_each_other_without_asking_everybody() {
    on_a_machine("an_instance_and_this_machine_know_each_other_without_asking_everybody", || {
        let mut machine = Machine::new();
        let known = || ip("-4 neigh show nud permanent");
        let web = machine.attach(1, 3);
        let (address, gateway) = (web.attachment.address, machine.network.resolver(3));
        assert!(known().starts_with(&format!("{address} dev ")), "{}", known());
        let inside = web.run(known);
        assert!(inside.starts_with(&format!("{gateway} dev eth0")), "{inside}");
        let listener = web.listen();
        let to = SocketAddr::new(address.into(), port(&listener));
        TcpStream::connect_timeout(&to, PATIENCE).unwrap();
        let asked = || web.run(|| ip("-4 neigh show nud all")).lines().count();
        assert_eq!(asked(), 1, "nobody but the gateway");

        machine.restart();
        machine.network.adopt(&HashSet::from([instance(1)])).unwrap();
        assert!(known().starts_with(&address.to_string()), "it is still there");
        machine.network.release(instance(1)).unwrap();
        assert_eq!(known(), "");
        machine.network.teardown().unwrap();
    });
}

#[test]
fn an_instance_reaches_nothing_of_this_machine_but_its_resolver() {
    on_a_machine("an_instance_reaches_nothing_of_this_machine_but_its_resolver", || {
        let machine = Machine::new();
        let web = machine.attach(1, 3);
        let _other = machine.attach(2, 4);
        let service = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        let resolver = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 53)).unwrap();
        let local = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let uplink = Ipv4Addr::new(192, 0, 2, 10);
        let gateway = machine.network.resolver(3);
        for address in [gateway, uplink, machine.network.resolver(4)] {
            assert!(!web.reaches(address, port(&service), SILENCE), "{address}");
        }
        assert!(web.reaches(gateway, port(&resolver), PATIENCE));
        assert!(!web.reaches(uplink, 53, SILENCE));
        assert!(!web.reaches(machine.network.resolver(4), 53, SILENCE), "the names of another environment");

        // Somebody (kube-proxy does) lets packets for 127.0.0.1 come in from outside.
        sysctl::set("net/ipv4/conf/all/route_localnet", "1").unwrap();
        web.run(|| {
            sysctl::set("net/ipv4/conf/all/route_localnet", "1").unwrap();
            ip("addr del 127.0.0.1/8 dev lo");
            ip(&format!("route add 127.0.0.1/32 via {gateway} dev eth0"));
        });
        for port in [port(&local), port(&service), 53] {
            assert!(!web.reaches(Ipv4Addr::LOCALHOST, port, SILENCE));
        }
        machine.network.teardown().unwrap();
    });
}

#[test]
fn an_instance_asks_its_resolver_by_udp() {
    on_a_machine("an_instance_asks_its_resolver_by_udp", || {
        let machine = Machine::new();
        let web = machine.attach(1, 3);
        let gateway = machine.network.resolver(3);
        let resolver = UdpSocket::bind((gateway, 53)).unwrap();
        let client = web.run(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap());
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        resolver.set_read_timeout(Some(PATIENCE)).unwrap();
        client.send_to(b"web?", (gateway, 53)).unwrap();
        let mut buffer = [0; 16];
        let (length, from) = resolver.recv_from(&mut buffer).unwrap();
        assert_eq!((&buffer[..length], from.ip()), (&b"web?"[..], IpAddr::V4(web.attachment.address)));
        resolver.send_to(b"here", from).unwrap();
        assert_eq!(client.recv_from(&mut buffer).unwrap().0, 4);
        machine.network.teardown().unwrap();
    });
}

#[test]
fn instances_reach_the_outside_by_this_machines_address_and_are_not_reached() {
    on_a_machine("instances_reach_the_outside_by_this_machines_address_and_are_not_reached", || {
        let machine = Machine::new();
        let web = machine.attach(1, 3);
        let served = web.listen();
        let folder = tempfile::tempdir().unwrap();
        let pins = Pins::open(&folder.path().join("pins")).unwrap();
        pins.create("outside", || Ok(())).unwrap();
        let namespace = pins.namespace("outside").unwrap().unwrap();
        Links::open().unwrap().pair("wan1", namespace.as_fd()).unwrap();
        ip("addr add 198.51.100.1/24 dev wan1");
        ip("link set wan1 up");
        let subnet = machine.network.subnet();
        within(&namespace, || {
            ip("addr add 198.51.100.2/24 dev eth0");
            ip("link set eth0 up");
            ip(&format!("route add {subnet} via 198.51.100.1"));
            Ok(())
        })
        .unwrap();
        let outside = Container { namespace, attachment: web.attachment.clone() };
        let listener = outside.listen();
        assert!(web.reaches(Ipv4Addr::new(198, 51, 100, 2), port(&listener), PATIENCE));
        assert_eq!(listener.accept().unwrap().1.ip(), IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1)));
        assert!(!outside.reaches(web.attachment.address, port(&served), SILENCE));
        let names = TcpListener::bind((machine.network.resolver(3), 53)).unwrap();
        assert!(
            !outside.reaches(machine.network.resolver(3), port(&names), SILENCE),
            "the names of services"
        );
        TcpStream::connect_timeout(&names.local_addr().unwrap(), PATIENCE).unwrap();

        // Nobody sends in another environment's name.
        let receiver = outside.run(|| UdpSocket::bind((Ipv4Addr::new(198, 51, 100, 2), 4000)).unwrap());
        let stranger = machine.attach(2, 4).attachment.address;
        web.run(|| ip(&format!("addr add {stranger}/32 dev eth0")));
        for (from, patience, arrives) in
            [(web.attachment.address, PATIENCE, true), (stranger, SILENCE, false)]
        {
            let sender = web.run(|| UdpSocket::bind((from, 0)).unwrap());
            sender.send_to(b"x", receiver.local_addr().unwrap()).unwrap();
            receiver.set_read_timeout(Some(patience)).unwrap();
            assert_eq!(receiver.recv_from(&mut [0; 8]).is_ok(), arrives, "{from}");
        }
        drop(outside);
        pins.close().unwrap();
        machine.network.teardown().unwrap();
    });
}

#[test]
fn there_is_no_way_around_by_ipv6() {
    on_a_machine("there_is_no_way_around_by_ipv6", || {
        let machine = Machine::new();
        let web = machine.attach(1, 3);
        let inside = web.run(|| ip("-6 addr"));
        assert!(inside.contains("::1/128") && !inside.contains("fe80"), "{inside}");
        let host = ip("-6 addr");
        assert!(!host.contains("mir") && !host.contains("mv"), "{host}");
        machine.network.teardown().unwrap();
    });
}

#[test]
fn without_connection_tracking_tcp_still_knows_its_direction() {
    on_a_machine("without_connection_tracking_tcp_still_knows_its_direction", || {
        let machine = Machine::new();
        let web = machine.attach(1, 3);
        let plan = &machine.network.plan;
        let [.., bare] = firewall::Ability::DESCENDING;
        firewall::apply_with(plan, &[3], bare).unwrap();
        let listener = web.listen();
        let to = SocketAddr::new(web.attachment.address.into(), port(&listener));
        TcpStream::connect_timeout(&to, PATIENCE).unwrap();
        let service = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        assert!(!web.reaches(machine.network.resolver(3), port(&service), SILENCE));
        machine.network.teardown().unwrap();
    });
}
