//! `mirage proxy`: the role that moves requests. Started by `mirage serve`, which it outlives.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use mirage_core::{Error, Result};
use mirage_proxy::ProxyConfig;

use crate::clock::SystemRandomness;

/// The proxy process of a platform
#[derive(Debug, Args)]
pub(crate) struct ProxyArgs {
    /// Folder of its socket and its route table
    #[arg(long)]
    run: PathBuf,
    /// Addresses at which services answer
    #[arg(long, required = true)]
    listen: Vec<SocketAddr>,
    /// Some of them are open already, and come by a socket that is standard input
    #[arg(long)]
    sockets_on_stdin: bool,
    /// Addresses at which services answer over TLS
    #[arg(long)]
    listen_tls: Vec<SocketAddr>,
}

pub(crate) fn run(args: ProxyArgs) -> Result<ExitCode> {
    crate::memory::keep_private()?;
    crate::logging::start();
    let mut config = ProxyConfig::new(args.listen, args.run, Arc::new(SystemRandomness));
    config.listen_tls = args.listen_tls;
    if args.sockets_on_stdin {
        let sockets = mirage_proxy::receive_sockets(std::io::stdin().as_fd());
        let sockets = sockets.map_err(|error| Error::internal("receive the sockets of the proxy", error))?;
        config.handed = sockets.into_iter().map(|socket| Arc::new(TcpListener::from(socket))).collect();
    }
    mirage_proxy::run(config)?;
    Ok(ExitCode::SUCCESS)
}
