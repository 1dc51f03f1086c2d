//! `mirage demo`: the whole thing in one command, from nothing and offline.

mod home;
mod image;
mod push;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Args;
use mirage_core::{Error, Result};

use crate::demo::home::Home;
use crate::platform::{Platform, PlatformOptions};
use crate::serve::{Ends, needs_root, runtime};
use mirage_cli::{Printer, Token, deploy_new};

/// The repository of the sample image in the built-in registry.
const REPOSITORY: &str = "demo/hello";

/// The whole thing, offline, with a sample image; stays until Ctrl-C
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mirage demo\n  mirage demo 127.0.0.1:5000/acme/web:1")]
pub(crate) struct DemoArgs {
    /// An image to deploy instead of the sample
    #[arg(value_name = "REF")]
    reference: Option<String>,
    /// Address of API and registry (default: a free port)
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Address at which the service answers (default: 127.0.0.1:8080, or a free port where that is taken)
    #[arg(long, value_name = "ADDRESS")]
    proxy_listen: Option<SocketAddr>,
}

pub(crate) fn run(args: DemoArgs, printer: &Printer) -> Result<ExitCode> {
    needs_root("demo")?;
    crate::memory::keep_private()?;
    quiet_log();
    let runtime = runtime()?;
    runtime.block_on(Box::pin(home::sweep()));
    let home = Home::make()?;
    runtime.block_on(Box::pin(demonstrate(args, printer, home.path().to_owned())))?;
    drop(runtime);
    home.remove()?;
    printer.note("Stopped; nothing is left behind");
    Ok(ExitCode::SUCCESS)
}

async fn demonstrate(args: DemoArgs, printer: &Printer, data: PathBuf) -> Result<()> {
    let mut ends = Ends::listen()?;
    let start = Instant::now();
    let options = PlatformOptions {
        listen: args.listen,
        proxy_listen: args.proxy_listen.unwrap_or_else(free_proxy_address),
        ..PlatformOptions::of_folder(data.clone())
    };
    let platform = match Platform::start(options).await {
        Ok(platform) => platform,
        Err(error) => {
            // The network or the proxy may have come up before the part that did not.
            if let Err(left) = Platform::tear_down(PlatformOptions::of_folder(data)).await {
                tracing::warn!(error = ?left, "something of the demo is left");
            }
            return Err(error);
        }
    };
    let text = format!("a platform in {}, API on {}", data.display(), platform.listen);
    printer.step("Started", &text, Some(start.elapsed()));
    let deployed = tokio::select! {
        deployed = deploy(&args, printer, &platform, &data) => deployed.map(|()| true),
        () = ends.wait() => Ok(false),
    };
    if let Ok(true) = deployed {
        printer.note("\nCtrl-C stops it and removes everything");
        ends.wait().await;
        printer.note("");
    }
    let down = platform.down().await;
    deployed.and(down)
}

/// Puts an image in and deploys it, both as any user would: over HTTP, with the token.
async fn deploy(
    args: &DemoArgs,
    printer: &Printer,
    platform: &Platform,
    data: &std::path::Path,
) -> Result<()> {
    let url = format!("http://{}", platform.listen);
    let token = std::fs::read_to_string(data.join("admin.token"))
        .map_err(|error| Error::internal("read the token of the demo", error))?;
    let Ok(token) = token.parse::<Token>();
    let (reference, name) = match &args.reference {
        Some(reference) => (reference.clone(), None),
        None => {
            let start = Instant::now();
            let image = image::sample();
            let size = image.size();
            push::push(&url, &token, &REPOSITORY.parse()?, &"1".parse()?, image).await?;
            let reference = format!("{}/{REPOSITORY}:1", platform.listen);
            printer.step("Pushed", &format!("{reference}, {size} bytes"), Some(start.elapsed()));
            (reference, Some("hello".to_owned()))
        }
    };
    deploy_new(url, token, reference, name, printer).await
}

/// The usual address where it is free, so that the printed one is pleasant; else any.
fn free_proxy_address() -> SocketAddr {
    let usual = SocketAddr::from(([127, 0, 0, 1], 8080));
    match std::net::TcpListener::bind(usual) {
        Ok(_) => usual,
        Err(_) => SocketAddr::from(([127, 0, 0, 1], 0)),
    }
}

/// Only what went wrong is worth a line between the demo's own.
fn quiet_log() {
    crate::logging::start_with("error");
}
