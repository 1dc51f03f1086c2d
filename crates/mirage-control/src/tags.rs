//! Which tags there are to choose from.

use mirage_core::{CredentialChange, Name, Reference, Result, TagListing};

use crate::Control;
use crate::access::{Action, Actor};
use crate::create::{DEFAULT_ENVIRONMENT, DEFAULT_PROJECT, named};

/// Whose tags are wanted, and as whom the registry is asked.
pub struct TagQuery {
    /// An image of the repository.
    pub reference: Reference,
    /// The login to ask with. Without one, what a new service of the place below would ask with.
    pub credentials: CredentialChange,
    /// The project; `default` by default.
    pub project: Option<Name>,
    /// The environment; `production` by default.
    pub environment: Option<Name>,
}

impl Control {
    /// The tags of a repository, as its registry lists them right now. Writes nothing.
    ///
    /// # Errors
    /// Those of a registry that is asked for an image.
    pub async fn tags(&self, actor: &Actor, query: TagQuery) -> Result<TagListing> {
        self.allow(actor, Action::Inspect)?;
        let TagQuery { reference, credentials, project, environment } = query;
        let credential = credentials.decide(None, reference.host())?;
        let (project, environment) =
            (named(project, DEFAULT_PROJECT)?, named(environment, DEFAULT_ENVIRONMENT)?);
        let puller = self.puller_at(&project, &environment).await?;
        let login = self.parts.login(puller, &credential, &reference).await?;
        self.parts.registry.tags(&reference, login.as_ref()).await
    }
}
