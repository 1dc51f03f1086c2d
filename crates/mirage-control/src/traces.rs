//! Tells how deployments went, as each ends.

use std::sync::{Arc, Mutex, PoisonError};

use mirage_core::port::TraceSink;
use mirage_core::{DeploymentId, Event, EventKind, Phase, Result, Span, StepKind, TracedDeployment};
use mirage_store::EventFilter;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::task::AbortHandle;
use tracing::warn;

use crate::parts::Parts;

/// Events that are read from the database at a time, where too many happened at once to be heard.
const BATCH: u32 = 500;

/// Hears of deployments that end, and tells whoever wants to know. Nobody waits for it.
pub(crate) struct Tracer {
    task: Mutex<Option<AbortHandle>>,
}

impl Tracer {
    /// Begins to listen, if there is somebody to tell.
    pub(crate) async fn start(parts: &Arc<Parts>) -> Result<Arc<Self>> {
        let Some(sink) = parts.traces.clone() else { return Ok(Arc::new(Self { task: Mutex::default() })) };
        let live = parts.events.subscribe();
        let last = parts.store.newest_event().await?;
        let task = tokio::spawn(listen(Arc::clone(parts), sink, live, last));
        Ok(Arc::new(Self { task: Mutex::new(Some(task.abort_handle())) }))
    }

    /// Stops listening. Of what ends from now on, nothing is told.
    pub(crate) fn stop(&self) {
        if let Some(task) = self.task.lock().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
    }
}

async fn listen(
    parts: Arc<Parts>,
    sink: Arc<dyn TraceSink>,
    mut live: broadcast::Receiver<Event>,
    mut last: i64,
) {
    loop {
        let mut heard = match live.recv().await {
            Ok(event) if event.number <= last => continue,
            Ok(event) if event.number == last + 1 => vec![event],
            // More than could be kept, or one of which nobody told.
            Ok(_) | Err(RecvError::Lagged(_)) => missed(&parts, last).await,
            Err(RecvError::Closed) => return,
        };
        while let Some(newest) = heard.last() {
            last = newest.number;
            for event in heard {
                match told(&parts, &event).await {
                    Ok(spans) if spans.is_empty() => {}
                    Ok(spans) => sink.accept(spans),
                    Err(error) => warn!(?error, "a deployment that ended could not be read; it has no trace"),
                }
            }
            heard = missed(&parts, last).await;
        }
    }
}

/// The next of what happened after this event, nothing where nothing did.
async fn missed(parts: &Parts, last: i64) -> Vec<Event> {
    let found = parts.store.events(&EventFilter::default(), last, BATCH).await;
    found.unwrap_or_else(|error| {
        warn!(?error, "events could not be read; deployments that just ended have no trace");
        Vec::new()
    })
}

/// What there is to tell after an event: the whole of a deployment when it is at its end, and how its predecessor was
/// drained when that is over.
async fn told(parts: &Parts, event: &Event) -> Result<Vec<Span>> {
    let Some(id) = event.deployment else { return Ok(Vec::new()) };
    match event.kind {
        EventKind::PhaseChanged { phase } if !phase.is_moving() => {
            of(parts, id, |traced| {
                // One that was active before was told then.
                if phase == Phase::Superseded && traced.deployment.was_routed() {
                    return Vec::new();
                }
                // It may have become another since.
                let mut deployment = traced.deployment.clone();
                deployment.phase = phase;
                TracedDeployment { deployment: &deployment, ..traced }.spans()
            })
            .await
        }
        EventKind::StepFinished { step: StepKind::Drain, .. } => of(parts, id, |it| it.drained()).await,
        _ => Ok(Vec::new()),
    }
}

/// What is told of a deployment; nothing of one that is gone with its service.
async fn of(
    parts: &Parts,
    id: DeploymentId,
    told: impl FnOnce(TracedDeployment<'_>) -> Vec<Span>,
) -> Result<Vec<Span>> {
    let Some(deployment) = parts.store.deployment(id).await? else { return Ok(Vec::new()) };
    let Some(service) = parts.store.service(deployment.service).await? else { return Ok(Vec::new()) };
    let place = parts.store.environment(service.environment).await?;
    let revision = parts.store.revision(deployment.service, deployment.revision).await?;
    let (Some((project, environment)), Some(revision)) = (place, revision) else { return Ok(Vec::new()) };
    Ok(told(TracedDeployment {
        deployment: &deployment,
        project: &project.name,
        environment: &environment.name,
        service: &service.name,
        image: &revision.image,
    }))
}
