//! The last steps inside the container: the seccomp filter, and the container's own program.

use std::collections::HashMap;
use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use libcontainer::capabilities::drop_privileges;
use libcontainer::oci_spec::runtime::{LinuxCapabilities, Spec};
use libcontainer::syscall::syscall::create_syscall;
use libcontainer::workload::{Executor, ExecutorError, ExecutorSetEnvsError, ExecutorValidationError};
use nix::errno::Errno;
use nix::sys::signal::Signal;

use super::failure::{Step, tell};
use crate::seccomp;

/// What libcontainer calls as the container's first process, in its namespaces, as its user.
#[derive(Clone)]
pub(super) struct Execute {
    /// What is executed, and how; prepared outside, where allocating may still fail politely.
    pub(super) program: Rc<Prepared>,
    /// Who hears of a failure.
    pub(super) failure: Rc<OwnedFd>,
}

/// A program in the form that execve(2) takes.
pub(super) struct Prepared {
    pub(super) path: CString,
    pub(super) arguments: Vec<CString>,
    pub(super) environment: Vec<CString>,
    pub(super) filter: Vec<libc::sock_filter>,
    /// What is kept where CAP_SYS_ADMIN was needed to install the filter.
    pub(super) keep: Option<LinuxCapabilities>,
}

impl Execute {
    fn run(&self) -> Result<(), (Step, Errno)> {
        let program = &self.program;
        // A container whose shim was killed has nobody left to write its log and its end down.
        nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).map_err(|error| (Step::Execute, error))?;
        seccomp::install(&program.filter)
            .map_err(|error| (Step::Filter, Errno::from_raw(error.raw_os_error().unwrap_or(0))))?;
        if let Some(keep) = &program.keep {
            drop_privileges(keep, create_syscall().as_ref())
                .map_err(|_| (Step::Capabilities, Errno::last()))?;
        }
        match nix::unistd::execve(&program.path, &program.arguments, &program.environment) {
            Ok(never) => match never {},
            Err(error) => Err((Step::Execute, error)),
        }
    }
}

impl Executor for Execute {
    fn exec(&self, _: &Spec) -> Result<(), ExecutorError> {
        match self.run() {
            Ok(()) => Ok(()),
            Err((step, error)) => {
                tell(&self.failure, step, error);
                Err(ExecutorError::Other(error.desc().to_owned()))
            }
        }
    }

    fn validate(&self, _: &Spec) -> Result<(), ExecutorValidationError> {
        Ok(())
    }

    /// The environment goes to execve(2) as it is, in its own order.
    fn setup_envs(&self, _: HashMap<String, String>) -> Result<(), ExecutorSetEnvsError> {
        Ok(())
    }
}
