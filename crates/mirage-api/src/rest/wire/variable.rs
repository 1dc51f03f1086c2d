//! Variables: plain ones in both directions, sealed ones in requests alone.

use std::collections::BTreeMap;

use mirage_control::SharedVariableView;
use mirage_core::{Code, Error, Result, Secret, VariableInput, VariableName, VariableText};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Variables to set, and with null to take away; others stay.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct VariableChanges {
    /// Values that may be read back.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, Option<String>>)]
    pub(crate) variables: BTreeMap<String, Option<String>>,
    /// Values that are sealed: nobody reads them back.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, String>)]
    pub(crate) sealed_variables: BTreeMap<String, Secret>,
}

/// Variables that the services of an environment share.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SharedVariables {
    /// Those that may be read.
    variables: BTreeMap<String, String>,
    /// The names of those that are sealed.
    sealed_variables: Vec<String>,
}

impl From<Vec<SharedVariableView>> for SharedVariables {
    fn from(all: Vec<SharedVariableView>) -> Self {
        let (open, sealed): (Vec<_>, Vec<_>) = all.into_iter().partition(|one| one.value.is_some());
        Self {
            variables: open
                .into_iter()
                .filter_map(|one| one.value.map(|value| (one.name.to_string(), value)))
                .collect(),
            sealed_variables: sealed.into_iter().map(|one| one.name.to_string()).collect(),
        }
    }
}

/// Variables by their checked names. `field` is what the plain ones are called in the request.
pub(crate) fn inputs(
    field: &str,
    plain: BTreeMap<String, Option<String>>,
    sealed: BTreeMap<String, Secret>,
) -> Result<BTreeMap<VariableName, Option<VariableInput>>> {
    let plain = plain.into_iter().map(|(name, text)| (field, name, text, false));
    let sealed = sealed
        .into_iter()
        .map(|(name, text)| ("sealedVariables", name, Some(text.reveal().to_owned()), true));
    let mut all = BTreeMap::new();
    for (field, name, text, seal) in plain.chain(sealed) {
        let at = |error: Error| error.field(format!("{field}.{name}"));
        let checked: VariableName = name.parse().map_err(at)?;
        let text = text.map(VariableText::try_from).transpose().map_err(|why| {
            at(Error::new(Code::InvalidRequest, format!("the value of `{name}` is wrong: {why}")))
        })?;
        if all.insert(checked, text.map(|text| VariableInput { text, seal })).is_some() {
            return Err(at(Error::new(Code::InvalidRequest, format!("`{name}` is given twice")))
                .hint("give it as a plain variable or as a sealed one"));
        }
    }
    Ok(all)
}
