//! Deployments: attempts to make a revision live.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::Code;
use crate::id::{DeploymentId, ServiceId};

/// One attempt to make a revision live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// Identity.
    pub id: DeploymentId,
    /// The service.
    pub service: ServiceId,
    /// Number of the revision.
    pub revision: u32,
    /// How far it is.
    pub phase: Phase,
    /// Why it was started.
    pub trigger: Trigger,
    /// Who asked for it; empty where that is not remembered.
    pub requested_by: String,
    /// What it replaces when it becomes active.
    pub replaces: Option<DeploymentId>,
    /// The steps taken, oldest first.
    pub steps: Vec<StepRecord>,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it became Active, Failed or Cancelled.
    pub finished_at: Option<Timestamp>,
}

impl Deployment {
    /// Whether it had the traffic, now or before another one took over.
    pub fn was_routed(&self) -> bool {
        self.steps
            .iter()
            .any(|step| step.kind == StepKind::Route && step.finished_at.is_some() && !step.failed)
    }
}

/// Why a deployment was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trigger {
    /// The source was resolved anew.
    Deploy,
    /// The same revision again.
    Redeploy,
    /// An older revision again.
    Rollback,
    /// The tag was pushed to the built-in registry, and the source resolved anew.
    Push,
}

impl Trigger {
    /// The word for it, lower-case.
    pub fn as_str(self) -> &'static str {
        match self {
            Trigger::Deploy => "deploy",
            Trigger::Redeploy => "redeploy",
            Trigger::Rollback => "rollback",
            Trigger::Push => "push",
        }
    }
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How far a deployment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Waits for its turn.
    Queued,
    /// An image is made from source.
    Building,
    /// The image is brought to the target.
    Preparing,
    /// Processes are started.
    Starting,
    /// Processes are asked whether they are well.
    Probing,
    /// Traffic moves over.
    Switching,
    /// The wanted digest runs, was seen healthy, and has the traffic.
    Active,
    /// A newer deployment took over.
    Superseded,
    /// It did not become active, and is gone.
    Failed,
    /// A user stopped it, and it is gone.
    Cancelled,
}

impl Phase {
    /// Every phase, in order.
    pub const ALL: [Phase; 10] = [
        Phase::Queued,
        Phase::Building,
        Phase::Preparing,
        Phase::Starting,
        Phase::Probing,
        Phase::Switching,
        Phase::Active,
        Phase::Superseded,
        Phase::Failed,
        Phase::Cancelled,
    ];

    /// Where a deployment is, in words that follow its name: `has failed`.
    pub fn told(self) -> String {
        match self {
            Self::Failed => "has failed".to_owned(),
            Self::Cancelled | Self::Superseded => format!("was {self}"),
            _ => format!("is {self}"),
        }
    }

    /// The word for it, lower-case.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Queued => "queued",
            Phase::Building => "building",
            Phase::Preparing => "preparing",
            Phase::Starting => "starting",
            Phase::Probing => "probing",
            Phase::Switching => "switching",
            Phase::Active => "active",
            Phase::Superseded => "superseded",
            Phase::Failed => "failed",
            Phase::Cancelled => "cancelled",
        }
    }

    /// Whether it is still on its way to Active.
    pub fn is_moving(self) -> bool {
        matches!(
            self,
            Phase::Queued
                | Phase::Building
                | Phase::Preparing
                | Phase::Starting
                | Phase::Probing
                | Phase::Switching
        )
    }

    /// Whether `next` may follow: forward through the moving phases (some are skipped), from any of
    /// them to an end, and from Active only to Superseded.
    pub fn may_become(self, next: Phase) -> bool {
        match (self, next) {
            (Phase::Active, Phase::Superseded) => true,
            (from, Phase::Failed | Phase::Cancelled | Phase::Superseded) => from.is_moving(),
            (from, to) => from.is_moving() && (to as u8) > (from as u8),
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StepKind {
    /// Tag to digest.
    Resolve,
    /// Bytes to the target.
    Pull,
    /// Processes started.
    Start,
    /// Processes found healthy.
    Probe,
    /// Traffic moved.
    Route,
    /// Old requests finished, old processes stopped.
    Drain,
}

impl StepKind {
    /// The word for it, lower-case.
    pub fn as_str(self) -> &'static str {
        match self {
            StepKind::Resolve => "resolve",
            StepKind::Pull => "pull",
            StepKind::Start => "start",
            StepKind::Probe => "probe",
            StepKind::Route => "route",
            StepKind::Drain => "drain",
        }
    }
}

/// A step of a deployment that was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRecord {
    /// What was done.
    pub kind: StepKind,
    /// What came out, in half a sentence: `3 of 6 layers, 41 MiB`.
    pub summary: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended; `None` while it lasts.
    pub finished_at: Option<Timestamp>,
    /// Whether it ended badly.
    #[serde(default)]
    pub failed: bool,
}

/// Why a deployment failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// The code, for programs.
    pub code: Code,
    /// The sentence.
    pub message: String,
    /// The next thing to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The last lines the instance wrote.
    #[serde(default)]
    pub log_tail: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_only_move_forward() {
        let mut table = String::new();
        for from in Phase::ALL {
            let to: Vec<_> =
                Phase::ALL.into_iter().filter(|to| from.may_become(*to)).map(Phase::as_str).collect();
            table += &format!("{from}: {}\n", to.join(" "));
        }
        assert_eq!(
            table,
            "queued: building preparing starting probing switching active superseded failed cancelled\n\
             building: preparing starting probing switching active superseded failed cancelled\n\
             preparing: starting probing switching active superseded failed cancelled\n\
             starting: probing switching active superseded failed cancelled\n\
             probing: switching active superseded failed cancelled\n\
             switching: active superseded failed cancelled\n\
             active: superseded\n\
             superseded: \n\
             failed: \n\
             cancelled: \n"
        );
    }
}
