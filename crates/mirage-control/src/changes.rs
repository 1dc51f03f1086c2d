//! What is different about a service's settings, without what may be secret.

use mirage_core::{Error, Result, ServiceSpec, SettingChange};
use serde_json::Value;

/// Settings that are only named: a variable or a word of a command may be a password.
const ONLY_NAMED: [&str; 2] = ["variables", "command"];

/// Settings that users know by another name than the one they are stored under.
const NAMES: [(&str, &str); 5] = [
    ("source", "image"),
    ("probe", "healthcheck"),
    ("restart", "restartPolicy"),
    ("allow_new_privileges", "allowNewPrivileges"),
    ("auto_deploy", "autoDeploy"),
];

/// The most characters of a value.
const SHOWN: usize = 500;

/// Settings before and after, and the names of the variables that are different.
pub(crate) fn between(
    before: &ServiceSpec,
    after: &ServiceSpec,
) -> Result<(Vec<SettingChange>, Vec<String>)> {
    let json = |spec| serde_json::to_value(spec).map_err(|error| Error::internal("compare settings", error));
    let (old, new) = (json(before)?, json(after)?);
    let fields = new.as_object().into_iter().flatten();
    let changes = fields
        .filter(|(name, value)| {
            !ONLY_NAMED.contains(&name.as_str()) && old.get(name.as_str()) != Some(*value)
        })
        .map(|(name, value)| {
            let known = NAMES.iter().find(|(stored, _)| stored == name);
            SettingChange {
                field: known.map_or(name.as_str(), |(_, shown)| shown).to_owned(),
                before: old.get(name.as_str()).and_then(shown),
                after: shown(value),
            }
        })
        .collect();
    let names = before.variables.keys().chain(after.variables.keys());
    let different = names.filter(|name| before.variables.get(*name) != after.variables.get(*name));
    let mut variables: Vec<String> = different.map(ToString::to_string).collect();
    variables.sort_unstable();
    variables.dedup();
    Ok((changes, variables))
}

/// The same, with a change of its own for each part of a setting that has parts: `rollout.drainSeconds`.
pub(crate) fn in_parts(
    before: &ServiceSpec,
    after: &ServiceSpec,
) -> Result<(Vec<SettingChange>, Vec<String>)> {
    let json = |spec| serde_json::to_value(spec).map_err(|error| Error::internal("compare settings", error));
    let (old, new) = (json(before)?, json(after)?);
    let (whole, variables) = between(before, after)?;
    let mut changes = Vec::with_capacity(whole.len());
    for change in whole {
        let stored = NAMES.iter().find(|(_, shown)| *shown == change.field).map(|(stored, _)| *stored);
        let at = stored.unwrap_or(&change.field);
        match (old.get(at).and_then(Value::as_object), new.get(at).and_then(Value::as_object)) {
            (Some(old), Some(new)) if new.len() > 1 => {
                let different = new.iter().filter(|(name, value)| old.get(name.as_str()) != Some(*value));
                changes.extend(different.map(|(name, value)| SettingChange {
                    field: format!("{}.{}", camel(&change.field), camel(name)),
                    before: old.get(name.as_str()).and_then(shown),
                    after: shown(value),
                }));
            }
            _ => changes.push(SettingChange { field: camel(&change.field), ..change }),
        }
    }
    Ok((changes, variables))
}

/// A stored name as requests have it: `drain_seconds` is `drainSeconds`.
fn camel(name: &str) -> String {
    let mut parts = name.split('_');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |mut told, part| {
        let mut letters = part.chars();
        told.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        told.push_str(letters.as_str());
        told
    })
}

fn shown(value: &Value) -> Option<String> {
    let text = match value {
        Value::Null => return None,
        Value::String(text) => text.clone(),
        // A choice with one thing in it, as `{"image": "nginx:1"}`.
        Value::Object(fields) if fields.len() == 1 => return fields.values().next().and_then(shown),
        other => other.to_string(),
    };
    Some(text.chars().take(SHOWN).collect())
}
