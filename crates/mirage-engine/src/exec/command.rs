//! The last steps of a command before it is itself: what the container's own process had done to it.

use std::convert::Infallible;
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use libcontainer::capabilities::drop_privileges;
use libcontainer::oci_spec::runtime::{Capability, LinuxCapabilities, LinuxCapabilitiesBuilder};
use libcontainer::syscall::syscall::create_syscall;
use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::Signal;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Gid, Uid};

use super::program::{self, Program};
use crate::cgroup::Part;
use crate::process;
use crate::rootfs::{self, ContainerUser, Inside};
use crate::seccomp;
use crate::shim::ShimSpec;
use crate::shim::container::environment;
use crate::spec::CAPABILITIES;

/// What a command is made from. Everything was opened outside of the container.
pub(super) struct Job<'a> {
    pub(super) spec: &'a ShimSpec,
    pub(super) arguments: &'a [String],
    pub(super) part: &'a Part,
    pub(super) filter: &'a [libc::sock_filter],
    pub(super) open_files: u64,
    pub(super) input: OwnedFd,
    pub(super) output: OwnedFd,
}

/// Becomes the command. To be called in a process of its own, in the container's namespaces.
///
/// # Errors
/// A sentence for the user: why it does not run.
pub(super) fn execute(job: &Job<'_>) -> Result<Infallible, String> {
    become_member(job).map_err(|error| format!("Mirage could not prepare a process: {error}"))?;
    let inside = Inside::open(Path::new("/"))
        .map_err(|error| format!("Mirage could not look into the container: {error}"))?;
    let user = rootfs::resolve_user(&inside, &job.spec.process.user)?;
    confine(job, &user).map_err(|error| format!("Mirage could not confine a process: {error}"))?;

    let directory = rootfs::clean(Path::new(&job.spec.process.working_directory));
    let place = inside.directory(&directory).map_err(|error| {
        format!("the working directory `{}` cannot be used: {error}", directory.display())
    })?;
    nix::unistd::fchdir(&place).map_err(|error| {
        format!("the working directory `{}` cannot be used: {error}", directory.display())
    })?;
    let environment = environment(job.spec, &user)?;
    let path = environment.iter().find_map(|variable| variable.strip_prefix("PATH=")).unwrap_or_default();
    let program = program::open(&inside, job.arguments, path, &directory)?;
    let environment = texts(&environment)?;
    // Whoever has the time of the command may be gone by now; nobody else would end it.
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)
        .map_err(|error| format!("Mirage could not tie a process to it: {error}"))?;
    run(&program, &environment)
}

fn run(program: &Program, environment: &[CString]) -> Result<Infallible, String> {
    let arguments = texts(&program.arguments)?;
    let failed = nix::unistd::execveat(&program.file, c"", &arguments, environment, AtFlags::AT_EMPTY_PATH);
    let name = program.path.display();
    Err(match failed {
        Ok(never) => match never {},
        Err(Errno::ENOENT) => format!("`{name}` needs a loader that the image does not have"),
        Err(Errno::EACCES) => format!("`{name}` may not be executed by this user"),
        Err(Errno::ENOEXEC) => format!("`{name}`: exec format error (built for another processor?)"),
        Err(Errno::E2BIG) => "arguments and variables are longer than the kernel takes".to_owned(),
        Err(error) => format!("`{name}` could not be executed: {}", error.desc()),
    })
}

/// What does not depend on who it will be.
fn become_member(job: &Job<'_>) -> io::Result<()> {
    nix::unistd::setsid()?;
    job.part.join()?;
    nix::unistd::dup2_stdin(&job.input)?;
    nix::unistd::dup2_stdout(&job.output)?;
    nix::unistd::dup2_stderr(&job.output)?;
    // All of ours close themselves, and so does whatever we were given by mistake.
    create_syscall().close_range(0).map_err(io::Error::other)?;
    umask(Mode::from_bits_truncate(0o022));
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    setrlimit(Resource::RLIMIT_NOFILE, job.open_files, job.open_files)?;
    process::default_signals()
}

/// What makes it no mightier than the container's own process: see `spec::confinement`.
fn confine(job: &Job<'_>, user: &ContainerUser) -> io::Result<()> {
    let syscall = create_syscall();
    let drop_to = |held: &[Capability]| {
        drop_privileges(&capabilities(&CAPABILITIES, held)?, syscall.as_ref()).map_err(io::Error::other)
    };
    // It opens `/dev/stdout` by name, as some programs do.
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    nix::unistd::fchown(job.output.as_fd(), Some(uid), Some(gid))?;
    if job.spec.allow_new_privileges {
        // Without `no_new_privs` the kernel takes a filter only from CAP_SYS_ADMIN.
        let mut held = CAPABILITIES.to_vec();
        held.push(Capability::SysAdmin);
        drop_to(&held)?;
        seccomp::install(job.filter)?;
        drop_to(&CAPABILITIES)?;
    } else {
        drop_to(&CAPABILITIES)?;
        nix::sys::prctl::set_no_new_privs()?;
        seccomp::install(job.filter)?;
    }
    let groups: Vec<Gid> = user.groups.iter().copied().map(Gid::from_raw).collect();
    nix::unistd::setgroups(&groups)?;
    nix::unistd::setresgid(gid, gid, gid)?;
    // Whoever is not root loses every capability with this.
    nix::unistd::setresuid(uid, uid, uid)?;
    Ok(())
}

/// Capability sets with this bound; nothing is inheritable.
pub(super) fn capabilities(bounding: &[Capability], held: &[Capability]) -> io::Result<LinuxCapabilities> {
    let set = |all: &[Capability]| all.iter().copied().collect::<std::collections::HashSet<_>>();
    LinuxCapabilitiesBuilder::default()
        .bounding(set(bounding))
        .effective(set(held))
        .permitted(set(held))
        .inheritable(set(&[]))
        .ambient(set(&[]))
        .build()
        .map_err(io::Error::other)
}

fn texts(all: &[String]) -> Result<Vec<CString>, String> {
    let text = |one: &String| CString::new(one.as_bytes());
    let texts = all.iter().map(text).collect::<Result<_, _>>();
    texts.map_err(|_| "a program, argument or variable contains a NUL byte".to_owned())
}
