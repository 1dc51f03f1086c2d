//! What to do next: [`plan`] compares what is wanted with what is seen.
//!
//! The words are those of a level-triggered reconciler: [`Desired`] comes from the database,
//! [`Observed`] from the engine, the proxy and the probes, and the [`Plan`] says which [`Step`]s to
//! begin now and when to ask again if nothing happens before. Steps that last are begun once and then
//! seen in [`Observed`] (`Pulling`, `Starting`, `Stopping`), so asking again is always harmless.

mod plan;
mod restart;
mod settings;

use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;

pub use plan::plan;
pub use restart::RestartPolicy;
pub use settings::Rollout;

use crate::deployment::{Failure, Phase};
use crate::id::{DeploymentId, InstanceId};
use crate::instance::{Exit, InstanceState};
use crate::probe::{ProbeFailure, Verdict};

/// What a service should be like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desired {
    /// The deployment that serves.
    pub active: Option<Attempt>,
    /// The deployment on its way to replace it.
    pub candidate: Option<Attempt>,
    /// Instances wanted.
    pub replicas: u32,
    /// Instances of an older generation are replaced.
    pub generation: u64,
    /// Whether the service is to go.
    pub removed: bool,
}

/// A deployment as the planner sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Which.
    pub deployment: DeploymentId,
    /// How far it is.
    pub phase: Phase,
    /// How it is to end, once that is decided but its instances are not gone yet.
    pub doomed: Option<Phase>,
    /// Restart policy of its revision.
    pub restart: RestartPolicy,
    /// Milliseconds an instance has until its first good answer, and until one that is no longer well is
    /// well again.
    pub budget_millis: u64,
    /// How many instances beyond those wanted may run while it takes over; see [`Rollout::surge`].
    pub surge: Option<u32>,
    /// Whether no instance of it may run beside one of another deployment or generation: both would write
    /// to the same volume.
    pub exclusive: bool,
    /// Milliseconds that the instances before it stay once it is active.
    pub overlap_millis: u64,
    /// When it became active.
    pub active_since: Option<Timestamp>,
}

/// What a service is like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// The candidate's image on the target.
    pub candidate_image: ImageState,
    /// The active deployment's image on the target.
    pub active_image: ImageState,
    /// Every instance that is not finished with, and the last finished one of each place, in the order in
    /// which they were decided: the clock may have jumped in between.
    pub instances: Vec<ObservedInstance>,
    /// What the engine still has of instances that ended.
    pub remains: Vec<Remains>,
}

/// What the engine still has of an instance that ended: addresses, files, a control group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remains {
    /// Which.
    pub instance: InstanceId,
    /// Whether it is being cleaned up already.
    pub sweeping: bool,
}

/// Whether an image can be started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ImageState {
    /// Not there.
    #[default]
    Absent,
    /// On its way.
    Pulling,
    /// There.
    Present,
    /// It could not be brought.
    Failed(Failure),
}

/// An instance as the planner sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedInstance {
    /// Which.
    pub id: InstanceId,
    /// Its deployment.
    pub deployment: DeploymentId,
    /// Its place.
    pub ordinal: u32,
    /// The service's generation when it was started.
    pub generation: u64,
    /// Failures in a row at its place before it.
    pub attempt: u32,
    /// When starting it was decided.
    pub created_at: Timestamp,
    /// How it is.
    pub state: InstanceState,
    /// Why it could not be started, where the engine and not the process is at fault.
    pub engine_failure: Option<Failure>,
    /// What probing says.
    pub verdict: Verdict,
    /// Since when it runs without being well; `None` where it is well, or does not run.
    pub unwell_since: Option<Timestamp>,
    /// Whether the proxy sends it requests.
    pub routed: bool,
    /// Whether it ended because it was asked to.
    pub stopped: bool,
}

/// What to do now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Steps to begin, in this order.
    pub steps: Vec<Step>,
    /// When to ask again at the latest.
    pub wake_at: Option<Timestamp>,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Records that a deployment is in this phase now.
    Enter {
        /// The deployment.
        deployment: DeploymentId,
        /// The phase.
        phase: Phase,
    },
    /// Begins to bring a deployment's image.
    Pull {
        /// The deployment.
        deployment: DeploymentId,
    },
    /// Stops bringing the image of a deployment that is given up.
    StopPull {
        /// The deployment.
        deployment: DeploymentId,
    },
    /// Begins to start an instance.
    Start {
        /// The deployment.
        deployment: DeploymentId,
        /// Its place among the replicas.
        ordinal: u32,
        /// Failures in a row at this place.
        attempt: u32,
    },
    /// Sends the service's requests to exactly these instances.
    Route {
        /// The instances.
        instances: BTreeSet<InstanceId>,
    },
    /// Records that a deployment is Active and whatever was before is Superseded.
    Activate {
        /// The deployment.
        deployment: DeploymentId,
    },
    /// Records why a deployment fails; its instances go next.
    Abandon {
        /// The deployment.
        deployment: DeploymentId,
        /// Why.
        cause: Cause,
    },
    /// Begins to let an instance without new requests finish, and then to stop it.
    Retire {
        /// The instance.
        instance: InstanceId,
    },
    /// Begins to clean up what the engine still has of an instance that ended.
    Sweep {
        /// The instance.
        instance: InstanceId,
    },
    /// Removes the service itself; nothing of it runs any more.
    Forget,
}

/// Why a deployment cannot become active.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Its image could not be brought.
    Image(Failure),
    /// The engine could not start an instance.
    Engine(Failure),
    /// An instance's process ended.
    Exited {
        /// The instance.
        instance: InstanceId,
        /// How.
        exit: Exit,
    },
    /// An instance did not answer well in its time.
    Unhealthy {
        /// The instance.
        instance: InstanceId,
        /// The last bad answer.
        last: Option<ProbeFailure>,
    },
}

/// The first group of an id: enough to read a plan in a log or a test.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Enter { deployment, phase } => write!(f, "enter {phase} {}", deployment.short()),
            Step::Pull { deployment } => write!(f, "pull {}", deployment.short()),
            Step::StopPull { deployment } => write!(f, "stop the pull of {}", deployment.short()),
            Step::Start { deployment, ordinal, attempt: 0 } => {
                write!(f, "start {}/{ordinal}", deployment.short())
            }
            Step::Start { deployment, ordinal, attempt } => {
                write!(f, "start {}/{ordinal} again ({attempt})", deployment.short())
            }
            Step::Route { instances } => {
                write!(
                    f,
                    "route to [{}]",
                    instances.iter().map(InstanceId::short).collect::<Vec<_>>().join(" ")
                )
            }
            Step::Activate { deployment } => write!(f, "activate {}", deployment.short()),
            Step::Abandon { deployment, cause } => write!(f, "abandon {}: {cause}", deployment.short()),
            Step::Retire { instance } => write!(f, "retire {}", instance.short()),
            Step::Sweep { instance } => write!(f, "clean up behind {}", instance.short()),
            Step::Forget => f.write_str("forget the service"),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Image(failure) | Cause::Engine(failure) => f.write_str(&failure.message),
            Cause::Exited { instance, exit } => write!(f, "{} ended: {exit}", instance.short()),
            Cause::Unhealthy { instance, last: Some(last) } => {
                write!(f, "{} is not well: {last}", instance.short())
            }
            Cause::Unhealthy { instance, last: None } => write!(f, "{} never answered", instance.short()),
        }
    }
}

#[cfg(test)]
mod tests;
