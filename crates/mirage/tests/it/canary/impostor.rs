//! A registry that means harm, or is badly made.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// Answers every request by one function. Dropping it ends it.
pub(super) struct Impostor {
    address: SocketAddr,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Impostor {
    /// Starts one. `answer` gets the value of `Authorization`, if there is one, and gives status, headers
    /// and body.
    pub(super) fn start(answer: impl Fn(Option<&str>) -> (u16, String, String) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let ended = Arc::new(AtomicBool::new(false));
        let end = Arc::clone(&ended);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if end.load(Ordering::Relaxed) {
                    return;
                }
                // Whoever hangs up early gets no answer.
                let _ = serve(stream, &answer);
            }
        });
        Self { address, ended, thread: Some(thread) }
    }

    /// `127.0.0.1:<port>/acme/web:1`.
    pub(super) fn reference(&self) -> String {
        format!("{}/acme/web:1", self.address)
    }
}

impl Drop for Impostor {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        // It looks again when somebody comes.
        let _ = TcpStream::connect(self.address);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn serve(
    mut stream: TcpStream,
    answer: &impl Fn(Option<&str>) -> (u16, String, String),
) -> std::io::Result<()> {
    let mut shown = None;
    for line in BufReader::new(stream.try_clone()?).lines() {
        let line = line?;
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(": ")
            && name.eq_ignore_ascii_case("authorization")
        {
            shown = Some(value.to_owned());
        }
    }
    let (status, headers, body) = answer(shown.as_deref());
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status} No\r\n{headers}connection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}
