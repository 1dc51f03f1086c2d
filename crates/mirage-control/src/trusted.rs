//! Proxies that are believed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use mirage_core::{Code, Error};

/// Bits of the prefix under which IPv4 addresses are written as IPv6 ones.
const MAPPED: u32 = 96;

/// The address of a proxy in front of the pages, or a network of such: `10.0.0.1`, `10.0.0.0/8`, `fd00::/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrustedProxy {
    address: IpAddr,
    bits: u32,
}

impl TrustedProxy {
    /// Whether the address is it, or in its network.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let differs = own.to_bits() ^ other.to_bits();
                differs.leading_zeros() >= self.bits
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let differs = own.to_bits() ^ other.to_bits();
                differs.leading_zeros() >= self.bits
            }
            _ => false,
        }
    }
}

impl FromStr for TrustedProxy {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || {
            Error::new(Code::InvalidRequest, format!("`{text}` is neither an address nor a network"))
                .hint("write it like `10.0.0.1` or `10.0.0.0/8`")
        };
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u32>().map_err(|_| wrong())?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let most = if address.is_ipv4() { Ipv4Addr::BITS } else { Ipv6Addr::BITS };
        let bits = bits.unwrap_or(most);
        let mapped = address.is_ipv6() && address.to_canonical().is_ipv4() && bits >= MAPPED;
        match bits <= most {
            true if mapped => Ok(Self { address: address.to_canonical(), bits: bits - MAPPED }),
            true => Ok(Self { address, bits }),
            false => Err(wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_named_by_its_address_or_its_network_however_they_are_written() {
        for (proxy, address, trusted) in [
            ("10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1", "10.0.0.2", false),
            ("::ffff:10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1", "::ffff:10.0.0.1", true),
            ("10.0.0.0/8", "10.200.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("::ffff:10.0.0.0/104", "10.1.1.1", true),
            ("fd00::/8", "fd12::1", true),
            ("fd00::/8", "fe80::1", false),
            ("0.0.0.0/0", "192.0.2.1", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("::1", "::1", true),
        ] {
            let proxy: TrustedProxy = proxy.parse().unwrap();
            assert_eq!(proxy.contains(address.parse().unwrap()), trusted, "{proxy:?} {address}");
        }
        for wrong in ["", "proxy", "10.0.0.1/33", "fd00::/129", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.1:80"] {
            assert!(wrong.parse::<TrustedProxy>().is_err(), "{wrong}");
        }
    }
}
