//! What was typed about a service, as the settings that it means: in the wizard, and on the page of its settings. Errors
//! name the field as the REST face does.

use std::str::FromStr;

use mirage_core::{Code, Error, Port, Probe, Resources, RestartPolicy, Result, Rollout};
use mirage_core::{bytes_of, cores_of, thousandths_of};

/// Seconds of a day, in milliseconds.
const DAY_MILLIS: u64 = 86_400_000;

/// The fields of a form, by name.
pub(super) trait Typed {
    /// What stands in a field; empty where there is none.
    fn text(&self, name: &str) -> &str;
    /// Whether a box is ticked.
    fn is_ticked(&self, name: &str) -> bool;
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
pub(super) fn probe(fields: &impl Typed) -> Result<Probe> {
    let text = |name: &str| Some(fields.text(name).to_owned()).filter(|text| !text.is_empty());
    Ok(Probe {
        path: text("health-path"),
        port: number::<Port>(fields, "health-port", "healthcheck.port")?.map(Port::get),
        host: text("health-host"),
        expected: read(fields, "health-status", "healthcheck.status")?,
        interval_millis: millis(fields, "health-interval", "healthcheck.intervalSeconds")?,
        timeout_millis: millis(fields, "health-answer", "healthcheck.timeoutSeconds")?,
        budget_millis: millis(fields, "health-timeout", "healthcheck.startTimeoutSeconds")?,
        threshold: number(fields, "health-threshold", "healthcheck.threshold")?,
    })
}

/// Limits of an instance.
pub(super) fn resources(fields: &impl Typed) -> Result<Resources> {
    let wrong = |text: &str, known: &str, example: &str| {
        invalid(known, format!("`{text}` is no amount"), &format!("an amount looks like `{example}`"))
    };
    let memory_bytes = match fields.text("memory") {
        "" => None,
        text => Some(bytes_of(text).ok_or_else(|| wrong(text, "resources.memory", "256MiB"))?),
    };
    let cpu_millis = match fields.text("cpu") {
        "" => None,
        text => Some(cores_of(text).ok_or_else(|| wrong(text, "resources.cpu", "0.5"))?),
    };
    let pids = number(fields, "pids", "resources.pids")?.unwrap_or(Resources::default().pids);
    Ok(Resources { memory_bytes, cpu_millis, pids })
}

/// How one deployment follows another.
pub(super) fn rollout(fields: &impl Typed) -> Result<Rollout> {
    let usual = Rollout::default();
    Ok(Rollout {
        surge: number(fields, "surge", "rollout.surge")?,
        overlap_seconds: number(fields, "overlap", "rollout.overlapSeconds")?
            .unwrap_or(usual.overlap_seconds),
        drain_seconds: number(fields, "drain", "rollout.drainSeconds")?.unwrap_or(usual.drain_seconds),
    })
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
