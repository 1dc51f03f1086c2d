//! `mirage deployments NAME`

use clap::Args;
use jiff::Timestamp;
use mirage_core::{Digest, Phase, Result};

use super::Context;
use super::api::segment;
use super::printer::{Meaning, human_age};
use super::wire::{Deployment, Deployments, Told};

/// List the deployments of a service
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mirage deployments web\n  mirage deployments web --limit 5 --json")]
pub struct DeploymentsArgs {
    /// The service: a name, an id, or project/environment/name
    name: String,
    /// At most so many
    #[arg(long, default_value_t = 20)]
    limit: u32,
}

pub(crate) async fn run(args: DeploymentsArgs, context: Context) -> Result<()> {
    let path = format!("/api/services/{}/deployments?limit={}", segment(&args.name), args.limit);
    let list: Told<Deployments> = context.api.get(&path).await?;
    if context.printer.json {
        context.printer.json(&list);
        return Ok(());
    }
    let now = context.surroundings.clock.now();
    let heading = ["REVISION", "PHASE", "WHY", "BY", "DIGEST", "AGE", "TOOK", "ID"].map(str::to_owned);
    let mut rows = vec![heading.to_vec()];
    rows.extend(list.deployments.iter().map(|it| row(it, now)));
    context.printer.table(&rows);
    Ok(())
}

fn row(deployment: &Deployment, now: Timestamp) -> Vec<String> {
    let digest = deployment.image_digest.as_deref().and_then(|d| d.parse::<Digest>().ok());
    let took = deployment.finished_at.map(|end| {
        let took = end.duration_since(deployment.created_at).unsigned_abs();
        super::human_duration(took)
    });
    vec![
        format!("#{}", deployment.revision),
        format!("{} {}", meaning(deployment.phase).glyph(), deployment.phase),
        deployment.trigger.to_string(),
        deployment.requested_by.clone().unwrap_or_default(),
        digest.map(|digest| digest.short().to_owned()).unwrap_or_default(),
        human_age(now.duration_since(deployment.created_at).as_secs()),
        took.unwrap_or_default(),
        deployment.id.clone(),
    ]
}

fn meaning(phase: Phase) -> Meaning {
    match phase {
        Phase::Active => Meaning::Ok,
        Phase::Building | Phase::Preparing | Phase::Starting | Phase::Probing | Phase::Switching => {
            Meaning::Busy
        }
        Phase::Queued | Phase::Superseded | Phase::Cancelled => Meaning::Wait,
        Phase::Failed => Meaning::Bad,
    }
}
