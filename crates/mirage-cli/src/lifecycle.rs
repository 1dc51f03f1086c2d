//! `mirage redeploy`, `restart`, `rollback`, `cancel`, `scale`

use std::time::{Duration, Instant};

use clap::Args;
use mirage_core::{Code, Error, Phase, Result};
use serde_json::json;

use super::api::segment;
use super::follow::follow_deployment;
use super::login::LoginArgs;
use super::wire::{Change, Deployment, Rollback, Service, Told};
use super::{Context, page, wait};

/// Between two looks at a deployment that ends.
const PAUSE: Duration = Duration::from_millis(100);

/// What instances may take to come or go beyond what the settings of their service allow.
const MARGIN: Duration = Duration::from_secs(60);

/// Deploy the current revision once more
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mirage redeploy web\n  mirage redeploy shop/staging/web")]
pub struct RedeployArgs {
    /// The service: a name, an id, or project/environment/name
    name: String,
}

/// Replace the instances of a service by new ones
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mirage restart web\n  mirage restart shop/staging/web")]
pub struct RestartArgs {
    /// The service: a name, an id, or project/environment/name
    name: String,
}

/// Deploy an older revision again
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mirage rollback web\n  mirage rollback web 3")]
pub struct RollbackArgs {
    /// The service: a name, an id, or project/environment/name
    name: String,
    /// Number of the revision (default: the older one that was active last)
    revision: Option<u32>,
    #[command(flatten)]
    login: LoginArgs,
}

/// Stop a deployment that is on its way
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mirage cancel web\n  mirage cancel shop/staging/web")]
pub struct CancelArgs {
    /// The service: a name, an id, or project/environment/name
    name: String,
}

/// Change the number of instances
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mirage scale web 3\n  mirage scale web 0")]
pub struct ScaleArgs {
    /// The service: a name, an id, or project/environment/name
    name: String,
    /// How many
    replicas: u32,
}

pub(crate) async fn redeploy(args: RedeployArgs, context: Context) -> Result<()> {
    let start = Instant::now();
    let path = format!("/api/services/{}/redeploy", segment(&args.name));
    let deployment: Told<Deployment> = context.api.post(&path, &json!({})).await?;
    let service = deployment.service.clone();
    follow_deployment(&context.api, &context.printer, &service, deployment, start).await
}

pub(crate) async fn rollback(args: RollbackArgs, context: Context) -> Result<()> {
    let start = Instant::now();
    let path = format!("/api/services/{}/rollback", segment(&args.name));
    let request = Rollback { revision: args.revision, registry_credentials: args.login.credentials()? };
    let deployment: Told<Deployment> = context.api.post(&path, &request).await?;
    let service = deployment.service.clone();
    follow_deployment(&context.api, &context.printer, &service, deployment, start).await?;
    let service: Service = context.api.get_again(&format!("/api/services/{service}")).await?;
    if service.auto_deploy_paused {
        context
            .printer
            .note("auto-deploy is paused: pushes of its tag set nothing off until the next `mirage deploy`");
    }
    Ok(())
}

pub(crate) async fn cancel(args: CancelArgs, context: Context) -> Result<()> {
    let start = Instant::now();
    let service: Service = context.api.get(&format!("/api/services/{}", segment(&args.name))).await?;
    let Some(moving) = &service.candidate_deployment else {
        return Err(Error::new(Code::Conflict, format!("no deployment of `{}` is on its way", service.name))
            .hint(format!("`mirage deployments {}` lists those that were", service.name)));
    };
    let path = format!("/api/deployments/{}", moving.id);
    let mut deployment: Told<Deployment> = context.api.post(&format!("{path}/cancel"), &json!({})).await?;
    let limit = Duration::from_secs(service.stop_grace_seconds.into()) + MARGIN;
    while deployment.phase.is_moving() && start.elapsed() < limit {
        tokio::time::sleep(PAUSE).await;
        deployment = context.api.get_again(&path).await?;
    }
    if context.printer.json {
        context.printer.json(&deployment);
    }
    let text = format!("{} #{}", service.name, deployment.revision);
    cancelled(deployment.phase, &text)?;
    context.printer.step("Cancelled", &text, Some(start.elapsed()));
    Ok(())
}

/// Refuses to call a deployment cancelled that is something else.
fn cancelled(phase: Phase, what: &str) -> Result<()> {
    match phase {
        Phase::Cancelled => Ok(()),
        phase if phase.is_moving() => Err(Error::new(
            Code::DeadlineExceeded,
            format!("the end of {what} is asked for, and it is still {phase}"),
        )
        .hint("it ends by itself; `mirage deployments NAME` shows when")),
        phase => Err(Error::new(Code::Conflict, format!("{what} was {phase} before it could be cancelled"))
            .hint("`mirage status NAME` shows what runs")),
    }
}

pub(crate) async fn restart(args: RestartArgs, context: Context) -> Result<()> {
    let start = Instant::now();
    let path = format!("/api/services/{}", segment(&args.name));
    let before: Service = context.api.get(&path).await?;
    let _: Service = context.api.post(&format!("{path}/restart"), &json!({})).await?;
    let old: Vec<_> = before.instances.iter().map(|instance| instance.id.clone()).collect();
    let replaced = |service: &Service| {
        service.healthy() >= service.replicas && !service.instances.iter().any(|i| old.contains(&i.id))
    };
    let Some(service) = wait::until(&context, &before.id, limit(&before), replaced).await? else {
        return Ok(());
    };
    let text = format!("{}, {} of {} healthy", service.name, service.healthy(), service.replicas);
    context.printer.step("Restarted", &text, Some(start.elapsed()));
    show(&context, &service);
    Ok(())
}

pub(crate) async fn scale(args: ScaleArgs, context: Context) -> Result<()> {
    let start = Instant::now();
    let path = format!("/api/services/{}", segment(&args.name));
    let patch = Change { replicas: Some(args.replicas), ..Change::default() };
    let changed: Service = context.api.patch(&path, &patch).await?;
    if changed.active_deployment.is_none() && changed.candidate_deployment.is_none() {
        let text = format!(
            "{} to {}, from its next deployment on: none ever became active",
            changed.name, changed.replicas
        );
        context.printer.step("Set", &text, Some(start.elapsed()));
        return Ok(());
    }
    let settled = |service: &Service| {
        service.healthy() == args.replicas && service.instances.len() == args.replicas as usize
    };
    let Some(service) = wait::until(&context, &changed.id, limit(&changed), settled).await? else {
        return Ok(());
    };
    let text = format!("{} to {}", service.name, service.replicas);
    context.printer.step("Scaled", &text, Some(start.elapsed()));
    show(&context, &service);
    Ok(())
}

/// The longest that the instances of a service may take to come and go: start, stay beside the new ones, drain, stop.
/// Where they are replaced in turns, each turn takes that long.
fn limit(service: &Service) -> Duration {
    let rollout = &service.rollout;
    let ends = [rollout.overlap_seconds, rollout.drain_seconds, service.stop_grace_seconds];
    let start = service.healthcheck.start_timeout_seconds.max(0.0);
    let turn = ends.into_iter().map(u64::from).sum::<u64>().saturating_add(start.ceil() as u64);
    let turns = rollout.surge.map_or(1, |surge| service.replicas.div_ceil(surge.max(1)).max(1));
    Duration::from_secs(turn.saturating_mul(turns.into())) + MARGIN
}

fn show(context: &Context, service: &Told<Service>) {
    page::tell(&context.api, &context.printer, &page::of_service(service));
    if context.printer.json {
        context.printer.json(service);
    } else if let Some(url) = &service.url {
        context.printer.data(url);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_for_instances_gives_them_the_time_that_their_settings_do() {
        let mut service = json!({
            "id": "i", "name": "web", "project": "p", "environment": "e", "imageRegistry": "r", "imageName": "n",
            "environmentVariables": {}, "sealedVariables": [], "ports": [], "replicas": 5, "status": "active",
            "instances": [], "updatedAt": "2026-11-21T00:00:00Z", "stopGraceSeconds": 600,
            "healthcheck": {"check": "", "startTimeoutSeconds": 59.5},
            "rollout": {"surge": null, "overlapSeconds": 10, "drainSeconds": 30},
        });
        let read = |value: &serde_json::Value| limit(&serde_json::from_value(value.clone()).unwrap());
        assert_eq!(read(&service), Duration::from_secs(600 + 60 + 10 + 30) + MARGIN);
        service["rollout"]["surge"] = json!(2);
        assert_eq!(read(&service), Duration::from_secs(3 * 700) + MARGIN);
    }

    #[test]
    fn only_a_cancelled_deployment_is_called_so() {
        assert!(cancelled(Phase::Cancelled, "web #2").is_ok());
        let code = |phase| cancelled(phase, "web #2").unwrap_err().code();
        assert_eq!(code(Phase::Starting), Code::DeadlineExceeded);
        assert_eq!(code(Phase::Active), Code::Conflict);
        assert_eq!(code(Phase::Failed), Code::Conflict);
    }
}
