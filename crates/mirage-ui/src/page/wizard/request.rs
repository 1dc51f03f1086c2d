//! A draft as the service that is to be made.

use mirage_control::{CreateService, DraftFields, NewDomain};
use mirage_core::{Error, Name, Result, ServiceSpec};

use super::look::{Seen, chosen, credentials};
use super::reading::{command, volumes};
use super::variables;
use crate::page::reading::{self, read};

/// The service that a draft means.
///
/// # Errors
/// The first field that is wrong, by the name that REST has for it.
pub(super) fn request(fields: &DraftFields) -> Result<CreateService> {
    let seen = Seen::of(fields);
    let mut spec = ServiceSpec::image(chosen(fields, seen.as_ref())?);
    spec.ports = reading::ports(fields)?;
    spec.command = command(fields);
    spec.probe = reading::probe(fields)?;
    spec.resources = reading::resources(fields)?;
    spec.restart = reading::restart(fields);
    spec.rollout = reading::rollout(fields)?;
    spec.volumes = volumes(fields)?;
    spec.allow_new_privileges = fields.has("privileges");
    spec.auto_deploy = fields.has("follow-pushes");
    if let Some(seconds) = reading::number(fields, "stop-grace", "stopGraceSeconds")? {
        spec.stop_grace_seconds = seconds;
    }
    let domain = |text: &str| {
        let domain = text.parse().map_err(|error: Error| error.field("domain"))?;
        Ok(NewDomain { domain, redirect_https: None, certificate: None })
    };
    Ok(CreateService {
        name: read(fields, "service", "name")?,
        project: read(fields, "project", "project")?,
        environment: read(fields, "environment", "environment")?,
        spec,
        variables: variables::all(fields)?,
        credentials: credentials(fields),
        replicas: reading::number(fields, "replicas", "replicas")?.unwrap_or(1),
        domains: reading::words(fields.get("domains")).into_iter().map(domain).collect::<Result<_>>()?,
    })
}

/// The name that a service of this image has unless somebody chooses one.
pub(super) fn usual_name(fields: &DraftFields) -> Option<Name> {
    let name = fields.get("name");
    Name::suggest(name.rsplit('/').next().unwrap_or(name))
}
