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
}

pub(crate) fn run(args: ProxyArgs) -> Result<ExitCode> {
    crate::memory::keep_private()?;
    crate::logging::start();
    mirage_proxy::run(ProxyConfig::new(args.listen, args.run, Arc::new(SystemRandomness)))?;
    Ok(ExitCode::SUCCESS)
}
