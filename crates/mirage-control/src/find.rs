//! Which service somebody means.

use std::str::FromStr;

use mirage_core::{Code, Error, Name, Result, Service, ServiceId};
use mirage_store::{Page, ServiceFilter, ServicePath};

use crate::Control;
use crate::create::{DEFAULT_ENVIRONMENT, DEFAULT_PROJECT};

/// Names that are proposed instead of one that is not there.
const PROPOSED: usize = 3;

/// How a request names a service: by id, by `project/environment/name`, or by name alone where only
/// one service has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceRef {
    /// Its identity.
    Id(ServiceId),
    /// Its place.
    Path {
        /// The project.
        project: Name,
        /// The environment.
        environment: Name,
        /// The service.
        name: Name,
    },
    /// Its name; must be the only one.
    Name(Name),
}

impl FromStr for ServiceRef {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if let Ok(id) = text.parse() {
            return Ok(Self::Id(id));
        }
        Ok(match placed(text, "service")? {
            (None, name) => Self::Name(name),
            (Some((project, environment)), name) => Self::Path { project, environment, name },
        })
    }
}

/// The name in `name` or `project/environment/name`, and the place that goes before it; `noun` is what is named so.
pub(crate) fn placed<N: FromStr<Err = Error>>(text: &str, noun: &str) -> Result<(Option<(Name, Name)>, N)> {
    let parts: Vec<&str> = text.split('/').collect();
    match parts[..] {
        [name] => Ok((None, name.parse()?)),
        [project, environment, name] => Ok((Some((project.parse()?, environment.parse()?)), name.parse()?)),
        _ => Err(Error::new(Code::InvalidRequest, format!("`{text}` does not name a {noun}"))
            .hint("write a name, an id, or `project/environment/name`")),
    }
}

impl Control {
    /// The service that is meant, or `NOT_FOUND`.
    pub(crate) async fn find(&self, wanted: &ServiceRef) -> Result<Service> {
        match wanted {
            ServiceRef::Id(id) => {
                let found = self.parts.store.service(*id).await?;
                found.ok_or_else(|| not_found(&id.to_string()))
            }
            ServiceRef::Name(name) => {
                let mut all = self.services_named(name).await?;
                match all.len() {
                    1 => Ok(all.remove(0)),
                    0 => Err(self.no_service(name.as_str(), name).await),
                    n => {
                        let paths = self.near(name.as_str(), n.min(PROPOSED)).await?;
                        Err(Error::new(Code::Conflict, format!("{n} services are called `{name}`"))
                            .hint(format!("write which one: {}", listed(&paths))))
                    }
                }
            }
            ServiceRef::Path { project, environment, name } => {
                let found = self.parts.store.service_at(project, environment, name).await?;
                match found {
                    Some(service) => Ok(service),
                    None => Err(self.no_service(&format!("{project}/{environment}/{name}"), name).await),
                }
            }
        }
    }

    /// The same for whoever is about to destroy it: a name alone is never one of another project.
    pub(crate) async fn find_in_default(&self, wanted: &ServiceRef) -> Result<Service> {
        let ServiceRef::Name(name) = wanted else { return self.find(wanted).await };
        let (project, environment) = (DEFAULT_PROJECT.parse()?, DEFAULT_ENVIRONMENT.parse()?);
        let path = ServiceRef::Path { project, environment, name: name.clone() };
        let refusal = match self.find(&path).await {
            Ok(service) => return Ok(service),
            Err(refusal) if refusal.code() == Code::NotFound => refusal,
            Err(other) => return Err(other),
        };
        let elsewhere = self.services_named(name).await?;
        let Some(first) = elsewhere.first() else {
            return Err(self.no_service(name.as_str(), name).await);
        };
        let paths = self.parts.store.service_paths().await?;
        let Some(path) = paths.iter().find(|path| path.id == first.id) else { return Err(refusal) };
        Err(refusal.hint(format!("did you mean `{path}`?")))
    }

    /// That there is none, with those that may have been meant.
    async fn no_service(&self, wanted: &str, name: &Name) -> Error {
        // Where they cannot be read, that there is none is still true.
        let near = self.near(name.as_str(), PROPOSED).await.unwrap_or_default();
        match near.is_empty() {
            true => not_found(wanted),
            false => {
                not_found(wanted).hint(format!("did you mean {}? `mirage services` lists all", listed(&near)))
            }
        }
    }

    async fn services_named(&self, name: &Name) -> Result<Vec<Service>> {
        let filter = ServiceFilter { name: Some(name.clone()), ..ServiceFilter::default() };
        self.parts.store.services(&filter, &Page { after: None, limit: 100 }).await
    }
}

fn listed(paths: &[ServicePath]) -> String {
    let one = |path: &ServicePath| format!("`{path}`");
    paths.iter().map(one).collect::<Vec<_>>().join(" or ")
}

fn not_found(name: &str) -> Error {
    Error::new(Code::NotFound, format!("there is no service `{name}`")).hint("`mirage services` lists them")
}
