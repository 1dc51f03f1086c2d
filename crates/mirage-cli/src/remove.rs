//! `mirage remove NAME`

use std::time::{Duration, Instant};

use clap::Args;
use mirage_core::Result;

use super::api::segment;
use super::wire::{Service, Told};
use super::{Context, wait};

/// Draining, stopping and cleaning up together.
const LIMIT: Duration = Duration::from_secs(180);

/// Remove a service
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mirage remove web\n  mirage remove shop/staging/web --detach")]
pub struct RemoveArgs {
    /// The service: a name, an id, or project/environment/name
    name: String,
    /// Do not wait until it is gone
    #[arg(long)]
    detach: bool,
}

pub(crate) async fn run(args: RemoveArgs, context: Context) -> Result<()> {
    let start = Instant::now();
    let service: Told<Service> =
        context.api.delete(&format!("/api/services/{}", segment(&args.name))).await?;
    if context.printer.json {
        context.printer.json(&service);
    }
    if !args.detach {
        wait::until(&context, &service.id, LIMIT, |_| false).await?;
        let place = format!("{}/{}/{}", service.project, service.environment, service.name);
        context.printer.step("Removed", &place, Some(start.elapsed()));
        if !service.volumes.is_empty() {
            let names: Vec<_> = service.volumes.iter().map(|mount| mount.name.as_str()).collect();
            let text = format!("its volumes stay: {}; `mirage volume list` shows them", names.join(", "));
            context.printer.note(&text);
        }
    }
    Ok(())
}
