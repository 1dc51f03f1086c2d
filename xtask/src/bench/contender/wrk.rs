//! wrk: 64 connections from one thread.

use anyhow::{Context, Result};

use crate::bed::run;

/// What wrk saw.
pub(crate) struct Load {
    /// Answers a second.
    pub(crate) rate: f64,
    /// The time within which 99 of 100 answers came, in milliseconds.
    pub(crate) p99: f64,
    /// Answers, with whatever status.
    pub(crate) answers: u64,
    /// Answers with another status than 2xx or 3xx, and broken connections.
    pub(crate) errors: u64,
}

/// Asks `http://127.0.0.1:<port>/` for this host during so many seconds.
pub(crate) fn load(port: u16, host: &str, seconds: u32) -> Result<Load> {
    load_with(port, host, seconds, 64)
}

/// The same with so many connections.
pub(crate) fn load_with(port: u16, host: &str, seconds: u32, connections: u32) -> Result<Load> {
    let (duration, header) = (format!("-d{seconds}s"), format!("Host: {host}"));
    let (url, connections) = (format!("http://127.0.0.1:{port}/"), format!("-c{connections}"));
    parse(&run("wrk", &["-t1", &connections, &duration, "--latency", "-H", &header, &url])?)
}

fn parse(text: &str) -> Result<Load> {
    let after = |label: &str| text.lines().find_map(|line| line.trim().strip_prefix(label)).map(str::trim);
    let rate = after("Requests/sec:")
        .and_then(|value| value.parse().ok())
        .with_context(|| format!("no rate in: {text}"))?;
    let p99 = after("99%").and_then(millis).with_context(|| format!("no 99 % in: {text}"))?;
    let answers = text.lines().find_map(|line| line.trim().split_once(" requests in "));
    let answers = answers.and_then(|(number, _)| number.parse().ok()).unwrap_or_default();
    let bad =
        after("Non-2xx or 3xx responses:").and_then(|value| value.parse::<u64>().ok()).unwrap_or_default();
    let broken = after("Socket errors:").map(numbers).unwrap_or_default();
    Ok(Load { rate, p99, answers, errors: bad + broken })
}

/// 1.5 of `1.50ms`.
fn millis(text: &str) -> Option<f64> {
    let at = text.find(|c: char| c.is_alphabetic())?;
    let (number, unit) = text.split_at(at);
    let factor = match unit {
        "us" => 1e-3,
        "ms" => 1.0,
        "s" => 1e3,
        _ => return None,
    };
    Some(number.trim().parse::<f64>().ok()? * factor)
}

/// The sum of `connect 0, read 2, write 0, timeout 1`.
fn numbers(text: &str) -> u64 {
    text.split([' ', ',']).filter_map(|word| word.parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_of_wrk_is_read() {
        let text = "  Latency Distribution\n     50%  700.00us\n     99%    1.50ms\n  10 requests in 6.00s\n  \
                    Socket errors: connect 0, read 2, write 0, timeout 1\n  Non-2xx or 3xx responses: 4\n\
                    Requests/sec:  73012.12\n";
        let load = parse(text).unwrap();
        assert_eq!((load.rate, load.p99, load.answers, load.errors), (73012.12, 1.5, 10, 7));
    }
}
