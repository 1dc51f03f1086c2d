//! How something is, in a glyph, a word and a colour: five meanings, never more, the same as in the terminal.

use jiff::Timestamp;
use maud::{Markup, html};
use mirage_control::{InstanceView, ServiceStatus, ServiceView};
use mirage_core::{Deployment, InstanceState, Meaning, Phase, StepRecord, Verdict};

use crate::when;

/// A state: what it means, its word, and since when it is so.
#[derive(Clone, Copy)]
pub(crate) struct State {
    pub(crate) meaning: Meaning,
    pub(crate) word: &'static str,
    pub(crate) since: Option<Timestamp>,
}

impl State {
    /// The badge.
    pub(crate) fn badge(self, now: Timestamp) -> Markup {
        html! {
            span class=(format!("badge {}", class(self.meaning))) {
                span.glyph aria-hidden="true" { (self.meaning.glyph()) }
                " " (self.word)
                @if let Some(since) = self.since {
                    " " @match self.meaning {
                        Meaning::Busy => (when::lasting(since, now)),
                        _ => (when::since(since, now)),
                    }
                }
            }
        }
    }
}

/// The class that brings the colours of a meaning.
pub(crate) fn class(meaning: Meaning) -> &'static str {
    match meaning {
        Meaning::Ok => "ok",
        Meaning::Busy => "busy",
        Meaning::Wait => "wait",
        Meaning::Warn => "warn",
        Meaning::Bad => "bad",
    }
}

/// How a service is.
pub(crate) fn of_service(view: &ServiceView) -> State {
    let meaning = match view.status {
        ServiceStatus::Active => Meaning::Ok,
        ServiceStatus::Deploying | ServiceStatus::Removing => Meaning::Busy,
        ServiceStatus::Stopped => Meaning::Wait,
        ServiceStatus::Degraded => Meaning::Warn,
        ServiceStatus::Unhealthy | ServiceStatus::Exited | ServiceStatus::Failed => Meaning::Bad,
    };
    let finished = |deployment: Option<&Deployment>| deployment.and_then(|it| it.finished_at);
    // Since when an instance is unwell is not remembered, so nothing is said of it.
    let since = match view.status {
        ServiceStatus::Active => finished(view.active.as_ref()),
        ServiceStatus::Deploying => view.candidate.as_ref().map(|it| it.created_at),
        ServiceStatus::Failed => finished(view.newest.as_ref()),
        _ => None,
    };
    State { meaning, word: view.status.as_str(), since }
}

/// The same in half a sentence, which begins with the name of the service.
pub(crate) fn in_words(status: ServiceStatus) -> String {
    match status {
        ServiceStatus::Failed | ServiceStatus::Exited => format!("has {}", status.as_str()),
        ServiceStatus::Removing => "is being removed".to_owned(),
        _ => format!("is {}", status.as_str()),
    }
}

/// How a deployment is. One that has failed is not at its step any more, though what it started may not have ended.
pub(crate) fn of_deployment(deployment: &Deployment) -> State {
    if deployment.phase.is_moving() && deployment.failure.is_some() {
        return State { meaning: Meaning::Bad, word: "failing", since: None };
    }
    let meaning = match deployment.phase {
        Phase::Active => Meaning::Ok,
        Phase::Queued | Phase::Superseded | Phase::Cancelled => Meaning::Wait,
        Phase::Failed => Meaning::Bad,
        Phase::Building | Phase::Preparing | Phase::Starting | Phase::Probing | Phase::Switching => {
            Meaning::Busy
        }
    };
    let since = deployment.finished_at.unwrap_or(deployment.created_at);
    State { meaning, word: deployment.phase.as_str(), since: Some(since) }
}

/// How a deployment is, in half a sentence, which begins with what it is called.
pub(crate) fn deployment_in_words(deployment: &Deployment) -> String {
    match deployment.phase.is_moving() {
        true => format!("is {}", of_deployment(deployment).word),
        false => deployment.phase.told(),
    }
}

/// How a step of a deployment went.
pub(crate) fn of_step(step: &StepRecord) -> State {
    let (meaning, word) = match (step.finished_at, step.failed) {
        (_, true) => (Meaning::Bad, "failed"),
        (Some(_), false) => (Meaning::Ok, "done"),
        (None, false) => (Meaning::Busy, "under way"),
    };
    State { meaning, word, since: None }
}

/// How an instance is.
pub(crate) fn of_instance(view: &InstanceView) -> State {
    let (meaning, word, since) = match (&view.state, &view.verdict) {
        (InstanceState::Starting, _) => (Meaning::Busy, "starting", None),
        (InstanceState::Running { since }, Verdict::Healthy) => (Meaning::Ok, "healthy", Some(*since)),
        (InstanceState::Running { since }, Verdict::Unhealthy { .. }) => {
            (Meaning::Bad, "unhealthy", Some(*since))
        }
        (InstanceState::Running { since }, Verdict::Unknown) => (Meaning::Busy, "running", Some(*since)),
        (InstanceState::Stopping, _) => (Meaning::Wait, "stopping", None),
        (InstanceState::Exited(exit), _) => (Meaning::Bad, "exited", Some(exit.at)),
    };
    State { meaning, word, since }
}
