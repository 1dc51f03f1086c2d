//! The few traits behind which the world may differ: where services run, where images come from,
//! how traffic is moved, what time it is.

mod certificates;
mod clock;
mod engine;
mod images;
mod router;
mod traces;
mod volumes;

pub use certificates::{AuthorityRefusal, CertificateAuthority, CertificateOrder, ChallengeStage};
pub use clock::{Clock, Randomness};
pub use engine::{InstanceEngine, LogReader};
pub use images::{
    HeldRepository, HeldTag, ImageStore, LoginCheck, Progress, PullProgress, Registry, Sighting, Spared,
};
pub use router::Router;
pub use traces::TraceSink;
pub use volumes::{Archive, VolumeSize, VolumeStore};
