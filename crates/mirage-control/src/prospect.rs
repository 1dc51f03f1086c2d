//! What would become of a request for a new service, as far as nobody has to be asked.

use mirage_core::{Error, Name, Result, Service, ServiceSpec, host_label};

use crate::Control;
use crate::access::{Action, Actor};
use crate::create::CreateService;
use crate::patch::ServicePatch;

/// Where a new service would be.
#[derive(Clone, Debug)]
pub struct Prospect {
    /// Its name.
    pub name: Name,
    /// Its project.
    pub project: Name,
    /// Its environment.
    pub environment: Name,
    /// Whether the project is yet to be made.
    pub is_new_project: bool,
    /// Whether the environment is yet to be made.
    pub is_new_environment: bool,
    /// Where it would answer, unless that is taken meanwhile; `None` for a worker.
    pub url: Option<String>,
}

impl Control {
    /// All that speaks against these settings of a service, each at its field, where nobody has to be asked. Variables
    /// and the image are not looked at.
    pub fn objections_to(&self, service: &Service, patch: &ServicePatch) -> Vec<Error> {
        let mut all = patch.objections(&service.spec, service.replicas);
        if let Some(auto_deploy) = patch.auto_deploy {
            let spec = ServiceSpec { auto_deploy, ..service.spec.clone() };
            all.extend(self.check_auto_deploy(&spec).err());
        }
        all
    }

    /// Looks ahead: what making this service would come to. The image is not looked at, and nothing is written.
    ///
    /// # Errors
    /// What [`Self::create_service`] would refuse, but for what its registry says.
    pub async fn prospect(&self, actor: &Actor, request: &CreateService) -> Result<Prospect> {
        self.allow(actor, Action::Read)?;
        let (project, environment, name) = self.checked(request).await?;
        let store = &self.parts.store;
        let is_new_project = store.project_by_name(&project).await?.is_none();
        let is_new_environment = store.environment_at(&project, &environment).await?.is_none();
        let mut url = None;
        if request.spec.ports.as_ref().is_none_or(|ports| !ports.is_empty()) {
            for with in [None, Some(&project)] {
                let Some(host) = host_label(&name, &environment, with) else { continue };
                if url.is_none() && !store.host_is_taken(&host).await? {
                    url = Some(self.parts.settings.url_at(&host));
                }
            }
        }
        Ok(Prospect { name, project, environment, is_new_project, is_new_environment, url })
    }
}
