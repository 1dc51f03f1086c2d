//! The program in the images that are put under load: a web server that answers with its version, so
//! that whoever asks knows who answered, and can check every byte of it.
//!
//! `web VERSION MODE`, where MODE is `good`, `crash` (ends by itself at once), `sick` (answers 500) or
//! `deaf` (runs, and never listens). `GET /late` is answered after a second, `GET /slow` is written over
//! one, `POST` is answered with the length and the hash of what came in, and an `Upgrade` is answered with
//! an echo until the other side closes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::exit;
use std::thread;
use std::time::Duration;

const PORT: u16 = 8080;
/// Pieces in which the answer to `/slow` is written.
const PIECES: usize = 10;

fn main() {
    let mut words = std::env::args().skip(1);
    let version = words.next().unwrap_or_default();
    let mode = words.next().unwrap_or_default();
    match mode.as_str() {
        "crash" => {
            println!("{version}: ends by itself");
            exit(3);
        }
        "deaf" => loop {
            thread::sleep(Duration::from_secs(3600));
        },
        _ => {}
    }
    let Ok(listener) = TcpListener::bind(("0.0.0.0", PORT)) else { exit(4) };
    println!("{version} listens");
    for stream in listener.incoming().flatten() {
        let (version, sick) = (version.clone(), mode == "sick");
        let serve = move || {
            // A connection that breaks is the other side's business.
            let _ = serve(&stream, &version, sick);
        };
        // Without a thread the connection is closed, and whoever asks counts that.
        let _ = thread::Builder::new().stack_size(96 * 1024).spawn(serve);
    }
}

/// Answers one request after the other.
fn serve(stream: &TcpStream, version: &str, sick: bool) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::with_capacity(16 * 1024, stream);
    while let Some(request) = read_head(&mut reader)? {
        let (length, hash) = read_body(&mut reader, &request)?;
        if request.upgrade {
            let head = "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n";
            (&*stream).write_all(head.as_bytes())?;
            return echo(reader, stream);
        }
        let status = if sick { "500 Internal Server Error" } else { "200 OK" };
        let body = match request.method.as_str() {
            "POST" => format!("{version} took {length} {hash:016x}\n"),
            _ if request.path == "/slow" => format!("{version} slowly\n").repeat(PIECES),
            _ => format!("{version} answers\n"),
        };
        if request.path == "/late" {
            thread::sleep(Duration::from_secs(1));
        }
        let close = if request.close { "connection: close\r\n" } else { "" };
        let length = body.len();
        let head = format!("HTTP/1.1 {status}\r\nx-version: {version}\r\n{close}content-length: {length}\r\n\r\n");
        if request.path == "/slow" {
            (&*stream).write_all(head.as_bytes())?;
            for piece in body.as_bytes().chunks(length / PIECES) {
                thread::sleep(Duration::from_secs(1) / 10);
                (&*stream).write_all(piece)?;
            }
        } else {
            (&*stream).write_all(&[head.as_bytes(), body.as_bytes()].concat())?;
        }
        if request.close {
            return Ok(());
        }
    }
    Ok(())
}

#[derive(Default)]
struct Request {
    method: String,
    path: String,
    length: usize,
    chunked: bool,
    close: bool,
    upgrade: bool,
}

/// The next request's head; `None` where the connection was closed before one began.
fn read_head(reader: &mut impl BufRead) -> std::io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let mut request = Request {
        method: words.next().unwrap_or_default(),
        path: words.next().unwrap_or_default(),
        ..Request::default()
    };
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            return Ok(Some(request));
        }
        let Some((name, value)) = line.split_once(':') else { continue };
        let value = value.trim().to_ascii_lowercase();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => request.length = value.parse().unwrap_or_default(),
            "transfer-encoding" => request.chunked = value == "chunked",
            "connection" => request.close = value == "close",
            "upgrade" => request.upgrade = value == "websocket",
            _ => {}
        }
    }
}

/// Length and FNV-1a hash of the body.
fn read_body(reader: &mut impl BufRead, request: &Request) -> std::io::Result<(usize, u64)> {
    let (mut total, mut hash) = (0, 0xcbf2_9ce4_8422_2325_u64);
    let mut take = |reader: &mut dyn BufRead, mut left: usize| -> std::io::Result<()> {
        let mut buffer = [0; 8192];
        while left > 0 {
            let most = left.min(buffer.len());
            let read = reader.read(&mut buffer[..most])?;
            if read == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            for byte in &buffer[..read] {
                hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
            }
            (total, left) = (total + read, left - read);
        }
        Ok(())
    };
    if !request.chunked {
        take(reader, request.length)?;
        return Ok((total, hash));
    }
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let size = line.split(';').next().and_then(|size| usize::from_str_radix(size.trim(), 16).ok());
        let size = size.ok_or(std::io::ErrorKind::InvalidData)?;
        take(reader, size)?;
        let mut end = String::new();
        reader.read_line(&mut end)?;
        if size == 0 {
            return Ok((total, hash));
        }
    }
}

/// Sends back whatever comes in.
fn echo(mut reader: impl Read, mut stream: &TcpStream) -> std::io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(()),
            read => stream.write_all(&buffer[..read])?,
        }
    }
}
