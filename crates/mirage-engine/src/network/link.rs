//! Links, addresses and routes, by routing netlink (`man 7 rtnetlink`).

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::addressing::{Subnet, hardware};
use super::netlink::{Family, Message, Socket, attributes};

/// Name of the link within a container.
pub(crate) const INNER: &str = "eth0";

const AF_INET: u8 = libc::AF_INET as u8;
/// From `linux/veth.h` and `linux/if_link.h`, which libc lacks.
const VETH_INFO_PEER: u16 = 1;
/// Length of `struct ifinfomsg`, of `struct rtmsg` and of `struct ndmsg`.
const LINK_HEADER: usize = 16;
const ROUTE_HEADER: usize = 12;
const NEIGHBOUR_HEADER: usize = 12;

/// A link of this network namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    /// Number.
    pub(crate) index: u32,
    /// Name.
    pub(crate) name: String,
}

/// A route of this network namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    /// Where it leads; a default route has no fixed bits.
    pub(crate) to: Subnet,
    /// Number of the link it goes through.
    pub(crate) link: Option<u32>,
}

/// The links of one network namespace.
#[derive(Debug)]
pub(crate) struct Links {
    socket: Socket,
}

impl Links {
    /// The links of the network namespace that this thread is in; they stay the ones that are meant
    /// also when the value moves to another thread.
    pub(crate) fn open() -> io::Result<Self> {
        Ok(Self { socket: Socket::open(Family::Route)? })
    }

    /// Every link.
    pub(crate) fn list(&mut self) -> io::Result<Vec<Link>> {
        let replies =
            self.socket.dump(&Message::new(libc::RTM_GETLINK, libc::NLM_F_DUMP, &[0; LINK_HEADER]))?;
        let links = replies.iter().filter(|reply| reply.kind == libc::RTM_NEWLINK);
        Ok(links.filter_map(|reply| parse_link(&reply.body)).collect())
    }

    /// Number of the link with this name.
    pub(crate) fn index(&mut self, name: &str) -> io::Result<u32> {
        let found = self.list()?.into_iter().find(|link| link.name == name);
        found.map(|link| link.index).ok_or_else(|| io::Error::from_raw_os_error(libc::ENODEV))
    }

    /// Every IPv4 route, those of the machine's own addresses too.
    pub(crate) fn routes(&mut self) -> io::Result<Vec<Route>> {
        let mut header = [0; ROUTE_HEADER];
        header[0] = AF_INET;
        let replies = self.socket.dump(&Message::new(libc::RTM_GETROUTE, libc::NLM_F_DUMP, &header))?;
        let routes = replies.iter().filter(|reply| reply.kind == libc::RTM_NEWROUTE);
        Ok(routes.filter_map(|reply| parse_route(&reply.body)).collect())
    }

    /// Takes a block of addresses for ourselves: a route that leads nowhere, visible to everybody who
    /// looks for a free block, and less exact than those of the bridges. The kernel decides between
    /// two who want the same; false is for the second.
    pub(crate) fn claim(&mut self, block: &Subnet) -> io::Result<bool> {
        let flags = libc::NLM_F_CREATE | libc::NLM_F_EXCL;
        match self.socket.request(claim(libc::RTM_NEWROUTE, flags, block)) {
            Ok(()) => Ok(true),
            Err(error) if error.raw_os_error() == Some(libc::EEXIST) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Gives a block back.
    pub(crate) fn disclaim(&mut self, block: &Subnet) -> io::Result<()> {
        match self.socket.request(claim(libc::RTM_DELROUTE, 0, block)) {
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
            other => other,
        }
    }

    /// Makes a bridge that is up and has this address; one that exists keeps its ports.
    pub(crate) fn bridge(
        &mut self,
        name: &str,
        hardware: [u8; 6],
        address: Ipv4Addr,
        prefix: u8,
    ) -> io::Result<()> {
        let make = new_link(libc::NLM_F_CREATE | libc::NLM_F_EXCL, true)
            .text(libc::IFLA_IFNAME, name)
            .attribute(libc::IFLA_ADDRESS, &hardware)
            .nested(libc::IFLA_LINKINFO, |m| m.text(libc::IFLA_INFO_KIND, "bridge"));
        match self.socket.request(make) {
            Err(error) if error.raw_os_error() == Some(libc::EEXIST) => {
                self.socket.request(new_link(0, true).text(libc::IFLA_IFNAME, name))?;
            }
            other => other?,
        }
        let index = self.index(name)?;
        self.socket.request(new_address(index, address, prefix))
    }

    /// Makes a pair: `outer` here, [`INNER`] in the other network namespace. Both are down.
    pub(crate) fn pair(&mut self, outer: &str, namespace: BorrowedFd<'_>) -> io::Result<()> {
        let peer = |m: Message| {
            m.raw(&[0; LINK_HEADER])
                .text(libc::IFLA_IFNAME, INNER)
                .number(libc::IFLA_NET_NS_FD, namespace.as_raw_fd() as u32)
        };
        let make = new_link(libc::NLM_F_CREATE | libc::NLM_F_EXCL, false)
            .text(libc::IFLA_IFNAME, outer)
            .nested(libc::IFLA_LINKINFO, |m| {
                m.text(libc::IFLA_INFO_KIND, "veth")
                    .nested(libc::IFLA_INFO_DATA, |m| m.nested(VETH_INFO_PEER, peer))
            });
        self.socket.request(make)
    }

    /// Plugs a link into a bridge and brings it up.
    pub(crate) fn plug(&mut self, name: &str, bridge: u32) -> io::Result<()> {
        let plug = new_link(0, true).text(libc::IFLA_IFNAME, name).number(libc::IFLA_MASTER, bridge);
        self.socket.request(plug)
    }

    /// Brings a link up.
    pub(crate) fn up(&mut self, name: &str) -> io::Result<()> {
        self.socket.request(new_link(0, true).text(libc::IFLA_IFNAME, name))
    }

    /// Gives a link its addresses, brings it up, and routes everything through `gateway`, whose hardware
    /// address is known from the start.
    pub(crate) fn configure(
        &mut self,
        link: u32,
        address: Ipv4Addr,
        prefix: u8,
        gateway: Ipv4Addr,
    ) -> io::Result<()> {
        let mut header = link_header(true);
        header[4..8].copy_from_slice(&link.to_ne_bytes());
        self.socket.transact(vec![
            Message::new(libc::RTM_NEWLINK, 0, &header).attribute(libc::IFLA_ADDRESS, &hardware(address)),
            new_address(link, address, prefix),
            default_route(link, gateway),
            new_neighbour(link, gateway),
        ])
    }

    /// Has the kernel know for good what hardware address this neighbour on a link has. Otherwise it asks
    /// once in a while, and a bridge passes the question on to every port.
    pub(crate) fn introduce(&mut self, link: u32, address: Ipv4Addr) -> io::Result<()> {
        self.socket.request(new_neighbour(link, address))
    }

    /// Takes back what [`Self::introduce`] did; a neighbour that nobody knows is forgotten already.
    pub(crate) fn forget(&mut self, link: u32, address: Ipv4Addr) -> io::Result<()> {
        match self.socket.request(neighbour(libc::RTM_DELNEIGH, 0, link, address)) {
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENODEV)) => Ok(()),
            other => other,
        }
    }

    /// Removes a link, its other end with it. A link that is gone is removed already.
    pub(crate) fn remove(&mut self, name: &str) -> io::Result<()> {
        let remove = Message::new(libc::RTM_DELLINK, 0, &[0; LINK_HEADER]).text(libc::IFLA_IFNAME, name);
        match self.socket.request(remove) {
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(()),
            other => other,
        }
    }
}

fn link_header(up: bool) -> [u8; LINK_HEADER] {
    let mut header = [0; LINK_HEADER];
    if up {
        let flag = (libc::IFF_UP as u32).to_ne_bytes();
        header[8..12].copy_from_slice(&flag);
        header[12..16].copy_from_slice(&flag);
    }
    header
}

fn new_link(flags: i32, up: bool) -> Message {
    Message::new(libc::RTM_NEWLINK, flags, &link_header(up))
}

fn new_address(link: u32, address: Ipv4Addr, prefix: u8) -> Message {
    let [a, b, c, d] = link.to_ne_bytes();
    let broadcast = Subnet::new(address, prefix).broadcast();
    Message::new(
        libc::RTM_NEWADDR,
        libc::NLM_F_CREATE | libc::NLM_F_REPLACE,
        &[AF_INET, prefix, 0, 0, a, b, c, d],
    )
    .attribute(libc::IFA_LOCAL, &address.octets())
    .attribute(libc::IFA_ADDRESS, &address.octets())
    .attribute(libc::IFA_BROADCAST, &broadcast.octets())
}

fn default_route(link: u32, gateway: Ipv4Addr) -> Message {
    let mut header = [0; ROUTE_HEADER];
    header[0] = AF_INET;
    header[4] = libc::RT_TABLE_MAIN;
    header[5] = libc::RTPROT_STATIC;
    header[6] = libc::RT_SCOPE_UNIVERSE;
    header[7] = libc::RTN_UNICAST;
    Message::new(libc::RTM_NEWROUTE, libc::NLM_F_CREATE | libc::NLM_F_REPLACE, &header)
        .attribute(libc::RTA_GATEWAY, &gateway.octets())
        .number(libc::RTA_OIF, link)
}

fn new_neighbour(link: u32, address: Ipv4Addr) -> Message {
    let flags = libc::NLM_F_CREATE | libc::NLM_F_REPLACE;
    neighbour(libc::RTM_NEWNEIGH, flags, link, address).attribute(libc::NDA_LLADDR, &hardware(address))
}

fn neighbour(kind: u16, flags: i32, link: u32, address: Ipv4Addr) -> Message {
    let mut header = [0; NEIGHBOUR_HEADER];
    header[0] = AF_INET;
    header[4..8].copy_from_slice(&link.to_ne_bytes());
    header[8..10].copy_from_slice(&libc::NUD_PERMANENT.to_ne_bytes());
    Message::new(kind, flags, &header).attribute(libc::NDA_DST, &address.octets())
}

fn claim(kind: u16, flags: i32, block: &Subnet) -> Message {
    let mut header = [0; ROUTE_HEADER];
    header[0] = AF_INET;
    header[1] = block.prefix();
    header[4] = libc::RT_TABLE_MAIN;
    header[5] = libc::RTPROT_STATIC;
    header[6] = libc::RT_SCOPE_UNIVERSE;
    header[7] = libc::RTN_UNREACHABLE;
    Message::new(kind, flags, &header).attribute(libc::RTA_DST, &block.base().octets())
}

fn parse_link(body: &[u8]) -> Option<Link> {
    let index = u32::from_ne_bytes(body.get(4..8)?.try_into().ok()?);
    let name = attributes(body.get(LINK_HEADER..)?).text(libc::IFLA_IFNAME)?;
    Some(Link { index, name: name.to_owned() })
}

fn parse_route(body: &[u8]) -> Option<Route> {
    let prefix = *body.get(1)?;
    let values = attributes(body.get(ROUTE_HEADER..)?);
    let to = match values.get(libc::RTA_DST) {
        Some(bytes) => Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?),
        None => Ipv4Addr::UNSPECIFIED,
    };
    Some(Route { to: Subnet::new(to, prefix), link: values.number(libc::RTA_OIF) })
}
