//! A line to a port of this machine that can be cut.

use std::fs::File;
use std::io::copy;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, bail};
use nix::sched::{CloneFlags, setns};

use super::wire::held;

/// Passes on what comes to a port of its own, until it is cut.
pub struct Relay {
    port: u16,
    line: Arc<Line>,
}

struct Line {
    to: u16,
    /// What is open; nothing gets through where it is cut.
    open: Mutex<Option<Vec<TcpStream>>>,
}

impl Relay {
    /// A line to this port of loopback.
    ///
    /// # Errors
    /// Where there is no free port.
    pub(super) fn to(port: u16) -> Result<Self> {
        Self::from(TcpListener::bind("127.0.0.1:0")?, port)
    }

    /// The same from within a network namespace; it begins at any port of the loopback there.
    ///
    /// # Errors
    /// Where this is not root, or there is no free port.
    pub(super) fn within(namespace: &str, port: u16) -> Result<Self> {
        let namespace = File::open(namespace)?;
        // A socket stays where it was opened, and only this thread is there.
        let opened = std::thread::spawn(move || {
            setns(namespace, CloneFlags::CLONE_NEWNET)?;
            Ok::<_, anyhow::Error>(TcpListener::bind("127.0.0.1:0")?)
        });
        let listener = opened.join().unwrap_or_else(|_| bail!("the thread broke off"));
        Self::from(listener.context("no socket in the browser's network")?, port)
    }

    fn from(listener: TcpListener, port: u16) -> Result<Self> {
        let own = listener.local_addr()?.port();
        let line = Arc::new(Line { to: port, open: Mutex::new(Some(Vec::new())) });
        let passing = line.clone();
        // It lasts as long as the process: a listener cannot be told to stop.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let passing = passing.clone();
                std::thread::spawn(move || passing.pass(stream));
            }
        });
        Ok(Self { port: own, line })
    }

    /// Where it begins.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Cuts it: what is open breaks off, and what is new is refused.
    pub fn cut(&self) {
        for stream in held(&self.line.open).take().unwrap_or_default() {
            // The other end may have closed it.
            stream.shutdown(Shutdown::Both).ok();
        }
    }

    /// Makes it whole again.
    pub fn mend(&self) {
        held(&self.line.open).get_or_insert_default();
    }
}

impl Line {
    fn pass(&self, near: TcpStream) -> Option<()> {
        let far = TcpStream::connect(("127.0.0.1", self.to)).ok()?;
        let ends = [near.try_clone().ok()?, far.try_clone().ok()?];
        held(&self.open).as_mut()?.extend(ends);
        let (mut from_near, mut to_near) = (near.try_clone().ok()?, near);
        let (mut from_far, mut to_far) = (far.try_clone().ok()?, far);
        std::thread::spawn(move || {
            copy(&mut from_near, &mut to_far).ok();
            to_far.shutdown(Shutdown::Write).ok();
        });
        copy(&mut from_far, &mut to_near).ok();
        to_near.shutdown(Shutdown::Write).ok()
    }
}
