//! One client connection that speaks HTTP/1.1 and checks all it is told.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::counts::Fault;

/// How long a connection may take to be there, and nothing may happen on it.
const PATIENCE: Duration = Duration::from_secs(15);
/// Most bytes of an answer's body.
const MOST: usize = 1 << 20;

/// A connection that is used again until somebody closes it.
pub(super) struct Connection {
    reader: BufReader<TcpStream>,
}

/// A whole answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// The version that answered, by its `x-version` field.
    pub(super) version: String,
    pub(super) body: Vec<u8>,
    /// Whether the connection may be used again.
    pub(super) keep: bool,
}

impl Connection {
    pub(super) fn open(address: SocketAddr) -> Result<Self, Fault> {
        let connect = || {
            let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            Ok(stream)
        };
        let stream = connect().map_err(|error: std::io::Error| Fault::Connect(error.kind().to_string()))?;
        Ok(Self { reader: BufReader::new(stream) })
    }

    /// Whether the other side has closed it while it rested, as any client looks before it asks. Bytes that came
    /// meanwhile belong to no answer.
    pub(super) fn is_closed(&self) -> Result<bool, Fault> {
        let stream = self.reader.get_ref();
        let mut byte = [0];
        let look = || {
            stream.set_nonblocking(true)?;
            let seen = stream.peek(&mut byte);
            stream.set_nonblocking(false)?;
            seen
        };
        let mut look = look;
        match look() {
            _ if !self.reader.buffer().is_empty() => {
                Err(Fault::Wrong("more bytes than the answer has".into()))
            }
            Ok(0) => Ok(true),
            Ok(_) => Err(Fault::Wrong("bytes that nobody asked for".into())),
            Err(error) => Ok(error.kind() != ErrorKind::WouldBlock),
        }
    }

    /// Sends a request in these pieces, with a pause after each but the last, and reads the answer.
    pub(super) fn ask(&mut self, pieces: &[Vec<u8>], pause: Duration) -> Result<Answer, Fault> {
        for (turn, piece) in pieces.iter().enumerate() {
            if turn > 0 {
                std::thread::sleep(pause);
            }
            if let Err(error) = self.reader.get_mut().write_all(piece) {
                // An answer that came early says why; without one the connection was broken.
                return match self.read() {
                    Ok(answer) => Err(Fault::Status(answer.status)),
                    Err(_) => Err(Fault::of(&error, "while the request was sent")),
                };
            }
        }
        self.read()
    }

    fn read(&mut self) -> Result<Answer, Fault> {
        let status = self.line()?;
        if status.is_empty() {
            return Err(Fault::Closed("without an answer".into()));
        }
        let status = status.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or(Fault::NotHttp)?;
        let mut answer = Answer { status, version: String::new(), body: Vec::new(), keep: true };
        let (mut length, mut chunked) = (None, false);
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Err(Fault::Closed("in the head of the answer".into()));
            }
            let Some((name, value)) = line.split_once(':') else { break };
            let value = value.trim();
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse::<usize>().ok(),
                "transfer-encoding" => chunked = value.eq_ignore_ascii_case("chunked"),
                "x-version" => value.clone_into(&mut answer.version),
                "connection" => answer.keep = !value.eq_ignore_ascii_case("close"),
                _ => {}
            }
        }
        if chunked {
            self.chunks(&mut answer.body)?;
        } else {
            let length = length.filter(|length| *length <= MOST).ok_or(Fault::NotHttp)?;
            answer.body.resize(length, 0);
            self.fill(&mut answer.body)?;
        }
        Ok(answer)
    }

    fn chunks(&mut self, body: &mut Vec<u8>) -> Result<(), Fault> {
        loop {
            let line = self.line()?;
            let size = usize::from_str_radix(line.trim(), 16).map_err(|_| Fault::NotHttp)?;
            if body.len() + size > MOST {
                return Err(Fault::NotHttp);
            }
            let start = body.len();
            body.resize(start + size, 0);
            self.fill(&mut body[start..])?;
            self.line()?;
            if size == 0 {
                return Ok(());
            }
        }
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), Fault> {
        self.reader.read_exact(bytes).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => Fault::Short,
            _ => Fault::of(&error, "in the body of the answer"),
        })
    }

    /// The next line; empty where the connection was closed.
    fn line(&mut self) -> Result<String, Fault> {
        let mut line = String::new();
        let read = (&mut self.reader).take(16 * 1024).read_line(&mut line);
        read.map_err(|error| Fault::of(&error, "before the end of the answer"))?;
        Ok(line)
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn answered_with(bytes: &'static [u8]) -> Result<Answer, Fault> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.read_exact(&mut [0; 4]).unwrap();
            stream.write_all(bytes).unwrap();
        });
        let answer = Connection::open(address)?.ask(&[b"ask".to_vec(), b"!".to_vec()], Duration::ZERO);
        server.join().unwrap();
        answer
    }

    #[test]
    fn a_whole_answer_is_read_and_anything_less_is_a_fault_of_its_own_kind() {
        let good =
            answered_with(b"HTTP/1.1 200 OK\r\nX-Version: w-1\r\nContent-Length: 2\r\n\r\nok").unwrap();
        assert_eq!(
            (good.status, good.version.as_str(), good.body.as_slice(), good.keep),
            (200, "w-1", &b"ok"[..], true)
        );
        let chunked = answered_with(
            b"HTTP/1.1 200 OK\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        )
        .unwrap();
        assert_eq!((chunked.body.as_slice(), chunked.keep), (&b"ok"[..], false));
        let short = answered_with(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok").unwrap_err();
        assert_eq!(short, Fault::Short);
        assert!(matches!(answered_with(b"").unwrap_err(), Fault::Closed(_)));
        assert_eq!(answered_with(b"hello\n").unwrap_err(), Fault::NotHttp);
    }

    #[test]
    fn a_connection_at_rest_is_open_or_closed_and_nothing_comes_on_it() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let connection = Connection::open(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        let mut asked = connection;
        assert_eq!(asked.is_closed(), Ok(false));
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokmore";
        server.write_all(answer).unwrap();
        asked.ask(&[b"ask".to_vec()], Duration::ZERO).unwrap();
        assert!(matches!(asked.is_closed(), Err(Fault::Wrong(_))), "the answer was shorter");

        let other = Connection::open(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        server.write_all(b"HTTP/1.1 408 Too late\r\n\r\n").unwrap();
        other.reader.get_ref().peek(&mut [0]).unwrap();
        assert!(matches!(other.is_closed(), Err(Fault::Wrong(_))), "nobody had asked");

        let closed = Connection::open(listener.local_addr().unwrap()).unwrap();
        drop(listener.accept().unwrap());
        assert_eq!(closed.reader.get_ref().peek(&mut [0]).unwrap(), 0);
        assert_eq!(closed.is_closed(), Ok(true));
    }
}
