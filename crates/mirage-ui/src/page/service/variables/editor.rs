//! The part of the form in which variables are.

use maud::{Markup, html};
use mirage_control::ServiceView;
use mirage_core::{Error, VariableValue, env_line};

use super::ROWS;
use super::typed::{MODE, TEXT, TEXT_WAY, part, rows_sent};
use crate::field::Field;
use crate::form::Fields;
use crate::prose::prose;

/// Rows for new variables.
const EMPTY: usize = 3;

/// What stands in it.
pub(super) enum Editor {
    /// Rows.
    Rows(Vec<Row>),
    /// Lines, and the names of those that cannot be in them.
    Text(String, Vec<String>),
}

/// A variable.
pub(super) struct Row {
    pub(super) at: usize,
    pub(super) name: String,
    /// Empty where it is sealed: what is sealed is never shown.
    pub(super) value: String,
    pub(super) sealed: bool,
    pub(super) remove: bool,
    /// Whether the service has it; its name stays then.
    pub(super) known: bool,
}

impl Editor {
    /// What the service has.
    pub(super) fn of(view: &ServiceView, as_text: bool) -> Self {
        let variables = &view.service.spec.variables;
        if as_text || variables.len() > ROWS {
            let (mut text, mut apart) = (String::new(), Vec::new());
            for (name, value) in variables {
                match value.plain().map(|value| env_line(name.as_str(), value)) {
                    Some(Some(line)) => text.push_str(&format!("{line}\n")),
                    Some(None) => apart.push(format!("{name} cannot be written as a line")),
                    None => apart.push(format!("{name} is sealed")),
                }
            }
            return Self::Text(text, apart);
        }
        let known = variables.iter().enumerate().map(|(at, (name, value))| Row {
            at,
            name: name.to_string(),
            value: value.plain().unwrap_or_default().to_owned(),
            sealed: matches!(value, VariableValue::Sealed { .. }),
            remove: false,
            known: true,
        });
        let first = variables.len();
        let empty = (first..first + EMPTY).map(|at| Row {
            at,
            name: String::new(),
            value: String::new(),
            sealed: false,
            remove: false,
            known: false,
        });
        Self::Rows(known.chain(empty).collect())
    }

    /// What somebody typed, without the values that are to be sealed.
    pub(super) fn typed(view: &ServiceView, fields: &Fields) -> Self {
        if fields.text(MODE) == TEXT_WAY {
            let Self::Text(_, apart) = Self::of(view, true) else { return Self::of(view, false) };
            return Self::Text(fields.raw(TEXT).replace('\r', ""), apart);
        }
        let rows = rows_sent(fields).map(|row| Row {
            at: row.at,
            known: view.service.spec.variables.keys().any(|name| name.as_str() == row.name),
            name: row.name,
            value: if row.sealed { String::new() } else { row.value },
            sealed: row.sealed,
            remove: row.remove,
        });
        Self::Rows(rows.collect())
    }

    pub(super) fn is_text(&self) -> bool {
        matches!(self, Self::Text(..))
    }

    pub(super) fn shown(&self, error: Option<&Error>) -> Markup {
        match self {
            Self::Rows(rows) => table(rows, error),
            Self::Text(text, apart) => lines(text, apart, error),
        }
    }
}

fn lines(text: &str, apart: &[String], error: Option<&Error>) -> Markup {
    let field = Field {
        name: TEXT,
        label: "Plain variables",
        value: text,
        example: "GREETING=hello",
        help: "Lines NAME=value, as in a .env file: comments, export and quotes are understood. A line that is taken out takes its variable away.",
        known_as: Some("environmentVariables"),
        error,
        ..Field::default()
    };
    html! {
        input type="hidden" name=(MODE) value=(TEXT_WAY);
        (field.lines(14))
        @if !apart.is_empty() { p.quiet { "Not among the lines, and left as they are: " (apart.join(", ")) } }
    }
}

fn table(rows: &[Row], error: Option<&Error>) -> Markup {
    html! {
        div.scroll role="group" aria-label="Variables" tabindex="0" {
            table.edited {
                thead {
                    tr {
                        th scope="col" { "Name" } th scope="col" { "Value" } th scope="col" { "Sealed" }
                        th scope="col" { "Remove" }
                    }
                }
                tbody { @for row in rows { (one(row, error)) } }
            }
        }
        p.quiet { "What is sealed is shown to nobody but the process, and stays sealed; leave its field empty to keep it." }
    }
}

fn one(row: &Row, error: Option<&Error>) -> Markup {
    let [name, value, sealed, remove] = ["name", "value", "sealed", "remove"].map(|it| part(row.at, it));
    let number = row.at + 1;
    let called = if row.name.is_empty() { format!("new variable {number}") } else { row.name.clone() };
    let wrong = error.filter(|error| error.at_field() == Some(name.as_str()));
    let id = format!("{name}-wrong");
    html! {
        tr {
            td {
                @if row.known {
                    span.mono { (row.name) } input type="hidden" name=(name) value=(row.name);
                } @else {
                    label.sr for=(name) { "Name of " (called) }
                    input.mono id=(name) name=(name) value=(row.name) placeholder="NAME" autocomplete="off"
                        spellcheck="false" autocapitalize="off" aria-invalid=[wrong.map(|_| "true")]
                        aria-describedby=[wrong.map(|_| &id)];
                }
                @if let Some(error) = wrong { p.wrong id=(id) role="alert" { (prose(error.message())) @if let Some(hint) = error.next_step() { " · " (prose(hint)) } } }
            }
            td {
                label.sr for=(value) { "Value of " (called) }
                @if row.sealed {
                    input id=(value) name=(value) type="password" autocomplete="new-password"
                        placeholder=(if row.known { "sealed; type to replace it" } else { "type it again" });
                } @else if row.value.contains('\n') {
                    textarea.mono id=(value) name=(value) rows="3" spellcheck="false" { "\n" (row.value) }
                } @else {
                    input.mono id=(value) name=(value) value=(row.value) autocomplete="off" spellcheck="false"
                        autocapitalize="off";
                }
            }
            td {
                label.sr for=(sealed) { "Seal " (called) }
                input id=(sealed) name=(sealed) type="checkbox" value="yes" checked[row.sealed]
                    disabled[row.known && row.sealed];
                @if row.known && row.sealed { input type="hidden" name=(sealed) value="yes"; }
            }
            td {
                @if row.known {
                    label.sr for=(remove) { "Remove " (called) }
                    input id=(remove) name=(remove) type="checkbox" value="yes" checked[row.remove];
                }
            }
        }
    }
}
