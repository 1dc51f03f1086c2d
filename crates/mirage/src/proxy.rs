//! `mirage proxy`: the role that moves requests. Started by `mirage serve`, which it outlives.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use mirage_core::Result;
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
    /// Addresses at which services answer over TLS
    #[arg(long)]
    listen_tls: Vec<SocketAddr>,
}

pub(crate) fn run(args: ProxyArgs) -> Result<ExitCode> {
    crate::memory::keep_private()?;
    crate::logging::start();
    let config = ProxyConfig::new(args.listen, args.run, Arc::new(SystemRandomness));
    mirage_proxy::run(ProxyConfig { listen_tls: args.listen_tls, ..config })?;
    Ok(ExitCode::SUCCESS)
}
