//! A part of a control group, so that those who are in it can be told from the rest and ended alone.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, UnlinkatFlags, unlinkat};

use super::group::{Cgroup, Directory};

/// The longest process list that is read, in bytes.
const MAX_PROCESSES: u64 = 1 << 20;

/// A part of a group. It works by descriptors alone, so that it can be used where the hierarchies are out of
/// sight, as in a container. One hierarchy is enough to tell who is in it; in the others those who join are
/// in the group itself, and its limits hold for them either way.
#[derive(Debug)]
pub struct Part {
    doors: Vec<File>,
    processes: File,
    above: File,
    name: String,
}

impl Part {
    /// Makes the part of this name of a group that exists. Of the parts that others made, those are killed, each for
    /// at most `limit`, of which `is_left` says by their names that nobody else will.
    ///
    /// # Errors
    /// `NotFound` where the group is gone, `ResourceBusy` where what is left withstands, otherwise whatever
    /// the kernel says.
    pub fn open(
        group: &Cgroup,
        name: &str,
        is_left: impl Fn(&str) -> bool,
        limit: Duration,
    ) -> io::Result<Self> {
        let parted = group.with("pids").filter(|directory| directory.joined);
        let parted = parted.or_else(|| group.joined().next()).ok_or(ErrorKind::NotFound)?;
        for entry in fs::read_dir(&parted.path)? {
            let found = entry?.file_name();
            let Some(left) = found.to_str().filter(|found| is_left(found)) else { continue };
            match Self::handles(group, parted, left) {
                // Whoever made it has ended it meanwhile.
                Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENODEV)) => {}
                part => part?.end(limit)?,
            }
        }
        fs::create_dir(parted.path.join(name))?;
        Self::handles(group, parted, name)
    }

    fn handles(group: &Cgroup, parted: &Directory, name: &str) -> io::Result<Self> {
        let door = |directory: &Directory| {
            let own = directory.path == parted.path;
            let folder = if own { directory.path.join(name) } else { directory.path.clone() };
            // As in `Cgroup::join`.
            let file = if directory.unified { "cgroup.procs" } else { "tasks" };
            File::options().write(true).open(folder.join(file))
        };
        let mut folder = File::options();
        folder.read(true).custom_flags(libc::O_PATH | libc::O_DIRECTORY);
        Ok(Self {
            doors: group.joined().map(door).collect::<io::Result<_>>()?,
            processes: File::open(parted.path.join(name).join("cgroup.procs"))?,
            above: folder.open(&parted.path)?,
            name: name.to_owned(),
        })
    }

    /// Moves the calling process, which must have one thread, into the part.
    ///
    /// # Errors
    /// Whatever the kernel says.
    pub fn join(&self) -> io::Result<()> {
        self.doors.iter().try_for_each(|mut door| door.write_all(b"0"))
    }

    /// Kills what is in the part and removes it, for at most `limit`. Removing what is not there is fine.
    ///
    /// # Errors
    /// `ResourceBusy` where a process withstands, as one that waits for a dead disk does.
    pub fn end(&self, limit: Duration) -> io::Result<()> {
        let since = Instant::now();
        loop {
            self.kill()?;
            match unlinkat(&self.above, self.name.as_str(), UnlinkatFlags::RemoveDir) {
                Ok(()) | Err(Errno::ENOENT) => return Ok(()),
                // There is nothing to wait on.
                Err(Errno::EBUSY) if since.elapsed() < limit => {
                    std::thread::sleep(Duration::from_micros(500));
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn kill(&self) -> io::Result<()> {
        let mut text = String::new();
        let mut list = &self.processes;
        let read = list.rewind().and_then(|()| list.take(MAX_PROCESSES).read_to_string(&mut text));
        match read {
            // The group is gone, with whoever was in it.
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => return Ok(()),
            result => result?,
        };
        for pid in text.lines().filter_map(|line| line.parse::<i32>().ok()).filter(|pid| *pid > 0) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        Ok(())
    }
}
