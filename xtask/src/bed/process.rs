//! Programs that run beside a test and end with it.

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::wait::eventually;
use crate::settings;

/// A running program whose output goes to files. Dropping it kills it.
pub struct Process {
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Process {
    /// Starts the command with its output in `<folder>/<name>.out` and `<name>.err`, appended.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn start(command: &mut Command, folder: &Path, name: &str) -> Result<Self> {
        let stdout = append(&folder.join(format!("{name}.out")))?;
        Self::spawn(command.stdin(Stdio::null()).stdout(stdout), folder, name)
    }

    /// Starts the command with input and output as they were set, and what it says to stderr in `<folder>/<name>.err`.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn start_piped(command: &mut Command, folder: &Path, name: &str) -> Result<Self> {
        Self::spawn(command, folder, name)
    }

    /// Starts the command with two or three open files, from 3 on, that were meant for it before it began (`LISTEN_FDS`);
    /// a third one is named as what it is for.
    ///
    /// # Errors
    /// Where it cannot be started, or there is no busybox.
    pub fn start_handed(
        command: &Command,
        files: ([OwnedFd; 2], Option<OwnedFd>),
        folder: &Path,
        name: &str,
    ) -> Result<Self> {
        // They come as 0, 1 and 2, because no other number passes without `unsafe`; and a process learns its own
        // number only when it is there.
        const TWO: &str =
            "exec 3<&0 4<&1 </dev/null >/dev/null; export LISTEN_FDS=2 LISTEN_PID=$$; exec \"$@\"";
        const THREE: &str = "exec 3<&0 4<&1 5<&2 </dev/null >/dev/null 2>>\"$0\"; \
            export LISTEN_FDS=3 LISTEN_FDNAMES=api:proxy:proxy-tls LISTEN_PID=$$; exec \"$@\"";
        let ([first, second], third) = files;
        let stderr = folder.join(format!("{name}.err"));
        let mut shell = Command::new("busybox");
        shell.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        shell.args(["sh", "-c", if third.is_some() { THREE } else { TWO }]).arg(&stderr);
        shell.arg(command.get_program()).args(command.get_args()).stdin(first).stdout(second);
        match third {
            Some(third) => shell.stderr(third),
            None => shell.stderr(append(&stderr)?),
        };
        Self::of(&mut shell, folder, name)
    }

    fn spawn(command: &mut Command, folder: &Path, name: &str) -> Result<Self> {
        Self::of(command.stderr(append(&folder.join(format!("{name}.err")))?), folder, name)
    }

    fn of(command: &mut Command, folder: &Path, name: &str) -> Result<Self> {
        let (stdout, stderr) = (folder.join(format!("{name}.out")), folder.join(format!("{name}.err")));
        let child = command
            .spawn()
            .with_context(|| format!("`{}` cannot be started", command.get_program().to_string_lossy()))?;
        Ok(Self { child, stdout, stderr })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has written to stdout.
    pub fn stdout(&self) -> String {
        read(&self.stdout)
    }

    /// What it has written to stderr.
    pub fn stderr(&self) -> String {
        read(&self.stderr)
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// Where it is gone already.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill(Pid::from_raw(i32::try_from(self.child.id())?), signal).context("the process is gone")
    }

    /// Waits until it ends by itself, and answers with its exit code; `None` after a signal.
    ///
    /// # Errors
    /// After `limit`.
    pub fn wait(&mut self, limit: Duration) -> Result<Option<i32>> {
        self.ended(limit).map(|status| status.code())
    }

    /// The same, and answers with all that is known of its end.
    ///
    /// # Errors
    /// As [`Self::wait`].
    pub fn ended(&mut self, limit: Duration) -> Result<ExitStatus> {
        eventually("the end of the process", limit, || self.child.try_wait().ok().flatten())
    }

    /// Kills it and waits for its end.
    pub fn kill(&mut self) {
        // A process that is gone already is what was wanted.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn append(path: &Path) -> Result<File> {
    Ok(File::options().create(true).append(true).open(path)?)
}

fn read(path: &Path) -> String {
    std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

/// Runs a program to its end and answers with its stdout.
///
/// # Errors
/// Where it cannot be started, or ends with anything but 0; its stderr is in the message.
pub fn run<S: AsRef<OsStr>>(program: &str, arguments: &[S]) -> Result<String> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("`{program}` cannot be started"))?;
    if !output.status.success() {
        let words: Vec<_> = arguments.iter().map(|word| word.as_ref().to_string_lossy()).collect();
        bail!(
            "`{program} {}`: {}: {}",
            words.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether there is a program of this name.
pub fn is_installed(program: &str) -> bool {
    let folders = settings::path();
    folders.split(':').chain(["/usr/sbin", "/sbin"]).any(|folder| Path::new(folder).join(program).is_file())
}
