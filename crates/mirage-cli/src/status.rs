//! `mirage status NAME`

use clap::Args;
use jiff::Timestamp;
use mirage_core::Result;

use super::Context;
use super::api::segment;
use super::printer::human_age;
use super::services::meaning;
use super::wire::{Instance, Service, Told};

/// Show one service
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mirage status web\n  mirage status shop/staging/web --json")]
pub struct StatusArgs {
    /// The service: a name, an id, or project/environment/name
    name: String,
}

pub(crate) async fn run(args: StatusArgs, context: Context) -> Result<()> {
    let service: Told<Service> = context.api.get(&format!("/api/services/{}", segment(&args.name))).await?;
    if context.printer.json {
        context.printer.json(&service);
        return Ok(());
    }
    let printer = &context.printer;
    let mark = meaning(&service.status);
    let state = printer.paint(mark, &format!("{} {}", mark.glyph(), service.status));
    let now = context.surroundings.clock.now();
    let age = human_age(now.duration_since(service.updated_at).as_secs());
    let ports: Vec<_> = service.ports.iter().map(u16::to_string).collect();
    let volumes: Vec<_> =
        service.volumes.iter().map(|mount| format!("{} at {}", mount.name, mount.path)).collect();
    let rows = [
        ("service", format!("{}/{}/{}", service.project, service.environment, service.name)),
        ("status", format!("{state}, changed {age} ago")),
        ("address", service.url.clone().unwrap_or_default()),
        ("domains", service.domains.join(" ")),
        ("image", service.image()),
        ("asked for", asked(&service)),
        ("digest", service.image_digest.clone().unwrap_or_default()),
        ("login", service.registry_username.clone().unwrap_or_default()),
        ("revision", service.revision.map(|number| format!("#{number}")).unwrap_or_default()),
        ("replicas", format!("{} of {} healthy", service.healthy(), service.replicas)),
        ("ports", ports.join(" ")),
        ("health", service.healthcheck.check.clone()),
        ("volumes", volumes.join(", ")),
        ("pushes", pushes(&service).to_owned()),
        ("id", service.id.clone()),
    ];
    for (name, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
        printer.data(&format!("{name:<10}{value}"));
    }
    if !service.instances.is_empty() {
        printer.data("");
        let heading = ["INSTANCE", "STATE", "HEALTH", "ADDRESS", "PID", "SINCE"].map(str::to_owned);
        let mut table = vec![heading.to_vec()];
        table.extend(service.instances.iter().map(|it| instance(it, now)));
        printer.table(&table);
    }
    show_failure(&service, &context);
    Ok(())
}

/// The image that was asked for last, where it is not what runs.
fn asked(service: &Service) -> String {
    match service.asked() {
        asked if asked == service.image() => String::new(),
        asked => format!("{asked}, which is not what runs"),
    }
}

/// What a push of the service's tag sets off.
fn pushes(service: &Service) -> &'static str {
    match (service.auto_deploy, service.auto_deploy_paused) {
        (_, true) => "auto-deploy is paused since it was rolled back; `mirage deploy` goes on with it",
        (true, false) => "deployed by themselves",
        (false, false) => "",
    }
}

fn instance(instance: &Instance, now: Timestamp) -> Vec<String> {
    let health = match &instance.health_failure {
        Some(reason) => format!("{}: {reason}", instance.health),
        None => instance.health.clone(),
    };
    vec![
        instance.id.chars().take(8).collect(),
        instance.state.clone(),
        health,
        instance.address.clone().unwrap_or_default(),
        instance.pid.map(|pid| pid.to_string()).unwrap_or_default(),
        instance.running_since.map(|time| human_age(now.duration_since(time).as_secs())).unwrap_or_default(),
    ]
}

/// The newest deployment's failure, which a status must not hide.
fn show_failure(service: &Service, context: &Context) {
    let Some(newest) = &service.latest_deployment else { return };
    if let Some(failure) = &newest.error {
        let printer = &context.printer;
        printer.data("");
        printer.data(&format!("the newest deployment (#{}) failed: {}", newest.revision, failure.message));
        if let Some(hint) = &failure.hint {
            printer.data(&format!("hint: {hint}"));
        }
    }
}
