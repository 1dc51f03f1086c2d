//! A draft as the service that is to be made.

use mirage_control::{Control, CreateService, DraftFields, NewDomain};
use mirage_core::{Error, Name, Result, ServiceSpec};

use super::advice::ADVICE;
use super::look::{Seen, chosen, credentials};
use super::reading::{command, volumes};
use super::variables;
use crate::page::reading::{self, Mistakes, read};
use crate::visitor::Visitor;

/// The service that a draft means, and what is wrong with the fields that could not be read, in their order: the usual
/// stands in for them.
///
/// # Errors
/// What is wrong with the image.
pub(super) fn meant(fields: &DraftFields) -> Result<(CreateService, Mistakes)> {
    let (seen, mut mistakes) = (Seen::of(fields), Mistakes::default());
    let mut spec = ServiceSpec::image(chosen(fields, seen.as_ref())?);
    let name = mistakes.or_none(read(fields, "service", "name"));
    let project = mistakes.or_none(read(fields, "project", "project"));
    let environment = mistakes.or_none(read(fields, "environment", "environment"));
    spec.ports = mistakes.or_none(reading::ports(fields));
    let mut domains = Vec::new();
    for text in reading::words(fields.get("domains")) {
        match text.parse() {
            Ok(domain) => domains.push(NewDomain { domain, redirect_https: None, certificate: None }),
            Err(error) => mistakes.note(Error::field(error, "domain")),
        }
    }
    let variables = mistakes.or_none(variables::all(fields));
    spec.probe = reading::probe(fields, &mut mistakes);
    spec.volumes = mistakes.or_none(volumes(fields));
    let replicas = mistakes.or_none(reading::number(fields, "replicas", "replicas"));
    spec.resources = reading::resources(fields, &mut mistakes);
    spec.command = command(fields);
    spec.restart = reading::restart(fields);
    if let Some(seconds) = mistakes.or_none(reading::number(fields, "stop-grace", "stopGraceSeconds")) {
        spec.stop_grace_seconds = seconds;
    }
    spec.rollout = reading::rollout(fields, &mut mistakes);
    spec.allow_new_privileges = fields.has("privileges");
    spec.auto_deploy = fields.has("auto-deploy");
    let credentials = credentials(fields);
    let replicas = replicas.unwrap_or(1);
    let request =
        CreateService { name, project, environment, spec, variables, credentials, replicas, domains };
    Ok((request, mistakes))
}

/// The same, of fields that can all be read.
///
/// # Errors
/// The first field that is wrong, by the name that REST has for it.
pub(super) fn request(fields: &DraftFields) -> Result<CreateService> {
    let (request, mistakes) = meant(fields)?;
    mistakes.all().into_iter().next().map_or(Ok(request), Err)
}

/// All that is wrong with the settings of a draft, each at its field: what cannot be read, and what the platform has
/// against the rest. In words of the page.
pub(super) async fn mistakes(
    control: &Control,
    visitor: &Visitor,
    fields: &DraftFields,
) -> Result<Vec<Error>> {
    let (request, mut mistakes) = match meant(fields) {
        Ok(meant) => meant,
        Err(error) => return Ok(vec![error]),
    };
    // Whether a name is taken depends on where.
    let is_placed = !mistakes.any(&["project", "environment"]);
    for error in control.objections(visitor.actor(), &request).await? {
        let error = ADVICE.told(error);
        match error.at_field() {
            Some("name") if !is_placed => {}
            // The form asks for domains, and the certificate comes with them.
            Some("certificate") => mistakes.note(error.field("domain")),
            _ => mistakes.note(error),
        }
    }
    Ok(mistakes.all())
}

/// The name that a service of this image has unless somebody chooses one.
pub(super) fn usual_name(fields: &DraftFields) -> Option<Name> {
    let name = fields.get("name");
    Name::suggest(name.rsplit('/').next().unwrap_or(name))
}
