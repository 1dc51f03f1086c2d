//! Following a deployment until it is Active or has failed.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use mirage_core::{Error, Phase, Result, StepKind};

use super::domain::tell_standing;
use super::printer::human_duration;
use super::progress::Bars;
use super::wire::{Deployment, Service, Step, Told};
use super::{Api, Printer, page};

/// How often a deployment is looked at: quickly at first, because most are done in a moment.
const QUICK: Duration = Duration::from_millis(15);
const SLOW: Duration = Duration::from_millis(100);

/// Narrates a deployment until it ends. Failed is an error with what the deployment says about it.
pub(crate) async fn follow_deployment(
    api: &Api,
    printer: &Printer,
    service: &str,
    mut deployment: Told<Deployment>,
    start: Instant,
) -> Result<()> {
    let mut said = HashSet::new();
    let mut bars = Bars::new(printer);
    loop {
        for step in deployment.steps.iter().filter(|step| step.duration_millis.is_some()) {
            if said.insert(step.kind) && !step.failed {
                bars.clear();
                say(printer, step);
            }
        }
        bars.show(deployment.progress.as_ref());
        if !deployment.phase.is_moving() {
            break;
        }
        let pause = if start.elapsed() < Duration::from_secs(2) { QUICK } else { SLOW };
        tokio::time::sleep(pause).await;
        deployment = api.get_again(&format!("/api/deployments/{}", deployment.id)).await?;
    }
    bars.clear();
    conclude(api, printer, service, deployment, start).await
}

fn say(printer: &Printer, step: &Step) {
    let verb = match step.kind {
        StepKind::Resolve => "Resolved",
        StepKind::Pull => "Pulled",
        StepKind::Start => "Started",
        StepKind::Probe => "Healthy",
        StepKind::Route => "Routed",
        StepKind::Drain => "Drained",
    };
    printer.step(verb, &step.summary, step.duration_millis.map(Duration::from_millis));
}

async fn conclude(
    api: &Api,
    printer: &Printer,
    service: &str,
    deployment: Told<Deployment>,
    start: Instant,
) -> Result<()> {
    let printer = &printer;
    match deployment.phase {
        Phase::Active => {
            let service: Service = api.get_again(&format!("/api/services/{service}")).await?;
            let took = human_duration(start.elapsed());
            let text =
                format!("{} #{} to {} in {took}", service.name, deployment.revision, service.environment);
            printer.step("Deployed", &text, None);
            tell_standing(api, printer, &service).await;
            page::tell(api, printer, &page::of_service(&service));
            if printer.json {
                printer.json(&deployment);
            } else if let Some(url) = &service.url {
                printer.data(url);
            }
            Ok(())
        }
        phase => {
            if printer.json {
                printer.json(&deployment);
            }
            let error = failed(printer, &deployment, phase);
            page::tell(api, printer, &page::of_deployment(&deployment.id));
            Err(error)
        }
    }
}

/// The error of a deployment that did not become active, after the last lines it wrote.
fn failed(printer: &Printer, deployment: &Deployment, phase: Phase) -> Error {
    let Some(failure) = &deployment.error else {
        return Error::new(
            mirage_core::Code::Conflict,
            format!("the deployment was {phase} by somebody else"),
        )
        .hint("`mirage deployments NAME` shows what runs instead");
    };
    if !failure.log_tail.is_empty() {
        printer.note("its last lines:");
        for line in &failure.log_tail {
            printer.note(&format!("  | {line}"));
        }
        printer.note("");
    }
    let error = Error::new(failure.code, failure.message.clone());
    failure.hint.iter().fold(error, |error, hint| error.hint(hint.clone()))
}
