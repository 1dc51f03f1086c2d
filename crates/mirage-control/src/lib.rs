//! The product as a Rust API: one method of [`Control`] for each thing a user can ask for, and the
//! reconciler that makes it so.
//!
//! Every use case begins with the one authorization function ([`access`]). A use case that changes
//! something writes one transaction and rings the reconciler; it never touches the engine or the
//! proxy itself. The reconciler observes, asks [`mirage_core::plan`], and takes the steps.

mod about;
pub mod access;
mod backup;
mod cancel;
mod certificates;
mod changes;
mod compare;
mod create;
mod credential;
mod deploy;
mod doctor;
mod domain;
mod draft;
mod events;
mod find;
mod images;
mod inspect;
mod lifecycle;
mod listing;
mod log_ins;
mod login;
mod logs;
mod metrics;
mod moved;
mod parts;
mod patch;
mod place;
mod prospect;
mod push;
mod read;
mod reconcile;
mod removal;
mod repository;
mod rollback;
mod search;
mod session;
mod standing;
mod tags;
mod token;
mod traces;
mod trusted;
mod variable;
mod volume;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use mirage_core::{Result, ServiceId};
use mirage_store::{Store, Vault};

pub use about::{About, Setup};
pub use access::{Action, Actor, OLD_FORM};
pub use backup::{Alone, Backup, Pack, ToPack};
pub use compare::{Comparison, Differences};
pub use create::CreateService;
pub use credential::{CredentialPlace, NewCredential};
pub use doctor::Finding;
pub use domain::{DOMAINS_MAX, NewDomain};
pub use draft::{DRAFT_BYTES_MAX, DRAFT_FIELDS_MAX, Draft, DraftFields};
pub use events::{EventFeed, EventSearch};
pub use find::ServiceRef;
pub use inspect::{InspectImage, Inspection};
pub use listing::Listing;
pub use logs::{LOG_SERVICES_MAX, LogLevel, LogLines, LogMarker, LogSearch, ServiceLine};
pub use metrics::{
    FINEST_STEP, METRIC_POINTS_MAX, MetricQuery, MetricSeries, PlatformMetrics, ServiceTotals, ServiceUsage,
    Totals,
};
pub use mirage_store::{
    GivenUp, KeptImage, ListedCredential, ListedDomain, Page, ServiceFilter, ServicePath,
};
pub use moved::MovedTag;
pub use parts::{Ports, Settings};
pub use patch::ServicePatch;
pub use place::ProjectView;
pub use prospect::Prospect;
pub use read::{DeploymentView, InstanceView, ServiceStatus, ServiceView};
pub use removal::{HeldName, Removal};
pub use repository::RepositoryView;
pub use search::Found;
pub use session::{SESSION_LASTS, Session};
pub use standing::Standing;
pub use tags::TagQuery;
pub use token::NewToken;
pub use trusted::TrustedProxy;
pub use variable::SharedVariableView;
pub use volume::{NewVolume, VolumeRef, VolumeView, VolumesBeside};

use certificates::Certificates;
use metrics::Meter;
use parts::Parts;
use reconcile::Reconciler;
use traces::Tracer;

/// The platform, as everybody who asks it for something sees it. Cheap to clone.
#[derive(Clone)]
pub struct Control {
    parts: Arc<Parts>,
    reconciler: Arc<Reconciler>,
    meter: Arc<Meter>,
    certificates: Arc<Certificates>,
    tracer: Arc<Tracer>,
}

impl Control {
    /// Puts the parts together, adopts what already runs, and begins to reconcile.
    pub async fn start(store: Store, vault: Vault, ports: Ports, settings: Settings) -> Result<Self> {
        let parts = Arc::new(Parts::new(store, vault, ports, settings));
        parts.grants.read(&parts.store).await?;
        // Before anything can end.
        let tracer = Tracer::start(&parts).await?;
        let reconciler = Reconciler::start(Arc::clone(&parts)).await?;
        reconciler.follow_domains().await?;
        let certificates = Certificates::start(Arc::clone(&parts));
        let meter = Meter::start(Arc::clone(&parts));
        Ok(Self { parts, reconciler, meter, certificates, tracer })
    }

    /// Follows the pushes that nobody was there to see. Asks registries, so nobody should wait for it.
    pub async fn catch_up(&self) {
        self.catch_up_with_pushes().await;
    }

    /// Stops deciding. Containers and proxy go on.
    pub async fn stop(&self) {
        self.meter.stop();
        self.certificates.stop().await;
        self.reconciler.stop().await;
        self.tracer.stop();
        self.parts.store.close().await;
    }

    /// Tells a proxy that was started in the place of another one what is routed. It has read that from
    /// its folder, if the one before was of the same version and could write it down. Certificates it has from nobody
    /// else, for they are on no disk but in the database, sealed.
    ///
    /// # Errors
    /// Where the proxy does not take it.
    pub async fn introduce_proxy(&self) -> Result<()> {
        let routed = self.reconciler.introduce_proxy().await;
        // One that refuses the first must not be without the second.
        self.certificates.introduce_proxy().await.and(routed)
    }

    fn ring(&self, service: ServiceId) {
        self.reconciler.ring(service);
    }
}
