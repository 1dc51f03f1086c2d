//! libcontainer, called in our own process.

use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::rc::Rc;

use libcontainer::container::builder::ContainerBuilder;
use libcontainer::oci_spec::runtime::{Capabilities, LinuxCapabilitiesBuilder};
use libcontainer::syscall::syscall::SyscallType;
use nix::fcntl::OFlag;
use nix::mount::{MntFlags, MsFlags};
use nix::sys::stat::Mode;
use nix::unistd::{Gid, Uid};

use super::executor::{Execute, Prepared};
use super::failure::hear;
use super::{Output, Ready, Runtime, write_config};
use crate::cgroup::Version;
use crate::seccomp::{self, Machine};
use crate::spec::{self, CAPABILITIES, Container, GroupView, Reader};

/// Where every Linux system has its control groups.
const GROUPS: &str = "/sys/fs/cgroup";

/// Controllers whose files programs read to learn their limits.
const SHOWN: [&str; 6] = ["memory", "cpu", "cpuacct", "cpuset", "pids", "blkio"];

/// libcontainer.
pub(crate) struct Embedded;

impl Runtime for Embedded {
    fn start(&self, ready: Ready<'_>) -> Result<i32, String> {
        let groups = enter_group(&ready).map_err(|error| could_not("set up the control group", &error))?;
        let reader = Reader::Embedded { groups };
        let config = spec::build(&container(&ready, reader));
        write_config(ready.scratch, &config)?;
        hide_groups().map_err(|error| could_not("hide the control groups", &error))?;
        own_output(&ready).map_err(|error| could_not("hand over the output", &error))?;

        let (heard, failure) =
            nix::unistd::pipe2(OFlag::O_CLOEXEC).map_err(|error| could_not("make a pipe", &error.into()))?;
        let program = Rc::new(prepare(&ready)?);
        let path = ready.program;
        let execute = Execute { program, failure: Rc::new(failure) };
        let pid = create_and_start(ready, execute)?;
        hear(heard, path)?;
        Ok(pid)
    }
}

fn could_not(what: &str, error: &io::Error) -> String {
    format!("Mirage could not {what}: {error}")
}

fn container<'a>(ready: &'a Ready<'_>, reader: Reader) -> Container<'a> {
    Container {
        spec: ready.spec,
        root: ready.root,
        user: ready.user,
        environment: ready.environment,
        working_directory: ready.working_directory,
        volumes: ready.volumes,
        open_files: ready.open_files,
        masked: ready.masked,
        reader,
    }
}

/// Makes the group and joins it, so that everything from here on is born in it.
fn enter_group(ready: &Ready<'_>) -> io::Result<GroupView> {
    ready.group.create()?;
    ready.group.limit(&ready.spec.resources)?;
    ready.group.join()?;
    if ready.version == Version::V2 {
        return Ok(GroupView::Unified);
    }
    let frame = ready.scratch.join("groups");
    let mut bound = Vec::new();
    for (name, path) in ready.group.separate(&SHOWN) {
        fs::create_dir_all(frame.join(name))?;
        // libcontainer takes whatever is mounted at a path that ends in a controller's name for that
        // controller's hierarchy.
        let place = ready.scratch.join(format!("group-{name}"));
        fs::create_dir(&place)?;
        bind(path, &place)?;
        bound.push((name.to_owned(), place));
    }
    fs::create_dir_all(&frame)?;
    Ok(GroupView::Separate { frame, bound })
}

/// Makes libcontainer see a machine whose control groups have no controllers, so that it joins none:
/// see [`crate::cgroup`].
fn hide_groups() -> io::Result<()> {
    nix::mount::umount2(GROUPS, MntFlags::MNT_DETACH)?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC | MsFlags::MS_NODEV | MsFlags::MS_RDONLY;
    Ok(nix::mount::mount(Some("tmpfs"), GROUPS, Some("tmpfs"), flags, Some("size=4k"))?)
}

fn bind(source: &Path, target: &Path) -> io::Result<()> {
    Ok(nix::mount::mount(Some(source), target, None::<&str>, MsFlags::MS_BIND, None::<&str>)?)
}

/// The user opens `/dev/stdout` by name, as images do whose log file is a link to it.
fn own_output(ready: &Ready<'_>) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(ready.user.uid), Gid::from_raw(ready.user.gid));
    for pipe in [&ready.output.stdout, &ready.output.stderr] {
        nix::unistd::fchown(pipe, Some(uid), Some(gid))?;
    }
    Ok(())
}

fn prepare(ready: &Ready<'_>) -> Result<Prepared, String> {
    let text = |text: &[u8]| {
        CString::new(text).map_err(|_| "a program, argument or variable contains a NUL byte".to_owned())
    };
    let texts = |all: &[String]| all.iter().map(|one| text(one.as_bytes())).collect::<Result<Vec<_>, _>>();
    let keep = ready.spec.allow_new_privileges.then(|| {
        let all: Capabilities = CAPABILITIES.into();
        LinuxCapabilitiesBuilder::default()
            .bounding(all.clone())
            .effective(all.clone())
            .permitted(all)
            .inheritable(Capabilities::new())
            .ambient(Capabilities::new())
            .build()
    });
    Ok(Prepared {
        path: text(ready.program.as_os_str().as_bytes())?,
        arguments: texts(&ready.spec.process.arguments)?,
        environment: texts(ready.environment)?,
        filter: seccomp::program(&CAPABILITIES.into(), Machine::HERE),
        keep: keep.transpose().map_err(|error| error.to_string())?,
    })
}

fn create_and_start(ready: Ready<'_>, execute: Execute) -> Result<i32, String> {
    let failed = |error: libcontainer::error::LibcontainerError| {
        format!("the container could not be set up: {}", chain(&error))
    };
    let states = ready.scratch.join("state");
    fs::create_dir(&states).map_err(|error| could_not("make a folder", &error))?;
    let null = nix::fcntl::open("/dev/null", OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())
        .map_err(|error| could_not("open /dev/null", &error.into()))?;
    let Output { stdout, stderr } = ready.output;
    let mut container = ContainerBuilder::new("container".to_owned(), SyscallType::default())
        .with_root_path(states)
        .map_err(failed)?
        .with_executor(execute)
        .with_stdin(File::from(null))
        .with_stdout(stdout)
        .with_stderr(stderr)
        .as_init(ready.scratch)
        .with_systemd(false)
        .as_sibling(true)
        .build()
        .map_err(failed)?;
    let pid = container.pid().ok_or("the container could not be set up: it has no process")?;
    container.start().map_err(failed)?;
    Ok(pid.as_raw())
}

/// An error with its causes, where they say more than it does.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let more = cause.to_string();
        if !text.ends_with(&more) {
            text = format!("{text}: {more}");
        }
        next = cause.source();
    }
    text
}
