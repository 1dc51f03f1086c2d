//! Looks after one instance through its shim's socket.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mirage_core::{Exit, InstanceId};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::process::Child;

use super::instance::{Care, Instance, View};
use super::{Inner, blocking};
use crate::shim::client::{Decoder, SocketName, encode};
use crate::shim::state::{self, Phase};
use crate::shim::{Request, ShimState};

/// How long the processes of a container whose shim is gone may take to die.
const END: Duration = Duration::from_secs(5);
/// Time before a shim that hung up is called again.
const PAUSE: Duration = Duration::from_millis(20);
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
