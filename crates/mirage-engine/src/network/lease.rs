//! Who has which address: a file for each, so that the next control process knows. And whose turn it is: an
//! address that was just given back is not given out again because control died in between.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use mirage_core::InstanceId;
use serde::{Deserialize, Serialize};

/// An instance's place in a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lease {
    /// Number of the environment's network.
    pub(crate) network: u16,
    /// The instance's address.
    pub(crate) address: Ipv4Addr,
    /// Number of its network namespace and pair of links.
    pub(crate) slot: u16,
}

/// The folder of leases, and that of turns.
#[derive(Clone, Debug)]
pub(crate) struct Leases {
    folder: PathBuf,
    turns: PathBuf,
}

impl Leases {
    /// Prepares the folders in `run`.
    pub(crate) fn open(run: &Path) -> io::Result<Self> {
        let leases = Self { folder: run.join("leases"), turns: run.join("turns") };
        fs::create_dir_all(&leases.folder)?;
        fs::create_dir_all(&leases.turns)?;
        Ok(leases)
    }

    /// All leases. What is no lease (torn by a crash, or somebody else's) is removed.
    pub(crate) fn read(&self) -> io::Result<Vec<(InstanceId, Lease)>> {
        let mut leases = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            match parse(&path) {
                Some(lease) => leases.push(lease),
                None => fs::remove_file(&path)?,
            }
        }
        Ok(leases)
    }

    /// Remembers a lease, in one step.
    pub(crate) fn write(&self, instance: InstanceId, lease: &Lease) -> io::Result<()> {
        let temporary = self.folder.join(format!("{instance}.tmp"));
        fs::write(&temporary, serde_json::to_vec(lease)?)?;
        fs::rename(temporary, self.path(instance))
    }

    /// Forgets a lease.
    pub(crate) fn remove(&self, instance: InstanceId) -> io::Result<()> {
        match fs::remove_file(self.path(instance)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    /// Where the search for a free address goes on, by number of the network. What cannot be read is left
    /// out, and that search begins anew.
    pub(crate) fn turns(&self) -> io::Result<HashMap<u16, usize>> {
        let mut turns = HashMap::new();
        for entry in fs::read_dir(&self.turns)? {
            let path = entry?.path();
            let network = path.file_name().and_then(|name| name.to_str()?.parse::<u16>().ok());
            let turn = fs::read_to_string(&path)?.parse::<usize>().ok();
            turns.extend(network.zip(turn));
        }
        Ok(turns)
    }

    /// Remembers where the search of a network goes on.
    pub(crate) fn write_turn(&self, network: u16, turn: usize) -> io::Result<()> {
        fs::write(self.turns.join(network.to_string()), turn.to_string())
    }

    /// Takes the folders themselves away.
    pub(crate) fn close(&self) -> io::Result<()> {
        fs::remove_dir_all(&self.folder).and(fs::remove_dir_all(&self.turns))
    }

    fn path(&self, instance: InstanceId) -> PathBuf {
        self.folder.join(instance.to_string())
    }
}

fn parse(path: &Path) -> Option<(InstanceId, Lease)> {
    let instance = path.file_name()?.to_str()?.parse().ok()?;
    Some((instance, serde_json::from_slice(&fs::read(path).ok()?).ok()?))
}
