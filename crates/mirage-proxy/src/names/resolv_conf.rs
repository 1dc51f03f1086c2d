//! The host's resolvers, as `/etc/resolv.conf` lists them (resolv.conf(5)).

use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::path::PathBuf;
use std::time::SystemTime;

/// The most resolvers that the C library asks.
const MOST: usize = 3;

/// The largest file that is read.
const BYTES: u64 = 64 * 1024;

/// A list of resolvers that is read again when its file has changed.
pub(super) struct ResolvConf {
    path: PathBuf,
    port: u16,
    seen: Option<(SystemTime, u64)>,
    servers: Vec<SocketAddr>,
}

impl ResolvConf {
    pub(super) fn new(path: PathBuf, port: u16) -> Self {
        Self { path, port, seen: None, servers: Vec::new() }
    }

    /// The resolvers now. Where the file cannot be read, those that it listed before.
    pub(super) fn servers(&mut self) -> &[SocketAddr] {
        let found = std::fs::metadata(&self.path).and_then(|found| Ok((found.modified()?, found.len())));
        if let Ok(found) = found
            && self.seen != Some(found)
            && found.1 <= BYTES
            && let Ok(text) = std::fs::read_to_string(&self.path)
        {
            self.servers = parse(&text, self.port);
            self.seen = Some(found);
        }
        &self.servers
    }
}

fn parse(text: &str, port: u16) -> Vec<SocketAddr> {
    let servers = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some("nameserver")).then(|| words.next())?.and_then(|word| address(word, port))
    });
    servers.take(MOST).collect()
}

/// An address, with a scope where it is link-local: `fe80::1%2` or `fe80::1%eth0`.
fn address(word: &str, port: u16) -> Option<SocketAddr> {
    let (address, scope) =
        word.split_once('%').map_or((word, None), |(address, scope)| (address, Some(scope)));
    match (address.parse().ok()?, scope) {
        (IpAddr::V6(address), Some(scope)) => {
            let scope = scope.parse().ok().or_else(|| nix::net::if_::if_nametoindex(scope).ok())?;
            Some(SocketAddrV6::new(address, port, 0, scope).into())
        }
        (address, _) => Some(SocketAddr::new(address, port)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_three_resolvers_count_and_everything_else_is_passed_over() {
        let text = "# comment\nsearch example.com\nnameserver 10.0.0.1\n nameserver\t10.0.0.2 # x\n\
                    options ndots:2\nnameserver\nnameserver nonsense\nnameserver fe80::1%1\nnameserver 10.0.0.4\n";
        let expected: Vec<SocketAddr> = ["10.0.0.1:53", "10.0.0.2:53", "[fe80::1%1]:53"]
            .iter()
            .map(|text| text.parse().unwrap())
            .collect();
        assert_eq!(parse(text, 53), expected);
    }

    #[test]
    fn a_changed_file_is_read_again_and_a_missing_one_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("resolv.conf");
        let mut conf = ResolvConf::new(path.clone(), 53);
        assert!(conf.servers().is_empty());
        std::fs::write(&path, "nameserver 10.0.0.1\n").unwrap();
        assert_eq!(conf.servers(), ["10.0.0.1:53".parse().unwrap()]);
        std::fs::write(&path, "nameserver 10.0.0.1\nnameserver 10.0.0.2\n").unwrap();
        assert_eq!(conf.servers().len(), 2);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(conf.servers().len(), 2);
    }
}
