//! Deployments as traces: what a tracing system is told of them.

use jiff::Timestamp;

use crate::deployment::{Deployment, Phase, StepKind, StepRecord};
use crate::error::Code;
use crate::image::resolved::ResolvedImage;
use crate::name::Name;

/// A stretch of time in a trace. The trace of a deployment has the sixteen bytes of the deployment's identity as its
/// own, so whoever tells it again, also after a restart, tells the same one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The trace it belongs to.
    pub trace: [u8; 16],
    /// Its identity in that trace; never zero.
    pub id: [u8; 8],
    /// The span it is a part of; `None` for the whole.
    pub parent: Option<[u8; 8]>,
    /// What happened, in a word or two.
    pub name: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended, never before it began.
    pub ended_at: Timestamp,
    /// Facts about it, by name. Nothing in them is secret.
    pub attributes: Vec<(&'static str, SpanValue)>,
    /// How it ended.
    pub outcome: SpanOutcome,
}

/// A fact about a span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpanValue {
    /// A text.
    Text(String),
    /// A number.
    Number(i64),
}

/// How a span ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanOutcome {
    /// Neither well nor badly: somebody did not want it any more.
    Open,
    /// Well.
    Good,
    /// Badly, where it is known with this code.
    Bad(Option<Code>),
}

/// A deployment with what its trace says of it.
#[derive(Clone, Copy, Debug)]
pub struct TracedDeployment<'a> {
    /// The deployment, with its steps.
    pub deployment: &'a Deployment,
    /// Name of its project.
    pub project: &'a Name,
    /// Name of its environment.
    pub environment: &'a Name,
    /// Name of its service.
    pub service: &'a Name,
    /// The image of its revision.
    pub image: &'a ResolvedImage,
}

impl TracedDeployment<'_> {
    /// The whole, and a part of it for each step until it was at its end. What is drained and stopped after that is
    /// told by [`Self::drained`].
    pub fn spans(&self) -> Vec<Span> {
        let own = self.deployment.steps.iter().enumerate().filter(|(_, step)| step.kind != StepKind::Drain);
        std::iter::once(self.root()).chain(own.map(|(place, step)| self.part(place, step))).collect()
    }

    /// The part in which the instances of the deployment before were drained and stopped, once that is over.
    pub fn drained(&self) -> Vec<Span> {
        let steps = self.deployment.steps.iter().enumerate();
        let over = steps.filter(|(_, step)| step.kind == StepKind::Drain && step.finished_at.is_some());
        over.map(|(place, step)| self.part(place, step)).collect()
    }

    fn root(&self) -> Span {
        let Self { deployment, project, environment, service, image } = *self;
        let text = |value: &dyn std::fmt::Display| SpanValue::Text(value.to_string());
        let mut attributes = vec![
            ("mirage.project", text(project)),
            ("mirage.service", text(service)),
            ("deployment.environment.name", text(environment)),
            ("deployment.id", text(&deployment.id)),
            ("mirage.deployment.trigger", text(&deployment.trigger)),
            ("mirage.deployment.outcome", text(&deployment.phase)),
            ("mirage.revision", SpanValue::Number(deployment.revision.into())),
            ("container.image.name", text(&image.reference)),
            ("oci.manifest.digest", text(&image.digest)),
        ];
        attributes.extend(deployment.replaces.map(|id| ("mirage.deployment.replaces", text(&id))));
        let code = deployment.failure.as_ref().map(|failure| failure.code);
        attributes.extend(code.map(|code| ("error.type", text(&code))));
        let began = deployment.steps.iter().map(|step| step.started_at).min();
        let started_at = began.map_or(deployment.created_at, |began| began.min(deployment.created_at));
        Span {
            trace: deployment.id.bytes(),
            id: self.id(0),
            parent: None,
            name: format!("deploy {project}/{service}"),
            started_at,
            ended_at: self.ended_at().max(started_at),
            attributes,
            outcome: match deployment.phase {
                Phase::Failed => SpanOutcome::Bad(code),
                Phase::Active => SpanOutcome::Good,
                _ => SpanOutcome::Open,
            },
        }
    }

    fn part(&self, place: usize, step: &StepRecord) -> Span {
        // A probe names the path that it asked, and a failure may quote anything: neither goes to somebody else's system.
        let may_be_told = !step.failed && !matches!(step.kind, StepKind::Probe | StepKind::Resolve);
        let summary = Some(&step.summary).filter(|summary| may_be_told && !summary.is_empty());
        Span {
            trace: self.deployment.id.bytes(),
            id: self.id(place as u64 + 1),
            parent: Some(self.id(0)),
            name: step.kind.as_str().to_owned(),
            started_at: step.started_at,
            ended_at: step.finished_at.unwrap_or_else(|| self.ended_at()).max(step.started_at),
            attributes: summary
                .map(|summary| ("mirage.step.summary", SpanValue::Text(summary.clone())))
                .into_iter()
                .collect(),
            outcome: match (step.failed, self.deployment.phase) {
                (false, _) => SpanOutcome::Good,
                (true, Phase::Failed) => {
                    SpanOutcome::Bad(self.deployment.failure.as_ref().map(|failure| failure.code))
                }
                (true, _) => SpanOutcome::Open,
            },
        }
    }

    /// Its own end, or that of a step which is written down a moment later.
    fn ended_at(&self) -> Timestamp {
        let own = self.deployment.steps.iter().filter(|step| step.kind != StepKind::Drain);
        let last = own.filter_map(|step| step.finished_at).chain(self.deployment.finished_at).max();
        last.unwrap_or(self.deployment.created_at)
    }

    /// The last eight bytes of the trace, and from there on by number. The first bits of those bytes are `10` in every
    /// UUID, so it is neither zero nor does it run over.
    fn id(&self, number: u64) -> [u8; 8] {
        let [.., a, b, c, d, e, f, g, h] = self.deployment.id.bytes();
        u64::from_be_bytes([a, b, c, d, e, f, g, h]).wrapping_add(number).to_be_bytes()
    }
}

#[cfg(test)]
mod tests;
