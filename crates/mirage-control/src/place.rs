//! Projects and their environments.

use std::collections::HashMap;

use mirage_core::{Code, Environment, Error, Name, Project, ProjectId, Result, ServiceId};
use mirage_store::ServicePath;

use crate::Control;
use crate::Listing;
use crate::access::{Action, Actor};

/// A project with what is in it.
#[derive(Clone, Debug)]
pub struct ProjectView {
    /// The project.
    pub project: Project,
    /// Its environments, by name.
    pub environments: Vec<Environment>,
}

impl Control {
    /// A page of the projects, by name: those that follow the name `after`.
    pub async fn projects(
        &self,
        actor: &Actor,
        after: Option<&Name>,
        limit: u32,
    ) -> Result<Listing<ProjectView>> {
        self.allow(actor, Action::Read)?;
        let (all, mut environments) = (self.parts.store.projects().await?, self.by_project().await?);
        let most = usize::try_from(limit).unwrap_or(usize::MAX).saturating_add(1);
        let wanted = all.into_iter().filter(|project| after.is_none_or(|after| project.name > *after));
        let views = wanted.take(most).map(|project| {
            let environments = environments.remove(&project.id).unwrap_or_default();
            ProjectView { project, environments }
        });
        Ok(Listing::of(views.collect(), limit))
    }

    /// One project.
    ///
    /// # Errors
    /// `NOT_FOUND` where there is none of this name.
    pub async fn project_named(&self, actor: &Actor, name: &Name) -> Result<ProjectView> {
        self.allow(actor, Action::Read)?;
        let project = self.parts.store.project_by_name(name).await?.ok_or_else(|| {
            Error::new(Code::NotFound, format!("there is no project `{name}`"))
                .hint("`mirage services` lists what there is, with its project")
        })?;
        let environments = self.by_project().await?.remove(&project.id).unwrap_or_default();
        Ok(ProjectView { project, environments })
    }

    /// Where the services are that are not on their way out, by identity.
    pub async fn service_paths(&self, actor: &Actor) -> Result<HashMap<ServiceId, ServicePath>> {
        self.allow(actor, Action::Read)?;
        Ok(self.parts.store.service_paths().await?.into_iter().map(|path| (path.id, path)).collect())
    }

    async fn by_project(&self) -> Result<HashMap<ProjectId, Vec<Environment>>> {
        let mut sorted: HashMap<ProjectId, Vec<Environment>> = HashMap::new();
        for environment in self.parts.store.environments().await? {
            sorted.entry(environment.project).or_default().push(environment);
        }
        Ok(sorted)
    }
}
