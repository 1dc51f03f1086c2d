//! What stands in the fields, as the settings that it means. Errors name the field as the REST face does.

use mirage_control::{Control, ServicePatch, ServiceView};
use mirage_core::{CredentialChange, Error, Secret};

use super::values::{Values, words};
use crate::form::Fields;
use crate::page::reading::{self, Mistakes, Typed};

impl Typed for Values {
    fn text(&self, name: &str) -> &str {
        self.get(name)
    }

    fn is_ticked(&self, name: &str) -> bool {
        self.get(name) == "yes"
    }
}

/// All settings of the form.
///
/// # Errors
/// Every field that cannot be read, and what speaks against the others.
pub(super) fn patch(
    control: &Control,
    view: &ServiceView,
    values: &Values,
    fields: &Fields,
) -> Result<ServicePatch, Vec<Error>> {
    let mut mistakes = Mistakes::default();
    let spec = &view.service.spec;
    let auto_deploy = values.get("auto-deploy") == "yes";
    let patch = ServicePatch {
        credentials: credentials(view, values, fields),
        ports: Some(mistakes.or_none(reading::ports(values))),
        command: values.has("command").then(|| words(values.get("command"))),
        probe: Some(reading::probe(values, &mut mistakes)),
        resources: Some(reading::resources(values, &mut mistakes)),
        restart: Some(reading::restart(values)),
        allow_new_privileges: Some(values.get("privileges") == "yes"),
        // Saying it anew would end a pause that nobody meant to end.
        auto_deploy: (auto_deploy != spec.auto_deploy).then_some(auto_deploy),
        rollout: Some(reading::rollout(values, &mut mistakes)),
        stop_grace_seconds: mistakes.or_none(reading::number(values, "stop-grace", "stopGraceSeconds")),
        replicas: mistakes.or_none(reading::number(values, "replicas", "replicas")),
        ..ServicePatch::default()
    };
    control.objections_to(&view.service, &patch).into_iter().for_each(|error| mistakes.note(error));
    match mistakes.all() {
        none if none.is_empty() => Ok(patch),
        all => Err(all),
    }
}

/// What is said of the login: nothing where the name is the one there is and no password was typed.
fn credentials(view: &ServiceView, values: &Values, fields: &Fields) -> CredentialChange {
    let username = values.get("username");
    let password = Some(fields.raw("password"))
        .filter(|text| !text.is_empty())
        .map(|text| Secret::from(text.to_owned()));
    let stored = view.credential.as_ref().map_or("", |owner| owner.username.as_str());
    match username == stored && password.is_none() {
        true => CredentialChange::default(),
        false => CredentialChange { username: Some(username.to_owned()), password },
    }
}
