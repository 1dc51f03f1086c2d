//! What the service manager hears (`NOTIFY_SOCKET`, see `sd_notify(3)`).

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use mirage_cli::config::env;
use mirage_core::Result;

/// How soon it is looked again after a look that failed.
const AGAIN: Duration = Duration::from_secs(1);

/// The service manager that started this process, if one did that wants to hear of it.
#[derive(Clone, Debug)]
pub(crate) struct Manager {
    socket: Option<String>,
    /// How often it wants to hear that all is well.
    pub(crate) watchdog: Option<Duration>,
}

impl Manager {
    /// From the environment of this process.
    pub(crate) fn of_this_process() -> Self {
        let number = |name| env::read(name).and_then(|text| text.parse::<u64>().ok());
        let meant = number(env::WATCHDOG_PID).is_none_or(|pid| pid == u64::from(std::process::id()));
        let limit = number(env::WATCHDOG_USEC).filter(|limit| meant && *limit > 0);
        // Twice as often as it has to be: one that comes late is not the last one.
        let watchdog = limit.map(|limit| Duration::from_micros(limit / 2));
        Self { socket: env::read(env::NOTIFY_SOCKET), watchdog }
    }

    /// The platform answers.
    pub(crate) fn ready(&self, status: &str) {
        self.tell(&format!("READY=1\nSTATUS={status}"));
    }

    /// Says that all is well, as often as it wants to hear it, for as long as a look tells so. After one that fails it
    /// is looked again soon: the manager waits for one more before it ends the process. Never returns.
    pub(crate) async fn while_well(&self, look: impl AsyncFn() -> Result<()>) {
        let Some(pause) = self.watchdog else { return std::future::pending().await };
        loop {
            let seen = tokio::time::timeout(pause / 2, look()).await;
            match &seen {
                Ok(Ok(())) => self.tell("WATCHDOG=1"),
                Ok(Err(error)) => tracing::error!(?error, "the service manager is not told that all is well"),
                Err(_) => tracing::error!("the service manager is not told that all is well: no answer"),
            }
            let is_well = matches!(seen, Ok(Ok(())));
            tokio::time::sleep(if is_well { pause } else { AGAIN.min(pause / 4) }).await;
        }
    }

    /// This process is about to end.
    pub(crate) fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    fn tell(&self, what: &str) {
        let Some(socket) = &self.socket else { return };
        let address = match socket.strip_prefix('@') {
            Some(name) => SocketAddr::from_abstract_name(name),
            None => SocketAddr::from_pathname(socket),
        };
        let told =
            address.and_then(|address| UnixDatagram::unbound()?.send_to_addr(what.as_bytes(), &address));
        if let Err(error) = told {
            tracing::warn!(%error, "the service manager cannot be told `{}`", what.lines().next().unwrap_or(what));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use mirage_core::{Code, Error};

    use super::*;

    #[tokio::test]
    async fn a_look_that_fails_is_followed_by_another_soon() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let hears = tokio::net::UnixDatagram::bind(&path).unwrap();
        let hour = Duration::from_secs(3600);
        let manager = Manager { socket: Some(path.display().to_string()), watchdog: Some(hour) };
        let looks = Cell::new(0);
        let look = async || {
            looks.set(looks.get() + 1);
            match looks.get() {
                1 => Err(Error::new(Code::TargetUnavailable, "the disk is slow")),
                _ => Ok(()),
            }
        };
        let mut text = [0; 64];
        tokio::select! {
            () = manager.while_well(look) => unreachable!(),
            length = hears.recv(&mut text) => assert_eq!(&text[..length.unwrap()], b"WATCHDOG=1"),
            () = tokio::time::sleep(Duration::from_secs(30)) => panic!("it does not look again"),
        }
        assert_eq!(looks.get(), 2);
    }
}
