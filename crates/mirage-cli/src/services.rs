//! `mirage services`

use clap::Args;
use mirage_core::{Digest, Result};

use super::Context;
use super::api::segment;
use super::printer::Meaning;
use super::wire::{Service, Services, Told};

/// List services
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mirage services\n  mirage services --json")]
pub struct ServicesArgs {}

pub(crate) async fn run(_args: ServicesArgs, context: Context) -> Result<()> {
    let services = all(&context).await?;
    if context.printer.json {
        context.printer.json(&services);
        return Ok(());
    }
    if services.is_empty() {
        context.printer.note("no services yet; `mirage deploy REF` makes one");
        return Ok(());
    }
    let heading = ["SERVICE", "PLACE", "STATUS", "IMAGE", "DIGEST", "REPLICAS", "ADDRESS"].map(str::to_owned);
    let mut rows = vec![heading.to_vec()];
    rows.extend(services.iter().map(|service| row(service)));
    context.printer.table(&rows);
    Ok(())
}

/// Every page of the list.
async fn all(context: &Context) -> Result<Vec<Told<Service>>> {
    let mut services = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let query = after.as_deref().map(|after| format!("&after={}", segment(after))).unwrap_or_default();
        let page: Services = context.api.get(&format!("/api/services?limit=100{query}")).await?;
        services.extend(page.services);
        after = page.next;
        if after.is_none() {
            return Ok(services);
        }
    }
}

fn row(service: &Service) -> Vec<String> {
    let digest = service.image_digest.as_deref().and_then(|d| d.parse::<Digest>().ok());
    vec![
        service.name.clone(),
        format!("{}/{}", service.project, service.environment),
        format!("{} {}{}", meaning(&service.status).glyph(), service.status, last(service)),
        service.image(),
        digest.map(|digest| digest.short().to_owned()).unwrap_or_default(),
        format!("{}/{}", service.healthy(), service.replicas),
        service.url.clone().unwrap_or_default(),
    ]
}

/// That the last deployment failed, where what ran before looks well.
fn last(service: &Service) -> &'static str {
    let failed = service.latest_deployment.as_ref().is_some_and(|newest| newest.error.is_some());
    if failed && service.status == "active" { ", last deploy failed" } else { "" }
}

/// The meaning of a service's status.
pub(crate) fn meaning(status: &str) -> Meaning {
    match status {
        "active" => Meaning::Ok,
        "deploying" | "removing" => Meaning::Busy,
        "stopped" => Meaning::Wait,
        "degraded" => Meaning::Warn,
        _ => Meaning::Bad,
    }
}
