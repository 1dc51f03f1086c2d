//! A load whose counts can be trusted: every request that is begun is counted as good or as failed,
//! every answer is read to its end and compared with what the program in the image must have sent.
//!
//! Nothing is asked twice. A client that repeats what failed would hide what is looked for here.

mod connection;
mod counts;
mod shape;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use connection::Connection;
pub use counts::{Counts, Failure, Fault};
pub use shape::Shape;

/// Who is asked.
#[derive(Clone, Debug)]
pub struct Target {
    /// Port of the proxy on loopback.
    pub port: u16,
    /// The host of the service.
    pub host: String,
    /// What every version of the service begins with.
    pub prefix: String,
}

/// Clients that ask until they are stopped, each in a thread of its own.
pub struct Load {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Counts>>,
}

impl Load {
    /// Sends so many clients, each of which rests so long between two requests.
    pub fn start(target: &Target, shape: Shape, clients: usize, rest: Duration) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let client = |number: usize| {
            let (target, stop) = (target.clone(), Arc::clone(&stop));
            std::thread::spawn(move || ask(&target, shape, number as u64, rest, &stop))
        };
        let clients = (0..clients).map(client).collect();
        Self { stop, clients }
    }

    /// Lets every client finish the request it has begun, and answers with what they counted.
    pub fn stop(self) -> Counts {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Counts::default();
        for client in self.clients {
            match client.join() {
                Ok(counts) => all.add(counts),
                Err(_) => all.fail(Instant::now(), Fault::Wrong("a client of the load broke off".into())),
            }
        }
        all
    }
}

fn ask(target: &Target, shape: Shape, number: u64, rest: Duration, stop: &AtomicBool) -> Counts {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, target.port));
    let (mut counts, mut kept) = (Counts::default(), None::<Connection>);
    let mut turn = number;
    // In step, the clients of a slow service would all miss a version that is active for less than a second.
    std::thread::sleep(Duration::from_millis(number * 16 % 1000));
    while !stop.load(Ordering::Relaxed) {
        let request = shape.request(&target.host, turn);
        turn += 1;
        let from = Instant::now();
        let mut exchange = || {
            let mut open = None;
            if let Some(rested) = kept.take()
                && !rested.is_closed()?
            {
                open = Some(rested);
            }
            let mut connection = match open {
                Some(open) => open,
                None => {
                    counts.connections += 1;
                    Connection::open(address)?
                }
            };
            let answer = connection.ask(&request.pieces, request.pause)?;
            kept = (answer.keep && shape != Shape::NewConnections).then_some(connection);
            request.check(answer, &target.prefix)
        };
        match exchange() {
            Ok(version) => counts.succeed(version, from.elapsed()),
            Err(fault) => {
                kept = None;
                counts.fail(from, fault);
                // A refused connection costs nothing, and a thousand of them say no more than a few.
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        std::thread::sleep(rest);
    }
    counts
}
