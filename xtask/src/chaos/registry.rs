//! A registry that can be made to fail: something between those who ask and Debian's `docker-registry`.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::walk::RegistryFault;
use crate::bed::Registry;

/// How often a connection at rest looks whether it is to end.
const GLANCE: Duration = Duration::from_millis(50);
const CHUNK: usize = 16 * 1024;

/// A registry whose address is a door with somebody in it.
pub(super) struct FaultyRegistry {
    registry: Registry,
    port: u16,
    door: Arc<Door>,
    accepting: Option<JoinHandle<()>>,
}

struct Door {
    behind: SocketAddr,
    mood: Mutex<Mood>,
    ended: AtomicBool,
}

struct Mood {
    fault: Option<(RegistryFault, Instant)>,
    /// Set when somebody comes while it lasts.
    met: Arc<AtomicBool>,
    /// Connections of an earlier mood are closed.
    number: u64,
}

impl FaultyRegistry {
    pub(super) fn start() -> Result<Self> {
        let registry = Registry::start()?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let mood = Mutex::new(Mood { fault: None, met: Arc::default(), number: 0 });
        let door =
            Arc::new(Door { behind: registry.address().parse()?, mood, ended: AtomicBool::new(false) });
        let accepting = std::thread::spawn({
            let door = Arc::clone(&door);
            move || accept(&listener, &door)
        });
        Ok(Self { registry, port, door, accepting: Some(accepting) })
    }

    /// The reference by which images are asked for, through the door.
    pub(super) fn reference(&self, name: &str) -> String {
        format!("127.0.0.1:{}/{name}", self.port)
    }

    /// The reference by which images are pushed, past the door.
    pub(super) fn behind(&self, name: &str) -> String {
        self.registry.reference(name)
    }

    /// Begins a fault that ends by itself; answers with what says whether anybody has met it.
    pub(super) fn fail(&self, fault: RegistryFault, lasts: Duration) -> Arc<AtomicBool> {
        self.door.change(Some((fault, Instant::now() + lasts)))
    }

    /// Whether something is wrong now.
    pub(super) fn is_failing(&self) -> bool {
        self.door.mood().0.is_some()
    }

    /// Ends whatever is wrong.
    pub(super) fn heal(&self) {
        self.door.change(None);
    }
}

impl Drop for FaultyRegistry {
    fn drop(&mut self) {
        self.door.ended.store(true, Ordering::Relaxed);
        self.door.change(None);
        // The one that waits for connections looks up at the next.
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
        if let Some(accepting) = self.accepting.take() {
            accepting.join().ok();
        }
    }
}

impl Door {
    fn change(&self, fault: Option<(RegistryFault, Instant)>) -> Arc<AtomicBool> {
        let mut mood = self.mood.lock().unwrap_or_else(PoisonError::into_inner);
        *mood = Mood { fault, met: Arc::default(), number: mood.number + 1 };
        Arc::clone(&mood.met)
    }

    /// The mood that a new connection meets.
    fn meet(&self) -> (Option<RegistryFault>, u64) {
        let (fault, number) = self.mood();
        if fault.is_some() {
            self.mood.lock().unwrap_or_else(PoisonError::into_inner).met.store(true, Ordering::Relaxed);
        }
        (fault, number)
    }

    /// What is wrong now, and the number of the mood. A fault whose time is over ends here.
    fn mood(&self) -> (Option<RegistryFault>, u64) {
        let mut mood = self.mood.lock().unwrap_or_else(PoisonError::into_inner);
        if mood.fault.is_some_and(|(_, until)| Instant::now() >= until) {
            *mood = Mood { fault: None, met: Arc::default(), number: mood.number + 1 };
        }
        (mood.fault.map(|(fault, _)| fault), mood.number)
    }
}

fn accept(listener: &TcpListener, door: &Arc<Door>) {
    for stream in listener.incoming().flatten() {
        if door.ended.load(Ordering::Relaxed) {
            return;
        }
        let door = Arc::clone(door);
        std::thread::spawn(move || {
            // A connection that breaks is what may happen here.
            let _ = serve(&stream, &door);
        });
    }
}

fn serve(client: &TcpStream, door: &Arc<Door>) -> std::io::Result<()> {
    let (fault, number) = door.meet();
    match fault {
        Some(RegistryFault::Closed) => return Ok(()),
        Some(RegistryFault::Status(status)) => return refuse(client, status),
        _ => {}
    }
    let behind = TcpStream::connect(door.behind)?;
    std::thread::scope(|scope| {
        scope.spawn(|| pump(client, &behind, door, number, None));
        pump(&behind, client, door, number, fault);
    });
    Ok(())
}

/// Reads the head of a request, whatever it asks for, and answers it with a status.
fn refuse(mut client: &TcpStream, status: u16) -> std::io::Result<()> {
    client.set_read_timeout(Some(Duration::from_secs(1)))?;
    let mut buffer = [0; 4096];
    if client.read(&mut buffer)? == 0 {
        return Ok(());
    }
    let answer = format!("HTTP/1.1 {status} Not now\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    client.write_all(answer.as_bytes())
}

/// Carries bytes one way until one side closes or the mood changes.
fn pump(mut from: &TcpStream, mut to: &TcpStream, door: &Door, number: u64, fault: Option<RegistryFault>) {
    let mut buffer = [0; CHUNK];
    from.set_read_timeout(Some(GLANCE)).ok();
    loop {
        let read = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                if door.mood().1 != number || door.ended.load(Ordering::Relaxed) {
                    break;
                }
                continue;
            }
            Err(_) => break,
        };
        if fault == Some(RegistryFault::Slow) {
            std::thread::sleep(Duration::from_millis(60));
        }
        if fault == Some(RegistryFault::WrongBytes) {
            spoil(&mut buffer[..read]);
        }
        if to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    from.shutdown(Shutdown::Both).ok();
    to.shutdown(Shutdown::Both).ok();
}

/// Changes a byte some way behind the head of an answer, or in the middle of what has none.
fn spoil(bytes: &mut [u8]) {
    let head = bytes.windows(4).position(|four| four == b"\r\n\r\n").map_or(0, |at| at + 4);
    let middle = head + (bytes.len() - head) / 2;
    if let Some(byte) = bytes.get_mut(middle) {
        *byte ^= 1;
    }
}
