//! Looks after one instance through its shim's socket.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mirage_core::{Exit, InstanceId};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::process::Child;
use tokio::time::timeout;

use super::instance::{Care, Instance, View};
use super::{Inner, blocking};
use crate::shim::client::{Decoder, SocketName, encode};
use crate::shim::state::{self, Phase};
use crate::shim::{Request, ShimState};

/// How long the processes of a container whose shim is gone may take to die.
const END: Duration = Duration::from_secs(5);
/// Time before a shim that hung up is called again.
const PAUSE: Duration = Duration::from_millis(20);
/// How often it is looked whether a shim is gone that says nothing.
const LOOK: Duration = Duration::from_millis(500);
/// How long what a shim said before its end may be on its way.
const LAST_WORDS: Duration = Duration::from_millis(200);
/// Bytes read at once; a state is a few hundred.
const CHUNK: usize = 2048;

/// Connects to the shim of this folder.
///
/// # Errors
/// `NotFound` or `ConnectionRefused` where there is none.
pub(super) async fn connect(folder: &Path) -> io::Result<UnixStream> {
    let name = SocketName::open(folder)?;
    UnixStream::connect(name.path()).await
}

/// Keeps the instance's view up to date until its shim is gone, whatever ends it.
pub(super) async fn supervise(
    inner: Arc<Inner>,
    instance: Arc<Instance>,
    mut care: Care,
    stream: UnixStream,
    child: Option<Child>,
) {
    let folder = inner.places.instance(instance.id);
    let gone = gone(&folder, &instance);
    let talk = async {
        let mut stream = Some(stream);
        while let Some(connected) = stream.take() {
            if let Err(error) = converse(&inner, &instance, &mut care, connected).await {
                tracing::warn!(%error, instance = %instance.id, "a shim cannot be understood");
            }
            if care.view.borrow().is_over() {
                break;
            }
            // A shim that has lost patience with us still listens; one that is gone does not.
            tokio::time::sleep(PAUSE).await;
            stream = connect(&folder).await.ok();
        }
    };
    let mut talk = Box::pin(talk);
    // What a shim forked while it started a container may keep its sockets open after it was killed.
    tokio::select! {
        () = &mut talk => {}
        () = gone => drop(timeout(LAST_WORDS, &mut talk).await),
    }
    drop(talk);
    if let Some(mut child) = child {
        // Nobody else collects it. What it has to say, it has written down.
        let _ = child.wait().await;
    }
    if !care.view.borrow().is_over() {
        let exit = conclude(&inner, instance.id).await;
        care.view.send_modify(|view| *view = View::exited(exit));
    }
    inner.changed.notify_one();
}

/// Waits until the shim of this folder has ended without a word; forever where that cannot be watched. Looked at only
/// while the instance is on its way up or down: the processes of one that runs have none of the shim's sockets.
async fn gone(folder: &Path, instance: &Instance) {
    match process(folder) {
        Ok(Some(process)) => loop {
            if instance.left_running().await.is_err() {
                break;
            }
            let mut ended = [PollFd::new(process.as_fd(), PollFlags::POLLIN)];
            if poll(&mut ended, PollTimeout::ZERO).is_ok_and(|count| count > 0) {
                return;
            }
            tokio::time::sleep(LOOK).await;
        },
        Ok(None) => return,
        Err(error) => tracing::debug!(%error, folder = %folder.display(), "a shim cannot be watched"),
    }
    std::future::pending().await
}

/// The process of the shim of this folder; `None` where it has ended.
fn process(folder: &Path) -> io::Result<Option<OwnedFd>> {
    let mark = state::read(folder)?.shim;
    let process = Pid::from_raw(mark.pid).ok_or(io::ErrorKind::InvalidData)?;
    match pidfd_open(process, PidfdFlags::empty()) {
        // The number may be another one's by now.
        Ok(process) => Ok(mark.exists().then_some(process)),
        Err(rustix::io::Errno::SRCH) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Talks with a shim until it closes the connection.
async fn converse(
    inner: &Inner,
    instance: &Instance,
    care: &mut Care,
    mut stream: UnixStream,
) -> io::Result<()> {
    let (mut decoder, mut chunk) = (Decoder::default(), [0; CHUNK]);
    loop {
        tokio::select! {
            read = stream.read(&mut chunk) => match read? {
                0 => return Ok(()),
                length => decoder.push(&chunk[..length]),
            },
            Some(request) = care.requests.recv() => send(&mut stream, &request).await?,
        }
        while let Some(state) = decoder.next_state()? {
            if state.instance == instance.id
                && care.view.send_if_modified(|view| replace(view, state.phase.into()))
            {
                inner.changed.notify_one();
            }
        }
    }
}

async fn send(stream: &mut UnixStream, request: &Request) -> io::Result<()> {
    stream.write_all(&encode(request)).await
}

/// How an instance without a shim ended: as its shim wrote down, or, where that was killed itself,
/// when we have ended what is left of it.
pub(super) async fn conclude(inner: &Arc<Inner>, id: InstanceId) -> Exit {
    let owned = inner.clone();
    let written = blocking("end an instance", move || {
        if let Ok(ShimState { phase: Phase::Exited { exit }, .. }) = state::read(&owned.places.instance(id)) {
            return Some(exit);
        }
        if let Err(error) = end(&owned, id) {
            tracing::warn!(%error, instance = %id, "processes of an instance without a shim withstand");
        }
        None
    });
    let nothing = Exit { code: None, signal: None, oom: false, start_error: None, at: inner.clock.now() };
    written.await.ok().flatten().unwrap_or(nothing)
}

/// Kills whatever runs in the instance's control group, and removes the group. Blocks.
pub(super) fn end(inner: &Inner, id: InstanceId) -> io::Result<()> {
    inner.hierarchies.group(&inner.cgroup(id))?.end(END)
}

/// Answers whether the new one is another one.
fn replace(view: &mut View, new: View) -> bool {
    let news = *view != new;
    *view = new;
    news
}
