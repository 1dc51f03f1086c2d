//! What was sent, as changes of variables.

use std::collections::BTreeMap;

use mirage_control::ServiceView;
use mirage_core::{
    Code, Error, Result, VariableInput, VariableName, VariableText, VariableValue, env_line, env_lines,
};

use crate::form::Fields;

/// The most rows of a form.
const ROWS_MAX: usize = 500;
/// The field that says how they were edited, and what it says of text.
pub(super) const MODE: &str = "as";
pub(super) const TEXT_WAY: &str = "text";
/// The field of the text.
pub(super) const TEXT: &str = "variables-text";
/// How errors know the text.
const KNOWN: &str = "environmentVariables";

/// Variables to set, and with nothing to take away.
type Changes = BTreeMap<VariableName, Option<VariableInput>>;

/// A row as it was sent.
pub(super) struct RowSent {
    pub(super) at: usize,
    pub(super) name: String,
    pub(super) value: String,
    pub(super) sealed: bool,
    pub(super) remove: bool,
}

/// The name of a field of a row.
pub(super) fn part(at: usize, part: &str) -> String {
    format!("variable-{at}-{part}")
}

/// The rows that were sent, those without anything in them too.
pub(super) fn rows_sent(fields: &Fields) -> impl Iterator<Item = RowSent> {
    let sent = (0..ROWS_MAX).take_while(|at| fields.has(&part(*at, "name")));
    sent.map(|at| RowSent {
        at,
        name: fields.text(&part(at, "name")).to_owned(),
        // A browser sends line breaks as two characters.
        value: fields.raw(&part(at, "value")).replace('\r', ""),
        sealed: fields.has(&part(at, "sealed")),
        remove: fields.has(&part(at, "remove")),
    })
}

/// What is to change about the variables of a service.
///
/// # Errors
/// At the field of the row, or at `environmentVariables` for text.
pub(super) fn changes(view: &ServiceView, fields: &Fields) -> Result<Changes> {
    match fields.text(MODE) == TEXT_WAY {
        true => of_text(view, fields.raw(TEXT)),
        false => of_rows(view, fields),
    }
}

fn of_rows(view: &ServiceView, fields: &Fields) -> Result<Changes> {
    let mut changes = Changes::new();
    let mut seen = Vec::new();
    for row in rows_sent(fields) {
        let field = part(row.at, "name");
        if row.name.is_empty() {
            if row.value.is_empty() {
                continue;
            }
            return Err(Error::new(Code::InvalidRequest, "a value has no name")
                .field(field)
                .hint("give it a name such as `DATABASE_URL`, or empty its value"));
        }
        let name: VariableName = row.name.parse().map_err(|error: Error| error.field(field.as_str()))?;
        if seen.contains(&name) {
            return Err(Error::new(Code::InvalidRequest, format!("`{name}` is there twice"))
                .field(field)
                .hint("change the row that it has already"));
        }
        seen.push(name.clone());
        let before = view.service.spec.variables.get(&name);
        let was_sealed = matches!(before, Some(VariableValue::Sealed { .. }));
        let is_same = match before {
            Some(VariableValue::Sealed { .. }) => row.value.is_empty(),
            Some(VariableValue::Plain(text)) => text.reveal().replace('\r', "") == row.value && !row.sealed,
            None => false,
        };
        if row.remove {
            if before.is_some() {
                changes.insert(name, None);
            }
        } else if !is_same {
            let seal = row.sealed || was_sealed;
            changes.insert(name, Some(input(&row.name, row.value, seal, &field)?));
        }
    }
    Ok(changes)
}

/// Of text: what is in no line is taken away, but what no line can say.
fn of_text(view: &ServiceView, text: &str) -> Result<Changes> {
    let lines = env_lines(text).map_err(|line| {
        Error::new(Code::InvalidRequest, format!("line {line} is not a variable"))
            .field(KNOWN)
            .hint("write it as NAME=value; a value of several lines goes into quotes")
    })?;
    let before = &view.service.spec.variables;
    let mut changes = Changes::new();
    let mut named = Vec::new();
    for (text, value) in lines {
        let name: VariableName = text.parse()?;
        let is_same = before.get(&name).and_then(VariableValue::plain) == Some(value.as_str());
        if !is_same {
            let input = input(&text, value, false, KNOWN)?;
            changes.insert(name.clone(), Some(input));
        } else {
            changes.remove(&name);
        }
        named.push(name);
    }
    for (name, value) in before {
        let in_a_line = value.plain().is_some_and(|value| env_line(name.as_str(), value).is_some());
        if in_a_line && !named.contains(name) {
            changes.insert(name.clone(), None);
        }
    }
    Ok(changes)
}

fn input(name: &str, value: String, seal: bool, field: &str) -> Result<VariableInput> {
    let text = VariableText::try_from(value).map_err(|why| {
        Error::new(Code::InvalidRequest, format!("the value of `{name}` is wrong: {why}")).field(field)
    })?;
    Ok(VariableInput { text, seal })
}
