//! Arithmetic of addresses and names: everything here follows from a network's number.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use mirage_core::{Code, Error, Result};
use serde::{Deserialize, Serialize};

/// Bits of an environment's own subnet: 253 instances, the gateway, and the two that are reserved.
pub(crate) const NETWORK_PREFIX: u8 = 24;
/// Longest name of a link (`IFNAMSIZ` less the final NUL).
const MAX_LINK_NAME: usize = 15;

/// A block of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Subnet {
    base: Ipv4Addr,
    prefix: u8,
}

impl Subnet {
    /// The block that holds `address`, with this many leading bits fixed (at most 32).
    pub(crate) fn new(address: Ipv4Addr, prefix: u8) -> Self {
        let prefix = prefix.min(32);
        Self { base: Ipv4Addr::from_bits(address.to_bits() & mask(prefix)), prefix }
    }

    /// The first address.
    pub fn base(&self) -> Ipv4Addr {
        self.base
    }

    /// How many leading bits are fixed.
    pub fn prefix(&self) -> u8 {
        self.prefix
    }

    /// Whether the two have an address in common.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        let mask = mask(self.prefix.min(other.prefix));
        self.base.to_bits() & mask == other.base.to_bits() & mask
    }

    /// Whether the address is one of the block.
    pub(crate) fn contains(&self, address: Ipv4Addr) -> bool {
        self.overlaps(&Self::new(address, 32))
    }

    /// The bits that are fixed, as an address.
    pub(crate) fn mask(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(mask(self.prefix))
    }

    /// The last address.
    pub(crate) fn broadcast(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.base.to_bits() | !mask(self.prefix))
    }
}

fn mask(prefix: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0)
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.prefix)
    }
}

impl From<Subnet> for String {
    fn from(subnet: Subnet) -> Self {
        subnet.to_string()
    }
}

impl TryFrom<String> for Subnet {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map_err(|error: Error| error.message().to_owned())
    }
}

impl FromStr for Subnet {
    type Err = Error;

    /// Reads `10.210.0.0/16`. Between 8 and 20 bits may be fixed, so that there is room for 16
    /// environments at least.
    fn from_str(text: &str) -> Result<Self> {
        let wrong = |why: &str| {
            Error::new(Code::InvalidRequest, format!("`{text}` is not a block of addresses: {why}"))
                .hint("a block for all environments looks like `10.210.0.0/16`")
        };
        let (address, prefix) = text.split_once('/').ok_or_else(|| wrong("it has no `/`"))?;
        let address = address.parse().map_err(|_| wrong("its first part is no IPv4 address"))?;
        let prefix = prefix.parse().map_err(|_| wrong("its last part is no number"))?;
        if !(8..=20).contains(&prefix) {
            return Err(wrong("between 8 and 20 bits may be fixed"));
        }
        let subnet = Self::new(address, prefix);
        if subnet.base != address {
            return Err(wrong(&format!("the block starts at `{}`", subnet.base)));
        }
        Ok(subnet)
    }
}

/// The addresses and link names of one platform on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    node: String,
    base: Subnet,
}

impl Plan {
    /// The plan of the platform called `node` within `base`.
    pub(crate) fn new(node: &str, base: Subnet) -> Result<Self> {
        let hexadecimal = node.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !hexadecimal || !(4..=8).contains(&node.len()) {
            return Err(Error::new(Code::Internal, format!("`{node}` cannot name this node"))
                .hint("a node is named by 4 to 8 hexadecimal digits"));
        }
        let plan = Self { node: node.to_owned(), base };
        if plan.bridge(plan.last_network()).len() > MAX_LINK_NAME {
            return Err(Error::new(
                Code::InvalidRequest,
                format!("`{base}` has room for more environments than links can be named"),
            )
            .hint("take a smaller block, such as `10.210.0.0/16`"));
        }
        Ok(plan)
    }

    /// The block of all environments.
    pub(crate) fn base(&self) -> Subnet {
        self.base
    }

    /// The highest network number that has room.
    pub(crate) fn last_network(&self) -> u16 {
        ((1_u32 << (NETWORK_PREFIX - self.base.prefix)) - 1) as u16
    }

    /// The block of one environment. Numbers beyond [`Self::last_network`] wrap around.
    pub(crate) fn subnet(&self, network: u16) -> Subnet {
        let number = u32::from(network & self.last_network());
        Subnet::new(Ipv4Addr::from_bits(self.base.base.to_bits() + (number << 8)), NETWORK_PREFIX)
    }

    /// The bridge's own address: gateway and resolver of the environment.
    pub(crate) fn gateway(&self, network: u16) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.subnet(network).base.to_bits() + 1)
    }

    /// The addresses that instances of an environment may have.
    pub(crate) fn hosts(&self, network: u16) -> impl ExactSizeIterator<Item = Ipv4Addr> + use<> {
        let base = self.subnet(network).base.to_bits();
        (2..=254_u8).map(move |host| Ipv4Addr::from_bits(base + u32::from(host)))
    }

    /// What every bridge's name starts with.
    pub(crate) fn bridge_prefix(&self) -> String {
        format!("mir{}-", self.node)
    }

    /// The name of an environment's bridge.
    pub(crate) fn bridge(&self, network: u16) -> String {
        format!("mir{}-{network}", self.node)
    }

    /// The number of the environment that this bridge belongs to.
    pub(crate) fn network_of(&self, bridge: &str) -> Option<u16> {
        bridge.strip_prefix(&self.bridge_prefix())?.parse().ok()
    }

    /// What the host's end of every pair starts with.
    pub(crate) fn link_prefix(&self) -> String {
        format!("mv{}-", self.node)
    }

    /// The host's end of the pair in this slot.
    pub(crate) fn link(&self, slot: u16) -> String {
        format!("mv{}-{slot:04x}", self.node)
    }

    /// The name of the nf_tables table.
    pub(crate) fn table(&self) -> String {
        format!("mirage_{}", self.node)
    }

    /// The bridge's hardware address: fixed, or it would change with the bridge's first port and
    /// every neighbour would have to ask again.
    pub(crate) fn bridge_hardware(&self, network: u16) -> [u8; 6] {
        hardware(self.gateway(network))
    }
}

/// The hardware address that belongs to an address: an address that is used again keeps it, so what
/// neighbours remember stays true.
pub(crate) fn hardware(address: Ipv4Addr) -> [u8; 6] {
    let [a, b, c, d] = address.octets();
    [0x02, 0x6d, a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(base: &str) -> Plan {
        Plan::new("00c0ffee", base.parse().unwrap()).unwrap()
    }

    #[test]
    fn a_number_decides_everything_about_a_network() {
        let plan = plan("10.210.0.0/16");
        assert_eq!(plan.last_network(), 255);
        assert_eq!(plan.subnet(7).to_string(), "10.210.7.0/24");
        assert_eq!(plan.gateway(7).to_string(), "10.210.7.1");
        assert_eq!(plan.bridge(7), "mir00c0ffee-7");
        assert_eq!(plan.network_of("mir00c0ffee-7"), Some(7));
        assert_eq!(plan.network_of("mir00c0fff0-7"), None);
        let hosts: Vec<_> = plan.hosts(7).map(|host| host.to_string()).collect();
        assert_eq!(
            (hosts.len(), hosts[0].as_str(), hosts[252].as_str()),
            (253, "10.210.7.2", "10.210.7.254")
        );
    }

    #[test]
    fn links_have_names_that_the_kernel_takes() {
        let plan = plan("10.210.0.0/16");
        assert!(plan.bridge(255).len() <= 15 && plan.link(u16::MAX).len() <= 15);
        assert!(Plan::new("00c0ffee", "10.0.0.0/8".parse().unwrap()).is_err());
        assert!(Plan::new("c0ffee", "10.0.0.0/8".parse().unwrap()).is_ok());
        assert!(Plan::new("NODE", "10.210.0.0/16".parse().unwrap()).is_err());
    }

    #[test]
    fn blocks_that_make_no_sense_are_refused() {
        for text in
            ["10.210.0.0", "10.210.0.0/24", "10.210.1.0/16", "10.0.0.0/4", "a/16", "10.210.0.0/x", "::/16"]
        {
            assert!(text.parse::<Subnet>().is_err(), "{text}");
        }
    }

    #[test]
    fn overlap_is_seen_from_both_sides() {
        let small: Subnet = "10.210.0.0/20".parse().unwrap();
        let large: Subnet = "10.208.0.0/12".parse().unwrap();
        let other: Subnet = "10.211.0.0/16".parse().unwrap();
        assert!(small.overlaps(&large) && large.overlaps(&small));
        assert!(!small.overlaps(&other) && !other.overlaps(&small));
        assert!(large.contains("10.211.4.4".parse().unwrap()));
        assert_eq!(small.broadcast().to_string(), "10.210.15.255");
    }
}
