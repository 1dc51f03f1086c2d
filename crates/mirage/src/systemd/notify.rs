//! What the service manager hears (`NOTIFY_SOCKET`, see `sd_notify(3)`).

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use mirage_cli::config::env;

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

    /// All is well.
    pub(crate) fn alive(&self) {
        self.tell("WATCHDOG=1");
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
