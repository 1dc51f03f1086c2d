//! On what a container's processes listen, as `/proc` tells it.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use mirage_core::Result;

use super::fault;

/// Bytes read of a table; a line has some 150.
const MAX_TABLE: u64 = 1 << 20;
/// The state in which a TCP socket listens (`TCP_LISTEN`).
const LISTEN: &str = "0A";

/// The TCP sockets in state LISTEN of the network namespace that this process is in, ascending. A
/// process that is gone listens on nothing.
pub(super) fn sockets(pid: u32) -> Result<Vec<SocketAddr>> {
    let mut found = Vec::new();
    for table in ["tcp", "tcp6"] {
        let mut text = String::new();
        let read = File::open(format!("/proc/{pid}/net/{table}"))
            .and_then(|file| file.take(MAX_TABLE).read_to_string(&mut text));
        match read {
            Ok(_) => found.extend(parse(&text)),
            Err(error)
                if error.kind() == ErrorKind::NotFound || error.raw_os_error() == Some(libc::ESRCH) => {}
            // The kernel answers EINVAL where the process ended meanwhile.
            Err(error) if error.kind() == ErrorKind::InvalidInput => {}
            Err(error) => return Err(fault("read on what an instance listens", error)),
        }
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

fn parse(table: &str) -> impl Iterator<Item = SocketAddr> {
    table.lines().skip(1).filter_map(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let local = fields.next()?;
        (fields.nth(1)? == LISTEN).then(|| address(local)).flatten()
    })
}

/// `0100007F:1F90`: 32-bit words as this machine stores them, and the port.
fn address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word =
        |at: usize| Some(u32::from_str_radix(address.get(at * 8..at * 8 + 8)?, 16).ok()?.to_ne_bytes());
    let address = match address.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let bytes: Vec<u8> = [word(0)?, word(1)?, word(2)?, word(3)?].concat();
            IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?))
        }
        _ => return None,
    };
    Some(SocketAddr::new(address, port))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn the_kernels_tables_are_understood() {
        let text = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n   \
            0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0\n   \
            1: 0200D20A:A0F2 0100007F:1F90 01 00000000:00000000 00:00000000 00000000     0\n   \
            2: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 0\n   \
            3: nonsense\n   4: 01:1F90 0 0A\n";
        let found: Vec<String> = parse(text).map(|address| address.to_string()).collect();
        assert_eq!(found, ["127.0.0.1:8080", "[::1]:80"]);
    }

    #[test]
    fn our_own_listener_is_found_and_a_process_that_is_gone_has_none() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        assert!(sockets(std::process::id()).unwrap().contains(&listener.local_addr().unwrap()));
        assert_eq!(sockets(u32::MAX / 2).unwrap(), []);
    }
}
