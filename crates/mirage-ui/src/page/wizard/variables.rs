//! Variables, as rows and as the text of a `.env` file. The text has plain ones alone, and of them those that a line can
//! say: sealed ones are rows, whose values never come back.

use std::collections::BTreeMap;

use maud::{Markup, html};
use mirage_control::DraftFields;
use mirage_core::{Code, Error, Result, VariableInput, VariableName, VariableText, env_line, env_lines};

use super::typed::{SETTLED, VARIABLES_MAX};
use crate::field::Field;
use crate::prose::prose;

/// The most rows that are shown; the others stay as they are.
const ROWS: usize = 30;
/// Empty rows at the end.
const EMPTY: usize = 3;
/// The field that says whether plain variables are text, and the one with the text.
const MODE: &str = "mode";
const TEXT: &str = "variables-text";

/// A row.
struct Row {
    at: usize,
    name: String,
    value: String,
    sealed: bool,
    /// Whether a value was typed, which is not shown where it is sealed.
    is_kept: bool,
}

/// Whether plain variables are edited as text.
pub(super) fn as_text(fields: &DraftFields) -> bool {
    fields.get(MODE) == "text"
}

/// Makes text of the plain rows. One that no line can say stays a row.
pub(super) fn to_text(fields: &mut DraftFields) {
    if as_text(fields) {
        return;
    }
    let mut text = String::new();
    for row in rows(fields).into_iter().filter(|row| !row.sealed) {
        if let Some(line) = env_line(&row.name, &row.value) {
            text += &format!("{line}\n");
            forget(fields, row.at);
        }
    }
    fields.set(TEXT, text);
    fields.set(MODE, "text");
}

/// Makes rows of the text.
///
/// # Errors
/// The line that is no variable; then the text stays.
pub(super) fn to_rows(fields: &mut DraftFields, seal: bool) -> Result<()> {
    if !as_text(fields) {
        return Ok(());
    }
    for (name, value) in read(fields.get(TEXT))? {
        put(fields, &name, &value, seal).ok_or_else(too_many)?;
    }
    fields.remove(TEXT);
    fields.remove(MODE);
    Ok(())
}

/// Writes a row, over the one of this name where there is one; what is sealed stays so. Answers with the fields of the
/// row, or with nothing where no row is free.
pub(super) fn put(fields: &mut DraftFields, name: &str, value: &str, seal: bool) -> Option<[String; 3]> {
    let known = rows(fields);
    let same = known.iter().find(|row| row.name == name);
    let free = (0..VARIABLES_MAX).find(|at| known.iter().all(|row| row.at != *at));
    let at = same.map(|row| row.at).or(free)?;
    let row = ["name", "value", "sealed"].map(|part| format!("variable-{at}-{part}"));
    fields.set(&row[0], name);
    fields.set(&row[1], value);
    if seal || same.is_some_and(|row| row.sealed) {
        fields.set(&row[2], "yes");
    }
    Some(row)
}

/// All variables, checked.
///
/// # Errors
/// The first that is wrong, by its name.
pub(super) fn all(fields: &DraftFields) -> Result<BTreeMap<VariableName, VariableInput>> {
    let plain = if as_text(fields) { read(fields.get(TEXT))? } else { Vec::new() };
    let of_text = plain.into_iter().map(|(name, value)| (name, value, false));
    let of_rows = rows(fields).into_iter().map(|row| (row.name, row.value, row.sealed));
    let mut all = BTreeMap::new();
    for (name, value, seal) in of_text.chain(of_rows) {
        let at = |error: Error| error.field("environmentVariables");
        let checked: VariableName = name.parse().map_err(at)?;
        let text = VariableText::try_from(value).map_err(|why| {
            at(Error::new(Code::InvalidRequest, format!("the value of `{name}` is wrong: {why}")))
        })?;
        if all.insert(checked, VariableInput { text, seal }).is_some() {
            return Err(at(Error::new(Code::InvalidRequest, format!("`{name}` is given twice")))
                .hint("keep one of the two"));
        }
    }
    match all.len() {
        0..=VARIABLES_MAX => Ok(all),
        _ => Err(too_many()),
    }
}

/// The part of the form.
pub(super) fn editor(fields: &DraftFields, needed: &[&str], errors: &[Error], more: usize) -> Markup {
    let mut rows = rows(fields);
    let missing: Vec<&str> =
        needed.iter().copied().filter(|name| rows.iter().all(|row| row.name != *name)).collect();
    if !fields.has(SETTLED) {
        let first = rows.iter().map(|row| row.at + 1).max().unwrap_or(0);
        let row = |(at, name): (usize, &&str)| Row {
            at: first + at,
            name: (*name).to_owned(),
            value: String::new(),
            sealed: name.contains("PASSWORD"),
            is_kept: false,
        };
        rows.extend(missing.iter().enumerate().map(row));
    }
    let plain = rows.iter().filter(|row| !row.sealed).count();
    let text = as_text(fields);
    let wrong =
        errors.iter().filter(|it| it.at_field().is_some_and(|at| at.starts_with("environmentVariables")));
    let first = rows.iter().map(|row| row.at + 1).max().unwrap_or(0);
    let empty = if text { 0 } else { (EMPTY + more).min(ROWS) };
    html! {
        fieldset.variables #variables {
            legend { "Variables" }
            div.switch role="group" aria-label="How variables are edited" {
                @for (value, words, current) in [("rows", "Rows", !text), ("text", "As .env text", text)] {
                    button type="submit" name="then" value=(value) formnovalidate
                        aria-pressed=(if current { "true" } else { "false" }) { (words) }
                }
            }
            @for error in wrong {
                p.wrong role="alert" { (prose(error.message())) @if let Some(hint) = error.next_step() { " · " (prose(hint)) } }
            }
            @if !missing.is_empty() {
                p { "This image does not start without " @for name in &missing { code { (name) } " " } "." }
            }
            @if text {
                (Field {
                    name: TEXT,
                    label: "Plain variables",
                    value: fields.get(TEXT),
                    example: "GREETING=hello",
                    help: "Lines NAME=value, as in a .env file: comments, `export` and quotes are understood. Sealed ones are below, and those that no line can say.",
                    ..Field::default()
                }.lines(12))
                (Field {
                    name: "seal-all",
                    label: "Seal all of these when they become rows",
                    ..Field::default()
                }.tick())
            }
            @if rows.len() > ROWS && plain > 0 {
                p.quiet { (rows.len()) " variables are many for rows; the first " (ROWS) " are shown. As text all plain ones are." }
            }
            div.rows {
                @for row in rows.iter().take(ROWS) { (line(row)) }
                @for at in (first..first + empty).filter(|at| *at < VARIABLES_MAX) {
                    (line(&Row { at, name: String::new(), value: String::new(), sealed: false, is_kept: false }))
                }
            }
            @if !text {
                button type="submit" name="then" value="rows-more" formnovalidate { "Add rows" }
                p.help {
                    "A sealed value goes to the process alone: it is not shown again. NAME=value may be pasted into a name."
                }
            }
        }
    }
}

fn line(row: &Row) -> Markup {
    let [name, value, sealed] = ["name", "value", "sealed"].map(|part| format!("variable-{}-{part}", row.at));
    let number = row.at + 1;
    html! {
        div.row {
            label.sr for=(name) { "Name of variable " (number) }
            input.mono id=(name) name=(name) type="text" value=(row.name) placeholder="NAME" autocomplete="off"
                spellcheck="false" autocapitalize="off";
            label.sr for=(value) { "Value of variable " (number) }
            @if row.sealed {
                input id=(value) name=(value) type="password" placeholder=(if row.is_kept { "sealed; type to replace it" } else { "value" })
                    autocomplete="new-password";
            } @else if row.value.contains('\n') {
                textarea.mono id=(value) name=(value) rows="3" spellcheck="false" { "\n" (row.value) }
            } @else {
                input.mono id=(value) name=(value) type="text" value=(row.value) placeholder="value"
                    autocomplete="off" spellcheck="false" autocapitalize="off";
            }
            span.seal {
                input id=(sealed) name=(sealed) type="checkbox" value="yes" checked[row.sealed];
                label for=(sealed) { "Sealed" span.sr { " variable " (number) } }
            }
        }
    }
}

fn rows(fields: &DraftFields) -> Vec<Row> {
    let mut found: Vec<Row> = fields
        .names()
        .filter_map(|field| {
            let at = field.strip_prefix("variable-")?.strip_suffix("-name")?.parse().ok()?;
            let sealed = fields.has(&format!("variable-{at}-sealed"));
            let value = fields.get(&format!("variable-{at}-value")).to_owned();
            let is_kept = !value.is_empty();
            Some(Row { at, name: fields.get(field).to_owned(), value, sealed, is_kept })
        })
        .collect();
    found.sort_by_key(|row| row.at);
    found
}

fn forget(fields: &mut DraftFields, at: usize) {
    for part in ["name", "value", "sealed"] {
        fields.remove(&format!("variable-{at}-{part}"));
    }
}

fn read(text: &str) -> Result<Vec<(String, String)>> {
    env_lines(text).map_err(|line| {
        Error::new(Code::InvalidRequest, format!("line {line} is not a variable"))
            .field("environmentVariables")
            .hint("write it as NAME=value; a value of several lines goes into quotes")
    })
}

fn too_many() -> Error {
    Error::new(Code::InvalidRequest, format!("there are more than {VARIABLES_MAX} variables"))
        .field("environmentVariables")
        .hint("set the others later, with `mirage variables set`")
}
