//! `mirage redeploy`, `restart`, `rollback`, `cancel`, `scale`

use std::time::{Duration, Instant};

use clap::Args;
use mirage_core::{Code, Error, Result};
use serde_json::json;

use super::api::segment;
use super::follow::follow_deployment;
use super::login::LoginArgs;
use super::wire::{Change, Deployment, Rollback, Service, Told};
use super::{Context, wait};

/// The longest that instances may take to come or go.
const LIMIT: Duration = Duration::from_secs(180);

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
    /// Number of the revision (default: the one that was active before)
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
    follow_deployment(&context.api, &context.printer, &service, deployment, start).await
}

pub(crate) async fn cancel(args: CancelArgs, context: Context) -> Result<()> {
    let start = Instant::now();
    let service: Service = context.api.get(&format!("/api/services/{}", segment(&args.name))).await?;
    let Some(moving) = &service.candidate_deployment else {
        return Err(Error::new(Code::Conflict, format!("no deployment of `{}` is on its way", service.name))
            .hint(format!("`mirage deployments {}` lists those that were", service.name)));
    };
    let path = format!("/api/deployments/{}/cancel", moving.id);
    let deployment: Told<Deployment> = context.api.post(&path, &json!({})).await?;
    let text = format!("{} #{}", service.name, deployment.revision);
    context.printer.step("Cancelled", &text, Some(start.elapsed()));
    if context.printer.json {
        context.printer.json(&deployment);
    }
    Ok(())
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
    let Some(service) = wait::until(&context, &before.id, LIMIT, replaced).await? else { return Ok(()) };
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
    let settled = |service: &Service| {
        service.healthy() == args.replicas && service.instances.len() == args.replicas as usize
    };
    let Some(service) = wait::until(&context, &changed.id, LIMIT, settled).await? else { return Ok(()) };
    let text = format!("{} to {}", service.name, service.replicas);
    context.printer.step("Scaled", &text, Some(start.elapsed()));
    show(&context, &service);
    Ok(())
}

fn show(context: &Context, service: &Told<Service>) {
    if context.printer.json {
        context.printer.json(service);
    } else if let Some(url) = &service.url {
        context.printer.data(url);
    }
}
