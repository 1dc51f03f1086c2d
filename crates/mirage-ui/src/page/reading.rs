//! What was typed about a service, as the settings that it means: in the wizard, and on the page of its settings. Errors
//! name the field as the REST face does.

use std::str::FromStr;

use maud::{Markup, html};
use mirage_core::setting::label;
use mirage_core::{Code, Error, Port, Probe, Resources, RestartPolicy, Result, Rollout};
use mirage_core::{bytes_of, cores_of, thousandths_of};

use crate::fault::explained;
use crate::form::Fields;
use crate::prose::prose;

/// Fields in the order of their forms: their names in errors, and their ids.
const PLACES: [(&str, &str); 26] = [
    ("name", "service"),
    ("project", "project"),
    ("environment", "environment"),
    ("ports", "ports"),
    ("domain", "domains"),
    ("environmentVariables", "variables"),
    ("healthcheck.path", "health-path"),
    ("volumes", "storage"),
    ("replicas", "replicas"),
    ("resources.memory", "memory"),
    ("resources.cpu", "cpu"),
    ("autoDeploy", "auto-deploy"),
    ("command", "command"),
    ("resources.pids", "pids"),
    ("stopGraceSeconds", "stop-grace"),
    ("rollout.drainSeconds", "drain"),
    ("rollout.overlapSeconds", "overlap"),
    ("rollout.surge", "surge"),
    ("healthcheck.port", "health-port"),
    ("healthcheck.host", "health-host"),
    ("healthcheck.status", "health-status"),
    ("healthcheck.startTimeoutSeconds", "health-timeout"),
    ("healthcheck.timeoutSeconds", "health-answer"),
    ("healthcheck.intervalSeconds", "health-interval"),
    ("healthcheck.threshold", "health-threshold"),
    ("registryCredentials.username", "username"),
];
/// Seconds of a day, in milliseconds.
const DAY_MILLIS: u64 = 86_400_000;

/// The fields of a form, by name.
pub(super) trait Typed {
    /// What stands in a field; empty where there is none.
    fn text(&self, name: &str) -> &str;
    /// Whether a box is ticked.
    fn is_ticked(&self, name: &str) -> bool;
}

impl Typed for Fields {
    fn text(&self, name: &str) -> &str {
        Fields::text(self, name)
    }

    fn is_ticked(&self, name: &str) -> bool {
        self.has(name)
    }
}

/// What is wrong with a form: all of it is told at once.
#[derive(Default)]
pub(super) struct Mistakes(Vec<Error>);

impl Mistakes {
    /// What was read; the usual, with the mistake noted, where it could not be.
    pub(super) fn or_none<T: Default>(&mut self, read: Result<T>) -> T {
        read.unwrap_or_else(|error| {
            self.note(error);
            T::default()
        })
    }

    /// One mistake more, unless its field has one already: what stands in for it is not judged.
    pub(super) fn note(&mut self, error: Error) {
        let is_known = error.at_field().is_some_and(|field| at(&self.0, field).is_some());
        if !is_known {
            self.0.push(error);
        }
    }

    /// Whether one of these fields has one.
    pub(super) fn any(&self, known: &[&str]) -> bool {
        known.iter().any(|known| at(&self.0, known).is_some())
    }

    /// All of them, in the order of the fields.
    pub(super) fn all(self) -> Vec<Error> {
        let mut all = self.0;
        let order = |error: &Error| error.at_field().and_then(place_of).map_or(PLACES.len(), |(at, ..)| at);
        all.sort_by_key(order);
        all
    }
}

/// The mistake at the field that errors know by this name.
pub(super) fn at<'a>(errors: &'a [Error], known: &str) -> Option<&'a Error> {
    errors.iter().find(|error| error.at_field() == Some(known))
}

/// What is wrong, above a form: one mistake with what to do about it, or several as links to their fields, where that
/// stands.
pub(super) fn overview(errors: &[Error]) -> Markup {
    match errors {
        [] => html! {},
        [error] => explained(error),
        errors => html! {
            div.notice.bad role="alert" {
                p { strong { (errors.len()) " things are not right" } }
                ul.findings {
                    @for error in errors {
                        li {
                            @match error.at_field().and_then(place_of) {
                                Some((_, id, label)) => { a href=(format!("#{id}")) { (label) } ": " (prose(error.message())) },
                                None => { (prose(error.message())) @if let Some(hint) = error.next_step() { " · " (prose(hint)) } },
                            }
                        }
                    }
                }
            }
        },
    }
}

/// Which field errors know by this name: its place among them, its id, and its label.
fn place_of(known: &str) -> Option<(usize, &'static str, &'static str)> {
    let place = PLACES.iter().position(|(name, ..)| *name == known)?;
    let (name, id) = PLACES[place];
    Some((place, id, label(name)))
}

/// A field that has to be of a kind, at the name by which errors know it; nothing where it is empty.
pub(super) fn read<T: FromStr<Err = Error>>(
    fields: &impl Typed,
    name: &str,
    known: &str,
) -> Result<Option<T>> {
    let text = fields.text(name);
    (!text.is_empty()).then(|| text.parse().map_err(|error: Error| error.field(known))).transpose()
}

/// A whole number.
pub(super) fn number<T: FromStr>(fields: &impl Typed, name: &str, known: &str) -> Result<Option<T>> {
    let text = fields.text(name);
    let wrong =
        || invalid(known, format!("`{text}` is not a number that is possible here"), "write digits alone");
    (!text.is_empty()).then(|| text.parse().map_err(|_| wrong())).transpose()
}

/// The ports that were typed, each once; an empty list for a worker.
pub(super) fn ports(fields: &impl Typed) -> Result<Option<Vec<Port>>> {
    let words = words(fields.text("ports"));
    let at = |what: String, hint: &str| Err(invalid("ports", what, hint));
    if fields.is_ticked("worker") {
        return match words.is_empty() {
            true => Ok(Some(Vec::new())),
            false => at(
                "a worker listens on nothing, and there are ports".into(),
                "take the ports out, or the tick at “Worker”",
            ),
        };
    }
    let mut all: Vec<Port> = Vec::new();
    for word in words {
        let Ok(port) = word.parse::<Port>() else {
            return at(
                format!("`{word}` is not a port"),
                "ports are numbers from 1 to 65535, such as `8080, 9090`",
            );
        };
        if all.contains(&port) {
            return at(
                format!("port {port} is listed twice"),
                "list each port once, the one for the traffic first",
            );
        }
        all.push(port);
    }
    Ok((!all.is_empty()).then_some(all))
}

/// Text divided by spaces and commas.
pub(super) fn words(text: &str) -> Vec<&str> {
    text.split(|c: char| c == ',' || c.is_whitespace()).filter(|word| !word.is_empty()).collect()
}

/// How health is judged.
pub(super) fn probe(fields: &impl Typed, mistakes: &mut Mistakes) -> Probe {
    let text = |name: &str| Some(fields.text(name).to_owned()).filter(|text| !text.is_empty());
    let port = mistakes.or_none(number::<Port>(fields, "health-port", "healthcheck.port"));
    Probe {
        path: text("health-path"),
        port: port.map(Port::get),
        host: text("health-host"),
        expected: mistakes.or_none(read(fields, "health-status", "healthcheck.status")),
        budget_millis: mistakes.or_none(millis(fields, "health-timeout", "healthcheck.startTimeoutSeconds")),
        timeout_millis: mistakes.or_none(millis(fields, "health-answer", "healthcheck.timeoutSeconds")),
        interval_millis: mistakes.or_none(millis(fields, "health-interval", "healthcheck.intervalSeconds")),
        threshold: mistakes.or_none(number(fields, "health-threshold", "healthcheck.threshold")),
    }
}

/// Limits of an instance.
pub(super) fn resources(fields: &impl Typed, mistakes: &mut Mistakes) -> Resources {
    let wrong = |text: &str, known: &str, example: &str| {
        invalid(known, format!("`{text}` is no amount"), &format!("an amount looks like `{example}`"))
    };
    let memory_bytes = match fields.text("memory") {
        "" => Ok(None),
        text => bytes_of(text).map(Some).ok_or_else(|| wrong(text, "resources.memory", "256MiB")),
    };
    let cpu_millis = match fields.text("cpu") {
        "" => Ok(None),
        text => cores_of(text).map(Some).ok_or_else(|| wrong(text, "resources.cpu", "0.5")),
    };
    let pids = mistakes.or_none(number(fields, "pids", "resources.pids"));
    Resources {
        memory_bytes: mistakes.or_none(memory_bytes),
        cpu_millis: mistakes.or_none(cpu_millis),
        pids: pids.unwrap_or(Resources::default().pids),
    }
}

/// How one deployment follows another.
pub(super) fn rollout(fields: &impl Typed, mistakes: &mut Mistakes) -> Rollout {
    let usual = Rollout::default();
    let drain = mistakes.or_none(number(fields, "drain", "rollout.drainSeconds"));
    let overlap = mistakes.or_none(number(fields, "overlap", "rollout.overlapSeconds"));
    Rollout {
        surge: mistakes.or_none(number(fields, "surge", "rollout.surge")),
        overlap_seconds: overlap.unwrap_or(usual.overlap_seconds),
        drain_seconds: drain.unwrap_or(usual.drain_seconds),
    }
}

/// What happens when the process exits.
pub(super) fn restart(fields: &impl Typed) -> RestartPolicy {
    match fields.text("restart") {
        "always" => RestartPolicy::Always,
        "never" => RestartPolicy::Never,
        _ => RestartPolicy::OnFailure,
    }
}

fn millis(fields: &impl Typed, name: &str, known: &str) -> Result<Option<u64>> {
    match fields.text(name) {
        "" => Ok(None),
        text => match thousandths_of(text) {
            Some(millis @ 1..=DAY_MILLIS) => Ok(Some(millis)),
            _ => Err(invalid(
                known,
                format!("`{text}` is not a number of seconds"),
                "write seconds, such as `30` or `0.5`, at most a day",
            )),
        },
    }
}

/// A field that cannot be what it says.
pub(super) fn invalid(known: &str, what: String, hint: &str) -> Error {
    Error::new(Code::InvalidRequest, what).field(known).hint(hint)
}
