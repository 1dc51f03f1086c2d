//! Where a proxy is to be, and how it is told.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use mirage_cli::config::env;
use mirage_core::{Error, Result, fault};
use mirage_proxy::Status;

use crate::platform::PROGRAM;
use crate::platform::node::{full_disk, is_full};
use crate::systemd::Handed;

/// What is asked of a proxy.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// Its folder.
    pub(crate) run: PathBuf,
    /// Where services are to answer.
    pub(crate) listen: SocketAddr,
    /// Where they are to answer over TLS, if they are.
    pub(crate) tls: Option<SocketAddr>,
    /// Sockets that are open already, for these addresses and further ones.
    pub(crate) handed: Handed,
}

impl Wanted {
    /// Where services answer, without TLS and with it, by a proxy that listens at these addresses; `None` for one that
    /// does not.
    pub(super) fn met_by(&self, status: &Status) -> Option<(SocketAddr, Option<SocketAddr>)> {
        let find = |wanted: SocketAddr, found: &[SocketAddr]| {
            found.iter().copied().find(|found| wanted.port() == 0 || *found == wanted)
        };
        let listen = find(self.listen, &status.listen)?;
        match self.tls {
            Some(wanted) => Some((listen, Some(find(wanted, &status.listen_tls)?))),
            None => status.listen_tls.is_empty().then_some((listen, None)),
        }
    }

    /// Whether a proxy listens on every socket that was handed over, and speaks TLS on those that are for that.
    pub(super) fn has_its_sockets_served(&self, status: &Status) -> bool {
        addresses(&self.handed.proxy).all(|address| status.listen.contains(&address))
            && addresses(&self.handed.proxy_tls).all(|address| status.listen_tls.contains(&address))
    }

    /// Whether a socket on this address was handed over.
    pub(super) fn is_handed(&self, address: SocketAddr) -> bool {
        addresses(&self.handed.of_proxy()).any(|bound| bound == address)
    }

    /// Starts such a proxy.
    pub(super) fn spawn(&self) -> Result<Child> {
        let log =
            std::fs::OpenOptions::new().create(true).append(true).open(self.run.join("proxy.log")).map_err(
                |error| match is_full(&self.run) {
                    true => full_disk(&self.run),
                    false => Error::internal("open the log of the proxy", error),
                },
            )?;
        let mut command = Command::new(PROGRAM);
        // No variable but the one that says what to log: others may be secret, and strangers talk to it.
        command.env_clear().envs(env::read(env::LOG).map(|levels| (env::LOG, levels)));
        command.envs(fault::variables().iter().map(|(name, value)| (name, value)));
        command.arg0("mirage").arg("proxy").args(self.words());
        // A group of its own: Ctrl-C on the control plane's terminal is not meant for it.
        command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let cannot = |error| Error::internal("start the proxy", error);
        let handed = self.handed.of_proxy();
        if handed.is_empty() {
            return command.spawn().map_err(cannot);
        }
        // Its standard input is a socket by which those to listen on come.
        let (own, its) = UnixStream::pair().map_err(cannot)?;
        let sockets: Vec<BorrowedFd<'_>> = handed.iter().map(|socket| socket.as_fd()).collect();
        mirage_proxy::send_sockets(own.as_fd(), &sockets).map_err(cannot)?;
        command.arg("--sockets-on-stdin").stdin(OwnedFd::from(its)).spawn().map_err(cannot)
    }

    fn words(&self) -> Vec<std::ffi::OsString> {
        let mut words = vec!["--run".into(), self.run.clone().into()];
        let doors = [
            ("--listen", Some(self.listen), &self.handed.proxy),
            ("--listen-tls", self.tls, &self.handed.proxy_tls),
        ];
        for (word, first, handed) in doors {
            let further = addresses(handed).filter(|address| Some(*address) != first);
            for address in first.into_iter().chain(further) {
                words.extend([word.into(), address.to_string().into()]);
            }
        }
        words
    }
}

fn addresses(sockets: &[Arc<TcpListener>]) -> impl Iterator<Item = SocketAddr> {
    sockets.iter().filter_map(|socket| socket.local_addr().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_answer_on_every_socket_that_was_handed_over_and_over_tls_where_it_is_for_that() {
        let sockets = [(); 4].map(|()| Arc::new(TcpListener::bind("127.0.0.1:0").unwrap()));
        let [first, second, tls, other] = sockets.each_ref().map(|socket| socket.local_addr().unwrap());
        let (proxy, proxy_tls) = sockets.split_at(2);
        let handed = Handed { api: None, proxy: proxy.to_vec(), proxy_tls: proxy_tls.to_vec() };
        let wanted = Wanted { run: "/run".into(), listen: first, tls: Some(tls), handed };
        let addresses =
            [("--listen", first), ("--listen", second), ("--listen-tls", tls), ("--listen-tls", other)];
        let spoken = addresses.map(|(word, address)| format!("{word} {address}")).join(" ");
        assert_eq!(wanted.words().join(" ".as_ref()), format!("--run /run {spoken}").as_str());

        let status = |listen: &[SocketAddr], listen_tls: &[SocketAddr]| Status {
            pid: 41,
            version: String::new(),
            listen: listen.to_vec(),
            listen_tls: listen_tls.to_vec(),
            generation: 0,
            connections: 0,
            open: mirage_proxy::Open::default(),
            unbound_zones: Vec::new(),
            has_predecessor: false,
        };
        let right = status(&[first, second], &[tls, other]);
        assert_eq!(wanted.met_by(&right), Some((first, Some(tls))));
        assert!(wanted.has_its_sockets_served(&right));
        for wrong in [status(&[first, second, other], &[tls]), status(&[first], &[tls, other])] {
            assert!(!wanted.has_its_sockets_served(&wrong));
        }
        let alone = Wanted { tls: None, handed: Handed::default(), ..wanted.clone() };
        assert_eq!(alone.words().join(" ".as_ref()), format!("--run /run --listen {first}").as_str());
        assert_eq!(alone.met_by(&status(&[second, first], &[])), Some((first, None)));
        assert_eq!(alone.met_by(&status(&[first], &[tls])), None, "nobody wants TLS any more");
    }
}
