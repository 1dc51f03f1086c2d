//! How many bytes went through the pairs of links, as the kernel counts them (`/proc/net/dev`).

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};

/// Bytes read of the table; a line has some 130.
const MAX_TABLE: u64 = 16 << 20;

/// Bytes of one instance since its link was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct NetworkUsage {
    /// What came to it.
    pub(crate) received: u64,
    /// What it sent.
    pub(crate) sent: u64,
}

/// What went through the links whose host's end has a name that begins so, by that name.
pub(super) fn read(prefix: &str) -> io::Result<HashMap<String, NetworkUsage>> {
    let mut text = String::new();
    // Of the process, and not of a thread that is in some container's namespace.
    File::open("/proc/self/net/dev")?.take(MAX_TABLE).read_to_string(&mut text)?;
    Ok(text.lines().filter_map(|line| parse(line, prefix)).collect())
}

fn parse(line: &str, prefix: &str) -> Option<(String, NetworkUsage)> {
    let (name, numbers) = line.trim_start().split_once(':')?;
    if !name.starts_with(prefix) {
        return None;
    }
    let mut numbers = numbers.split_ascii_whitespace();
    // What the host's end receives is what the instance has sent.
    let sent = numbers.next()?.parse().ok()?;
    let received = numbers.nth(7)?.parse().ok()?;
    Some((name.to_owned(), NetworkUsage { received, sent }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_host_receives_is_what_the_instance_sent() {
        let table = "Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:  846112    1234    0    0    0     0          0         0   846112    1234    0    0    0     0       0          0
mv00c0ffee-0001: 100 2 0 0 0 0 0 0 200 3 0 0 0 0 0 0
mvdeadbeef-0001: 7 2 0 0 0 0 0 0 8 3 0 0 0 0 0 0
";
        let found: HashMap<_, _> = table.lines().filter_map(|line| parse(line, "mv00c0ffee-")).collect();
        let expected = NetworkUsage { received: 200, sent: 100 };
        assert_eq!(found, HashMap::from([("mv00c0ffee-0001".to_owned(), expected)]));
        assert!(read("lo").unwrap().contains_key("lo"));
    }
}
