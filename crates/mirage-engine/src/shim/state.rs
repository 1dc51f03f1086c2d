//! What a shim says about its container, on its socket and in `state.json`.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use mirage_core::fault::point_io;
use mirage_core::{DeploymentId, Exit, InstanceId, ServiceId};
use serde::{Deserialize, Serialize};

use super::message::MAX_LINE;
use crate::process;

/// Name of the file in the instance's folder that holds the [`ShimState`].
pub const STATE_FILE: &str = "state.json";

/// A shim and its container at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShimState {
    /// The instance.
    pub instance: InstanceId,
    /// The service it belongs to.
    pub service: ServiceId,
    /// The deployment it belongs to.
    pub deployment: DeploymentId,
    /// The shim itself.
    pub shim: ProcessMark,
    /// `/proc/sys/kernel/random/boot_id` when the shim was started: with another one everything
    /// else here is history.
    pub boot: String,
    /// How far the container is.
    #[serde(flatten)]
    pub phase: Phase,
}

/// How far a container is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum Phase {
    /// On its way up.
    Starting,
    /// Its process has been executed.
    Running {
        /// The container's first process, seen from the host.
        #[serde(flatten)]
        process: ProcessMark,
        /// Since when.
        since: Timestamp,
    },
    /// Asked to end, not yet gone.
    Stopping {
        /// The container's first process, seen from the host.
        #[serde(flatten)]
        process: ProcessMark,
        /// Since when it ran.
        since: Timestamp,
    },
    /// Gone, with everything that belonged to it.
    Exited {
        /// How it ended.
        exit: Exit,
    },
}

/// A process, told apart from a later one with the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessMark {
    /// Process id in the host's namespace.
    pub pid: i32,
    /// Clock ticks between boot and the process's start (`/proc/<pid>/stat`, field 22).
    pub started: u64,
}

impl ProcessMark {
    /// Marks a process that exists now.
    ///
    /// # Errors
    /// `NotFound` where there is no such process, otherwise whatever reading `/proc` gives.
    pub fn of(pid: i32) -> io::Result<Self> {
        let started =
            process::stat(pid)?.split_ascii_whitespace().nth(19).and_then(|ticks| ticks.parse().ok());
        let started = started.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "unreadable stat"))?;
        Ok(Self { pid, started })
    }

    /// Whether this very process still exists (a zombie counts).
    pub fn exists(&self) -> bool {
        Self::of(self.pid).is_ok_and(|now| now == *self)
    }
}

/// The identity of this boot of the machine.
///
/// # Errors
/// Whatever reading `/proc` gives.
pub fn boot() -> io::Result<String> {
    let mut text = String::with_capacity(64);
    File::open("/proc/sys/kernel/random/boot_id")?.take(64).read_to_string(&mut text)?;
    Ok(text.trim_end().to_owned())
}

/// Reads the state that the shim of this folder wrote last.
///
/// # Errors
/// `NotFound` where no shim got as far as writing it; `InvalidData` where it is none.
pub fn read(dir: &Path) -> io::Result<ShimState> {
    let mut bytes = Vec::new();
    File::open(dir.join(STATE_FILE))?.take(MAX_LINE as u64).read_to_end(&mut bytes)?;
    serde_json::from_slice(&bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Writes the state so that a reader sees either the old one or this one.
///
/// # Errors
/// Whatever the file system says.
pub fn write(dir: &Path, state: &ShimState) -> io::Result<()> {
    replace(&dir.join(STATE_FILE), &serde_json::to_vec(state)?)
}

/// Gives `path` new content, readable by its owner alone, in one step.
pub(super) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let temporary: PathBuf = path.with_extension("tmp");
    let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    file.write_all(content)?;
    drop(file);
    point_io("shim/state")?;
    std::fs::rename(&temporary, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(phase: Phase) -> ShimState {
        ShimState {
            instance: InstanceId::from_random([1; 16]),
            service: ServiceId::from_random([2; 16]),
            deployment: DeploymentId::from_random([3; 16]),
            shim: ProcessMark { pid: 1, started: 2 },
            boot: boot().unwrap(),
            phase,
        }
    }

    #[test]
    fn a_state_is_read_as_it_was_written_and_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path()).unwrap_err().kind(), io::ErrorKind::NotFound);
        let at = Timestamp::UNIX_EPOCH;
        let process = ProcessMark { pid: 3, started: 4 };
        // The longest reason for a failed start that there can be.
        let exit = Exit { code: None, signal: None, oom: false, start_error: Some("\u{1}".repeat(2000)), at };
        for phase in [
            Phase::Starting,
            Phase::Running { process, since: at },
            Phase::Stopping { process, since: at },
            Phase::Exited { exit },
        ] {
            write(folder.path(), &state(phase.clone())).unwrap();
            assert_eq!(read(folder.path()).unwrap(), state(phase));
        }
        let mode = std::fs::metadata(folder.path().join(STATE_FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_process_is_told_apart_from_a_later_one_of_the_same_number() {
        let own = ProcessMark::of(std::process::id().cast_signed()).unwrap();
        assert!(own.exists());
        assert!(!ProcessMark { started: own.started + 1, ..own }.exists());
        assert!(ProcessMark::of(-1).is_err());
    }
}
