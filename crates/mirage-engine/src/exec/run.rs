//! The runner: it enters a container, and has the time, the output and the answer of a command.

use std::fs::{self, File};
use std::io::{self, BufRead, Read, Write};
use std::os::fd::{AsFd, OwnedFd};

use std::time::{Duration, Instant};

use mirage_core::ExecEnding;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use rustix::process::{PidfdFlags, pidfd_open};

use super::command::Job;
use super::message::{Answer, MAX_REQUEST, Request};
use super::output::Output;
use super::part;
use super::reaper::{self, Report};
use super::target::{Target, could_not, gone};
use crate::cgroup::Part;
use crate::process;
use crate::seccomp::{self, Machine};
use crate::shim::ShimSpec;
use crate::shim::container::open_files;
use crate::spec::{CAPABILITIES, OOM_SCORE};

/// How long the end of a command is waited for after it was killed.
const END_LIMIT: Duration = Duration::from_secs(2);

/// The most of its reports that is read, in bytes.
const MAX_REPORT: usize = 16 << 10;

/// Reads a [`Request`] from standard input, runs its command, and writes an [`Answer`] to standard output; the
/// exit code says only whether that was written. To be called before the process has a second thread.
pub fn run() -> i32 {
    let answer = match read_request() {
        Ok(request) => perform(&request).unwrap_or_else(|answer| answer),
        Err(error) => could_not("read what to run", &error),
    };
    let written = serde_json::to_vec(&answer).map_err(io::Error::from).and_then(|mut line| {
        line.push(b'\n');
        io::stdout().write_all(&line)
    });
    i32::from(written.is_err())
}

fn read_request() -> io::Result<Request> {
    nix::sys::prctl::set_dumpable(false)?;
    let mut line = Vec::new();
    io::stdin().lock().take(MAX_REQUEST).read_until(b'\n', &mut line)?;
    Ok(serde_json::from_slice(&line)?)
}

/// A command at work.
struct Running<'a> {
    target: &'a Target,
    part: &'a Part,
    reaper: Pid,
    ended: OwnedFd,
    output: Output,
    reports: Option<File>,
    heard: Vec<u8>,
}

/// What a wait came to.
enum Event {
    Reported(Report),
    /// The reaper is gone, or nobody wants to know any more.
    Over,
    TimedOut,
}

fn perform(request: &Request) -> Result<Answer, Answer> {
    let by = Instant::now() + Duration::from_millis(request.timeout_millis);
    let target = Target::find(&request.folder)?;
    let mut spec = ShimSpec::without_variables(&request.folder)
        .map_err(|error| could_not("read what the instance is", &error))?;
    spec.process.variables.clone_from(&request.variables);
    target.check(spec.runtime.as_deref())?;
    let part = part::open(&spec, END_LIMIT)?;
    let running = begin(&target, &spec, &part, request);
    match running {
        Ok(running) => Ok(running.see_to_the_end(by)),
        Err(answer) => {
            let _ = part.end(END_LIMIT);
            Err(answer)
        }
    }
}

fn begin<'a>(
    target: &'a Target,
    spec: &ShimSpec,
    part: &'a Part,
    request: &Request,
) -> Result<Running<'a>, Answer> {
    let failed = |error: io::Error| could_not("prepare the command", &error);
    fs::write("/proc/self/oom_score_adj", OOM_SCORE.to_string()).map_err(failed)?;
    let input = OwnedFd::from(File::open("/dev/null").map_err(failed)?);
    let (read, output) = pipe().map_err(failed)?;
    let (heard, report) = pipe().map_err(failed)?;
    let filter = seccomp::program(&CAPABILITIES.into(), Machine::HERE);
    let job = Job {
        spec,
        arguments: &request.arguments,
        part,
        filter: &filter,
        open_files: open_files(),
        input,
        output,
    };
    target.enter()?;
    let reaper = process::spawn(|| reaper::reap(job, report)).map_err(|error| {
        // What the kernel says of a process namespace whose first process is gone.
        if target.is_gone() { gone() } else { failed(error) }
    })?;
    let ended = rustix::process::Pid::from_raw(reaper.as_raw())
        .ok_or(Errno::ESRCH.into())
        .and_then(|pid| Ok(pidfd_open(pid, PidfdFlags::empty())?))
        .map_err(failed)?;
    let output = Output::new(read, request.output_bytes);
    Ok(Running { target, part, reaper, ended, output, reports: Some(File::from(heard)), heard: Vec::new() })
}

/// A pipe whose reading end does not block.
fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (read, write) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
    fcntl(&read, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok((read, write))
}

impl Running<'_> {
    fn see_to_the_end(mut self, by: Instant) -> Answer {
        let event = loop {
            match self.wait(by) {
                Ok(Some(event)) => break event,
                Ok(None) => {}
                Err(_) => break Event::Over,
            }
        };
        let withstands = self.end();
        // Nobody has the other end any more.
        self.output.read();
        let ending = match event {
            Event::Reported(Report::Refused(why)) => return Answer::Refused(why),
            Event::Reported(Report::Ended(ending)) => ending,
            Event::TimedOut => ExecEnding::TimedOut,
            Event::Over => ExecEnding::Signal(libc::SIGKILL),
        };
        // Its end may have been that of the container.
        if ending == ExecEnding::Signal(libc::SIGKILL) && self.target.is_gone() {
            return gone();
        }
        Answer::Ended { ending, output: self.output.text(), withstands }
    }

    /// Sleeps until something happens, and deals with it.
    fn wait(&mut self, by: Instant) -> io::Result<Option<Event>> {
        let left = by.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(Some(Event::TimedOut));
        }
        let stdin = io::stdin();
        let mut waiting = vec![PollFd::new(self.ended.as_fd(), PollFlags::POLLIN)];
        waiting.push(PollFd::new(stdin.as_fd(), PollFlags::POLLIN));
        waiting.extend(self.reports.as_ref().map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN)));
        waiting.extend(self.output.descriptor().map(|pipe| PollFd::new(pipe, PollFlags::POLLIN)));
        let millis = left.as_micros().div_ceil(1000).min(i32::MAX as u128) as i32;
        match poll(&mut waiting, PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX)) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let happened = |at: usize| waiting[at].revents().is_some_and(|events| !events.is_empty());
        let (ended, cancelled) = (happened(0), happened(1));
        drop(waiting);
        self.output.read();
        if let Some(report) = self.report() {
            return Ok(Some(Event::Reported(report)));
        }
        Ok((ended || cancelled).then_some(Event::Over))
    }

    /// The first report, as soon as there is one.
    fn report(&mut self) -> Option<Report> {
        let mut bytes = [0; 4096];
        while let Some(pipe) = &mut self.reports {
            match pipe.read(&mut bytes) {
                Ok(length) if length > 0 && self.heard.len() < MAX_REPORT => {
                    self.heard.extend_from_slice(&bytes[..length]);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                _ => self.reports = None,
            }
        }
        let end = self.heard.iter().position(|byte| *byte == b'\n')?;
        serde_json::from_slice(&self.heard[..end]).ok()
    }

    /// Ends everything of the command; says whether something withstands.
    fn end(&mut self) -> bool {
        let ended = self.part.end(END_LIMIT);
        // It ends by itself when there is nothing left to wait for.
        let limit = PollTimeout::try_from(END_LIMIT).unwrap_or(PollTimeout::MAX);
        let waited = poll(&mut [PollFd::new(self.ended.as_fd(), PollFlags::POLLIN)], limit);
        if !waited.is_ok_and(|count| count > 0) {
            let _ = kill(self.reaper, Signal::SIGKILL);
        }
        let _ = waitpid(self.reaper, None);
        ended.is_err()
    }
}
