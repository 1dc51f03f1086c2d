//! Waiting for something that announces itself only to those who ask.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Asks every ten milliseconds until there is an answer.
///
/// # Errors
/// After `limit` without one, naming `what` was awaited.
pub fn eventually<T>(what: &str, limit: Duration, mut ask: impl FnMut() -> Option<T>) -> Result<T> {
    let since = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return Ok(answer);
        }
        if since.elapsed() > limit {
            bail!("{what} did not come true within {} s", limit.as_secs());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}
