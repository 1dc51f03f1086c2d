//! An OCI runtime that somebody else wrote, by its command line: runc, crun, runsc.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Output, Ready, Runtime, write_config};
use crate::cgroup::Version;
use crate::seccomp::{self, Machine};
use crate::spec::{self, CAPABILITIES, Container, Reader};

/// The most that is read of a runtime's own log, in bytes.
const MAX_LOG: u64 = 64 * 1024;

/// Where a runtime finds its helpers; the environment of the platform is none of its business.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The runtime at this path. Its state lives in the scratch folder and ends with it, so nothing has
/// to be deleted afterwards but the control group.
pub(crate) struct Program(pub(crate) PathBuf);

impl Runtime for Program {
    fn start(&self, ready: Ready<'_>) -> Result<i32, String> {
        let seccomp =
            seccomp::oci_profile(&CAPABILITIES.into(), Machine::HERE).map_err(|error| error.to_string())?;
        let seccomp = serde_json::to_value(seccomp).map_err(|error| error.to_string())?;
        let reader = Reader::Program { seccomp, unified: ready.version == Version::V2 };
        let config = spec::build(&Container {
            spec: ready.spec,
            root: ready.root,
            user: ready.user,
            environment: ready.environment,
            working_directory: ready.working_directory,
            volumes: ready.volumes,
            open_files: ready.open_files,
            masked: ready.masked,
            reader,
        });
        write_config(ready.scratch, &config)?;
        let id = ready.spec.instance.to_string();
        let pid_file = ready.scratch.join("pid");
        let Output { stdout, stderr } = ready.output;

        let mut create = self.command(ready.scratch);
        create.arg("create").arg("--bundle").arg(ready.scratch).arg("--pid-file").arg(&pid_file).arg(&id);
        create.stdout(stdout).stderr(stderr);
        self.run(create, ready.scratch)?;
        let pid = read_pid(&pid_file).ok_or_else(|| format!("`{}` wrote no process id", self.0.display()))?;

        let mut start = self.command(ready.scratch);
        start.arg("start").arg(&id).stdout(Stdio::null()).stderr(Stdio::null());
        self.run(start, ready.scratch)?;
        Ok(pid)
    }
}

impl Program {
    fn command(&self, scratch: &Path) -> Command {
        let mut command = Command::new(&self.0);
        command.env_clear().env("PATH", PATH).stdin(Stdio::null()).current_dir("/");
        command.arg("--root").arg(scratch.join("state"));
        command.arg("--log").arg(scratch.join("log")).arg("--log-format").arg("json");
        command
    }

    fn run(&self, mut command: Command, scratch: &Path) -> Result<(), String> {
        let name = self.0.display();
        let status =
            command.status().map_err(|error| format!("the runtime `{name}` does not start: {error}"))?;
        if status.success() {
            return Ok(());
        }
        let said = last_error(&scratch.join("log")).unwrap_or_else(|| status.to_string());
        Err(format!("the runtime `{name}` could not start the container: {said}"))
    }
}

fn read_pid(path: &Path) -> Option<i32> {
    let mut text = String::new();
    File::open(path).ok()?.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok().filter(|pid| *pid > 0)
}

/// The last thing a runtime complained about.
fn last_error(log: &Path) -> Option<String> {
    let mut text = String::new();
    File::open(log).ok()?.take(MAX_LOG).read_to_string(&mut text).ok()?;
    let entries = text.lines().rev().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let message = |entry: serde_json::Value| Some(entry.get("msg")?.as_str()?.trim().to_owned());
    entries
        .filter(|entry| entry.get("level").and_then(|level| level.as_str()) == Some("error"))
        .find_map(message)
}
