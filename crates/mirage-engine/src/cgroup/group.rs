//! One control group, in every hierarchy it has a directory in.

use std::fs;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mirage_core::Resources;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::usage::Usage;
use super::{device_program, devices, limits, usage};

/// The longest process list that is read, in bytes: some 500 000 processes.
const MAX_PROCESSES: u64 = 4 << 20;

/// Groups inside a group that are looked into. A container cannot make any, but a runtime may.
const MAX_DEPTH: usize = 4;

/// A control group. The value is only a name; the group may or may not exist.
#[derive(Clone, Debug)]
pub struct Cgroup {
    directories: Vec<Directory>,
}

#[derive(Clone, Debug)]
pub(super) struct Directory {
    pub(super) mount: PathBuf,
    pub(super) path: PathBuf,
    pub(super) controllers: Vec<String>,
    pub(super) unified: bool,
    /// Whether containers are put into it. What is not is still looked through and removed, because
    /// other runtimes use every hierarchy there is.
    pub(super) joined: bool,
}

impl Cgroup {
    pub(super) fn new(directories: Vec<Directory>) -> Self {
        Self { directories }
    }

    /// Its directories, one for each hierarchy.
    pub fn paths(&self) -> Vec<PathBuf> {
        self.directories.iter().map(|directory| directory.path.clone()).collect()
    }

    /// The directory in a v1 hierarchy, for each of these controllers that has one.
    pub fn separate<'a>(&'a self, wanted: &[&'a str]) -> Vec<(&'a str, &'a Path)> {
        let separate = |name: &'a str| {
            let directory = self.with(name).filter(|directory| !directory.unified)?;
            Some((name, directory.path.as_path()))
        };
        wanted.iter().filter_map(|name| separate(name)).collect()
    }

    /// Makes the group and lets its processes use only the devices that every container has.
    ///
    /// # Errors
    /// `Unsupported` where no hierarchy can close devices, otherwise whatever the kernel says.
    pub fn create(&self) -> io::Result<()> {
        for directory in self.joined() {
            if directory.unified {
                directory.enable_controllers();
            }
            fs::create_dir_all(&directory.path)?;
            if directory.has("cpuset") && !directory.unified {
                directory.inherit_cpuset()?;
            }
            if directory.has("devices") {
                devices::restrict(&directory.path)?;
            }
        }
        if self.with("devices").is_some() {
            return Ok(());
        }
        match self.joined().find(|directory| directory.unified) {
            Some(unified) => device_program::attach(&unified.path, devices::ALLOWED),
            None => Err(io::Error::new(
                ErrorKind::Unsupported,
                "no control group can close devices: neither a v1 `devices` hierarchy nor a unified one is mounted",
            )),
        }
    }

    /// Moves the calling process, which must have one thread, into the group.
    ///
    /// # Errors
    /// Whatever the kernel says.
    pub fn join(&self) -> io::Result<()> {
        for directory in self.joined() {
            // Moving one's own only thread is what the kernel does without a grace period; a v2
            // group does not offer it.
            let file = if directory.unified { "cgroup.procs" } else { "tasks" };
            fs::write(directory.path.join(file), "0")?;
        }
        Ok(())
    }

    /// Sets the limits.
    ///
    /// # Errors
    /// `Unsupported` naming a controller that a limit needs and the kernel does not have, otherwise
    /// whatever the kernel says.
    pub fn limit(&self, resources: &Resources) -> io::Result<()> {
        limits::apply(self, resources)
    }

    /// How often the kernel killed a process of the group for its memory limit.
    pub fn oom_kills(&self) -> u64 {
        usage::oom_kills(self)
    }

    /// What the group uses now.
    pub fn usage(&self) -> Usage {
        usage::read_usage(self)
    }

    /// Processes of the group and of groups inside it, at most once each.
    pub fn processes(&self) -> Vec<i32> {
        let mut found = Vec::new();
        for directory in &self.directories {
            collect(&directory.path, MAX_DEPTH, &mut found);
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Sends SIGKILL to every process of the group, and answers whether there was one.
    pub fn kill(&self) -> bool {
        let unified = self.directories.iter().find(|directory| directory.unified);
        if let Some(directory) = unified {
            // Older kernels have no such file; the list below is the answer there.
            let _ = fs::write(directory.path.join("cgroup.kill"), "1");
        }
        let processes = self.processes();
        for pid in &processes {
            let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
        }
        !processes.is_empty()
    }

    /// Removes the group. Removing what is not there is fine.
    ///
    /// # Errors
    /// `ResourceBusy` while a process is in it.
    pub fn remove(&self) -> io::Result<()> {
        for directory in &self.directories {
            remove(&directory.path, MAX_DEPTH)?;
        }
        Ok(())
    }

    /// Kills what is in the group and removes it, for at most `limit`.
    ///
    /// # Errors
    /// `ResourceBusy` where a process withstands, as one that waits for a dead disk does.
    pub fn end(&self, limit: Duration) -> io::Result<()> {
        let since = Instant::now();
        loop {
            self.kill();
            match self.remove() {
                Err(error) if error.kind() == ErrorKind::ResourceBusy && since.elapsed() < limit => {
                    // There is nothing to wait on: the kernel tells of an empty group only on v2.
                    std::thread::sleep(Duration::from_millis(5));
                }
                result => return result,
            }
        }
    }

    pub(super) fn joined(&self) -> impl Iterator<Item = &Directory> {
        self.directories.iter().filter(|directory| directory.joined)
    }

    /// The directory that has this controller.
    pub(super) fn with(&self, controller: &str) -> Option<&Directory> {
        self.directories.iter().find(|directory| directory.has(controller))
    }
}

impl Directory {
    fn has(&self, controller: &str) -> bool {
        self.controllers.iter().any(|known| known == controller)
    }

    /// Lets every level above the group hand its controllers down. What cannot be handed down is
    /// missed, and named, where a limit needs it.
    fn enable_controllers(&self) {
        let above = self.path.parent().into_iter().flat_map(Path::ancestors);
        let mut levels: Vec<&Path> = above.take_while(|level| level.starts_with(&self.mount)).collect();
        levels.reverse();
        for level in levels {
            let _ = fs::create_dir_all(level);
            for controller in ["memory", "cpu", "pids"].into_iter().filter(|name| self.has(name)) {
                let _ = fs::write(level.join("cgroup.subtree_control"), format!("+{controller}"));
            }
        }
    }

    /// A new v1 cpuset has no processor and takes no process until it gets its parent's.
    fn inherit_cpuset(&self) -> io::Result<()> {
        let below: Vec<&Path> = self.path.ancestors().take_while(|level| **level != *self.mount).collect();
        for level in below.into_iter().rev() {
            let Some(parent) = level.parent() else { continue };
            for file in ["cpuset.cpus", "cpuset.mems"] {
                if read(&level.join(file))?.trim().is_empty() {
                    fs::write(level.join(file), read(&parent.join(file))?.trim())?;
                }
            }
        }
        Ok(())
    }
}

/// Reads a control file; they are short.
pub(super) fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    fs::File::open(path)?.take(MAX_PROCESSES).read_to_string(&mut text)?;
    Ok(text)
}

fn collect(path: &Path, depth: usize, found: &mut Vec<i32>) {
    if let Ok(text) = read(&path.join("cgroup.procs")) {
        found.extend(text.lines().filter_map(|line| line.parse::<i32>().ok()).filter(|pid| *pid > 0));
    }
    if depth > 0 {
        for inside in subgroups(path) {
            collect(&inside, depth - 1, found);
        }
    }
}

fn remove(path: &Path, depth: usize) -> io::Result<()> {
    if depth > 0 {
        for inside in subgroups(path) {
            remove(&inside, depth - 1)?;
        }
    }
    match fs::remove_dir(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

fn subgroups(path: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(path) else { return Vec::new() };
    let directories = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    directories.map(|entry| entry.path()).collect()
}
