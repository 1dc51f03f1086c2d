//! Sockets that were opened before this process was started (`LISTEN_FDS`, see `sd_listen_fds(3)`).

use std::net::{SocketAddr, TcpListener};
use std::os::fd::{OwnedFd, RawFd};
use std::sync::Arc;

use mirage_cli::config::env;
use mirage_core::{Code, Error, Result};
use nix::sys::socket::{AddressFamily, SockaddrLike as _, SockaddrStorage, getsockname, getsockopt, sockopt};
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

/// The number of the first of them.
const FIRST: RawFd = 3;
/// More than anybody has use for.
const MOST: RawFd = 16;

/// Listening sockets that somebody else opened for this process, and goes on to hold: while no process of Mirage's
/// accepts from them, connections wait.
#[derive(Clone, Debug, Default)]
pub(crate) struct Handed {
    /// For API and registry.
    pub(crate) api: Option<Arc<TcpListener>>,
    /// For services.
    pub(crate) proxy: Vec<Arc<TcpListener>>,
    /// For services over TLS.
    pub(crate) proxy_tls: Vec<Arc<TcpListener>>,
}

impl Handed {
    /// Takes those that are meant for this process. To be called once, before anything else opens files.
    ///
    /// # Errors
    /// `INVALID_REQUEST` where one is no listening TCP socket, or has a name that means nothing here.
    pub(crate) fn take() -> Result<Self> {
        let number = |name| env::read(name).and_then(|text| text.parse::<RawFd>().ok());
        let meant = number(env::LISTEN_PID) == Some(getpid().as_raw_nonzero().get());
        let count = number(env::LISTEN_FDS).filter(|count| meant && *count > 0).unwrap_or(0);
        if count > MOST {
            return Err(refused(format!("{count} sockets were handed over, and {MOST} are the most")));
        }
        let names = env::read(env::LISTEN_FDNAMES).unwrap_or_default();
        let mut names = names.split(':').filter(|name| !name.is_empty());
        let mut handed = Self::default();
        for at in 0..count {
            // Without names, the first is that of the API, as `systemd-socket-activate` has it.
            let name = names.next().unwrap_or(if at == 0 { "api" } else { "proxy" });
            let socket = Arc::new(listener(FIRST + at, name)?);
            match name {
                "api" | "mirage.socket" if handed.api.is_none() => handed.api = Some(socket),
                "proxy" | "mirage-proxy.socket" => handed.proxy.push(socket),
                "proxy-tls" | "mirage-proxy-tls.socket" => handed.proxy_tls.push(socket),
                _ => {
                    return Err(refused(format!("a socket named `{name}` was handed over")).hint(
                        "`FileDescriptorName=` of a socket unit is `api`, once, `proxy` or `proxy-tls`",
                    ));
                }
            }
        }
        Ok(handed)
    }

    /// Where the API listens, where that was decided by who opened its socket.
    pub(crate) fn api_address(&self) -> Option<SocketAddr> {
        self.api.as_ref()?.local_addr().ok()
    }

    /// Where services answer, the same way.
    pub(crate) fn proxy_address(&self) -> Option<SocketAddr> {
        self.proxy.first()?.local_addr().ok()
    }

    /// Where they do over TLS, the same way.
    pub(crate) fn proxy_tls_address(&self) -> Option<SocketAddr> {
        self.proxy_tls.first()?.local_addr().ok()
    }

    /// All that the proxy is to listen on; it knows them apart by their addresses.
    pub(crate) fn of_proxy(&self) -> Vec<Arc<TcpListener>> {
        self.proxy.iter().chain(&self.proxy_tls).map(Arc::clone).collect()
    }
}

fn listener(number: RawFd, name: &str) -> Result<TcpListener> {
    let cannot = |error: std::io::Error| {
        refused(format!("the socket `{name}` that was handed over cannot be used")).because(error)
    };
    // A copy that is closed on exec, and of which it is known to be nobody else's; then the first one goes.
    let own = pidfd_open(getpid(), PidfdFlags::empty()).map_err(|error| cannot(error.into()))?;
    let socket: OwnedFd =
        pidfd_getfd(own, number, PidfdGetfdFlags::empty()).map_err(|error| cannot(error.into()))?;
    nix::unistd::close(number).map_err(|error| cannot(error.into()))?;
    let listens = getsockopt(&socket, sockopt::AcceptConn).unwrap_or(false);
    let family = getsockname::<SockaddrStorage>(std::os::fd::AsRawFd::as_raw_fd(&socket)).ok();
    let family = family.and_then(|address| address.family());
    if !listens || !matches!(family, Some(AddressFamily::Inet | AddressFamily::Inet6)) {
        return Err(refused(format!("the socket `{name}` that was handed over does not listen on TCP"))
            .hint("its unit has `ListenStream=ADDRESS:PORT`, and no `Accept=yes`"));
    }
    let listener = TcpListener::from(socket);
    listener.set_nonblocking(true).map_err(cannot)?;
    Ok(listener)
}

fn refused(message: String) -> Error {
    Error::new(Code::InvalidRequest, message)
        .hint("the units in `contrib/systemd` show how sockets are handed over")
}
