//! What Mirage is, in its nouns.
//!
//! A [`Project`] holds [`Environment`]s; an environment holds [`Service`]s. A service has a
//! [`ServiceSpec`] with one [`Source`]. Resolving the source gives a [`ResolvedImage`], pinned to a
//! [`Digest`]; spec and image together are frozen as a [`Revision`]. A [`Deployment`] is one attempt
//! to make a revision live, and moves through [`Phase`]s. [`plan`] compares what is [`Desired`] with
//! what is [`Observed`] and answers with the next [`Step`]s; somebody else takes them, through the
//! few traits in [`port`].
//!
//! This crate does no IO, has no async runtime, and never reads the clock.

mod amount;
mod certificate;
mod check;
mod credential;
mod deployment;
mod domain;
mod env_file;
mod error;
mod event;
mod exec;
pub mod fault;
mod grant;
mod host;
mod id;
mod image;
mod instance;
mod log;
mod meaning;
mod metric;
mod name;
pub mod port;
mod probe;
mod project;
mod resources;
mod revision;
mod rollout;
mod route;
mod sealed;
mod secret;
mod service;
pub mod setting;
mod size;
mod statuses;
mod trace;
mod traffic;
mod usage;
mod variable;
mod volume;

pub use amount::{bytes_of, bytes_text, cores_of, decimal, thousandths_of};
pub use certificate::{
    CertificateSet, CertificateStatus, Challenge, ChallengeMethod, ServedCertificate, Validity, retry_pause,
};
pub use check::{Check, HttpCheck, Timing};
pub use credential::{
    Credential, CredentialChange, CredentialOutcome, CredentialOwner, CredentialScope, Login, check_rollback,
};
pub use deployment::{Deployment, Failure, Phase, StepKind, StepRecord, Trigger};
pub use domain::{CHALLENGE_PATH, CertificateSource, Domain, DomainRecord};
pub use env_file::{env_line, env_lines};
pub use error::{Code, Error, Result};
pub use event::{EVENT_KINDS, Event, EventKind, SettingChange};
pub use exec::{ExecCommand, ExecEnding, ExecOutcome};
pub use grant::Grant;
pub use host::host_label;
pub use id::{
    CredentialId, DeploymentId, DraftId, EnvironmentId, InstanceId, ProjectId, ServiceId, TokenId, VolumeId,
};
pub use image::attachments::{Attachments, Presence};
pub use image::digest::{Digest, DigestAlgorithm};
pub use image::judge::{Circumstances, judge};
pub use image::parts::{ReferenceParts, unwrapped};
pub use image::place::RegistryPlace;
pub use image::platform::Platform;
pub use image::quota::Quota;
pub use image::reference::{Reference, RegistryHost, Repository, Tag};
pub use image::resolved::{HealthTiming, ImageConfig, ResolvedImage};
pub use image::run::{RunCommand, run_command, tellable, verb_of};
pub use image::stock::{Stock, UNPACKED_RATIO, does_not_fit};
pub use image::tags::TagListing;
pub use image::verdict::{FindingCode, ImageFinding, ImageVerdict, Severity};
pub use instance::{Exit, Instance, InstanceReport, InstanceSpec, InstanceState, LogPolicy, MountedVolume};
pub use log::{LineTest, LogCursor, LogLine, LogPlace, LogPosition, LogQuery, LogStream};
pub use meaning::Meaning;
pub use metric::{Figures, MetricPoint};
pub use name::Name;
pub use probe::{Probe, ProbeFailure, Verdict};
pub use project::{Environment, Project};
pub use resources::Resources;
pub use revision::{DEFAULT_PORT, Revision};
pub use rollout::{
    Attempt, Cause, Desired, ImageState, Observed, ObservedInstance, Plan, Remains, RestartPolicy, Rollout,
    Step, plan,
};
pub use route::{Backend, DomainRoute, NameRecord, Route, RouteTable, Zone};
pub use sealed::Sealed;
pub use secret::Secret;
pub use service::{Port, Service, ServiceSpec, Source};
pub use size::human_bytes;
pub use statuses::Statuses;
pub use trace::{Span, SpanOutcome, SpanValue, TracedDeployment};
pub use traffic::{
    LATENCY_BOUNDS_MICROS, LATENCY_BUCKETS, LatencyCounts, ProcessTraffic, ProxyProcess, ServiceTraffic,
    TrafficCounts, TrafficMark,
};
pub use usage::InstanceUsage;
pub use variable::{SharedVariable, VariableInput, VariableName, VariableText, VariableValue};
pub use volume::{MountPath, Volume, VolumeMount, VolumeName, check_mounts, reserved as reserved_path};
