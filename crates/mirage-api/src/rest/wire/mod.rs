//! What goes over the wire of the REST face: JSON, camelCase. The command line reads the same types.

mod deployment;
mod doctor;
mod image;
mod log;
mod problem;
mod request;
mod service;

pub use deployment::{DeploymentBody, DeploymentList, FailureBody, LayerProgress, ProgressBody, StepBody};
pub use doctor::{FindingBody, FindingList};
pub use image::{ImageConfigBody, InspectBody, InspectRequest};
pub use log::LogLineBody;
pub use problem::Problem;
pub use request::{
    DeployBody, FromImageRequest, HealthcheckBody, PatchServiceRequest, ResourcesBody, RollbackRequest,
};
pub use service::{CreatedBody, InstanceBody, ServiceBody, ServiceList};
