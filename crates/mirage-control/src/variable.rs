//! Variables that the services of an environment share. They are the logins of registries whose names they
//! follow, and no process gets them unasked.

use std::collections::BTreeMap;

use mirage_core::{EventKind, Name, Result, SharedVariable, VariableInput, VariableName, VariableValue};

use crate::Control;
use crate::access::{Action, Actor};
use crate::create::{DEFAULT_ENVIRONMENT, DEFAULT_PROJECT, named};
use crate::patch::kept;

/// A shared variable as it may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedVariableView {
    /// Its name.
    pub name: VariableName,
    /// Its value; `None` where it is sealed.
    pub value: Option<String>,
}

impl Control {
    /// The variables of an environment, by name.
    pub async fn shared_variables(
        &self,
        actor: &Actor,
        project: Option<Name>,
        environment: Option<Name>,
    ) -> Result<Vec<SharedVariableView>> {
        self.allow(actor, Action::Read)?;
        let (project, environment) =
            (named(project, DEFAULT_PROJECT)?, named(environment, DEFAULT_ENVIRONMENT)?);
        let Some((_, environment)) = self.parts.store.environment_at(&project, &environment).await? else {
            return Ok(Vec::new());
        };
        let found = self.parts.store.shared_variables(environment.id).await?;
        Ok(found.into_iter().map(SharedVariableView::from).collect())
    }

    /// Sets variables of an environment, and with `None` takes them away; others stay. Project and
    /// environment are made if they are not there.
    pub async fn change_shared_variables(
        &self,
        actor: &Actor,
        project: Option<Name>,
        environment: Option<Name>,
        changes: BTreeMap<VariableName, Option<VariableInput>>,
    ) -> Result<Vec<SharedVariableView>> {
        self.allow(actor, Action::Deploy)?;
        let (project, environment) =
            (named(project, DEFAULT_PROJECT)?, named(environment, DEFAULT_ENVIRONMENT)?);
        let now = self.parts.clock.now();
        let mut tx = self.parts.store.begin().await?;
        let (_, environment) = self.place(&mut tx, project, environment).await?;
        let names = changes.keys().map(ToString::to_string).collect();
        for (name, input) in changes {
            let Some(input) = input else {
                tx.remove_shared_variable(environment.id, &name).await?;
                continue;
            };
            let before = tx.shared_variable(environment.id, &name).await?;
            let was_sealed =
                before.is_some_and(|before| matches!(before.value, VariableValue::Sealed { .. }));
            let value = kept(&self.parts.vault, &name.shared_binding(environment.id), input, was_sealed)?;
            let variable = SharedVariable { environment: environment.id, name, value, updated_at: now };
            tx.set_shared_variable(&variable).await?;
        }
        tx.append(actor.event(now, None, EventKind::SharedVariablesChanged { names })).await?;
        self.parts.announce(tx.commit().await?);
        let found = self.parts.store.shared_variables(environment.id).await?;
        Ok(found.into_iter().map(SharedVariableView::from).collect())
    }
}

impl From<SharedVariable> for SharedVariableView {
    fn from(variable: SharedVariable) -> Self {
        Self { value: variable.value.plain().map(str::to_owned), name: variable.name }
    }
}
