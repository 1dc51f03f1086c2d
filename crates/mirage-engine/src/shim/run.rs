//! A shim from its start to its end.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mirage_core::fault::point_io;
use mirage_core::port::Clock;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::stat::{Mode, umask};

use super::children::{end_all, reap, send};
use super::clients::Clients;
use super::launch::{Job, Launcher};
use super::life::{Action, Ending, Life, Verdict};
use super::message::Request;
use super::output::Streams;
use super::signal;
use super::spec::ShimSpec;
use super::state::{self, Phase, ProcessMark, ShimState};
use super::volumes;
use super::watch::FolderWatch;
use crate::cgroup::{Cgroup, Hierarchies};
use crate::logs::LogWriter;
use crate::volume::Held;

/// How long the end of a container is waited for after its first process ended, where something
/// withstands SIGKILL (a process that waits for a dead disk).
const END_LIMIT: Duration = Duration::from_secs(10);

/// Runs the container of the instance whose folder this is, and answers with the exit code of the
/// shim: 0 when the container's end is written down in `state.json`, 1 when not even that worked,
/// with the reason on standard error.
///
/// To be called before the process has a second thread. Once somebody can connect, the shim writes
/// its first state to standard output, then gives standard input and output up.
pub fn run(dir: &Path, clock: &dyn Clock) -> i32 {
    match Shim::open(dir, clock).and_then(|(mut shim, spec)| shim.supervise(spec)) {
        Ok(()) => 0,
        Err(error) => {
            complain(dir, "it ends", &error);
            1
        }
    }
}

struct Shim<'a> {
    dir: PathBuf,
    clock: &'a dyn Clock,
    state: ShimState,
    signals: SignalFd,
    watch: FolderWatch,
    clients: Clients,
    stop_signal: i32,
    grace: Duration,
}

/// What exists only while there is a container.
struct Container {
    life: Life,
    group: Cgroup,
    streams: Streams,
    launcher: Option<Launcher>,
    _volumes: Vec<Held>,
}

impl<'a> Shim<'a> {
    /// Takes over the folder; from here on others can see and reach this shim.
    fn open(dir: &Path, clock: &'a dyn Clock) -> io::Result<(Self, ShimSpec)> {
        umask(Mode::from_bits_truncate(0o077));
        // Refused where our parent has made us the leader of a group already, which will do.
        let _ = nix::unistd::setsid();
        // It was executed by a path that names it something else.
        let _ = nix::sys::prctl::set_name(c"mirage");
        nix::sys::prctl::set_dumpable(false)?;
        nix::sys::prctl::set_child_subreaper(true)?;
        let mut mask = SigSet::empty();
        for signal in [Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT] {
            mask.add(signal);
        }
        mask.thread_block()?;
        let signals = SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;

        let spec = ShimSpec::read(dir, io::stdin().lock())?;
        point_io("shim/listen")?;
        let clients = Clients::listen(dir)?;
        let state = ShimState {
            instance: spec.instance,
            service: spec.service,
            deployment: spec.deployment,
            shim: ProcessMark::of(std::process::id().cast_signed())?,
            boot: state::boot()?,
            phase: Phase::Starting,
        };
        state::write(dir, &state)?;
        let stop_signal =
            spec.process.stop_signal.as_deref().and_then(signal::parse).unwrap_or(libc::SIGTERM);
        let grace = Duration::from_millis(spec.grace_millis);
        let watch = FolderWatch::new(dir, Instant::now());
        give_up_terminal(&state)?;
        Ok((Self { dir: dir.to_owned(), clock, state, signals, watch, clients, stop_signal, grace }, spec))
    }

    /// Starts the container and stays with it.
    fn supervise(&mut self, spec: ShimSpec) -> io::Result<()> {
        let mut container = match self.begin(&spec) {
            Ok(container) => container,
            Err(error) => {
                let why = format!("Mirage could not prepare the container: {error}");
                return self.tell_exit(Verdict::NotStarted(why), 0);
            }
        };
        drop(spec);
        let verdict = loop {
            match self.wait(&container).and_then(|()| self.handle(&mut container)) {
                Ok(None) => {}
                Ok(Some(verdict)) => break verdict,
                // Nobody could look after the container any more.
                Err(error) => {
                    complain(&self.dir, "its container is killed", &error);
                    break Verdict::Ended { ending: Ending::Signal(libc::SIGKILL), killed: true };
                }
            }
        };
        self.finish(container, verdict)
    }

    fn begin(&self, spec: &ShimSpec) -> io::Result<Container> {
        point_io("shim/hold")?;
        let held = volumes::hold(spec)?;
        let hierarchies = Hierarchies::detect()?;
        let group = hierarchies.group(&spec.cgroup)?;
        point_io("shim/group")?;
        let log = LogWriter::open(&spec.log.directory, spec.log.max_bytes)?;
        point_io("shim/log")?;
        let (streams, output) = Streams::new(log)?;
        let job = Job { dir: &self.dir, spec, group: &group, version: hierarchies.version() };
        let launcher = Launcher::begin(&job, output)?;
        let life = Life::new(Instant::now(), Duration::from_secs(spec.start_seconds.into()));
        Ok(Container { life, group, streams, launcher: Some(launcher), _volumes: held })
    }

    /// Sleeps until something happens or is due.
    fn wait(&self, container: &Container) -> io::Result<()> {
        let launcher = container.launcher.as_ref().map(Launcher::descriptor);
        let mut waiting: Vec<PollFd<'_>> = std::iter::once(self.signals.as_fd())
            .chain(self.clients.descriptors())
            .chain(container.streams.descriptors())
            .chain(launcher)
            .map(|descriptor: BorrowedFd<'_>| PollFd::new(descriptor, PollFlags::POLLIN))
            .collect();
        match poll(
            &mut waiting,
            timeout(container.life.wake_at().into_iter().chain(self.watch.wake_at()).min()),
        ) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Deals with everything that has happened; answers when it is over.
    fn handle(&mut self, container: &mut Container) -> io::Result<Option<Verdict>> {
        container.streams.move_on(self.clock);
        let now = Instant::now();
        let mut actions = Vec::new();

        while let Some(info) = self.signals.read_signal()? {
            if info.ssi_signo != libc::SIGCHLD.cast_unsigned() {
                actions.extend(container.life.stop(now, self.stop_signal, self.grace));
            }
        }
        if self.watch.is_gone(now) {
            actions.extend(container.life.stop(now, self.stop_signal, self.grace));
        }
        self.clients.accept(&self.state);
        for request in self.clients.requests() {
            actions.extend(match request {
                Request::Stop { signal, grace_millis } => {
                    let signal = signal.filter(|n| (1..=64).contains(n)).unwrap_or(self.stop_signal);
                    container.life.stop(now, signal, Duration::from_millis(grace_millis))
                }
                Request::Kill {} => container.life.stop(now, libc::SIGKILL, Duration::ZERO),
            });
        }
        for (pid, ending) in reap() {
            actions.extend(container.life.reaped(pid, ending));
        }
        if let Some(outcome) = container.launcher.as_mut().and_then(Launcher::outcome) {
            container.launcher = None;
            actions.extend(container.life.launched(outcome));
        }
        actions.extend(container.life.tick(now));
        let verdict = perform(container, actions);
        if verdict.is_none()
            && let Some(phase) = self.next_phase(&container.life)?
            && let Err(error) = self.tell(phase)
        {
            // A full disk is no reason to stop caring for the container.
            complain(&self.dir, "its state is not written down", &error);
        }
        Ok(verdict)
    }

    /// The phase that the container is in now, if it is another one than was told.
    fn next_phase(&self, life: &Life) -> io::Result<Option<Phase>> {
        let Some(pid) = life.pid() else { return Ok(None) };
        let (process, since) = match &self.state.phase {
            Phase::Starting => (ProcessMark::of(pid)?, self.clock.now()),
            Phase::Running { process, since } if life.is_stopping() => (*process, *since),
            _ => return Ok(None),
        };
        let stopping = life.is_stopping();
        Ok(Some(if stopping {
            Phase::Stopping { process, since }
        } else {
            Phase::Running { process, since }
        }))
    }

    /// Ends what is left of the container and writes its end down.
    fn finish(&mut self, mut container: Container, verdict: Verdict) -> io::Result<()> {
        let oom_kills = container.group.oom_kills();
        if let Some(launcher) = &container.launcher {
            launcher.kill();
        }
        let ended = point_io("shim/ended").and_then(|()| container.group.end(END_LIMIT));
        end_all(END_LIMIT);
        container.streams.finish(self.clock);
        drop(container);
        if let Err(error) = ended {
            complain(&self.dir, "its control group stays", &error);
        }
        point_io("shim/exit")?;
        self.tell_exit(verdict, oom_kills)
    }

    fn tell_exit(&mut self, verdict: Verdict, oom_kills: u64) -> io::Result<()> {
        let exit = verdict.exit(oom_kills, self.clock.now());
        self.tell(Phase::Exited { exit })
    }

    /// Writes the state down and tells everybody. Into a folder that is being removed nothing is
    /// written, or it could not be removed.
    fn tell(&mut self, phase: Phase) -> io::Result<()> {
        self.state.phase = phase;
        let written = if self.watch.look() { Ok(()) } else { state::write(&self.dir, &self.state) };
        self.clients.accept(&self.state);
        self.clients.tell(&self.state);
        if self.watch.look() { Ok(()) } else { written }
    }
}

/// The one place where a shim speaks of itself: standard error, which its parent keeps.
fn complain(dir: &Path, what: &str, error: &io::Error) {
    let _ = writeln!(io::stderr(), "the shim of {}: {what}: {error}", dir.display());
}

/// Says that the socket is there, then keeps nothing of whoever started us but standard error.
fn give_up_terminal(state: &ShimState) -> io::Result<()> {
    let mut line = serde_json::to_vec(state)?;
    line.push(b'\n');
    let _ = io::stdout().write_all(&line).and_then(|()| io::stdout().flush());
    let null = File::options().read(true).write(true).open("/dev/null")?;
    nix::unistd::dup2_stdin(&null)?;
    nix::unistd::dup2_stdout(&null)?;
    Ok(())
}

fn timeout(wake_at: Option<Instant>) -> PollTimeout {
    let Some(at) = wake_at else { return PollTimeout::NONE };
    // Rounded up, or the last millisecond would be a busy loop.
    let millis = at.saturating_duration_since(Instant::now()).as_micros().div_ceil(1000);
    PollTimeout::try_from(millis.min(i32::MAX as u128) as i32).unwrap_or(PollTimeout::MAX)
}

/// Does what was decided.
fn perform(container: &mut Container, actions: Vec<Action>) -> Option<Verdict> {
    let mut verdict = None;
    for action in actions {
        match action {
            Action::Signal(signal) => {
                if let Some(pid) = container.life.pid() {
                    send(pid, signal);
                }
            }
            Action::Kill => {
                if let Some(launcher) = &container.launcher {
                    launcher.kill();
                }
                if let Some(pid) = container.life.pid() {
                    send(pid, libc::SIGKILL);
                }
                container.group.kill();
            }
            Action::Finish(found) => verdict = Some(found),
        }
    }
    verdict
}
