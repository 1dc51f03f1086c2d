//! The kinds of load, and what a right answer is in each.

use std::time::Duration;

use super::connection::Answer;
use super::counts::Fault;

/// Bytes of an upload.
const UPLOAD: usize = 256 * 1024;
/// Pieces in which an upload is sent, and the pause between two.
const PIECES: usize = 8;
const PAUSE: Duration = Duration::from_millis(10);

/// What the clients of a load do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Small requests, one after the other on connections that stay open.
    KeepAlive,
    /// Small requests, each on a connection of its own.
    NewConnections,
    /// Requests that take a second: half of them wait for the answer, half get it in ten pieces.
    InFlight,
    /// Uploads of 256 KiB in eight pieces over 70 ms, by turns with a length and in chunks.
    Uploads,
}

/// A request, ready to be sent.
pub(super) struct Request {
    pub(super) pieces: Vec<Vec<u8>>,
    pub(super) pause: Duration,
    /// What the body must be after the version.
    expected: String,
    times: usize,
}

impl Shape {
    /// Every shape, in the order of the report.
    pub const ALL: [Self; 4] = [Self::KeepAlive, Self::NewConnections, Self::InFlight, Self::Uploads];

    /// In the words of the report.
    pub fn name(self) -> &'static str {
        match self {
            Self::KeepAlive => "keep-alive",
            Self::NewConnections => "new connections",
            Self::InFlight => "1 s responses in flight",
            Self::Uploads => "uploads",
        }
    }

    /// The request of this turn.
    pub(super) fn request(self, host: &str, turn: u64) -> Request {
        let get = |path: &str, more: &str, expected: &str, times| Request {
            pieces: vec![format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n{more}\r\n").into_bytes()],
            pause: Duration::ZERO,
            expected: expected.to_owned(),
            times,
        };
        match self {
            Self::KeepAlive => get("/", "", "answers", 1),
            Self::NewConnections => get("/", "connection: close\r\n", "answers", 1),
            Self::InFlight if turn.is_multiple_of(2) => get("/late", "", "answers", 1),
            Self::InFlight => get("/slow", "", "slowly", 10),
            Self::Uploads => upload(host, turn),
        }
    }
}

impl Request {
    /// The version that gave this answer, where it is right and of one of the service's own versions.
    pub(super) fn check(&self, answer: Answer, prefix: &str) -> Result<String, Fault> {
        if answer.status != 200 {
            return Err(Fault::Status(answer.status));
        }
        let right = format!("{} {}\n", answer.version, self.expected).repeat(self.times);
        if !answer.version.starts_with(prefix) || answer.body != right.as_bytes() {
            let seen = String::from_utf8_lossy(&answer.body).chars().take(80).collect::<String>();
            return Err(Fault::Wrong(format!("{} says {seen:?}", answer.version)));
        }
        Ok(answer.version)
    }
}

fn upload(host: &str, turn: u64) -> Request {
    let body: Vec<u8> = (0..UPLOAD as u64).map(|at| (at.wrapping_mul(31) ^ turn) as u8).collect();
    let chunked = turn.is_multiple_of(2);
    let framing = match chunked {
        true => "transfer-encoding: chunked".to_owned(),
        false => format!("content-length: {UPLOAD}"),
    };
    let head = format!("POST / HTTP/1.1\r\nhost: {host}\r\n{framing}\r\n\r\n");
    let mut pieces = vec![head.into_bytes()];
    for part in body.chunks(UPLOAD / PIECES) {
        pieces.push(match chunked {
            true => [format!("{:x}\r\n", part.len()).as_bytes(), part, b"\r\n"].concat(),
            false => part.to_vec(),
        });
    }
    if chunked {
        pieces.push(b"0\r\n\r\n".to_vec());
    }
    let hash = body.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    Request { pieces, pause: PAUSE, expected: format!("took {UPLOAD} {hash:016x}"), times: 1 }
}
