//! A small HTTP/1.1 client: one connection a request, nothing hidden.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// An answer.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Header names in lower case, with their values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The first value of a header, by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// Where it is none.
    pub fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_slice(&self.body).with_context(|| format!("no JSON: {}", self.text()))
    }
}

/// A request.
pub struct Request<'a> {
    /// `GET`.
    pub method: &'a str,
    /// Where to connect.
    pub address: SocketAddr,
    /// Value of the `Host` header.
    pub host: &'a str,
    /// Path and query.
    pub path: &'a str,
    /// More headers.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body.
    pub body: &'a [u8],
    /// How long connecting, and each read, may take.
    pub patience: Duration,
}

impl Request<'_> {
    /// Sends it and reads the whole answer.
    ///
    /// # Errors
    /// Where the connection is refused or breaks, or the answer is not HTTP.
    pub fn send(&self) -> Result<Response> {
        let mut stream = TcpStream::connect_timeout(&self.address, self.patience)
            .with_context(|| format!("nobody answers at {}", self.address))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(self.patience))?;
        let mut head =
            format!("{} {} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", self.method, self.path, self.host);
        for (name, value) in self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !self.body.is_empty() || self.method != "GET" {
            head.push_str(&format!("content-length: {}\r\n", self.body.len()));
        }
        head.push_str("\r\n");
        stream.write_all(&[head.as_bytes(), self.body].concat())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).context("the answer broke off")?;
        parse(&answer)
    }
}

/// Asks for a URL such as `http://web-production.localhost:8080/path`. Names below `localhost` are
/// this machine, whatever its resolver thinks of them.
///
/// # Errors
/// As [`Request::send`], and where the URL is none.
pub fn get(url: &str) -> Result<Response> {
    let rest = url.trim().strip_prefix("http://").with_context(|| format!("`{url}` is no http URL"))?;
    let (host, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    };
    let (name, port) = host.rsplit_once(':').unwrap_or((host, "80"));
    let ip = match name.parse() {
        Ok(ip) => ip,
        Err(_) if name == "localhost" || name.ends_with(".localhost") => std::net::Ipv4Addr::LOCALHOST.into(),
        Err(_) => bail!("`{name}` is not on this machine"),
    };
    let address = SocketAddr::new(ip, port.parse().with_context(|| format!("`{port}` is no port"))?);
    let patience = Duration::from_secs(10);
    Request { method: "GET", address, host, path, headers: &[], body: &[], patience }.send()
}

fn parse(answer: &[u8]) -> Result<Response> {
    let end = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .context("an answer without an end of its head")?;
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.split(' ').nth(1))
        .and_then(|status| status.parse().ok())
        .with_context(|| format!("no status line: {head}"))?;
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut response = Response { status, headers, body: answer[end + 4..].to_vec() };
    if response.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
        response.body = unchunk(&response.body)?;
    } else if let Some(length) =
        response.header("content-length").and_then(|value| value.parse::<usize>().ok())
        && response.body.len() < length
    {
        bail!("{} of {length} bytes of the body arrived", response.body.len());
    }
    Ok(response)
}

fn unchunk(mut body: &[u8]) -> Result<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let line = body.windows(2).position(|two| two == b"\r\n").context("a chunk without its size")?;
        let size = std::str::from_utf8(&body[..line])?.split(';').next().unwrap_or_default().trim();
        let size =
            usize::from_str_radix(size, 16).with_context(|| format!("`{size}` is no size of a chunk"))?;
        body = &body[line + 2..];
        if size == 0 {
            return Ok(whole);
        }
        whole.extend_from_slice(body.get(..size).context("a chunk broke off")?);
        body = body.get(size + 2..).context("a chunk without its end")?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_with_a_length_and_in_chunks_are_read() {
        let plain = parse(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
        assert_eq!((plain.status, plain.text().as_str()), (200, "ok"));
        let chunked = parse(
            b"HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n3;x=1\r\nay!\r\n0\r\n\r\n",
        )
        .unwrap();
        assert_eq!((chunked.status, chunked.text().as_str()), (404, "okay!"));
        assert!(parse(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok").is_err());
    }
}
